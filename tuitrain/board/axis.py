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
        self._epochs: list[tuple[int, float, int]] = [(0, 0.0, 1)]
        self._steps: list[int] = [0]
        self._seconds: list[float] = [0.0]

    @property
    def steps_per_epoch(self) -> int:
        """Steps of an epoch as it is now."""
        return self._epochs[-1][2]

    @steps_per_epoch.setter
    def steps_per_epoch(self, steps: int) -> None:
        self._epochs = [(0, 0.0, max(1, steps))]

    def epochs_change(self, step: int, steps_per_epoch: int) -> None:
        """From `step` on an epoch has another number of steps."""
        self._epochs.append((step, self.of(step, "epoch"), max(1, steps_per_epoch)))

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

    def cut_after(self, step: int) -> None:
        """The run is at an earlier step: what was known of later ones is forgotten."""
        kept = max(1, bisect_right(self._steps, step))
        self._steps, self._seconds = self._steps[:kept], self._seconds[:kept]
        self._epochs = [change for change in self._epochs if change[0] <= step] or self._epochs[:1]

    def of(self, step: float, name: AxisName) -> float:
        """The position of `step` on an axis."""
        if name == "epoch":
            index = max(0, bisect_right(self._epochs, step, key=lambda change: change[0]) - 1)
            since, epoch, length = self._epochs[index]
            return epoch + (step - since) / length
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
