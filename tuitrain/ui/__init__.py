"""The picture: Textual, and nothing that knows torch. It shows what a run has said, and asks.

`app` · `actions` the one table of what a person can do · `figures` board → charts · `layer_table`, `layer_heat`,
`layer_words` board → the layers · `text` numbers in words ·
`source` a reader thread, live or replayed · `theme` colours · `screens/` · `widgets/` (one module imports plotext).
"""
