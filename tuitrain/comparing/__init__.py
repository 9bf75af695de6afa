"""Several runs side by side: what they are together, and which is better. A layer between `session` and `ui`.

Torch is imported inside functions only, so that the command line can ask without waiting for it.
"""
