"""tuitrain: a terminal dashboard for live PyTorch training."""

__version__ = "0.1.0"
