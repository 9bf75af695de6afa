"""What is done to numbers before they are trained on, fitted to the training side alone; no torch.

Tables and targets of one's own are treated by column, in float64: the mean of a timestamp is taken away before anything
is rounded to float32. Pictures share one mean and one deviation a channel, as the shipped data always did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_NUMBERS_AT_ONCE = 1 << 20

Numbers = NDArray[np.floating]


@dataclass(frozen=True)
class Preprocessing:
    """(x − shift) / scale, then turned by a matrix where there is one; in their precision, and given as float32."""

    shift: Numbers  # as a sample, or of as many dimensions with 1 where all share a number
    scale: Numbers
    matrix: Numbers | None = None  # (places, places): the flattened sample is multiplied by it from the right

    def __call__(self, x: NDArray[np.generic]) -> NDArray[np.float32]:
        """Samples (n, …) as they are trained on."""
        if self.matrix is not None:
            turned = self._moved(x).reshape(len(x), -1) @ self.matrix
            return turned.astype(np.float32).reshape(x.shape)
        done = np.empty(x.shape, dtype=np.float32)
        rows = max(1, _NUMBERS_AT_ONCE // max(1, x[:1].size))
        for first in range(0, len(x), rows):
            done[first : first + rows] = self._moved(x[first : first + rows])
        return done

    def _moved(self, x: NDArray[np.generic]) -> Numbers:
        values: NDArray[np.floating] = x.astype(self.shift.dtype)
        return (values - self.shift) / self.scale

    @property
    def arrays(self) -> dict[str, Numbers]:
        """Everything that it is made of, by name."""
        return {"shift": self.shift, "scale": self.scale, **({} if self.matrix is None else {"matrix": self.matrix})}

    @classmethod
    def of(cls, arrays: Mapping[str, Numbers]) -> Preprocessing:
        """What `arrays` gave."""
        return cls(arrays["shift"], arrays["scale"], arrays.get("matrix"))


class Fitted(NamedTuple):
    """What was fitted to the training side of a dataset; weights mean nothing without it."""

    inputs: Preprocessing
    targets: Preprocessing | None = None
    """Of a regression on one's own data; None leaves the targets as they are."""


def fitted(x: NDArray[np.generic], name: str, *, is_image: bool, by_column: bool) -> Preprocessing:
    """A preprocessing of `tasks.tables.PREPROCESSINGS` for these training samples, (n, *input_shape).

    Args:
        x: of the training side.
        name: which.
        is_image: whether places share the numbers of their channel, (n, height, width) or (n, channels, height, width).
        by_column: of one's own data: in float64, each column of a table on its own.
    """
    dtype = np.dtype(np.float64 if by_column else np.float32)
    if not by_column:
        x = x.astype(np.float32)
    places, ones = x.shape[1:], (1,) * (x.ndim - 1)
    if name == "raw":
        return Preprocessing(np.zeros(ones, np.float32), np.ones(ones, np.float32))
    if name == "scale":
        low, high = x.min(axis=0, keepdims=True), x.max(axis=0, keepdims=True)
        if is_image or not by_column:
            low, high = low.min(keepdims=True), high.max(keepdims=True)
        spread = high.astype(np.float64) - low.astype(np.float64)
        return Preprocessing(low[0].astype(dtype), _not_zero(spread[0]).astype(dtype))
    if name == "whiten":
        by_itself = standardized(x) if by_column and not is_image else None
        flat = (x if by_itself is None else by_itself(x)).reshape(len(x), -1).astype(np.float64)
        mean, matrix = _principal_axes(flat)
        if by_itself is None:
            return Preprocessing(mean.reshape(places), np.ones(places), matrix)
        return Preprocessing(by_itself.shift + mean * by_itself.scale, by_itself.scale, matrix)
    axes: tuple[int, ...] = (0,)
    if is_image:
        axes = (0, 2, 3) if x.ndim == 4 else (0, 1, 2)
    if by_column:
        whole = standardized(x, axes)
        return whole if name == "standardize" else Preprocessing(whole.shift, np.ones(ones))
    mean = x.mean(axis=axes, keepdims=True, dtype=np.float64).astype(np.float32)[0]
    if name == "center":
        return Preprocessing(mean, np.ones(ones, np.float32))
    return Preprocessing(mean, _not_zero(x.std(axis=axes, keepdims=True, dtype=np.float64).astype(np.float32)[0]))


def standardized(values: NDArray[np.generic], axes: tuple[int, ...] = (0,)) -> Preprocessing:
    """Mean 0 and deviation 1 over some axes, in float64; what is the same everywhere becomes 0."""
    mean = values.mean(axis=axes, keepdims=True, dtype=np.float64)
    deviation = values.std(axis=axes, keepdims=True, dtype=np.float64)
    low, high = (reduced(values, axis=axes, keepdims=True) for reduced in (np.min, np.max))
    same = low == high  # their mean may be off by a rounding, which is no deviation
    return Preprocessing(np.where(same, low, mean)[0], _not_zero(np.where(same, 0.0, deviation)[0]))


def _principal_axes(flat: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and the map to the principal axes, each with variance 1 (PCA whitening).

    Axes with next to no variance would be blown up to pure noise: 1 % of the mean variance is added to all.
    The shape stays, but a place in it is an axis, no pixel.
    """
    mean = flat.mean(axis=0)
    values, axes = np.linalg.eigh(np.cov(flat - mean, rowvar=False).reshape(flat.shape[1], flat.shape[1]))
    return mean, axes / np.sqrt(np.maximum(values, 0.0) + 0.01 * max(values.mean(), 1e-12))


def _not_zero(scale: Numbers) -> Numbers:
    scale[scale == 0.0] = 1.0
    return scale
