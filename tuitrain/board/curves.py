"""One of many runs: the curves of its metrics, where it stands, and its best. The fold of the events that tell this."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np
from msgspec import structs

from tuitrain.board.ghosts import MOST_GHOSTS
from tuitrain.board.positions import PositionName, Positions
from tuitrain.board.series import Floats
from tuitrain.board.thinned import Thinned
from tuitrain.board.training_time import TrainingTime
from tuitrain.protocol.commands import DECIDING, Command, Evaluate, RollBack, Stop, Undo, original_id
from tuitrain.protocol.events import (
    AlarmRaised,
    BatchSizeChanged,
    CommandApplied,
    CommandQueued,
    EndPlanned,
    EvalFinished,
    Event,
    Heartbeat,
    Paused,
    Resumed,
    RolledBack,
    RunEnded,
    RunResumed,
    RunStarted,
    RunState,
)
from tuitrain.protocol.measured import SharpnessMeasured
from tuitrain.protocol.printable import printable

_GAPS = ("loss", "accuracy", "mse")
_HIGHER = ("accuracy",)


def with_gaps(metrics: Mapping[str, float]) -> dict[str, float]:
    """Metrics of an evaluation, and of those of both sides the difference; infinity minus infinity is no gap."""
    found = dict(metrics)
    for name in _GAPS:
        ours, theirs = found.get(f"eval/{name}"), found.get(f"train/{name}")
        if ours is not None and theirs is not None:
            found[f"gap/{name}"] = ours - theirs if math.isfinite(ours) and math.isfinite(theirs) else math.nan
    return found


def is_lower_better(metric: str) -> bool:
    """Whether less of a metric is better, for one that no run describes.

    A gap is that of the validation minus that of the training data: of a loss above 0, of an accuracy below, and
    nearer to 0 is better.
    """
    return not any(name in metric for name in _HIGHER)


def _is_steering(command: Command) -> bool:
    """Whether it makes of a run another one than its preset says; an end is told as one."""
    return isinstance(command, (*DECIDING, RollBack, Undo)) and not isinstance(command, Evaluate | Stop)


@dataclass(frozen=True)
class BestPoint:
    """The best evaluation of a metric."""

    step: int
    value: float
    seconds: float
    """Since the first step could begin."""


@dataclass
class Curves:
    """What a comparison knows of one run."""

    started: RunStarted | None = None
    ended: RunEnded | None = None
    step: int = 0
    total_steps: int = 0
    """0 where it is not known yet."""
    is_paused: bool = False
    steps_per_second: float = 0.0
    batch_size: int = 0
    measured: dict[str, Thinned] = field(default_factory=dict)
    """Metric → what was measured at steps, e.g. "batch/loss"."""
    evaluated: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    """Metric → (step, value) of every evaluation; "gap/loss" and "gap/accuracy" among them."""
    positions: Positions = field(default_factory=Positions)
    trained: TrainingTime = field(default_factory=TrainingTime)
    steered: dict[str, str] = field(default_factory=dict)
    """Id of a command that a person gave to this run, and that its course depends on → what it did, and when."""
    _asked: set[str] = field(default_factory=set)
    _is_stopped_by_nonfinite: bool = False
    _newest: float = 0.0
    """Seconds since the run began, of the newest event."""
    version: int = 0
    """Grows with everything that was read."""
    _left: dict[int, tuple[dict[str, Thinned], dict[str, list[tuple[int, float]]], Positions]] = field(
        default_factory=dict
    )
    """Timelines that going back has left → their curves."""

    @property
    def state(self) -> RunState:
        """As the run itself says; that it is lost is seen from outside."""
        if self.ended is not None:
            states: dict[str, RunState] = {"finished": "finished", "failed": "failed"}
            return states.get(self.ended.reason, "stopped")
        if self.started is None:
            return "starting"
        return "paused" if self.is_paused else "running"

    @property
    def seconds(self) -> float:
        """Since the first step could begin, up to the newest word; 0 before. What was loaded before does not count."""
        return max(0.0, self._newest - self.positions.began) if self.started is not None else 0.0

    @property
    def samples_per_second(self) -> float:
        """Training samples a second since the first step, without pauses, with evaluations; 0 before it is done."""
        step = np.array([float(self.step)])
        seconds = self.trained.seconds
        num_samples = float(self.positions.at(step, "samples")[0]) - self.positions.num_samples_before
        return num_samples / seconds if seconds > 0.0 else 0.0

    @property
    def has_diverged(self) -> bool:
        """Whether numbers that are none ended it: the last evaluation may have been fine still."""
        return self.ended is not None and self._is_stopped_by_nonfinite

    def add(self, event: Event) -> None:
        """Take in one event but `StepsFinished`, whose values come by `add_steps`."""
        self.version += 1
        self._newest = max(self._newest, event.seconds)
        self.trained.take(event)
        match event:
            case RunStarted():
                self._start(event)
            case EvalFinished():
                self._add_evaluation(event)
            case SharpnessMeasured():
                self._add_point("sharpness", event.step, event.sharpness)
            case Heartbeat():
                self.step, self.steps_per_second = max(self.step, event.step), event.steps_per_second
                self.positions.note(event.step, event.seconds)
            case BatchSizeChanged():
                self.batch_size = event.after
                self.positions.batches_change(event.step, event.steps_per_epoch, event.after)
            case EndPlanned():
                self.total_steps = event.total_steps
            case RolledBack():
                self._go_back(event)
                self.step, self.total_steps, self.batch_size = event.step, event.total_steps, event.batch_size
                self.positions.batches_change(event.step, event.steps_per_epoch, event.batch_size)
            case RunResumed():
                self._cut_after(event.step)
            case CommandQueued() if event.actor == "user" and _is_steering(event.request):
                self._asked.add(event.command)
            case CommandApplied() if event.command in self._asked:
                self.steered.setdefault(original_id(event.command), f"{event.summary} at step {event.step}")
            case Paused():
                self.is_paused = True
            case Resumed():
                self.is_paused = False
            case AlarmRaised() if event.action == "stop":
                self._is_stopped_by_nonfinite = event.kind.startswith("nonfinite")
            case RunEnded():
                self.ended = structs.replace(event, message=printable(event.message))
                self.step, self.steps_per_second = event.step, 0.0
            case _:
                pass  # tells nothing of curves

    def add_steps(self, step: int, seconds: float) -> None:
        """Steps were finished."""
        self.version += 1
        self.step, self._newest = max(self.step, step), max(self._newest, seconds)
        self.positions.note(step, seconds)
        self.trained.note(step, seconds)

    def add_values(self, metric: str, first_step: int, stride: int, values: Floats) -> None:
        """What was measured at steps, shape (n,)."""
        self.measured.setdefault(printable(metric), Thinned()).append(first_step, stride, values)

    def metrics(self) -> Iterable[str]:
        """Names of all that there is a curve of."""
        return [*self.measured, *self.evaluated]

    def lower_is_better(self, metric: str) -> bool:
        """Whether less of it is better, as the run says."""
        for known in self.started.metrics if self.started is not None else ():
            if known.name == metric and known.better != "neither":
                return known.better == "lower"
        return is_lower_better(metric)

    def line(self, metric: str, position: PositionName, beta: float = 0.0) -> tuple[Floats, Floats]:
        """A curve: positions and values, each of shape (n,); empty where there is none.

        Args:
            metric: any of `metrics`.
            position: what x is.
            beta: decay of the moving average over what is measured at each step; evaluations are never smoothed.
        """
        if metric in self.measured:
            steps, values = self.measured[metric].smoothed(beta)
        else:
            points = self.evaluated.get(metric, [])
            steps = np.array([step for step, _ in points], dtype=float)
            values = np.array([value for _, value in points], dtype=float)
        return self.positions.at(steps, position), values

    def last(self, metric: str, beta: float = 0.9) -> float | None:
        """The newest value; of what is measured at each step, the newest of its moving average."""
        if metric in self.measured:
            values = self.measured[metric].smoothed(beta)[1]
            return float(values[-1]) if len(values) else None
        points = self.evaluated.get(metric)
        return points[-1][1] if points else None

    def newest(self, metric: str) -> float | None:
        """The newest value as it was measured, also where it is not finite."""
        return self.measured[metric].newest if metric in self.measured else self.last(metric)

    def best(self, metric: str, beta: float = 0.9) -> BestPoint | None:
        """Its best finite value, the first of equals; of what is measured at each step, of its moving average."""
        steps, values = self.line(metric, "step", beta)
        finite = np.isfinite(values)
        if not finite.any():
            return None
        is_lower = self.lower_is_better(metric)
        index = int(np.argmin(np.where(finite, values if is_lower else -values, math.inf)))
        seconds = float(self.positions.at(steps[index : index + 1], "seconds")[0])
        return BestPoint(int(steps[index]), float(values[index]), seconds)

    def reached(self, metric: str, target: float, beta: float = 0.9) -> BestPoint | None:
        """The first point at which a metric was at a target, or better."""
        steps, values = self.line(metric, "step", beta)
        with np.errstate(invalid="ignore"):
            hits = np.flatnonzero(values <= target if self.lower_is_better(metric) else values >= target)
        if not len(hits):
            return None
        index = int(hits[0])
        seconds = float(self.positions.at(steps[index : index + 1], "seconds")[0])
        return BestPoint(int(steps[index]), float(values[index]), seconds)

    def _start(self, event: RunStarted) -> None:
        if self.started is None:
            self.positions.begin(event.seconds, event.step, event.steps_per_epoch, event.batch_size)
        else:  # a new session goes on from an earlier step
            self._cut_after(event.step)
        self.started, self.ended, self.is_paused, self._is_stopped_by_nonfinite = event, None, False, False
        self.step, self.total_steps, self.batch_size = event.step, event.total_steps, event.batch_size
        self.positions.batches_change(event.step, event.steps_per_epoch, event.batch_size)

    def _go_back(self, event: RolledBack) -> None:
        """To an earlier step, or by an undo to one that an earlier going back had left."""
        now, origin = event.timeline - 1, event.origin or 0
        self._left[now] = deepcopy((self.measured, self.evaluated, self.positions))
        if origin != now and origin in self._left:
            self.measured, self.evaluated, self.positions = deepcopy(self._left[origin])
        self._left = dict([*self._left.items()][-MOST_GHOSTS:])
        self._cut_after(event.step)

    def _cut_after(self, step: int) -> None:
        for thinned in self.measured.values():
            thinned.cut_after(step)
        for metric, points in self.evaluated.items():
            self.evaluated[metric] = [point for point in points if point[0] <= step]
        self.positions.cut_after(step)

    def _add_evaluation(self, event: EvalFinished) -> None:
        for metric, value in with_gaps(event.metrics).items():
            self._add_point(printable(metric), event.step, value)

    def _add_point(self, metric: str, step: int, value: float) -> None:
        points = self.evaluated.setdefault(metric, [])
        if points and points[-1][0] == step:
            points.pop()
        points.append((step, value))
