"""Steps as epochs, samples seen and seconds, for whole arrays of them."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from tuitrain.board.series import Floats

PositionName = Literal["step", "epoch", "samples", "seconds"]
POSITIONS: tuple[PositionName, ...] = ("step", "epoch", "samples", "seconds")

_MOST_MARKS = 2048


class _Knot(NamedTuple):
    """From here on batches have one size."""

    step: int
    epoch: float
    samples: float
    epochs_a_step: float
    samples_a_step: float


class Positions:
    """Where steps lie on each axis; seconds are those since the first step could begin.

    Samples and epochs go on at the last batch size that is known; seconds are known at the end of each batch of steps
    that was read, are interpolated between, and go on at the average speed.
    """

    def __init__(self) -> None:
        self._knots: list[_Knot] = [_Knot(0, 0.0, 0.0, 0.0, 0.0)]
        """Where the batch size changed."""
        self.began = 0.0
        """Seconds from the start to where the axis of seconds is 0."""
        self._steps: list[int] = [0]
        self._seconds: list[float] = [0.0]

    def begin(self, seconds: float, step: int = 0, steps_per_epoch: int = 0, batch_size: int = 0) -> None:
        """Everything was ready for the first step at `seconds` since the start: there the axis of seconds is 0.

        Args:
            seconds: since the start.
            step: of a branch, the one at which it left its parent; what came before had batches and epochs of these
                sizes, as far as the branch knows.
            steps_per_epoch: of the first step.
            batch_size: of the first step.
        """
        self.began = seconds
        self._seconds[0] = max(self._seconds[0], seconds)
        if step:
            self._steps[0] = step
            self.batches_change(0, steps_per_epoch, batch_size)

    @property
    def num_samples_before(self) -> float:
        """Samples that were seen before the first step, as a branch has them of its parent."""
        return float(self.at(np.array([float(self._steps[0])]), "samples")[0]) if self._steps[0] else 0.0

    def batches_change(self, step: int, steps_per_epoch: int, batch_size: int) -> None:
        """From `step` on, batches and epochs have these sizes."""
        last = self._knots[-1]
        done = step - last.step
        knot = _Knot(
            step, last.epoch + done * last.epochs_a_step, last.samples + done * last.samples_a_step,
            1.0 / max(1, steps_per_epoch), float(batch_size),
        )  # fmt: skip
        self._knots = [*(known for known in self._knots if known.step < step), knot]

    def note(self, step: int, seconds: float) -> None:
        """At `seconds` since the start, `step` steps were finished."""
        if step < self._steps[-1] or seconds < self._seconds[-1]:
            return
        if step == self._steps[-1]:
            self._seconds[-1] = seconds
            return
        self._steps.append(step)
        self._seconds.append(seconds)
        if len(self._steps) > 2 * _MOST_MARKS:
            self._steps[:-1], self._seconds[:-1] = self._steps[:-1:2], self._seconds[:-1:2]

    def cut_after(self, step: int) -> None:
        """The run is at an earlier step: what was known of later ones is forgotten."""
        kept = max(1, sum(known <= step for known in self._steps))
        self._steps, self._seconds = self._steps[:kept], self._seconds[:kept]
        self._knots = [knot for knot in self._knots if knot.step <= step] or self._knots[:1]

    def at(self, steps: Floats, name: PositionName) -> Floats:
        """Positions of steps, shape (n,), on an axis."""
        if name == "step":
            return steps
        if name == "seconds":
            return self._seconds_at(steps)
        last = self._knots[-1]
        rate = last.epochs_a_step if name == "epoch" else last.samples_a_step
        knots = np.array([knot.step for knot in self._knots], dtype=float)
        values = np.array([knot.epoch if name == "epoch" else knot.samples for knot in self._knots])
        beyond = np.maximum(steps - knots[-1], 0.0) * rate
        return np.asarray(np.interp(steps, knots, values) + beyond)

    def _seconds_at(self, steps: Floats) -> Floats:
        known, seconds = np.array(self._steps, dtype=float), np.array(self._seconds)
        num_steps = known[-1] - known[0]
        pace = (seconds[-1] - seconds[0]) / num_steps if num_steps else 0.0
        beyond = np.maximum(steps - known[-1], 0.0) * pace
        return np.asarray(np.interp(steps, known, seconds) + beyond - self.began)
