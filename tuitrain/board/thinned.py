"""Values of one metric of one of many runs: means of buckets of steps, so that fifty long runs fit side by side.

`series` keeps what one run needs on its own screen; this keeps a twentieth of it, and costs no Python a value.
"""

from __future__ import annotations

import math

import numpy as np

from tuitrain.board.series import Floats

_MOST_BUCKETS = 1024
_MOST_WAITING = 8192
_MOST_BLOCK_EXPONENT = 27.0
"""exp(27) of growth within a block of the moving average loses 12 of the 16 digits of a float64."""
_SHORT = 256
"""A memory of so many values is a convolution; a longer one goes block by block."""


class Thinned:
    """Means by step. A value that is not finite is counted, and left out of the means."""

    def __init__(self) -> None:
        self._steps = np.empty(0)
        self._means = np.empty(0)
        self._bucket = 1
        """Values that one entry stands for."""
        self._rest_steps = np.empty(0)
        self._rest_values = np.empty(0)
        """What does not fill a bucket yet."""
        self._waiting: list[tuple[Floats, Floats]] = []
        self._num_waiting = 0
        self._smoothed: tuple[tuple[int, float], tuple[Floats, Floats]] | None = None
        """What was asked for last: (version, beta) and the answer."""
        self._num_nonfinite = 0
        self.newest: float | None = None
        """The last value as it was measured; None where it was forgotten."""
        self.version = 0
        """Grows whenever values come or go."""

    def append(self, first_step: int, stride: int, values: Floats) -> None:
        """Add values, shape (n,), at first_step, first_step + stride, …"""
        if len(values):
            self._waiting.append((first_step + stride * np.arange(len(values), dtype=float), values))
            self._num_waiting += len(values)
            self.newest = float(values[-1])
            self.version += 1
            if self._num_waiting >= _MOST_WAITING:
                self._work_in()

    def cut_after(self, step: int) -> None:
        """The run went back: what was measured after `step` is forgotten."""
        self._work_in()
        kept, rest = self._steps <= step, self._rest_steps <= step
        self._steps, self._means = self._steps[kept], self._means[kept]
        self._rest_steps, self._rest_values = self._rest_steps[rest], self._rest_values[rest]
        if not (kept.all() and rest.all()):
            self.newest = None
        self.version += 1

    def __len__(self) -> int:
        """Number of entries kept."""
        self._work_in()
        return len(self._steps) + (len(self._rest_steps) > 0)

    @property
    def num_nonfinite(self) -> int:
        """How many values were not finite."""
        self._work_in()
        return self._num_nonfinite

    def points(self) -> tuple[Floats, Floats]:
        """Steps (the last of each bucket) and means, each of shape (n,); NaN where no value was finite."""
        self._work_in()
        if not len(self._rest_steps):
            return self._steps, self._means
        rest = _means(self._rest_values[np.newaxis, :])
        return np.append(self._steps, self._rest_steps[-1]), np.append(self._means, rest)

    def smoothed(self, beta: float) -> tuple[Floats, Floats]:
        """As `points`, under a bias-corrected exponential moving average of decay `beta` a value, 0 (none) to 1."""
        if self._smoothed is None or self._smoothed[0] != (self.version, beta):
            steps, means = self.points()
            newest = len(self._rest_steps) / self._bucket or 1.0
            self._smoothed = (self.version, beta), (steps, moving_average(means, beta**self._bucket, newest))
        return self._smoothed[1]

    def _work_in(self) -> None:
        if not self._waiting:
            return
        waiting, self._waiting, self._num_waiting = self._waiting, [], 0
        steps = np.concatenate([self._rest_steps, *(steps for steps, _ in waiting)])
        values = np.concatenate([self._rest_values, *(values for _, values in waiting)])
        self._num_nonfinite += int(sum(np.count_nonzero(~np.isfinite(values)) for _, values in waiting))
        whole = len(values) // self._bucket * self._bucket
        self._steps = np.append(self._steps, steps[:whole].reshape(-1, self._bucket)[:, -1])
        self._means = np.append(self._means, _means(values[:whole].reshape(-1, self._bucket)))
        self._rest_steps, self._rest_values = steps[whole:], values[whole:]
        while len(self._steps) > 2 * _MOST_BUCKETS:
            self._halve()

    def _halve(self) -> None:
        even = len(self._steps) // 2 * 2
        if even < len(self._steps):  # the odd one, as a value for each that it stands for, waits for its neighbour
            self._rest_steps = np.concatenate([np.full(self._bucket, self._steps[-1]), self._rest_steps])
            self._rest_values = np.concatenate([np.full(self._bucket, self._means[-1]), self._rest_values])
        self._steps = self._steps[:even].reshape(-1, 2)[:, 1]
        self._means = _means(self._means[:even].reshape(-1, 2))
        self._bucket *= 2


def moving_average(values: Floats, beta: float, newest: float = 1.0) -> Floats:
    """The bias-corrected exponential moving average after each value, shape (n,) (Kingma & Ba 2015, section 3).

    A value that is not finite is left out; NaN before the first one that is.

    Args:
        values: shape (n,).
        beta: decay a value, 0 (none) to 1.
        newest: what the last one counts for, as a part of a value, above 0 to 1: a mean of three where the others are
            means of a hundred is no more than three.
    """
    if beta <= 0.0 or not len(values):
        return values
    if newest < 1.0 and len(values) > 1:
        return np.append(moving_average(values[:-1], beta), _with_part(values, min(beta, 1.0), newest))
    finite = np.isfinite(values)
    # Without the factor 1 − β, which the correction divides by again.
    totals, weights = (_decaying_sum(part, min(beta, 1.0)) for part in (np.where(finite, values, 0.0), finite * 1.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(weights > 0.0, totals / weights, np.nan))


def _with_part(values: Floats, beta: float, newest: float) -> float:
    """The moving average after the last value, which is a part of one."""
    part = newest if beta == 1.0 else (1.0 - beta**newest) / (1.0 - beta)
    # What is older counts for less by the decay of that part.
    finite = np.isfinite(values)
    ages = np.arange(len(values) - 2.0, -1.0, -1.0) + newest
    weights = np.append(beta**ages, part) * finite
    total = float(weights.sum())
    return float((weights * np.where(finite, values, 0.0)).sum()) / total if total > 0.0 else math.nan


def _decaying_sum(values: Floats, beta: float) -> Floats:
    """Σ βᵏ · values[i − k] for every i, shape (n,)."""
    if beta == 1.0:
        return np.asarray(np.cumsum(values))
    memory = int(_MOST_BLOCK_EXPONENT / -np.log(beta)) + 1  # beyond, β to that power is below 1e-11
    if memory <= _SHORT:
        return np.asarray(np.convolve(values, beta ** np.arange(memory))[: len(values)])
    found = np.empty(len(values))
    growth = beta ** -np.arange(1.0, min(memory, len(values)) + 1.0)
    total = 0.0
    for start in range(0, len(values), len(growth)):
        part = values[start : start + len(growth)]
        scale = growth[: len(part)]
        found[start : start + len(part)] = (total + np.cumsum(part * scale)) / scale
        total = float(found[start + len(part) - 1])
    return found


def _means(rows: Floats) -> Floats:
    """Of the finite values of each row, shape (n, m) → (n,); NaN where there is none."""
    finite = np.isfinite(rows)
    counts = finite.sum(axis=1)
    sums = np.where(finite, rows, 0.0).sum(axis=1)
    return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))
