"""One position in a run three ways: steps, epochs, seconds."""

from __future__ import annotations

from bisect import bisect_right
from typing import Literal

AxisName = Literal["step", "epoch", "seconds"]

_MOST_MARKS = 8192


class Axis:
    """Turns steps into what the x axis shows.

    Seconds are known at the end of each batch of steps that was read, and are interpolated between; beyond the
    last one they go on at the average speed.
    """

    def __init__(self) -> None:
        self.steps_per_epoch = 1
        self._steps: list[int] = [0]
        self._seconds: list[float] = [0.0]

    def note(self, step: int, seconds: float) -> None:
        """At `seconds` since the start, `step` steps were finished."""
        if step < self._steps[-1] or seconds < self._seconds[-1]:
            return
        if step == self._steps[-1]:
            self._seconds[-1] = seconds  # a pause, or the time before the first step
            return
        self._steps.append(step)
        self._seconds.append(seconds)
        if len(self._steps) > 2 * _MOST_MARKS:
            self._steps[:-1], self._seconds[:-1] = self._steps[:-1:2], self._seconds[:-1:2]

    def of(self, step: float, name: AxisName) -> float:
        """The position of `step` on an axis."""
        if name == "epoch":
            return step / max(1, self.steps_per_epoch)
        return self._second_of(step) if name == "seconds" else step

    def _second_of(self, step: float) -> float:
        index = bisect_right(self._steps, step)
        if index >= len(self._steps):
            since_first = self._seconds[-1] - self._seconds[0]
            pace = since_first / self._steps[-1] if self._steps[-1] else 0.0
            return self._seconds[-1] + (step - self._steps[-1]) * pace
        if index == 0:
            return self._seconds[0]
        left, right = self._steps[index - 1], self._steps[index]
        share = (step - left) / (right - left)
        return self._seconds[index - 1] + share * (self._seconds[index] - self._seconds[index - 1])
