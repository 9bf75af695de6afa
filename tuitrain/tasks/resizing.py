"""Pictures at another size: numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def halved(pictures: NDArray[np.generic]) -> NDArray[np.float32]:
    """(n, 2h, 2w) → (n, h, w): the mean of each 2×2 square."""
    values = pictures.astype(np.float32)
    return (values[:, ::2, ::2] + values[:, 1::2, ::2] + values[:, ::2, 1::2] + values[:, 1::2, 1::2]) / np.float32(4.0)


def enlarged(pictures: NDArray[np.generic], side: int) -> NDArray[np.float32]:
    """(n, h, w) → (n, side, side): linear between the middles of the pixels, and flat beyond the outer ones."""
    values = pictures.astype(np.float32)
    for axis in (1, 2):
        length = values.shape[axis]
        place = np.clip((np.arange(side) + 0.5) * length / side - 0.5, 0.0, length - 1.0)
        low = np.floor(place).astype(np.intp)
        high = np.minimum(low + 1, length - 1)
        share = (place - low).astype(np.float32).reshape((-1, 1) if axis == 1 else (-1,))
        values = np.take(values, low, axis) * (1.0 - share) + np.take(values, high, axis) * share
    return values
