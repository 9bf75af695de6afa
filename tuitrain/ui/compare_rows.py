"""The rows of a comparison: what is known of each arm, and of each of its members. Facts, without any layout."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tuitrain.board.comparison import BATCH_BETA, Comparison, MemberView
from tuitrain.board.curves import BestPoint
from tuitrain.protocol.comparing import MemberState
from tuitrain.protocol.plan import Value
from tuitrain.ui.compare_view import SORTS, CompareView, SortName
from tuitrain.ui.text import plain

MARKERS = "●▲■◆○△□◇"
_NUM_COLOURS = 8
STATE_ORDER: tuple[MemberState, ...] = (
    "running", "paused", "starting", "waiting", "finished", "stopped", "pruned", "cancelled", "failed", "lost", "gone"
)  # fmt: skip
_CAME_TO_AN_END: frozenset[MemberState] = frozenset({"finished", "stopped", "pruned"})


@dataclass(frozen=True, slots=True)
class Spread:
    """Values of several members: their mean and how far they spread."""

    mean: float
    deviation: float
    """Standard deviation with n − 1; NaN for fewer than two."""
    num: int


@dataclass(frozen=True, slots=True)
class MemberFacts:
    """What the table says of one run."""

    last: float | None
    best: BestPoint | None
    """None where neither less nor more of the metric is better, too."""
    reached: BestPoint | None
    """Where it was first at the target."""
    gap: float | None
    samples_per_second: float


@dataclass(frozen=True, slots=True)
class Row:
    """An arm with all its members, or one member."""

    id: str
    """Label of the arm, or key of the member."""
    arm: str
    label: str
    place: int
    """Of the arm, from 0: decides colour and marker."""
    is_member: bool
    members: tuple[MemberView, ...]
    facts: tuple[MemberFacts, ...]
    """Of each member, in the same order."""

    @property
    def counted(self) -> tuple[MemberFacts, ...]:
        """Of the members that came to an end, as in the verdict; of all while none has.

        A mean over what is half done misleads, and half done stays what failed or was lost on its way.
        """
        if not any(member.state in _CAME_TO_AN_END for member in self.members):
            return self.facts
        return tuple(
            facts
            for member, facts in zip(self.members, self.facts, strict=True)
            if member.state in _CAME_TO_AN_END or (member.state in {"failed", "lost"} and _is_diverged(facts))
        )

    @property
    def role(self) -> str:
        """Its colour."""
        return f"arm-{self.place % _NUM_COLOURS}"

    @property
    def marker(self) -> str:
        """Its sign: no two of 64 arms share both colour and marker."""
        return MARKERS[(self.place + self.place // _NUM_COLOURS) % len(MARKERS)]

    @property
    def states(self) -> Counter[MemberState]:
        """How many members are in which state."""
        return Counter(member.state for member in self.members)

    @property
    def progress(self) -> float:
        """Share of the steps of all members that are done, 0 to 1; those that are done with count as done."""
        if not self.members:
            return 0.0
        return sum(1.0 if view.state == "finished" else view.progress for view in self.members) / len(self.members)

    @property
    def last(self) -> Spread | None:
        """Newest values."""
        return spread_of(facts.last for facts in self.counted)

    @property
    def best(self) -> Spread | None:
        """Best values, each member's own."""
        return spread_of(facts.best.value for facts in self.counted if facts.best is not None)

    @property
    def best_step(self) -> Spread | None:
        """Steps of the best values."""
        return spread_of(facts.best.step for facts in self.counted if facts.best is not None)

    @property
    def best_seconds(self) -> Spread | None:
        """Seconds from the beginning to the best values."""
        return spread_of(facts.best.seconds for facts in self.counted if facts.best is not None)

    @property
    def reached_seconds(self) -> Spread | None:
        """Seconds from the beginning to the target, of those that reached it."""
        return spread_of(facts.reached.seconds for facts in self.facts if facts.reached is not None)

    @property
    def num_reached(self) -> int:
        """How many members reached the target."""
        return sum(facts.reached is not None for facts in self.facts)

    @property
    def gap(self) -> Spread | None:
        """Generalization gaps."""
        return spread_of(facts.gap for facts in self.counted)

    @property
    def samples_per_second(self) -> Spread | None:
        """Of those that have begun."""
        return spread_of(facts.samples_per_second for facts in self.facts if facts.samples_per_second)


class Rows:
    """Makes rows; keeps what it found of a run until that has gone on."""

    def __init__(self) -> None:
        self._facts: dict[tuple[str, str, bool, float | None], tuple[object, MemberFacts]] = {}

    def arms(self, comparison: Comparison, view: CompareView) -> list[Row]:
        """The arms that hold the words that were typed, sorted."""
        is_aim = comparison.is_aim(view.metric)
        found = [
            self._row(comparison, view, label, place, members, is_aim=is_aim)
            for place, (label, members) in enumerate(comparison.arms.items())
            if holds(label, members, view.words)
        ]
        return _sorted(found, comparison, view)

    def listed(self, comparison: Comparison, view: CompareView) -> list[Row]:
        """The arms, each followed by its members where it is opened."""
        rows: list[Row] = []
        for row in self.arms(comparison, view):
            rows.append(row)
            if row.id in view.opened and len(row.members) > 1:
                rows += _sorted([_member_row(row, index) for index in range(len(row.members))], comparison, view)
        return rows

    def _row(
        self, comparison: Comparison, view: CompareView, label: str, place: int, members: Sequence[MemberView], *,
        is_aim: bool,
    ) -> Row:  # fmt: skip
        facts = tuple(self._facts_of(comparison, view, member, is_aim=is_aim) for member in members)
        return Row(label, label, label, place, False, tuple(members), facts)

    def _facts_of(
        self, comparison: Comparison, view: CompareView, member: MemberView, *, is_aim: bool
    ) -> MemberFacts:  # fmt: skip
        key = (member.key, view.metric, is_aim, view.target)
        version = (id(member.curves), member.curves.version)
        known = self._facts.get(key)
        if known is None or known[0] != version:
            curves, metric = member.curves, view.metric
            gap = metric if metric.startswith("gap/") else f"gap/{metric.partition('/')[2]}"
            target = view.target
            known = (
                version,
                MemberFacts(
                    curves.last(metric, BATCH_BETA),
                    curves.best(metric, BATCH_BETA) if is_aim else None,
                    None if target is None else curves.reached(metric, target, BATCH_BETA),
                    curves.last(gap if gap in curves.evaluated else "gap/loss"),
                    curves.samples_per_second,
                ),
            )
            if len(self._facts) > 20 * max(50, len(comparison.members)):
                self._facts.clear()  # of metrics that nobody looks at any more
            self._facts[key] = known
        return known[1]


def sorts_there(comparison: Comparison, view: CompareView) -> tuple[SortName, ...]:
    """By what rows can be sorted: of a rate there is no best, and without a target no time to it."""
    missing: set[SortName] = set() if comparison.is_aim(view.metric) else {"best", "after"}
    if view.target is None:
        missing.add("to target")
    return tuple(sort for sort in SORTS if sort not in missing)


def sort_there(comparison: Comparison, view: CompareView) -> SortName:
    """By what rows are sorted: what was chosen; where that is not there, the nearest to it that is."""
    if view.sort in sorts_there(comparison, view):
        return view.sort
    return "last" if view.sort == "best" else "order"


def member_label(view: MemberView) -> str:
    """A member within its arm: its fold, its parameters, else its seed."""
    member = view.member
    if member.fold:
        return f"fold {member.fold}" + (f" seed {member.seed}" if member.seed else "")
    if member.parameters:
        return "  ".join(f"{key.rpartition('.')[2]} {plain(value)}" for key, value in member.parameters.items())
    return f"seed {member.seed}"


def holds(label: str, members: Iterable[MemberView], words: str) -> bool:
    """Whether each of the words stands in the label of an arm, or in what one of its members is."""
    wanted = words.lower().split()
    if not wanted:
        return True
    texts = [f"{label} {view.key} {view.state} {view.task} {member_label(view)}".lower() for view in members]
    texts += [label.lower()]
    parameters = [f"{key}={form(value)}" for view in members for key, value in _values(view) for form in (plain, str)]
    texts = [" ".join([text, *parameters]).lower() for text in texts]
    return any(all(word in text for word in wanted) for text in texts)


def _values(view: MemberView) -> Iterable[tuple[str, Value]]:
    return {**view.member.varied, **view.member.parameters}.items()


def spread_of(values: Iterable[float | None]) -> Spread | None:
    """Mean and deviation of the values that are there; None where there are none. A NaN stays one."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return Spread(float(known[0]), math.nan, 1) if known else None
    found = np.array(known, dtype=float)
    with np.errstate(invalid="ignore", over="ignore"):
        return Spread(float(found.mean()), float(found.std(ddof=1)), len(found))


def _is_diverged(facts: MemberFacts) -> bool:
    return facts.last is not None and not math.isfinite(facts.last)


def _member_row(row: Row, index: int) -> Row:
    member = row.members[index]
    return Row(member.key, row.arm, member_label(member), row.place, True, (member,), (row.facts[index],))


def _sorted(rows: list[Row], comparison: Comparison, view: CompareView) -> list[Row]:
    if view.sort == "order":
        return rows[::-1] if view.is_reversed else rows
    is_lower_first = comparison.is_lower_better(view.metric) or not comparison.is_aim(view.metric)
    sign = 1.0 if is_lower_first else -1.0
    keys: dict[str, Callable[[Row], float]] = {
        "last": lambda row: sign * _mean(row.last),
        "best": lambda row: sign * _mean(row.best),
        "after": lambda row: _mean(row.best_seconds),
        "to target": lambda row: _mean(row.reached_seconds),
        "samples/s": lambda row: -_mean(row.samples_per_second),
        "gap": lambda row: abs(_mean(row.gap)),
        "state": lambda row: float(min((STATE_ORDER.index(state) for state in row.states), default=0)),
    }
    if view.sort == "run":
        return sorted(rows, key=lambda row: row.label, reverse=view.is_reversed)
    number = keys[view.sort]
    known = [row for row in rows if math.isfinite(number(row))]
    rest = [row for row in rows if not math.isfinite(number(row))]  # last, whichever way round
    return sorted(known, key=number, reverse=view.is_reversed) + rest


def _mean(spread: Spread | None) -> float:
    return math.nan if spread is None else spread.mean
