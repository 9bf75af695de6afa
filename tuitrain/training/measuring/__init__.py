"""Measurements on demand: each looks at the weights as they are, and leaves the run as it was, bit for bit."""
