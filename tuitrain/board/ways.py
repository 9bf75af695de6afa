"""The ways that a run has been on: going back begins a new one, and an undo may go on from a state of any other.

A state is known by its way and its step, as the same step may have been passed on several. Streams that do not tell
on which way the state was (they are older than `RolledBack.origin`) have no such tree: `shared` says so.
"""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass, field

from tuitrain.board.axis import Axis
from tuitrain.board.ghosts import MOST_GHOSTS
from tuitrain.board.journal import Mark
from tuitrain.board.layers import LayerHistory
from tuitrain.board.series import Series


@dataclass
class Way:
    """Everything that is kept by step, as it was when a way was left."""

    series: dict[str, Series]
    evals: dict[str, list[tuple[int, float]]]
    axis: Axis
    marks: list[Mark]
    layers: LayerHistory
    switched_at: list[int]


@dataclass
class Ways:
    """Numbered as `RolledBack.timeline` is, from 0."""

    current: int = 0
    _begun: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Number → the way from which it went on, and the step."""
    _kept: dict[int, Way] = field(default_factory=dict)

    def shared(self, origin: int | None, step: int) -> int | None:
        """The last step up to which the present way is that to a state of another; None where that is not known."""
        if origin is None:
            return None
        mine, others = self._path(self.current, math.inf), self._path(origin, step)
        if mine is None or others is None:
            return None
        return int(max(min(mine[number], others[number]) for number in mine.keys() & others.keys()))

    def leave(self, way: Way) -> None:
        """Keep the present way as it is, for whoever comes back to it; the oldest are forgotten."""
        self._kept[self.current] = deepcopy(way)
        self._kept = dict([*self._kept.items()][-MOST_GHOSTS:])

    def kept(self, number: int | None) -> Way | None:
        """A way as it was when it was left; None where it is forgotten."""
        return None if number is None else deepcopy(self._kept.get(number))

    def begin(self, number: int, origin: int | None, step: int) -> None:
        """Be on a new way."""
        self.current = number
        if origin is not None:
            self._begun[number] = (origin, step)

    def _path(self, number: int, step: float) -> dict[int, float] | None:
        """Each way that leads to a step of one → the last step on it that does; None where one is not known."""
        found = {number: step}
        while number:
            if number not in self._begun:
                return None
            number, begun = self._begun[number]
            step = min(step, begun)
            found[number] = step
        return found
