"""Values of one metric by step: a recent window in full, and a min/max-thinned history.

`points` returns at most two points a column, so a picture costs the same at a thousand steps and at ten million;
a spike survives every thinning. The smoothed line is an exponential moving average over every value, bias-corrected
(as in Kingma & Ba 2015, section 3), exact in the window that is kept in full.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Point = tuple[float, float]

_RECENT = 8192
_FIRST_BUCKET = 8
_MOST_BUCKETS = 4096
_MOST_NONFINITE = 1000


@dataclass
class _Buckets:
    """Thinned values, one entry a bucket; arrays of one length."""

    first: Floats
    last: Floats
    low: Floats
    high: Floats
    mean: Floats
    smooth: Floats

    @classmethod
    def empty(cls) -> _Buckets:
        return cls(*(np.empty(0) for _ in range(6)))

    def joined(self, other: _Buckets) -> _Buckets:
        return _Buckets(
            *(np.concatenate([mine, theirs]) for mine, theirs in zip(self._arrays(), other._arrays(), strict=True))
        )

    def halved(self) -> _Buckets:
        """Neighbours merged in pairs; an odd last one is never left, as buckets come in even numbers."""

        def pairs(values: Floats) -> Floats:
            return values.reshape(-1, 2)

        with np.errstate(all="ignore"):
            return _Buckets(
                pairs(self.first)[:, 0],
                pairs(self.last)[:, 1],
                np.fmin.reduce(pairs(self.low), axis=1),
                np.fmax.reduce(pairs(self.high), axis=1),
                _mean_of_finite(pairs(self.mean)),
                pairs(self.smooth)[:, 1],
            )

    def _arrays(self) -> tuple[Floats, ...]:
        return self.first, self.last, self.low, self.high, self.mean, self.smooth


class Series:
    """One metric.

    Args:
        smoothing: β of the moving average, 0 (none) to below 1.
    """

    def __init__(self, smoothing: float = 0.9) -> None:
        self.smoothing = smoothing
        self._nonfinite: list[int] = []
        self._waiting: list[tuple[int, int, list[float]]] = []
        self._num_waiting = 0
        self._history = _Buckets.empty()
        self._bucket = _FIRST_BUCKET
        self._steps = np.empty(0)
        self._values = np.empty(0)
        self._smooth = np.empty(0)
        self._average = _Average(smoothing)

    def append(self, first_step: int, stride: int, values: list[float]) -> None:
        """Add values at first_step, first_step + stride, … Cheap: they are worked in when someone looks.

        Or when many wait, so that no look at a long run has to work in all of it at once.
        """
        if values:
            self._waiting.append((first_step, stride, values))
            self._num_waiting += len(values)
            if self._num_waiting >= _RECENT:
                self._work_in()

    def cut_after(self, step: int) -> Series:
        """Take away all values after `step`, as when a run goes back; returns them as a series of their own."""
        self._work_in()
        rest = Series(self.smoothing)
        rest._bucket = self._bucket
        past, kept = self._history.last <= step, self._steps <= step
        rest._history = _Buckets(*(values[~past] for values in self._history._arrays()))
        rest._steps, rest._values, rest._smooth = self._steps[~kept], self._values[~kept], self._smooth[~kept]
        self._history = _Buckets(*(values[past] for values in self._history._arrays()))
        self._steps, self._values, self._smooth = self._steps[kept], self._values[kept], self._smooth[kept]
        self._nonfinite = [bad for bad in self._nonfinite if bad <= step]
        self._average.restart(self.last_smooth)
        return rest

    def all_values(self, up_to: int) -> list[tuple[int, float]]:
        """Pairs of (step, value) of what is kept up to a step; a thinned stretch gives its means."""
        self._work_in()
        steps = np.concatenate([self._history.last, self._steps])
        values = np.concatenate([self._history.mean, self._values])
        inside = steps <= up_to
        return [(int(step), float(value)) for step, value in zip(steps[inside], values[inside], strict=True)]

    def smooth_with(self, smoothing: float) -> None:
        """Use another β; the line is drawn again from what is kept."""
        if smoothing == self.smoothing:
            return
        self._work_in()
        self.smoothing = smoothing
        self._average = _Average(smoothing)
        self._history.smooth = self._average.over(self._history.mean, self._bucket)
        self._smooth = self._average.over(self._values)

    def __len__(self) -> int:
        """Number of entries kept, full and thinned."""
        self._work_in()
        return len(self._steps) + len(self._history.first)

    @property
    def nonfinite_steps(self) -> list[int]:
        """The first thousand steps whose value was not finite."""
        self._work_in()
        return self._nonfinite

    @property
    def last(self) -> float | None:
        """The newest value."""
        self._work_in()
        return float(self._values[-1]) if len(self._values) else None

    @property
    def last_smooth(self) -> float | None:
        """The newest value of the moving average."""
        self._work_in()
        if not len(self._smooth):
            return float(self._history.smooth[-1]) if len(self._history.smooth) else None
        return float(self._smooth[-1])

    @property
    def last_step(self) -> int | None:
        """The step of the newest value."""
        self._work_in()
        return int(self._steps[-1]) if len(self._steps) else None

    def points(self, first: float, last: float, columns: int) -> list[Point]:
        """At most two points a column for steps `first`..`last`: the lowest and the highest finite value there."""
        self._work_in()
        steps = np.concatenate([self._history.first, self._steps])
        lows = np.concatenate([self._history.low, self._values])
        highs = np.concatenate([self._history.high, self._values])
        inside = (steps >= first) & (steps <= last) & np.isfinite(lows) & np.isfinite(highs)
        steps, lows, highs = steps[inside], lows[inside], highs[inside]
        if len(steps) <= 2 * columns and len(self._history.first) == 0:
            return list(zip(steps.tolist(), lows.tolist(), strict=True))
        found: list[Point] = []
        for start, end in _columns(steps, first, last, columns):
            low = start + int(np.argmin(lows[start:end]))
            high = start + int(np.argmax(highs[start:end]))
            pair = [(float(steps[low]), float(lows[low])), (float(steps[high]), float(highs[high]))]
            found += sorted(pair) if low != high or lows[low] != highs[high] else pair[:1]
        return found

    def values_by_step(self) -> tuple[Floats, Floats]:
        """(n,) steps and (n,) values of all that is kept; a thinned stretch gives its means."""
        self._work_in()
        steps, values = (self._history.last, self._steps), (self._history.mean, self._values)
        return np.concatenate(steps), np.concatenate(values)

    def smooth_points(self, first: float, last: float, columns: int) -> list[Point]:
        """At most one point a column of the moving average for steps `first`..`last`."""
        self._work_in()
        steps = np.concatenate([self._history.last, self._steps])
        values = np.concatenate([self._history.smooth, self._smooth])
        inside = (steps >= first) & (steps <= last) & np.isfinite(values)
        steps, values = steps[inside], values[inside]
        if len(steps) <= columns:
            return list(zip(steps.tolist(), values.tolist(), strict=True))
        ends = [end - 1 for _, end in _columns(steps, first, last, columns)]
        return list(zip(steps[ends].tolist(), values[ends].tolist(), strict=True))

    def near(self, step: float) -> tuple[int, float, float] | None:
        """Step, value and moving average of the kept value nearest to a step."""
        self._work_in()
        steps = np.concatenate([self._history.last, self._steps])
        if not len(steps):
            return None
        values = np.concatenate([self._history.mean, self._values])
        smooth = np.concatenate([self._history.smooth, self._smooth])
        index = int(np.argmin(np.abs(steps - step)))
        return int(steps[index]), float(values[index]), float(smooth[index])

    def _work_in(self) -> None:
        """Take in what was appended. The result depends on the values alone, not on when someone looked."""
        if not self._waiting:
            return
        waiting, self._waiting, self._num_waiting = self._waiting, [], 0
        steps = np.concatenate([first + stride * np.arange(len(values)) for first, stride, values in waiting])
        values = np.array(list(itertools.chain.from_iterable(values for _, _, values in waiting)))
        for step in steps[~np.isfinite(values)][: _MOST_NONFINITE - len(self._nonfinite)]:
            self._nonfinite.append(int(step))
        while len(steps):
            room = 2 * _RECENT - len(self._steps)
            self._steps = np.concatenate([self._steps, steps[:room]])
            self._values = np.concatenate([self._values, values[:room]])
            self._smooth = np.concatenate([self._smooth, self._average.over(values[:room])])
            steps, values = steps[room:], values[room:]
            if len(self._steps) == 2 * _RECENT:
                self._thin()

    def _thin(self) -> None:
        """Move the older half of the full window into buckets."""
        old = self._values[:_RECENT].reshape(-1, self._bucket)
        steps = self._steps[:_RECENT].reshape(-1, self._bucket)
        finite = np.where(np.isfinite(old), old, np.nan)
        with np.errstate(all="ignore"):
            thinned = _Buckets(
                steps[:, 0], steps[:, -1], np.fmin.reduce(finite, axis=1), np.fmax.reduce(finite, axis=1),
                _mean_of_finite(finite), self._smooth[:_RECENT].reshape(-1, self._bucket)[:, -1],
            )  # fmt: skip
        self._history = self._history.joined(thinned)
        self._steps, self._values = self._steps[_RECENT:], self._values[_RECENT:]
        self._smooth = self._smooth[_RECENT:]
        while len(self._history.first) >= _MOST_BUCKETS and self._bucket < _RECENT:
            self._history = self._history.halved()
            self._bucket *= 2


class _Average:
    """A bias-corrected exponential moving average that goes on from call to call. Non-finite values are left out."""

    def __init__(self, beta: float) -> None:
        self._beta = beta
        self._total = 0.0
        self._weight = 0.0

    def restart(self, value: float | None) -> None:
        """Go on from a long-standing average, or from nothing."""
        is_known = value is not None and value - value == 0.0
        self._total, self._weight = (float(value or 0.0), 1.0) if is_known else (0.0, 0.0)

    def over(self, values: Floats, each_stands_for: int = 1) -> Floats:
        """The average after each of `values`, of which each stands for so many."""
        beta = self._beta**each_stands_for
        total, weight = self._total, self._weight
        found = np.empty(len(values))
        for index, value in enumerate(values.tolist()):
            if value - value == 0.0:
                total = beta * total + (1.0 - beta) * value
                weight = beta * weight + (1.0 - beta)
            found[index] = total / weight if weight else np.nan
        self._total, self._weight = total, weight
        return found


def _mean_of_finite(rows: Floats) -> Floats:
    finite = np.isfinite(rows)
    counts = finite.sum(axis=1)
    sums = np.where(finite, rows, 0.0).sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _columns(steps: Floats, first: float, last: float, columns: int) -> list[tuple[int, int]]:
    """Index ranges of the entries that fall into each column; empty columns are left out."""
    if not len(steps) or columns < 1:
        return []
    edges = np.searchsorted(steps, np.linspace(first, last, columns + 1)[1:-1], side="right").tolist()
    bounds = [0, *edges, len(steps)]
    return [(start, end) for start, end in itertools.pairwise(bounds) if end > start]
