"""What the record of a run says of how it came to be: its decisions, its states on the disk, its numbers.

Of a run that went back, or that was resumed from an earlier state, only what leads to its end counts: what was left
stays in the stream, and is left out here.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tuitrain.protocol.carrier import DamageSeen
from tuitrain.protocol.commands import DECIDING, Command, Decision, Stop, original_id
from tuitrain.protocol.events import (
    AlarmRaised,
    Branched,
    CheckpointSaved,
    Column,
    CommandApplied,
    CommandQueued,
    EvalFinished,
    Event,
    RolledBack,
    RunEnded,
    RunResumed,
    RunStarted,
    StepsFinished,
)
from tuitrain.rundir.follower import EventFollower
from tuitrain.rundir.places import RunFolder


@dataclass
class Recorded:
    """The record, folded event by event."""

    started: RunStarted | None = None
    """The first beginning."""
    ended: RunEnded | None = None
    last_step: int = 0
    total_steps: int = 0
    decisions: list[Decision] = field(default_factory=list)
    """All that led to the last step, in order, with what was inherited from another run."""
    to_come: list[Decision] = field(default_factory=list)
    """What was decided before a crash, and was not yet decided again when the record ends."""
    saved: list[CheckpointSaved] = field(default_factory=list)
    """Checkpoints of the way to the last step."""
    sha256: dict[str, str] = field(default_factory=dict)
    """File name → hash of every checkpoint that was told of, also of those on a way that was left."""
    columns: dict[str, list[Column]] = field(default_factory=dict)
    """Metric → what was measured at each step."""
    evaluations: dict[int, EvalFinished] = field(default_factory=dict)
    """Step → the newest evaluation there."""
    stopped_by_alarm: bool = False
    """Whether the end was what an alarm led to."""
    num_damaged: int = 0
    """Lines that cannot be read."""
    _asked: dict[str, tuple[Command, str]] = field(default_factory=dict)

    def add(self, event: Event | DamageSeen) -> None:
        """Take in one event."""
        match event:
            case DamageSeen():
                self.num_damaged += 1
                return
            case RunStarted():
                self.started = self.started or event
                self.total_steps = event.total_steps
                self.ended = None
            case Branched():
                self.decisions = list(event.decisions)
                self._cut_after(event.step)
            case RolledBack() | RunResumed():
                self.decisions = [item for item in event.decisions if not isinstance(item.command, Stop)]
                self._cut_after(event.step)
                self.to_come = list(event.to_come) if isinstance(event, RunResumed) else []
            case StepsFinished():
                for column in event.columns:
                    self.columns.setdefault(column.metric, []).append(column)
            case EvalFinished():
                self.evaluations[event.step] = event
            case CheckpointSaved():
                self.saved.append(event)
                self.sha256[Path(event.path).name] = event.sha256
            case CommandQueued():
                self._asked[event.command] = (event.request, event.actor)
            case CommandApplied():
                self._decide(event)
            case AlarmRaised():
                self.stopped_by_alarm = event.action == "stop" and event.kind.startswith("nonfinite")
            case RunEnded():
                self.ended = event
            case _:
                pass
        self.last_step = max(self.last_step, getattr(event, "step", 0))

    def values(self, metric: str) -> Iterator[tuple[int, float]]:
        """Pairs of (step, value) of a metric in the order of the steps."""
        for column in self.columns.get(metric, []):
            yield from zip(itertools.count(column.first_step, column.stride), column.values, strict=False)

    def decided_before(self, step: int) -> list[Decision]:
        """What was decided on the way to a step; what was decided at it first acts beyond."""
        return [decision for decision in self.decisions if decision.step < step]

    def _decide(self, event: CommandApplied) -> None:
        command, actor = self._asked.pop(event.command, (None, ""))
        if isinstance(command, DECIDING):
            self.decisions.append(Decision(step=event.step, command=command, actor=actor, id=event.command))
            original = original_id(event.command)
            self.to_come = [item for item in self.to_come if original_id(item.id) != original]

    def _cut_after(self, step: int) -> None:
        self.last_step = step
        self.ended = None
        self.saved = [saved for saved in self.saved if saved.step <= step]
        self.evaluations = {at: found for at, found in self.evaluations.items() if at <= step}
        for metric, columns in self.columns.items():
            cut = (_cut(column, step) for column in columns)
            self.columns[metric] = [column for column in cut if column.values]


def recorded(folder: RunFolder) -> Recorded:
    """The whole record of a run.

    Raises:
        RunFolderError: it cannot be read.
    """
    record, follower = Recorded(), EventFollower(folder)
    while batch := follower.poll():
        for event in batch:
            record.add(event)
    return record


def _cut(column: Column, step: int) -> Column:
    count = max(0, (step - column.first_step) // column.stride + 1)
    if count >= len(column.values):
        return column
    return Column(
        metric=column.metric, first_step=column.first_step, stride=column.stride, values=column.values[:count]
    )
