"""What the record of a run says of how it came to be: its decisions, its states on the disk, its numbers.

Of a run that went back, or that was resumed from an earlier state, only what leads to its end counts: what was left
stays in the stream, and is left out here.
"""

from __future__ import annotations

import itertools
import math
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
    CommandRefused,
    EndPlanned,
    EvalFinished,
    Event,
    Heartbeat,
    RolledBack,
    RunEnded,
    RunResumed,
    RunStarted,
    StepsFinished,
)
from tuitrain.rundir.follower import events_of
from tuitrain.rundir.places import RunFolder
from tuitrain.training.automatic import BEST, WATCHED
from tuitrain.training.timelines import Timelines


@dataclass
class _Left:
    """What a run left when it went back."""

    first: int
    last: int
    columns: dict[str, list[Column]] = field(default_factory=dict)
    evaluations: dict[int, EvalFinished] = field(default_factory=dict)
    saved: list[CheckpointSaved] = field(default_factory=list)


_Way = tuple[dict[str, list[Column]], dict[int, EvalFinished], list[CheckpointSaved]]


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
    best_trouble: str = ""
    """The newest that was said of why a best state could not be kept."""
    stopped_by_alarm: bool = False
    """Whether the end was what an alarm led to."""
    num_damaged: int = 0
    """Lines that cannot be read."""
    timelines: Timelines = field(default_factory=Timelines)
    """How often the run went back, and where to."""
    refused: dict[str, str] = field(default_factory=dict)
    """Id → reason of every command that was refused."""
    answered: set[str] = field(default_factory=set)
    """Ids of all commands that have their final reply."""
    _best_told: tuple[int, float] | None = None
    """Step and value of the best validation loss as the run told it, which may be of the run that it is a branch of."""
    _left: list[_Left] = field(default_factory=list)
    _ways: dict[int, _Way] = field(default_factory=dict)
    """Timeline → what was known when it was left."""
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
                self.ended, self.stopped_by_alarm = None, False
            case EndPlanned():
                self.total_steps = event.total_steps
            case Branched():
                self.decisions, self.to_come = list(event.decisions), list(event.to_come)
                self._cut_after(event.step)
            case RunResumed():
                self.decisions = list(event.decisions)
                self._cut_after(event.step)
                self.to_come = list(event.to_come)
                self.timelines.go_on(_timeline_of(event.checkpoint))
            case RolledBack():
                self._go_back(event)
            case StepsFinished():
                for column in event.columns:
                    self.columns.setdefault(column.metric, []).append(column)
            case EvalFinished():
                self.evaluations[event.step] = event
            case CheckpointSaved():
                if self.timelines.leads_here(_timeline_of(event.path), event.step):  # else of a way left meanwhile
                    self.saved.append(event)
                self.sha256[Path(event.path).name] = event.sha256
            case CommandQueued():
                self._asked[event.command] = (event.request, event.actor)
            case CommandApplied():
                self._decide(event)
            case CommandRefused():
                self.refused[event.command] = event.reason
                self.answered.add(event.command)
            case AlarmRaised():
                self.stopped_by_alarm = event.action == "stop" and event.kind.startswith("nonfinite")
                if event.kind == "disk" and BEST in event.message:
                    self.best_trouble = event.message
            case Heartbeat():
                self._note_best(event)
            case RunEnded():
                self.ended = event
                self._note_best(event)
            case _:
                pass
        if not isinstance(event, CheckpointSaved):  # which may be of a step on a way that was left
            self.last_step = max(self.last_step, getattr(event, "step", 0))

    def values(self, metric: str) -> Iterator[tuple[int, float]]:
        """Pairs of (step, value) of a metric in the order of the steps."""
        for column in self.columns.get(metric, []):
            yield from zip(itertools.count(column.first_step, column.stride), column.values, strict=False)

    @property
    def best(self) -> tuple[int, float] | None:
        """Step and value of the lowest validation loss on the way to the last step."""
        found = [(value, step) for step, value in self._validation_losses().items()]
        return min(found)[::-1] if found else None

    @property
    def best_saved(self) -> CheckpointSaved | None:
        """The newest checkpoint of a best state; it was the best when it was saved."""
        return next((saved for saved in reversed(self.saved) if Path(saved.path).stem.endswith(f"-{BEST}")), None)

    def validation_loss(self, step: int) -> float:
        """At a step; NaN where it is not known."""
        return self._validation_losses().get(step, math.nan)

    @property
    def course(self) -> list[Decision]:
        """The decisions but an end that was asked for, after which a run may go on."""
        return [decision for decision in self.decisions if not isinstance(decision.command, Stop)]

    def decided_before(self, step: int) -> list[Decision]:
        """What was decided on the way to a step; what was decided at it first acts beyond."""
        return [decision for decision in self.course if decision.step < step]

    def leads_here(self, saved: CheckpointSaved) -> bool:
        """Whether a checkpoint is on the way to the last step."""
        return self.timelines.is_on_the_way(_timeline_of(saved.path), saved.step)

    def _note_best(self, event: Heartbeat | RunEnded) -> None:
        if event.best_step is not None and WATCHED in event.best:
            self._best_told = event.best_step, event.best[WATCHED]

    def _validation_losses(self) -> dict[int, float]:
        told = {} if self._best_told is None else dict([self._best_told])
        losses = {step: fact.metrics.get(WATCHED, math.nan) for step, fact in self.evaluations.items()}
        return {step: loss for step, loss in (told | losses).items() if math.isfinite(loss)}

    def _decide(self, event: CommandApplied) -> None:
        command, actor = self._asked.pop(event.command, (None, ""))
        self.answered.add(event.command)
        if isinstance(command, DECIDING):
            self.decisions.append(Decision(step=event.step, command=command, actor=actor, id=event.command))
            original = original_id(event.command)
            self.to_come = [item for item in self.to_come if original_id(item.id) != original]

    def _go_back(self, event: RolledBack) -> None:
        """To an earlier step, or by an undo to one that was left."""
        now = self.timelines.current
        columns = {metric: list(found) for metric, found in self.columns.items()}
        self._ways[now] = columns, dict(self.evaluations), list(self.saved)
        if event.origin is None:
            self._go_where_it_seems(event)
        elif event.origin in self._ways and not self.timelines.leads_here(event.origin, event.step):
            columns, evaluations, saved = self._ways[event.origin]
            self.columns = {metric: list(found) for metric, found in columns.items()}
            self.evaluations, self.saved = dict(evaluations), list(saved)
        self._cut_after(event.step)
        self.timelines.begin(event.origin or 0, event.step)
        self.last_step, self.total_steps = event.step, event.total_steps
        self.decisions, self.to_come = list(event.decisions), []

    def _go_where_it_seems(self, event: RolledBack) -> None:
        """Of a stream that does not tell on which timeline the state was: forward is taken for what was left last."""
        taken = next((left for left in reversed(self._left) if left.first < event.step <= left.last), None)
        is_forward = event.step > self.last_step and taken is not None
        first = taken.first if is_forward and taken is not None else event.step
        left = _Left(first, self.last_step)
        for metric, columns in self.columns.items():
            rest = (_cut_before(column, first) for column in columns)
            left.columns[metric] = [column for column in rest if column.values]
        left.evaluations = {at: found for at, found in self.evaluations.items() if at > first}
        left.saved = [saved for saved in self.saved if saved.step > first]
        self._cut_after(first)
        self._left.append(left)
        if is_forward and taken is not None:
            for metric, columns in taken.columns.items():
                self.columns.setdefault(metric, []).extend(columns)
            self.evaluations |= taken.evaluations
            self.saved += taken.saved

    def _cut_after(self, step: int) -> None:
        self.last_step = step
        self.ended, self._best_told = None, None
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
    record = Recorded()
    for event in events_of(folder):
        record.add(event)
    return record


def _timeline_of(path: str) -> int:
    """Of a checkpoint, as its name tells it."""
    number = Path(path).stem.partition("~")[2].partition("-")[0]
    return int(number) if number.isdigit() else 0


def _cut_before(column: Column, step: int) -> Column:
    """The values after a step."""
    count = max(0, (step - column.first_step) // column.stride + 1)
    first = column.first_step + count * column.stride
    return Column(metric=column.metric, first_step=first, stride=column.stride, values=column.values[count:])


def _cut(column: Column, step: int) -> Column:
    count = max(0, (step - column.first_step) // column.stride + 1)
    if count >= len(column.values):
        return column
    return Column(
        metric=column.metric, first_step=column.first_step, stride=column.stride, values=column.values[:count]
    )
