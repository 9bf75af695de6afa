"""States kept in memory: to go back to without a disk, to undo a decision, and the best so far.

They cost at most two parts in a hundred of the time and a fixed amount of memory; a run that is too big for that goes
back to its checkpoints alone. The newer a stretch, the denser its points. The best is copied whatever that costs: it
is asked for by an evaluation, which takes longer.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from tuitrain.protocol.codec import decode_decision
from tuitrain.training.state import captured
from tuitrain.training.timelines import Timelines

if TYPE_CHECKING:
    from tuitrain.training.trainer import Trainer

_LARGEST_SHARE = 0.02
_FEWEST_STEPS = 10
"""Between two points."""
_MOST_POINTS = 24
_MOST_BYTES = 256 << 20
"""Of all points, and of what an undo or the best leads back to."""
_MOST_UNDO = 8
_MOST_BESTS = 4
"""More than one, as going back may leave the newest, and an undo of that returns to it."""
_SMALL_BYTES = _MOST_BYTES // 8
_STATE_SIZE = 3
"""A state is about so many times the size of the weights: those and two moments."""


@dataclass
class Point:
    """A state in memory."""

    step: int
    timeline: int
    state: dict[str, Any]
    num_bytes: int
    label: str = ""
    """What was decided right after it, in words."""
    is_on_disk: bool = False
    """Whether an undo would find it there as well."""

    @classmethod
    def of(cls, trainer: Trainer, label: str = "") -> Point:
        """The state of a trainer between two steps."""
        state = captured(trainer)
        return cls(trainer.step, trainer.timelines.current, state, _num_bytes(state), label)


class Points:
    """What is kept of one run."""

    def __init__(self) -> None:
        self._recent: list[Point] = []
        self._undo: list[Point] = []
        self._bests: list[Point] = []
        self._next_step = 0
        self._next_time = 0.0
        self._costs: list[float] = []

    def at_safe_point(self, trainer: Trainer) -> None:
        """Keep what is due, between two steps, with everything done that was asked."""
        is_due = trainer.step >= self._next_step and time.monotonic() >= self._next_time
        if not is_due or not is_small(trainer) or _on_accelerator(trainer):
            return
        began = time.monotonic()
        self._recent.append(Point.of(trainer))
        self._thin()
        now = time.monotonic()
        self._costs = [*self._costs[-2:], now - began]
        self._next_step = trainer.step + _FEWEST_STEPS
        self._next_time = now + min(self._costs) / _LARGEST_SHARE

    def went_back(self, step: int) -> None:
        """The run is at an earlier step."""
        self._next_step = step + _FEWEST_STEPS

    def newest(self, step: int, trainer: Trainer) -> Point | None:
        """The newest point of the run's history at or before a step."""
        found = [point for point in self._recent if point.step <= step and is_history(trainer, point.state)]
        return max(found, key=lambda point: (point.step, point.timeline)) if found else None

    def steps(self, timelines: Timelines) -> list[int]:
        """Steps of all points of the run's history."""
        return sorted({point.step for point in self._recent if timelines.leads_here(point.timeline, point.step)})

    def keep_best(self, trainer: Trainer) -> None:
        """Keep the state as it is: no other of the run's history has a better validation loss."""
        self._bests.append(Point.of(trainer))
        if len(self._bests) > _MOST_BESTS:
            self._drop_best()
        self._make_room()

    def best(self, trainer: Trainer) -> Point | None:
        """The state at the best validation loss of the run's history, where that is kept in memory."""
        found = [point for point in self._bests if is_history(trainer, point.state)]
        return found[-1] if found else None

    def push(self, point: Point) -> None:
        """Keep a state that an undo shall lead back to."""
        self._undo = [*self._undo, point][-_MOST_UNDO:]
        self._make_room()

    def drop(self, point: Point) -> None:
        """Forget one of those: what was asked was not done."""
        self._undo = [kept for kept in self._undo if kept is not point]

    def pop(self) -> Point | None:
        """The newest of those; it is kept no longer."""
        return self._undo.pop() if self._undo else None

    def _make_room(self) -> None:
        """Leave out the oldest that an undo leads back to, then the oldest best; the newest of each stays."""
        while sum(point.num_bytes for point in (*self._undo, *self._bests)) > _MOST_BYTES:
            if len(self._undo) > 1:
                self._undo.pop(0)
            elif len(self._bests) > 1:
                self._drop_best()
            else:
                return

    def _drop_best(self) -> None:
        """Leave out the oldest, but for the best of each way that was left: an undo returns there."""
        timelines = [point.timeline for point in self._bests]
        oldest = next((at for at, number in enumerate(timelines) if number in timelines[at + 1 :]), 0)
        self._bests.pop(oldest)

    def _thin(self) -> None:
        """Leave out the point whose neighbours are nearest to each other for its age."""
        while len(self._recent) > _MOST_POINTS or sum(point.num_bytes for point in self._recent) > _MOST_BYTES:
            points = self._recent
            last = points[-1].step
            inner = range(1, len(points) - 1)
            if not inner:
                points.pop(0)
                return
            # Distances without a sign: where the run has gone back, a later point may be of an earlier step.
            crowded = min(
                inner,
                key=lambda i: (
                    abs(points[i + 1].step - points[i - 1].step) / (abs(last - points[i].step) + _FEWEST_STEPS)
                ),
            )
            points.pop(crowded)


def is_history(trainer: Trainer, state: Mapping[str, Any]) -> bool:
    """Whether a state is on the way to where the run is: of a timeline that leads here, and with no other decision."""
    if not trainer.timelines.leads_here(state["timelines"]["current"], state["step"]):
        return False
    ids = [decode_decision(text.encode()).id for text in state["control"]["decisions"]]
    return ids == [decision.id for decision in trainer.control.decisions[: len(ids)]]


def is_small(trainer: Trainer) -> bool:
    """Whether several states of a trainer fit into what may be kept."""
    return _state_bytes(trainer) <= _SMALL_BYTES


def is_kept_whole(trainer: Trainer) -> bool:
    """Whether one state of a trainer fits into what may be kept."""
    return _state_bytes(trainer) <= _MOST_BYTES


def _state_bytes(trainer: Trainer) -> int:
    return _STATE_SIZE * sum(parameter.nbytes for parameter in trainer.updater.parameters)


def _on_accelerator(trainer: Trainer) -> bool:
    """Where a copy would have to wait for all that is queued: there the checkpoints alone are gone back to."""
    return any(parameter.device.type != "cpu" for parameter in trainer.updater.parameters[:1])


def _num_bytes(value: Any) -> int:
    if isinstance(value, Tensor):
        return value.nbytes
    if isinstance(value, dict):
        return sum(_num_bytes(item) for item in value.values())
    return sum(_num_bytes(item) for item in value) if isinstance(value, list | tuple) else 0
