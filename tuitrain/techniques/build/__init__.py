"""Torch objects for the specs of the tables. The only part of `techniques` that imports torch."""
