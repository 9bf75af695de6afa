"""Tensors and modules for the names in `tasks.tables`. Imports torch."""
