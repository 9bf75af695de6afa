"""The overlay: the lines of all arms of a comparison in one figure. Pure: from what is known, and the view of it.

An arm with several members is its mean as far as all of them have come; what a single one has beyond that, or has
alone because it failed, is drawn faint. Lines are kept until their run goes on, and have two points a column.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from tuitrain.board.comparison import Band as Means
from tuitrain.board.comparison import Comparison, MemberView, is_wide
from tuitrain.board.series import Floats
from tuitrain.ui.compare_rows import Row
from tuitrain.ui.compare_view import CompareView
from tuitrain.ui.text import number
from tuitrain.ui.widgets.figure import Band, Curve, Figure, Level, Word, value_at

Line = tuple[Floats, Floats]
"""(xs, ys), each of shape (n,)."""

_POINTS_A_COLUMN = 2
_LEAST_SHARE = 1e-9
_NEAR_ZERO = 0.05
_REACH, _LOG_REACH = 1.5, 10.0
"""How many times as high as the highest of the others a run that broke off is shown; on a log axis."""
_MOST_KEPT = 500
"""Lines; those of views that nobody looks at any more go first."""
_FEW, _NUM_BEST = 12, 5
"""Arms that are all drawn in colour; of more than that so many are."""


class Overlay:
    """Builds the figure; keeps lines that have not changed."""

    def __init__(self) -> None:
        self._lines: dict[tuple[object, ...], tuple[object, Line]] = {}
        self._means: dict[tuple[object, ...], tuple[object, Means | None]] = {}
        self._thin: dict[tuple[object, ...], tuple[Line, tuple[list[float], list[float]]]] = {}

    def figure(self, comparison: Comparison, arms: Sequence[Row], view: CompareView, columns: int) -> Figure:
        """The figure of the arms that are not hidden.

        Args:
            comparison: what is known.
            arms: rows of arms, as listed.
            view: what is wanted.
            columns: of the canvas.
        """
        shown = [arm for arm in arms if is_shown(arm, view)]
        emphasised = _emphasised(shown, view)
        means = {arm.id: self._mean_of(comparison, arm, view) for arm in shown}
        low, high = self._span(shown, view)
        start = high - view.window * (high - low) if view.window < 1 else low
        view = replace(view, cursor=_within(view.cursor, start, high), is_log=_is_log(means.values(), view, start))
        curves: list[Curve] = []
        coloured = _coloured(comparison, shown, view)
        for arm in shown:
            is_quiet = arm.id in coloured
            curves += self._curves(arm, means[arm.id], view, columns, start, emphasised, is_quiet=is_quiet)
        banded = [arm for arm in shown if view.bands == "all" or (view.bands == "one" and arm.id == emphasised)]
        return Figure(
            title=title_of(view),
            curves=tuple(sorted(curves, key=lambda curve: (curve.is_emphasised, not curve.role.endswith("-faint")))),
            bands=tuple(
                band for arm in banded if (band := _band(arm, means[arm.id], columns, start)) is not None
            ),
            levels=() if view.target is None else (Level(view.target, f"target {number(view.target)}"),),
            x_range=_x_range(view, start, high),
            y_range=_y_range(shown, curves, view, start),
            is_log=bool(view.is_log),
            x_label=view.position,
            cursor=view.cursor,
            legend=_legend(shown, curves, view),
            empty_text=why_empty(comparison, arms, shown, view),
        )  # fmt: skip

    def mean_line(self, comparison: Comparison, row: Row, view: CompareView) -> Line:
        """The line of a row, not thinned: of an arm its mean."""
        if row.is_member:
            return self._line(row.members[0], view)
        means = self._mean_of(comparison, row, view)
        return (np.empty(0), np.empty(0)) if means is None else (means.xs, means.means)

    def _curves(
        self,
        arm: Row,
        means: Means | None,
        view: CompareView,
        columns: int,
        start: float,
        emphasised: str,
        *,
        is_quiet: bool,
    ) -> list[Curve]:
        curves = []
        end = -math.inf
        if means is not None:
            end = float(means.xs[-1])
            xs, ys = self._thinned((arm.id, ""), (means.xs, means.means), columns, start)
            is_emphasised = arm.id == emphasised
            role = arm.role if is_emphasised else f"{arm.role}-{'quiet' if is_quiet else 'faint'}"
            marker = arm.marker
            curves.append(Curve(arm.label, xs, ys, role, is_emphasised=is_emphasised, marker=marker))
        # Of a cross-validation each fold has its line: how far they lie apart is what it is for.
        is_opened = arm.id in view.opened or (
            arm.id == emphasised and any(member.member.fold for member in arm.members)
        )
        for member in arm.members if len(arm.members) > 1 or means is None else ():
            line = self._line(member, view)
            is_chosen = member.key == emphasised
            counts = member.state not in {"failed", "cancelled", "gone"} and means is not None
            if member.key in view.hidden or not len(line[0]):
                continue
            if counts and not is_opened and not is_chosen:
                first = max(0, int(np.searchsorted(line[0], end, "right")) - 1)
                if len(line[0]) - first < 2:
                    continue
                line = line[0][first:], line[1][first:]
            role = arm.role if is_chosen else f"{arm.role}-faint"
            xs, ys = self._thinned((arm.id, member.key), line, columns, start)
            curves.append(Curve(member.key, xs, ys, role, is_emphasised=is_chosen, marker=arm.marker))
        return curves

    def _line(self, member: MemberView, view: CompareView) -> Line:
        key = (member.key, view.metric, view.position, view.beta)
        version = (id(member.curves), member.curves.version)
        known = self._lines.get(key)
        if known is None or known[0] != version:
            known = version, member.curves.line(view.metric, view.position, view.beta)
            if len(self._lines) > _MOST_KEPT:
                self._lines.clear()
            self._lines[key] = known
        return known[1]

    def _thinned(
        self, name: tuple[str, str], line: Line, columns: int, start: float
    ) -> tuple[list[float], list[float]]:
        known = self._thin.get((*name, columns, start))
        if known is None or known[0][0] is not line[0] or known[0][1] is not line[1]:
            known = line, thinned(line, columns, start)
            if len(self._thin) > _MOST_KEPT:
                self._thin.clear()
            self._thin[*name, columns, start] = known
        return known[1]

    def _mean_of(self, comparison: Comparison, arm: Row, view: CompareView) -> Means | None:
        key = (arm.id, view.metric, view.position, view.beta)
        version = tuple((id(member.curves), member.curves.version, member.state) for member in arm.members)
        known = self._means.get(key)
        if known is None or known[0] != version:
            known = version, comparison.band(arm.id, view.metric, view.position, view.beta)
            if len(self._means) > _MOST_KEPT:
                self._means.clear()
            self._means[key] = known
        return known[1]

    def _span(self, arms: Sequence[Row], view: CompareView) -> tuple[float, float]:
        lines = [self._line(member, view)[0] for arm in arms for member in arm.members]
        ends = [(float(xs[0]), float(xs[-1])) for xs in lines if len(xs)]
        return (min(low for low, _ in ends), max(high for _, high in ends)) if ends else (0.0, 0.0)


def is_shown(arm: Row, view: CompareView) -> bool:
    """Whether the line of an arm is drawn."""
    return view.only == arm.id if view.only else arm.id not in view.hidden


def title_of(view: CompareView) -> str:
    """What the chart shows, in a few words."""
    words = [view.metric, f"by {view.position}"]
    if view.metric.startswith("batch/"):
        words.append(f"moving average {view.beta:g}" if view.beta else "raw")
    if view.is_log:
        words.append("log")
    if view.window < 1:
        words.append(f"last {view.window * 100:.0f} %")
    return " · ".join(words)


def why_empty(comparison: Comparison, arms: Sequence[Row], shown: Sequence[Row], view: CompareView) -> str:
    """What the chart says where there is no line."""
    members = comparison.members.values()
    if not members:
        return "waiting for the first trial" if comparison.plan.search is not None else "there are no runs"
    if not arms:
        return f'no run holds "{view.words}"   (esc shows all)'
    if not shown:
        return "all runs are hidden   (space shows one, o all)"
    if all(member.state == "waiting" for member in members):
        return f"waiting: {_of(len(members), 'member')}, {comparison.plan.num_parallel} at a time"
    if view.metric.startswith("batch/") and any(member.curves.step for member in members):
        return f"reading {view.metric}"
    if any(not member.is_final for member in members):
        return f"no {view.metric} yet"
    return f"no run has {view.metric}   (m shows another metric)"


def _is_log(means: Iterable[Means | None], view: CompareView, start: float) -> bool:
    """As a person chose; else where an arm is so far from the others that it would squash them."""
    if view.is_log is not None:
        return view.is_log
    return is_wide(each.means[each.xs >= start] for each in means if each is not None)


def _within(cursor: float | None, low: float, high: float) -> float | None:
    """The cursor, at the edge of what is shown where it would be beyond it."""
    return cursor if cursor is None or low >= high else min(max(cursor, low), high)


def _x_range(view: CompareView, low: float, high: float) -> tuple[float, float] | None:
    """What is shown; from 0 where it begins just behind it, at the first step, as the axis has a tick there."""
    if 0.0 < low <= _NEAR_ZERO * high:
        return 0.0, high
    return (low, high) if view.window < 1 and high > low else None


def _y_range(
    shown: Sequence[Row], curves: Sequence[Curve], view: CompareView, start: float
) -> tuple[float, float] | None:
    """Where a run that broke off went far beyond the others, a range in which those can be read: its line leaves it.

    None where all of the data is shown.
    """
    broken = {member.key for arm in shown for member in arm.members if member.state in {"failed", "lost"}}
    ends: dict[bool, list[float]] = {True: [], False: []}
    for curve in curves:
        xs, ys = np.asarray(curve.xs), np.asarray(curve.ys)
        kept = ys[(xs >= start) & np.isfinite(ys) & ((ys > 0.0) | (not view.is_log))]
        ends[curve.name in broken] += [float(kept.min()), float(kept.max())] if len(kept) else []
    if not ends[True] or not ends[False] or max(ends[False]) <= 0.0:
        return None
    low, high = min(ends[False]), (_LOG_REACH if view.is_log else _REACH) * max(ends[False])
    if max(ends[True]) <= high:
        return None
    return (0.7 * low if view.is_log else min(low, 0.0)), high


def thinned(line: Line, columns: int, start: float = -math.inf) -> tuple[list[float], list[float]]:
    """A line from x = `start` on, with the lowest and the highest point of each of so many columns, in their order.

    What is not finite is left out where its column has a number.
    """
    xs, ys = line
    first = max(0, int(np.searchsorted(xs, start)) - 1)
    xs, ys = xs[first:], ys[first:]
    if len(xs) <= _POINTS_A_COLUMN * columns:
        return xs.tolist(), ys.tolist()
    width = max((float(xs[-1]) - float(xs[0])) / columns, _LEAST_SHARE)
    bins = np.minimum(((xs - xs[0]) / width).astype(int), columns - 1)
    starts = np.flatnonzero(np.diff(bins, prepend=-1))
    stops = np.append(starts[1:], len(xs)) - 1
    lows, highs = np.fmin.reduceat(ys, starts), np.fmax.reduceat(ys, starts)
    # fmin and fmax take a NaN for nothing: one that falls begins at its highest point.
    falls = ys[starts] > ys[stops]
    pairs = np.where(falls[:, np.newaxis], np.stack((highs, lows), axis=1), np.stack((lows, highs), axis=1))
    places = np.stack((xs[starts], xs[stops]), axis=1)
    return places.ravel().tolist(), pairs.ravel().tolist()


def _emphasised(shown: Sequence[Row], view: CompareView) -> str:
    """The row whose line stands out: the selected one, an arm or a member of it; else the first."""
    for arm in shown:
        if view.selected == arm.id:
            return arm.id
        if any(member.key == view.selected for member in arm.members):
            return view.selected if len(arm.members) > 1 else arm.id
    return shown[0].id if shown and not view.selected else ""


def _coloured(comparison: Comparison, shown: Sequence[Row], view: CompareView) -> set[str]:
    """The arms whose colour can be told at a glance: all of a few, the best of many."""
    if len(shown) <= _FEW:
        return {arm.id for arm in shown}
    sign = 1.0 if comparison.is_lower_better(view.metric) else -1.0
    known = [(sign * arm.last.mean, arm.id) for arm in shown if arm.last is not None and math.isfinite(arm.last.mean)]
    return {label for _, label in sorted(known)[:_NUM_BEST]}


def _band(arm: Row, means: Means | None, columns: int, start: float) -> Band | None:
    if means is None or len(arm.members) < 2 or means.lows is means.means:
        return None
    first = max(0, int(np.searchsorted(means.xs, start)) - 1)
    stride = max(1, (len(means.xs) - first) // max(1, columns))
    kept = np.unique(np.append(np.arange(first, len(means.xs), stride), len(means.xs) - 1))
    xs, lows, highs = means.xs[kept].tolist(), means.lows[kept], means.highs[kept]
    return Band(arm.label, xs, lows.tolist(), highs.tolist(), arm.role)


def _legend(shown: Sequence[Row], curves: Sequence[Curve], view: CompareView) -> tuple[Word, ...]:
    """Each arm with its value at the cursor, or its last one; the chosen one first."""
    arms = {arm.label: arm for arm in shown}
    found = {curve.name: curve for curve in curves if curve.name in arms}
    words: list[Word] = []
    if view.cursor is not None:
        words.append(Word(f"{view.position} {place_text(view)}", "text-faint"))
    for name, curve in sorted(found.items(), key=lambda item: not item[1].is_emphasised):
        last = arms[name].last
        value = reading(curve.xs, curve.ys, view.cursor) if view.cursor is not None else last.mean if last else None
        gap = "   " if words else ""  # in front: of what has no room, a word goes with its gap
        said = f"{gap}{arms[name].marker} {name}  "
        words.append(Word(said, arms[name].role, is_strong=curve.is_emphasised, is_entry=True))
        words.append(Word(number(value), "text", is_strong=curve.is_emphasised))
    drawn = {curve.name for curve in curves}
    for arm in shown:
        state = next((member.state for member in arm.members if member.key in drawn), None)
        if arm.label not in found and state is not None:  # it has lines and no mean: its runs failed, or are gone
            gap = "   " if words else ""
            words.append(Word(f"{gap}{arm.marker} {arm.label}  ", arm.role, is_entry=True))
            words.append(Word(state, "text"))
    return tuple(words)


def place_text(view: CompareView) -> str:
    """Where the cursor stands."""
    cursor = view.cursor or 0.0
    if view.position == "seconds" and cursor < 100.0:
        return f"{cursor:.3g}"
    return f"{cursor:.2f}" if view.position == "epoch" else f"{cursor:,.0f}".replace(",", " ")


def reading(xs: Sequence[float], ys: Sequence[float], x: float) -> float | None:
    """The value nearest to a place; None beyond the ends of the line."""
    if not len(xs):
        return None
    reach = (xs[-1] - xs[0]) / max(1, len(xs) - 1)
    if not xs[0] - reach <= x <= xs[-1] + reach:
        return None
    return value_at(Curve("", xs, ys, ""), x)


def _of(count: int, thing: str) -> str:
    return f"{count} {thing}" + ("" if count == 1 else "s")
