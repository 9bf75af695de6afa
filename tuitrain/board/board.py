"""The board of one run: everything a screen shows, folded from what was read, word by word."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from msgspec import structs

from tuitrain.board.axis import Axis
from tuitrain.board.curves import with_gaps
from tuitrain.board.ghosts import MOST_GHOSTS, Ghost, cut_off, seemingly_taken, taken_up
from tuitrain.board.journal import PAUSED, Entry, Mark, entry_for, mark_for
from tuitrain.board.layers import LayerHistory
from tuitrain.board.logbook import add_entry, add_mark
from tuitrain.board.measured import Measured
from tuitrain.board.series import Series
from tuitrain.board.ways import Way, Ways
from tuitrain.protocol.carrier import CarrierStatus, CommandSeen, DamageSeen
from tuitrain.protocol.commands import DECIDING, Command, Request
from tuitrain.protocol.description import OptimizerState
from tuitrain.protocol.events import (
    BatchSizeChanged,
    Branched,
    CommandApplied,
    CommandQueued,
    CommandRefused,
    EndPlanned,
    EvalFinished,
    Event,
    HandoverCancelled,
    HandoverStarted,
    Heartbeat,
    HyperparameterChanged,
    LayersMeasured,
    LearningRatePlanned,
    OptimizerSwitched,
    PaceChanged,
    Paused,
    RacerLost,
    RaceStarted,
    Resumed,
    RolledBack,
    RunEnded,
    RunResumed,
    RunStarted,
    RunState,
    StageEntered,
    StepsFinished,
    SwitchPreviewed,
    TrainableChanged,
    UnknownEvent,
)
from tuitrain.protocol.measured import (
    GradientNoiseMeasured,
    GradientsChecked,
    LearningRateRangeTested,
    SharpnessMeasured,
)
from tuitrain.protocol.plan import LearningRatePlan, Value
from tuitrain.techniques.plan import problem_with

LOSS = "batch/loss"
GRADIENT_NORM = "batch/gradient_norm"
LEARNING_RATE = "batch/learning_rate"
_MOST_REPLIES = 2000
_SMOOTHED = 0.9

Word = Event | CarrierStatus | CommandSeen | DamageSeen


@dataclass
class Board:
    """What is known of a run. `apply` is the only way in."""

    started: RunStarted | None = None
    ended: RunEnded | None = None
    carrier: CarrierStatus | None = None
    stage: str = ""
    """What happens before the first step, e.g. "importing torch"."""
    step: int = 0
    seconds: float = 0.0
    """Seconds since the session began, of the newest event."""
    is_paused: bool = False
    pause_reason: str = ""
    heartbeat: Heartbeat | None = None
    optimizer: OptimizerState | None = None
    frozen: tuple[str, ...] = ()
    """Names of the parameters that are not trained."""
    optimizer_since: int = 0
    """Step at which the present optimizer took over."""
    switched_at: list[int] = field(default_factory=list)
    """Steps at which an optimizer took over, on the way to where the run is."""
    plan: LearningRatePlan | None = None
    handover: HandoverStarted | None = None
    """The hand-over under way."""
    preview: SwitchPreviewed | None = None
    pace: float | None = None
    regularizers: dict[str, Value] = field(default_factory=dict)
    """Name → strength of everything that regularizes and can be changed."""
    batch_size: int = 0
    planned_end: int | None = None
    """Where the run will end since its end was moved; None where it was not."""
    axis: Axis = field(default_factory=Axis)
    series: dict[str, Series] = field(default_factory=dict)
    evals: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    """Metric → (step, value) of every evaluation; "gap/loss" and "gap/accuracy" among them."""
    num_evaluated: tuple[int, int] | None = None
    """Training and validation samples of the newest evaluation."""
    ghosts: list[Ghost] = field(default_factory=list)
    """What the run left when it went back, the newest last."""
    ways: Ways = field(default_factory=Ways)
    decisions: list[tuple[int, Command]] = field(default_factory=list)
    """(step, command) of all that led to where the run is."""
    parent: str = ""
    """Id of the run that this one is a branch of."""
    layers: LayerHistory = field(default_factory=LayerHistory)
    measured: Measured = field(default_factory=Measured)
    race: RaceStarted | None = None
    """Of a run on a surface: who races, since when, from where. Where they are is in `series`."""
    eval_seconds: float = 0.0
    """Time spent on evaluations so far."""
    log: list[Entry] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    asked: dict[str, Command] = field(default_factory=dict)
    """Commands by id that have no final reply yet."""
    replies: dict[str, CommandApplied | CommandRefused] = field(default_factory=dict)
    """The newest final replies by id."""
    num_unknown: int = 0
    num_damaged: int = 0
    num_words: int = 0

    @property
    def state(self) -> RunState:
        """The state as a reader knows it: a dead run cannot say that it is."""
        if self.ended is not None:
            states: dict[str, RunState] = {"finished": "finished", "failed": "failed"}
            return states.get(self.ended.reason, "stopped")
        if self.carrier is not None and self.carrier.status in {"lost", "moved"}:
            return "lost"
        if self.started is None:
            return "starting"
        return "paused" if self.is_paused else "running"

    @property
    def is_live(self) -> bool:
        """Whether it can still be asked anything."""
        return self.state in {"starting", "running", "paused"}

    @property
    def total_steps(self) -> int:
        """Planned steps; 0 where they are not known yet."""
        return self.planned_end or (self.started.total_steps if self.started is not None else 0)

    @property
    def eta_seconds(self) -> float | None:
        """Seconds to the planned end at the present speed; None where that cannot be told."""
        rate = self.heartbeat.steps_per_second if self.heartbeat is not None else 0.0
        if self.state != "running" or rate <= 0.0 or not self.total_steps:
            return None
        return max(0.0, (self.total_steps - self.step) / rate)

    @property
    def evaluated(self) -> tuple[str, ...]:
        """Names of the metrics that are evaluated on both sides, e.g. ("loss", "accuracy")."""
        names = [metric.partition("/")[2] for metric in self.evals if metric.startswith("eval/")]
        return tuple(name for name in names if f"train/{name}" in self.evals)

    @property
    def lowest_loss(self) -> tuple[int, float] | None:
        """Step and value of the best validation loss so far."""
        finite = [(step, value) for step, value in self.evals.get("eval/loss", []) if math.isfinite(value)]
        return min(finite, key=lambda point: point[1]) if finite else None

    def apply(self, word: Word) -> None:
        """Take in one word."""
        self.num_words += 1
        self._fold(word)
        entry = entry_for(word, self.step)
        if entry is not None:
            add_entry(self.log, entry)
        mark = mark_for(word, self.step)
        if mark is not None:
            add_mark(self.marks, mark)

    def last_eval(self, metric: str) -> float | None:
        """The newest value of an evaluated metric."""
        values = self.evals.get(metric)
        return values[-1][1] if values else None

    def _fold(self, word: Word) -> None:
        if isinstance(word, CarrierStatus):
            self.carrier = word
            return
        if isinstance(word, CommandSeen):
            self._ask(word.request)
            return
        if isinstance(word, DamageSeen):
            self.num_damaged += 1
            return
        self.seconds = max(self.seconds, word.seconds)
        self._fold_event(word)

    def _fold_event(self, event: Event) -> None:
        match event:
            case StageEntered():
                self.stage = event.stage
            case RunStarted():
                self._start(event)
            case StepsFinished():
                self._add_steps(event)
            case EvalFinished():
                self._add_evaluation(event)
            case LayersMeasured():
                self.layers.add(event)
            case RaceStarted():
                self.race = event
            case RacerLost():
                self._lose_racer(event)
            case LearningRatePlanned():
                self._plan(event)
            case HandoverStarted():
                self.handover = event
            case HandoverCancelled():
                self.handover = None
            case OptimizerSwitched():
                self.handover, self.optimizer, self.optimizer_since = None, event.optimizer, event.step
                self.switched_at.append(event.step)
            case HyperparameterChanged():
                self.optimizer = event.optimizer
                self.regularizers = event.regularizers or self.regularizers
            case TrainableChanged():
                self.optimizer, self.frozen = event.optimizer, event.frozen
            case RolledBack():
                self._go_back(event)
            case RunResumed():
                self.decisions = [(decision.step, decision.command) for decision in event.decisions]
            case Branched():
                self.parent = event.parent
                self.decisions = [(decision.step, decision.command) for decision in event.decisions]
            case BatchSizeChanged():
                self.batch_size = event.after
                self.axis.epochs_change(event.step, event.steps_per_epoch)
            case EndPlanned():
                self.planned_end = event.total_steps
            case SwitchPreviewed():
                self.preview = event
            case LearningRateRangeTested() | GradientsChecked() | SharpnessMeasured() | GradientNoiseMeasured():
                self.measured.take(event)
            case PaceChanged():
                self.pace = event.max_steps_per_second
            case Paused():
                self.is_paused, self.pause_reason = True, event.reason
            case Resumed():
                self.is_paused, self.pause_reason = False, ""
            case CommandQueued():
                self.asked[event.command] = event.request
            case CommandApplied() | CommandRefused():
                self._reply(event)
            case Heartbeat():
                self.heartbeat, self.step = event, max(self.step, event.step)
                self.axis.note(event.step, event.seconds)
            case RunEnded():
                self.ended, self.step = event, event.step
                self.asked.clear()
            case UnknownEvent():
                self.num_unknown += 1
            case _:
                pass  # told in the log alone

    def _plan(self, event: LearningRatePlanned) -> None:
        """Of a plan that cannot be evaluated, as one with a schedule of a later version, only the words are shown."""
        problem = problem_with(event.plan)
        self.plan = None if problem else event.plan
        if problem:
            self.num_damaged += 1
            add_entry(self.log, Entry(event.step, "the learning rate ahead cannot be drawn", problem, kind="alarm"))

    def _lose_racer(self, event: RacerLost) -> None:
        if self.race is not None and 0 <= event.index < len(self.race.racers):
            racers = list(self.race.racers)
            racers[event.index] = structs.replace(racers[event.index], lost_at=event.step)
            self.race = structs.replace(self.race, racers=tuple(racers))

    def _start(self, event: RunStarted) -> None:
        is_first = self.started is None
        if not is_first:  # a new session: it says itself how it stands
            self._forget_after(event.step)
            self.is_paused, self.pause_reason, self.handover, self.heartbeat = False, "", None, None
        self.started, self.ended, self.stage = event, None, ""
        self.step, self.optimizer, self.pace = event.step, event.optimizer, event.max_steps_per_second
        if is_first:
            self.axis.steps_per_epoch = event.steps_per_epoch
        elif self.axis.steps_per_epoch != event.steps_per_epoch:
            self.axis.epochs_change(event.step, event.steps_per_epoch)
        self.regularizers, self.batch_size, self.planned_end = event.regularizers, event.batch_size, None
        self.frozen = event.frozen

    def _forget_after(self, step: int) -> Ghost:
        """The run is at an earlier step: what came after it is no longer its history. The log keeps it."""
        ghost = cut_off(self.series, self.evals, step, self.step)
        self.marks = [mark for mark in self.marks if mark.step <= step]
        self.axis.cut_after(step)
        return ghost

    def _go_back(self, event: RolledBack) -> None:
        """To an earlier step, or by an undo to one that was left."""
        shared = self.ways.shared(event.origin, event.step)
        if shared is None:
            taken = seemingly_taken(self.ghosts, event.step, self.step)
            self._leave_after(event.step if taken is None else taken.first)
            if taken is not None:
                taken_up(taken, self.series, self.evals, event.step)
                self.ghosts = [ghost for ghost in self.ghosts if ghost is not taken]
        else:
            now = Way(self.series, self.evals, self.axis, self.marks, self.layers, self.switched_at)
            self.ways.leave(now)
            self._leave_after(shared)
            if shared < event.step and (way := self.ways.kept(event.origin)) is not None:
                self.series, self.evals, self.axis = way.series, way.evals, way.axis
                self.marks, self.layers, self.switched_at = way.marks, way.layers, way.switched_at
                self._forget_after(event.step)
                self.ghosts = [ghost for ghost in self.ghosts if ghost.way != event.origin]
            self.layers.cut_after(event.step, now.layers.num_measured)
        self.ways.begin(event.timeline, event.origin, event.step)
        standing = {decision.id for decision in event.decisions}
        self.marks = [
            mark for mark in self.marks
            if mark.step < event.step or mark.cause in {"", *standing} or mark.label == PAUSED
        ]  # fmt: skip
        self.step, self.handover, self.preview = event.step, None, None
        self.switched_at = [step for step in self.switched_at if step <= event.step]
        self.optimizer_since = self.switched_at[-1] if self.switched_at else 0
        self.optimizer, self.regularizers, self.batch_size = event.optimizer, event.regularizers, event.batch_size
        self.planned_end, self.frozen = event.total_steps, event.frozen
        if self.axis.steps_per_epoch != event.steps_per_epoch:
            self.axis.epochs_change(event.step, event.steps_per_epoch)
        self.decisions = [(decision.step, decision.command) for decision in event.decisions]
        if self.heartbeat is not None:
            self.heartbeat = structs.replace(self.heartbeat, step=event.step, steps_per_second=0.0)

    def _leave_after(self, step: int) -> None:
        left = self._forget_after(step)
        if left.series:
            left.way = self.ways.current
            self.ghosts = [*self.ghosts, left][-MOST_GHOSTS:]

    def _add_steps(self, event: StepsFinished) -> None:
        self.step = max(self.step, event.step)
        self.axis.note(event.step, event.seconds)
        for column in event.columns:
            series = self.series.get(column.metric)
            if series is None:
                series = self.series[column.metric] = Series(_SMOOTHED)
            series.append(column.first_step, column.stride, column.values)

    def _add_evaluation(self, event: EvalFinished) -> None:
        self.eval_seconds += event.eval_seconds
        self.num_evaluated = event.sizes
        for metric, value in with_gaps(event.metrics).items():
            values = self.evals.setdefault(metric, [])
            if values and values[-1][0] == event.step:
                values.pop()
            values.append((event.step, value))

    def _ask(self, request: Request) -> None:
        if request.id not in self.replies and self.ended is None:
            self.asked.setdefault(request.id, request.command)

    def _reply(self, event: CommandApplied | CommandRefused) -> None:
        command = self.asked.pop(event.command, None)
        if isinstance(command, DECIDING) and isinstance(event, CommandApplied):
            self.decisions.append((event.step, command))
        self.replies[event.command] = event
        while len(self.replies) > _MOST_REPLIES:
            del self.replies[next(iter(self.replies))]
