"""What a trainer is to do at given steps: the moments of its preset, what a branch inherits, what a crash lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import structs

from tuitrain.preset import Preset
from tuitrain.protocol.carrier import RunInfo
from tuitrain.protocol.codec import decode_decision
from tuitrain.protocol.commands import Decision, RollBack, Stop, Undo, original_id
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.session.recorded import Recorded, recorded
from tuitrain.training.control import Control
from tuitrain.training.moments import Moment, moments_of, taken_again

_AGAIN = "again"


def decisions_of(state: Mapping[str, Any]) -> tuple[Decision, ...]:
    """All decisions that led to a state, but an end that was asked for, which is over."""
    found = [decode_decision(text.encode()) for text in state["control"]["decisions"]]
    return tuple(decision for decision in found if not isinstance(decision.command, Stop))


@dataclass(frozen=True)
class RunAgenda:
    """Of one session of one run."""

    folder: RunFolder
    info: RunInfo
    session: str
    moments: list[Moment]
    """The same in every session: those of the preset, then what was inherited, then what is done otherwise."""

    told: Recorded
    """What earlier sessions said."""

    @classmethod
    def of(cls, folder: RunFolder, preset: Preset, session: str, *, is_resumed: bool) -> RunAgenda:
        """From the folder of a run, before this session says anything."""
        info = read_info(folder)
        moments = [
            *moments_of(preset, session),
            *taken_again(info.inherited, session, _AGAIN),
            *taken_again(info.overrides, session, ""),
        ]
        moments.sort(key=lambda moment: moment[0])
        return cls(folder, info, session, moments, recorded(folder) if is_resumed else Recorded())

    def prepare(self, control: Control, state: Mapping[str, Any] | None) -> None:
        """Where a branch begins, leave out what is done in the state that it begins from; before it is put back."""
        if not self.info.parent:
            return
        control.decides_from = self.info.branched_at
        if state is not None and state["run"] == self.folder.id:
            return
        done = 0 if state is None else len(decisions_of(state))
        inherited = {original_id(decision.id) for decision in self.info.inherited}
        wanted = {request.id for _, request in taken_again(self.info.inherited[done:], self.session, _AGAIN)}
        wanted |= {decision.id for decision in self.info.overrides}
        for step, request in self.moments:
            is_of_preset = request.id.startswith("moment-") and not request.id.endswith(f"~{_AGAIN}")
            goes_back = isinstance(request.command, RollBack | Undo)  # of the other run: it has done so, or has not
            if is_of_preset and not goes_back and step >= self.info.branched_at and request.id not in inherited:
                wanted.add(request.id)
        control.agenda.keep(wanted)

    def to_come(self, state: Mapping[str, Any]) -> tuple[Decision, ...]:
        """After a crash: what a person had decided since the state was saved, as it is decided again."""
        kept = decisions_of(state)
        told = self.told.course
        if [original_id(item.id) for item in told[: len(kept)]] != [original_id(item.id) for item in kept]:
            return ()
        lost = [item for item in (*told[len(kept) :], *self.told.to_come) if item.actor == "user"]
        mark = self.session[:4]
        return tuple(structs.replace(item, id=f"{original_id(item.id)}~{mark}") for item in lost)
