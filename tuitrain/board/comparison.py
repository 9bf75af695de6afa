"""A comparison as it stands: its arms, what became of each member, and their curves. Folded from plan and journal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from tuitrain.board.curves import Curves, is_lower_better
from tuitrain.board.positions import PositionName
from tuitrain.board.series import Floats
from tuitrain.board.verdict import Ranking, not_comparable, rank
from tuitrain.protocol.comparing import (
    FINAL,
    ComparisonPlan,
    JournalWord,
    Member,
    MemberAdded,
    MemberEnded,
    MemberLaunched,
    MemberState,
    MemberSubmitted,
    Remarked,
    SchedulerEnded,
    SchedulerStarted,
)
from tuitrain.protocol.printable import printable

_CAME_TO_AN_END = frozenset({"finished", "stopped", "pruned"})
_BROKE_OFF = frozenset({"failed", "lost"})
_OF_LOSS = frozenset({"loss", "sharpness"})
"""Last words of metrics that mean another thing with another loss."""
_LOSS_VALUES = ("huber_delta", "focal_gamma")
"""Keys of [task] that make of a loss another one."""
_LOG_RATIO = 30.0
BATCH_BETA = 0.98
"""Decay of the moving average of batch metrics that table and verdict use."""


@dataclass
class MemberView:
    """One member, with what was read of its run."""

    member: Member
    state: MemberState = "waiting"
    ended: MemberState | None = None
    """What the scheduler said of its end; None while it has not."""
    run: str = ""
    """Absolute path of the folder of its run; empty before it was launched."""
    attempt: int = 0
    handle: str = ""
    slot: int = 0
    message: str = ""
    """Why it failed, or was cancelled."""
    curves: Curves = field(default_factory=Curves)
    task: str = ""
    """What it is trained on, e.g. "mnist5k"; empty where that is not known. Arms of other tasks are not comparable."""

    @property
    def key(self) -> str:
        """Unique in the comparison."""
        return self.member.key

    @property
    def run_id(self) -> str:
        """Name of the folder of its run."""
        return printable(self.run.rpartition("/")[2])

    @property
    def is_final(self) -> bool:
        """Whether nothing more is to come of it."""
        return self.state in FINAL

    @property
    def progress(self) -> float:
        """Share of its steps that are done, 0 to 1."""
        total = self.curves.total_steps
        return min(1.0, self.curves.step / total) if total else 0.0


@dataclass(frozen=True)
class Band:
    """The mean over the members of an arm, and how far they spread."""

    xs: Floats
    means: Floats
    lows: Floats
    highs: Floats
    """Mean plus one standard deviation over the members; the mean itself where there is one member."""


class Comparison:
    """What is known of a comparison. `add` takes the journal; curves are filled by whoever reads the runs."""

    def __init__(self, plan: ComparisonPlan) -> None:
        self.plan = plan
        self.members: dict[str, MemberView] = {}
        """By key, in the order in which they were asked for."""
        self.remarks: list[str] = list(plan.notes)
        self.scheduler: SchedulerStarted | None = None
        self.ended: SchedulerEnded | None = None
        self.version = 0
        """Grows with everything that was read of the journal, and with states that changed."""
        for member in plan.members:
            self._add_member(member)

    @property
    def arms(self) -> dict[str, list[MemberView]]:
        """Label → its members, arms in the order in which they were asked for."""
        found: dict[str, list[MemberView]] = {label: [] for label in self.plan.arms}
        for view in self.members.values():
            found.setdefault(view.member.arm, []).append(view)
        return found

    @property
    def is_done(self) -> bool:
        """Whether nothing more is to come."""
        return self.ended is not None or all(view.is_final for view in self.members.values())

    @property
    def has_gone_wrong(self) -> bool:
        """Whether something that was launched failed, or was never launched although nobody stopped it."""
        mine = [view.state for view in self.members.values() if not view.member.run]
        was_stopped = self.ended is not None and self.ended.reason == "stopped"
        return any(state in {"failed", "lost", "gone"} or (state == "waiting" and not was_stopped) for state in mine)

    def add(self, word: JournalWord) -> None:
        """Take in one line of the journal."""
        self.version += 1
        if isinstance(word, MemberLaunched | MemberSubmitted | MemberEnded) and word.key not in self.members:
            return  # the line that added it was damaged
        match word:
            case SchedulerStarted():
                self.scheduler, self.ended = word, None
            case MemberAdded():
                self._add_member(word.member)
            case MemberLaunched():
                view = self.members[word.key]
                if not word.is_resumed:
                    view.curves = Curves()
                view.state, view.run, view.attempt, view.slot = "starting", word.run, word.attempt, word.slot
                view.handle, view.message, view.ended = "", "", None
            case MemberSubmitted():
                self.members[word.key].handle = word.handle
            case MemberEnded():
                view = self.members[word.key]
                view.state = view.ended = word.state
                view.message = printable(word.message)
            case Remarked():
                self.remarks.append(word.text)
            case SchedulerEnded():
                self.ended = word

    def metrics(self, offered: Iterable[str] = ()) -> list[str]:
        """Names of all metrics of which any run has a curve: the comparison's first, evaluated ones next.

        Args:
            offered: further ones, which are not read yet.
        """
        found = {name for view in self.members.values() for name in view.curves.metrics()} | {*offered}
        order = ("eval/", "gap/", "train/", "batch/")

        def place(name: str) -> tuple[bool, int, str]:
            kind = next((index for index, start in enumerate(order) if name.startswith(start)), len(order))
            return name != self.plan.metric, kind, name

        return sorted(found, key=place)

    def is_lower_better(self, metric: str) -> bool:
        """Whether less of a metric is better, as the runs say."""
        told = next((view.curves for view in self.members.values() if view.curves.started is not None), None)
        return told.lower_is_better(metric) if told is not None else is_lower_better(metric)

    def is_aim(self, metric: str) -> bool:
        """Whether less or more of a metric is better at all: of a learning rate neither is."""
        if metric == self.plan.metric:
            return True
        runs = [view.curves.started for view in self.members.values() if view.curves.started is not None]
        known = next((info for started in runs[:1] for info in started.metrics if info.name == metric), None)
        if known is not None:
            return known.better != "neither" or metric.endswith("/loss")
        return not metric.startswith("batch/") or metric == "batch/loss"

    def final_values(self, metric: str) -> dict[str, dict[str, float]]:
        """Arm → {what pairs its members with those of other arms → last value}; for the verdict.

        Of runs that came to an end; as long as none has, of all as they stand. A run that failed or was lost on its way
        has no last value: half a training says nothing of a whole one. If numbers that are none ended it, or its loss
        was none any more, it diverged, and is NaN.
        """
        is_open = not any(view.state in _CAME_TO_AN_END | _BROKE_OFF for view in self.members.values())
        found: dict[str, dict[str, float]] = {}
        for label, views in self.arms.items():
            values = [(view.member.pair, _final_value(view, metric, is_open=is_open)) for view in views]
            found[label] = {pair: value for pair, value in values if value is not None}
        return found

    def ranking(self, metric: str, level: float = 0.95) -> Ranking:
        """The verdict on a metric. The first one of a size takes up to a second: not on the drawing thread."""
        return self.judge(metric, level)()

    def judge(self, metric: str, level: float = 0.95) -> Callable[[], Ranking]:
        """What gives the verdict on the values as they are now, on any thread.

        Other tasks are not comparable, and by a loss other losses are not.
        """
        values, is_lower, tasks = self.final_values(metric), self.is_lower_better(metric), self.tasks()
        losses = self.losses() if metric.rpartition("/")[2] in _OF_LOSS else []

        def verdict() -> Ranking:
            found = rank(values, is_lower_better=is_lower, metric=metric, level=level)
            if len(tasks) > 1:
                return not_comparable(found, "tasks", tasks)
            return not_comparable(found, "losses", losses) if len(losses) > 1 else found

        return verdict

    def band(self, label: str, metric: str, position: PositionName, beta: float, num_points: int = 200) -> Band | None:
        """The mean line of an arm and its spread, on a grid, as far as every member has come.

        Members that never had a value of it, and those that failed or were cancelled, are left out.
        """
        lines = [
            view.curves.line(metric, position, beta)
            for view in self.arms.get(label, [])
            if view.state not in {"failed", "cancelled", "gone"}
        ]
        return band_of([line for line in lines if len(line[0])], num_points)

    def tasks(self) -> list[str]:
        """What the runs are trained on, each once; more than one are not comparable."""
        return list(dict.fromkeys(view.task for view in self.members.values() if view.task))

    def losses(self) -> list[str]:
        """What the runs that have begun minimise, each once: a number of one is none of another."""
        return list(dict.fromkeys(loss for view in self.members.values() if (loss := _loss_of(view))))

    def _add_member(self, member: Member) -> None:
        view = MemberView(member, run=member.run, state="starting" if member.run else "waiting")
        view.task = task_of(member.preset)
        self.members[member.key] = view


def _final_value(view: MemberView, metric: str, *, is_open: bool) -> float | None:
    if view.curves.has_diverged:
        return math.nan
    value = view.curves.last(metric, BATCH_BETA)
    if view.state in _CAME_TO_AN_END or (is_open and view.state not in {"cancelled", "gone"}):
        return value
    if view.state in _BROKE_OFF:
        losses = (view.curves.newest(name) for name in ("batch/loss", "eval/loss", metric))
        return math.nan if any(loss is not None and not math.isfinite(loss) for loss in losses) else None
    return None


def band_of(lines: Iterable[tuple[Floats, Floats]], num_points: int) -> Band | None:
    """Mean and spread of several lines where all of them are; None where there is no such place."""
    kept = [(xs, ys) for xs, ys in lines if len(xs)]
    if not kept:
        return None
    low, high = max(float(xs[0]) for xs, _ in kept), min(float(xs[-1]) for xs, _ in kept)
    if not low <= high:
        return None
    if len(kept) == 1:
        xs, ys = kept[0]
        return Band(xs, ys, ys, ys)
    grid = kept[0][0] if all(_is_same(xs, kept[0][0]) for xs, _ in kept) else np.linspace(low, high, num_points)
    table = np.array([np.interp(grid, xs, ys) for xs, ys in kept])
    means = table.mean(axis=0)
    with np.errstate(invalid="ignore"):
        spread = table.std(axis=0, ddof=1)
    return Band(grid, means, means - spread, means + spread)


def is_wide(lines: Iterable[Floats]) -> bool:
    """Whether lines are better seen by their logarithm: all above zero, and some value many times another one."""
    ends = [(float(known.min()), float(known.max())) for line in lines if len(known := line[np.isfinite(line)])]
    low, high = min((low for low, _ in ends), default=0.0), max((high for _, high in ends), default=0.0)
    return low > 0.0 and high / _LOG_RATIO > low


def task_of(preset: dict[str, object]) -> str:
    """What a preset trains on, of one's own data with their place; empty where it does not say."""
    task, surface = preset.get("task"), preset.get("surface")
    if not isinstance(task, dict):
        return ""
    words = [task.get("dataset", ""), *(task[key] for key in ("path", "target") if task.get(key))]
    if words[0] == "surface" and isinstance(surface, dict):
        words.append(surface.get("name", ""))
    return printable(" ".join(map(str, words)))


def _loss_of(view: MemberView) -> str:
    """Name of the loss of a run that has begun, with what its preset gives it; empty where it says none."""
    started, task = view.curves.started, view.member.preset.get("task")
    if started is None or not started.loss:
        return ""
    given = task if isinstance(task, dict) else {}
    values = {name: given.get(name) for name in _LOSS_VALUES if name.startswith(f"{started.loss}_")}
    words = [f"{name.rpartition('_')[2]} {value:g}" for name, value in values.items() if isinstance(value, int | float)]
    return printable(" ".join([started.loss, *words]))


def _is_same(one: Floats, other: Floats) -> bool:
    return len(one) == len(other) and bool(np.array_equal(one, other))


def is_number(value: float | None) -> bool:
    """Whether there is a value, and it is finite."""
    return value is not None and math.isfinite(value)
