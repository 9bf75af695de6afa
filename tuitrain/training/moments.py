"""What is to happen at given steps: the moments of a preset, and decisions of another run or session taken again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import structs

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
    """Moments that are still to come, each taken once; a run that goes back takes those of its preset up again.

    Args:
        moments: in the order in which they apply.
    """

    def __init__(self, moments: Sequence[Moment]) -> None:
        self._all = list(moments)
        self._left = list(range(len(self._all)))
        self._times_back = 0
        self.mark = ""
        """What tells the ids of this session from those of the one before; empty in the first."""

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
        marks = [self.mark] if self.mark and request.actor != "user" else []
        marks += [str(self._times_back)] if self._times_back else []
        return structs.replace(request, id="~".join([request.id, *marks]))

    def state_dict(self) -> list[str]:
        """Ids of those that are still to come."""
        return [self._all[index][1].id for index in self._left]

    def load_state_dict(self, left: Iterable[str]) -> None:
        """Leave out what is done."""
        self.keep(left)

    def go_back(self, left: Iterable[str]) -> None:
        """Take up again what the preset has after an earlier state, but not what made the run go back.

        What a person had decided there is left: it was decided of what is no more.
        """
        wanted, here = set(left), set(self._left)
        self._left = [
            index
            for index, (_, request) in enumerate(self._all)
            if request.id in wanted and request.actor != "user" and (index in here or not _goes_back(request))
        ]
        self._left.sort(key=lambda index: self._all[index][0])
        self._times_back += 1


def _goes_back(request: Request) -> bool:
    return isinstance(request.command, RollBack | Undo)
