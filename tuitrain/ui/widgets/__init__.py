"""Pieces of a screen. `plotting` is the one module that imports plotext."""
