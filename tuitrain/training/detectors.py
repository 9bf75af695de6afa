"""What is out of the ordinary in a series of numbers: pure, without a clock, the same answer for the same numbers.

Each detector speaks once for a stretch of trouble and is armed again when that is over; its state is plain data.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

_NORMAL = 1.4826
"""Median absolute deviation → standard deviation of a normal distribution."""
_FEWEST = 30
"""Values before a median means something."""
_REFRESH = 20
"""Values between two looks at the median."""
_NEAR = 0.8
"""Share of the limit from which on a value is looked at with the median as it is now."""
_LARGEST_EXPONENT = 700.0
_RELATIVE_FLOOR = 0.02
_FIRST_FLOOR = 0.003
"""A deviation is at least so much of the median, and of the first value: below is noise, however regular."""
_FIRST_SHARE = 0.1
"""Of the first value: a gradient norm below it is no explosion, whatever it was a moment ago."""
_FIRST_RATIO = 10.0
_FIRST_IN_A_ROW = 3
"""Before there are enough values: so many times the first one, so often, is out of the ordinary. Once is usual: the
first step of Adam may take a loss far up and back."""
_FEWEST_EVALUATIONS = 4
_SHORTEST_PLATEAU = 5
_IMPROVEMENT = 1e-3
_LEARNED = 0.01
"""Share of the first training loss at which there is nothing left to learn."""
_WORSE = 0.05
_WORSE_IN_A_ROW = 3


@dataclass(frozen=True)
class Outlier:
    """A value far above those before it."""

    value: float
    deviations: float
    """Robust deviations above the median; how many times the first value, where `num_values` is 0."""
    median: float
    """Of the values before; the first value, where `num_values` is 0."""
    num_values: int
    """That the median is of; 0 where there were too few."""


class SpikeDetector:
    """Values far above the median of a window, by the robust z-score (Iglewicz and Hoaglin 1993).

    z = (value - median) / (1.4826 MAD), and where all are above 0 the smaller of that and the same of the logarithms:
    losses near 0 are skewed, and what is rare for a bell is common for them. Raised when z is above its limit twice in
    a row, or once above twice the limit; armed again below half of it. Before there are 30 values it is ten times the
    first one, three times in a row.

    Args:
        window: values that the median is of, at least 10.
        limit: z above which a value is out of the ordinary.
        ratio: to the median that a value must reach besides; None means none, and that the detector speaks before
            there are enough values.
    """

    def __init__(self, window: int, limit: float, *, ratio: float | None = None) -> None:
        self._limit = limit
        self._ratio = ratio
        self._fewest = min(_FEWEST, window)
        self._values: deque[float] = deque(maxlen=window)
        self._first = math.nan
        self._is_ringing = False
        self._num_above = 0
        self._age = 0
        self._center = self._deviation = self._lowest = 0.0
        self._middle = self._spread = 0.0
        """Of the logarithms; 0 while not measured."""
        self._candidate = -math.inf
        """Values up to this one need no look."""

    @property
    def num_values(self) -> int:
        """Values in the window."""
        return len(self._values)

    def note(self, value: float) -> Outlier | None:
        """Take in the next value; a non-finite one is left out. Returns it where it begins a stretch of trouble."""
        if value - value != 0.0:
            return None
        found = None
        if value > self._candidate or self._is_ringing:
            found = self._look(value)
        else:
            self._num_above = 0
        self._values.append(value)
        self._age += 1
        if self._age >= _REFRESH:
            self._measure()
        return found

    def forget(self) -> None:
        """What comes is of another kind: begin anew."""
        self._values.clear()
        self._first, self._is_ringing, self._num_above = math.nan, False, 0
        self._age, self._candidate, self._deviation = 0, -math.inf, 0.0

    def state_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "values": list(self._values), "first": self._first, "is_ringing": self._is_ringing,
            "num_above": self._num_above, "age": self._age, "candidate": self._candidate, "center": self._center,
            "deviation": self._deviation, "lowest": self._lowest, "middle": self._middle, "spread": self._spread,
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there; a window of another length keeps its newest values."""
        self._values.clear()
        self._values.extend(state["values"])
        self._first, self._is_ringing = state["first"], state["is_ringing"]
        self._num_above, self._age, self._candidate = state["num_above"], state["age"], state["candidate"]
        self._center, self._deviation, self._lowest = state["center"], state["deviation"], state["lowest"]
        self._middle, self._spread = state["middle"], state["spread"]

    def _look(self, value: float) -> Outlier | None:
        if self._first != self._first:
            self._first = value
        seen = self._outlier(value)
        z = seen.deviations if seen.num_values else self._limit * seen.deviations / _FIRST_RATIO
        is_above = z > self._limit and self._is_exploded(value, seen.median)
        self._num_above = self._num_above + 1 if is_above else 0
        if self._is_ringing:
            self._is_ringing = z >= self._limit / 2 or not seen.num_values
            return None
        wanted = _FIRST_IN_A_ROW if not seen.num_values else 1 if z > 2 * self._limit else 2
        self._is_ringing = is_above and self._num_above >= wanted
        return seen if self._is_ringing else None

    def _is_exploded(self, value: float, center: float) -> bool:
        return self._ratio is None or (value > self._ratio * center and value > _FIRST_SHARE * self._first)

    def _outlier(self, value: float) -> Outlier:
        """How far a value is from those before it; exact where that comes near the limit."""
        if len(self._values) < self._fewest:
            ratio = value / self._first if self._first > 0.0 and self._ratio is None else 0.0
            return Outlier(value, ratio, self._first, 0)
        if not self._deviation:
            self._measure()
        z = self._deviations(value)
        if z > _NEAR * self._limit and self._age and not self._is_ringing:
            self._measure()
            z = self._deviations(value)
        return Outlier(value, z, self._center, len(self._values))

    def _deviations(self, value: float) -> float:
        """The z-score by what was last measured; leaves behind how far a value must be to be worth another look."""
        z = (value - self._center) / self._deviation if self._deviation > 0.0 else 0.0
        if value <= 0.0 or self._lowest <= 0.0 or z <= 0.0:
            return z
        if not self._spread:
            self._lowest = min(self._values)  # a loss of 0 may have come since the median was taken
            if self._lowest <= 0.0:
                return z
            logarithms = [math.log(item) for item in self._values]
            self._middle = median(logarithms)
            spread = _NORMAL * median([abs(item - self._middle) for item in logarithms])
            self._spread = max(spread, _RELATIVE_FLOOR)
            near = self._middle + _NEAR * self._limit * self._spread
            self._candidate = max(self._candidate, math.exp(min(near, _LARGEST_EXPONENT)))
        return min(z, (math.log(value) - self._middle) / self._spread)

    def _measure(self) -> None:
        """Median and deviation of the window; those of the logarithms only once they are needed."""
        self._age = 0
        if len(self._values) < self._fewest:
            return
        self._center, self._lowest = median(self._values), min(self._values)
        center = self._center
        spread = _NORMAL * median([abs(item - center) for item in self._values])
        self._deviation = max(spread, _RELATIVE_FLOOR * abs(center), _FIRST_FLOOR * abs(self._first))
        self._candidate = center + _NEAR * self._limit * self._deviation
        self._spread = 0.0


@dataclass(frozen=True)
class Standstill:
    """A validation loss that is no better than long before."""

    since_step: int
    """Of the last evaluation that was better."""
    best: float
    """Validation loss."""
    num_evaluations: int
    """Since then."""


class PlateauDetector:
    """A validation loss that does not get better by a thousandth, while there is something left to learn.

    Args:
        num_steps: at least so many of them, and 5 evaluations, without a better one are a plateau.
    """

    def __init__(self, num_steps: int) -> None:
        self._num_steps = num_steps
        self._best = math.inf
        self._since_step = 0
        self._num_since = 0
        self._first_train = math.nan
        self._lowest_train = math.inf
        self._is_ringing = False

    def note(self, step: int, loss: float, train_loss: float, *, is_watched: bool) -> Standstill | None:
        """Take in an evaluation; returns the plateau where one begins.

        Args:
            step: finished steps.
            loss: of the validation data.
            train_loss: in eval mode; while that falls, nothing stands still.
            is_watched: False where a plateau is no news: in a warmup, at the end of a schedule, where a rule waits.
        """
        if not math.isfinite(self._first_train):
            self._first_train = train_loss
        improved = self._is_better(loss, self._best) or self._is_better(train_loss, self._lowest_train)
        self._lowest_train = min(self._lowest_train, train_loss)
        if improved or not is_watched:
            if improved:
                self._is_ringing = False
            # The best first: min() gives its first argument where one is NaN.
            self._best, self._since_step, self._num_since = min(self._best, loss), step, 0
            return None
        self._num_since += 1
        is_long = self._num_since >= _SHORTEST_PLATEAU and step - self._since_step >= self._num_steps
        is_learned = 0.0 <= train_loss <= _LEARNED * self._first_train  # below zero there is no floor to be near
        if not is_long or self._is_ringing or is_learned:
            return None
        self._is_ringing = True
        return Standstill(self._since_step, self._best, self._num_since)

    def forget(self) -> None:
        """What is minimised has changed: begin anew."""
        self._best, self._num_since, self._is_ringing = math.inf, 0, False
        self._first_train, self._lowest_train = math.nan, math.inf

    def state_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "best": self._best, "since_step": self._since_step, "num_since": self._num_since,
            "first_train": self._first_train, "lowest_train": self._lowest_train, "is_ringing": self._is_ringing,
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self._best, self._since_step, self._num_since = state["best"], state["since_step"], state["num_since"]
        self._first_train, self._lowest_train = state["first_train"], state["lowest_train"]
        self._is_ringing = state["is_ringing"]

    @staticmethod
    def _is_better(value: float, best: float) -> bool:
        return math.isfinite(value) and value < best - (_IMPROVEMENT * abs(best) if math.isfinite(best) else 0.0)


@dataclass(frozen=True)
class Overfit:
    """A validation loss that rises while the training loss falls."""

    best_step: int
    best: float
    loss: float
    gap_before: float
    """Validation minus training loss at the best evaluation."""
    gap: float
    """The same now."""


class OverfittingDetector:
    """The gap grows while validation worsens: told once for each best evaluation (Prechelt 1998)."""

    def __init__(self) -> None:
        self._num_seen = 0
        self._first = math.nan
        self._best = math.inf
        self._best_step = 0
        self._best_train = math.inf
        self._num_worse = 0
        self._is_told = False

    def note(self, step: int, loss: float, train_loss: float) -> Overfit | None:
        """Take in an evaluation; returns what it shows where that is new.

        Args:
            step: finished steps.
            loss: of the validation data.
            train_loss: in eval mode, on a part of the training data.
        """
        if not math.isfinite(loss + train_loss):
            return None
        self._num_seen += 1
        if self._first != self._first:
            self._first = loss
        if loss < self._best:
            self._best, self._best_step, self._best_train = loss, step, train_loss
            self._num_worse, self._is_told = 0, False
            return None
        rise = _WORSE * max(abs(self._best), _WORSE * abs(self._first))
        self._num_worse = self._num_worse + 1 if loss > self._best + rise else 0
        before, gap = self._best - self._best_train, loss - train_loss
        is_worse = self._num_worse >= _WORSE_IN_A_ROW and self._num_seen > _FEWEST_EVALUATIONS
        if self._is_told or not is_worse or train_loss >= self._best_train or gap <= before:
            return None
        self._is_told = True
        return Overfit(self._best_step, self._best, loss, before, gap)

    def forget(self) -> None:
        """What is minimised has changed: begin anew."""
        self._first, self._best, self._num_seen, self._num_worse = math.nan, math.inf, 0, 0
        self._is_told = False

    def state_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "num_seen": self._num_seen, "first": self._first, "best": self._best, "best_step": self._best_step,
            "best_train": self._best_train, "num_worse": self._num_worse, "is_told": self._is_told,
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self._num_seen, self._first, self._best = state["num_seen"], state["first"], state["best"]
        self._best_step, self._best_train = state["best_step"], state["best_train"]
        self._num_worse, self._is_told = state["num_worse"], state["is_told"]
