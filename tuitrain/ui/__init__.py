"""The picture: Textual, and nothing that knows torch. It shows what a run has said, and asks.

`app` · `actions` the one table of what a person can do · `figures` board → charts · `text` numbers in words ·
`source` a reader thread, live or replayed · `theme` colours · `screens/` · `widgets/` (one module imports plotext).
"""
