"""What is to happen at given steps: the moments of a preset, and decisions of another run or session taken again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from tuitrain.preset.schema import Preset
from tuitrain.protocol.commands import Decision, Request, RollBack, Undo
from tuitrain.protocol.describe import parse_command
from tuitrain.techniques.checking import check_command

Moment = tuple[int, Request]
"""A step, and what is asked there."""


def moments_of(preset: Preset, session: str) -> list[Moment]:
    """The moments of a preset in the order in which they apply: by step, then as they stand in the file."""
    moments = [
        (
            moment.at_step,
            Request(
                id=f"moment-{index:04d}",
                session=session,
                actor="preset",
                time=0.0,
                command=check_command(parse_command(moment.do, moment.further)),
            ),
        )
        for index, moment in enumerate(preset.moment, start=1)
    ]
    return sorted(moments, key=lambda item: item[0])


def taken_again(
    decisions: Iterable[Decision], session: str, mark: str, actor: Literal["user", "preset"] = "preset"
) -> list[Moment]:
    """Decisions as moments.

    Args:
        decisions: in the order in which they were taken.
        session: of the trainer that takes them now.
        mark: what tells their ids from those of the first time; empty where this is the first.
        actor: who is said to have decided.
    """
    end = f"~{mark}" if mark else ""
    return [
        (
            decision.step,
            Request(
                id=f"{decision.id}{end}", session=session, actor=actor, time=0.0,
                command=check_command(decision.command),
            ),
        )
        for decision in decisions
    ]  # fmt: skip


class Agenda:
    """Moments that are still to come, each taken once; a run that goes back takes them up again.

    Args:
        moments: in the order in which they apply.
    """

    def __init__(self, moments: Sequence[Moment]) -> None:
        self._all = list(moments)
        self._left = list(range(len(self._all)))
        self._times_back = 0

    def add(self, moments: Iterable[Moment]) -> None:
        """Take up further ones; at the same step they come after those that are there."""
        for moment in moments:
            self._left.append(len(self._all))
            self._all.append(moment)
        self._left.sort(key=lambda index: self._all[index][0])

    def keep(self, wanted: Iterable[str]) -> None:
        """Leave out all but those with these ids."""
        ids = set(wanted)
        self._left = [index for index in self._left if self._all[index][1].id in ids]

    def is_due(self, step: int) -> bool:
        """Whether there is anything to do at a step."""
        return bool(self._left) and self._all[self._left[0]][0] <= step

    def next(self, step: int) -> Request | None:
        """The next one that is due at a step; it is not given again."""
        if not self.is_due(step):
            return None
        request = self._all[self._left.pop(0)][1]
        if not self._times_back:
            return request
        return Request(
            id=f"{request.id}~{self._times_back}", session=request.session, actor=request.actor, time=request.time,
            command=request.command,
        )  # fmt: skip

    def state_dict(self) -> list[int]:
        """Which are still to come."""
        return list(self._left)

    def load_state_dict(self, left: Iterable[int]) -> None:
        """Leave out what is done."""
        wanted = set(left)
        self._left = [index for index in self._left if index in wanted]

    def go_back(self, left: Iterable[int]) -> None:
        """Take up again what was still to come at an earlier state, but not what made the run go back."""
        here = set(self._left)
        again = [index for index in left if index in here or not _goes_back(self._all[index][1])]
        self._left = sorted(again, key=lambda index: (self._all[index][0], again.index(index)))
        self._times_back += 1


def _goes_back(request: Request) -> bool:
    return isinstance(request.command, RollBack | Undo)
