"""The table under the overlay: rows as lines of a width. A narrow terminal loses columns, the least telling first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content

from tuitrain.cells import left, num_cells
from tuitrain.protocol.comparing import MemberState
from tuitrain.ui import text
from tuitrain.ui.compare_rows import STATE_ORDER, Row, Spread
from tuitrain.ui.compare_view import CompareView

STATE_STYLES: dict[MemberState, str] = {
    "waiting": "$foreground 55%", "starting": "$foreground 55%", "running": "$success", "paused": "$warning",
    "finished": "$primary", "stopped": "$primary", "pruned": "$foreground 55%", "cancelled": "$foreground 55%",
    "failed": "$error", "lost": "$error", "gone": "$warning",
}  # fmt: skip
_TROUBLES: tuple[MemberState, ...] = ("failed", "lost", "gone")
_QUIET = "$foreground 55%"
_SELECTED = " on $foreground 12%"
_LEAST_LABEL, _MOST_LABEL = 8, 44
_BAR = 6
_SPREAD_WIDTH, _NUMBER_WIDTH = 16, 8


@dataclass(frozen=True, slots=True)
class _Column:
    header: str
    width: int
    priority: int
    """The smallest stays longest."""
    sort: str = ""
    """Name of the sort that goes by it."""


@dataclass(frozen=True, slots=True)
class CompareTable:
    """The finished picture."""

    lines: tuple[Content, ...]
    title: str
    top: int
    """The first row in view."""
    page: int
    """Rows in view."""


def compare_table(
    rows: Sequence[Row], view: CompareView, readings: dict[str, float | None], width: int, height: int, top: int
) -> CompareTable:
    """Draw a table of `width` × `height` cells.

    Args:
        rows: arms, each followed by its members where it is opened.
        view: what is wanted.
        readings: row → value at the cursor.
        width: columns of the terminal.
        height: lines, the one with the headers among them.
        top: the first row that was in view before.
    """
    page = max(1, height - 1)
    selected = next((index for index, row in enumerate(rows) if row.id == view.selected), 0)
    top = max(selected - page + 1, min(top, selected), 0)
    top = max(0, min(top, len(rows) - page))
    columns = _that_fit(rows, view, width)
    taken = 4 + sum(column.width + 1 for column in columns.values())
    label_width = min(
        max(_LEAST_LABEL, width - taken), _MOST_LABEL, max((_label_width(row) for row in rows), default=8)
    )
    label_width = max(_LEAST_LABEL, label_width)
    lines = [_header(columns, view, label_width)]
    part = rows[top : top + page]
    for index, row in enumerate(part, top):
        lines.append(_line(row, columns, view, readings, label_width, width, is_selected=index == selected))
    title = f"{top + 1}–{top + len(part)} of {len(rows)}" if len(part) < len(rows) else ""
    return CompareTable(tuple(lines), title, top, page)


def spread_text(spread: Spread | None, *, has_deviation: bool = True) -> str:
    """0.231 ±0.004; a dash where there is none."""
    if spread is None:
        return "–"
    words = text.number(spread.mean) if math.isfinite(spread.mean) else "nan"
    if has_deviation and spread.num > 1 and math.isfinite(spread.deviation):
        words += f" ±{_beside(spread.deviation, words)}"
    return words


def progress_bar(share: float, width: int = _BAR) -> str:
    """A line, to half a cell."""
    halves = round(min(max(share, 0.0), 1.0) * width * 2)
    return ("━" * (halves // 2) + "╸" * (halves % 2)).ljust(width)


def state_text(row: Row) -> tuple[str, str]:
    """The state of a row in a word or two, and its style: of an arm the most telling of its members."""
    states = row.states
    if not states:
        return "–", _QUIET
    first = min(states, key=STATE_ORDER.index)
    if len(states) == 1:
        return (first, STATE_STYLES[first])
    trouble = next((state for state in _TROUBLES if states[state]), None)
    num_done = sum(states[state] for state in ("finished", "stopped", "pruned"))
    words = f"{num_done}/{len(row.members)} done"
    if trouble is not None:
        return f"{words} {states[trouble]} {trouble}", STATE_STYLES[trouble]
    return words, STATE_STYLES[first]


def _beside(deviation: float, mean: str) -> str:
    """A deviation with as many decimals as the mean that it stands beside; more where it would be 0."""
    decimals = len(mean.partition(".")[2]) if "e" not in mean else -1
    if decimals < 0 or not 1e-4 <= deviation < 1e6:
        return text.number(deviation)
    while decimals < 4 and round(deviation, decimals) == 0:
        decimals += 1
    return f"{deviation:.{decimals}f}"


def _that_fit(rows: Sequence[Row], view: CompareView, width: int) -> dict[str, _Column]:
    has_spread = any(len(row.members) > 1 for row in rows)
    value_width = _SPREAD_WIDTH if has_spread else _NUMBER_WIDTH
    columns = {
        "state": _Column("state", max(9, *(len(state_text(row)[0]) for row in rows), 0) if rows else 9, 1, "state"),
        "bar": _Column("done", _BAR, 5),
        "at": _Column("at cursor", 9, 0),
        "last": _Column("last", value_width, 2, "last"),
        "best": _Column("best", value_width, 3, "best"),
        "best_step": _Column("at step", 8, 7),
        "best_time": _Column("after", 8, 6, "after"),
        "target": _Column("to target", 10, 4, "to target"),
        "speed": _Column("samples/s", 10, 9, "samples/s"),
        "gap": _Column("gap", 8, 8, "gap"),
    }
    if view.cursor is None:
        del columns["at"]
    if view.target is None:
        del columns["target"]
    longest = max((_label_width(row) for row in rows), default=8)
    room = width - 4 - max(_LEAST_LABEL, min(longest, _MOST_LABEL, width // 4))
    kept: set[str] = set()
    for name in sorted(columns, key=lambda name: columns[name].priority if columns[name].sort != view.sort else 0):
        if columns[name].width + 1 <= room:
            room -= columns[name].width + 1
            kept.add(name)
    return {name: column for name, column in columns.items() if name in kept}


def _label_width(row: Row) -> int:
    return num_cells(row.label) + (2 if row.is_member else 4 if len(row.members) > 1 else 0)


def _header(columns: dict[str, _Column], view: CompareView, label_width: int) -> Content:
    arrow = "▴" if view.is_reversed else "▾"
    is_by_run = view.sort == "run"
    words = f"run{arrow}" if is_by_run else "run"
    pieces = [(f"    {words:<{label_width}} ", "bold $foreground" if is_by_run else _QUIET)]
    for name, column in columns.items():
        is_sorted = column.sort == view.sort
        words = f"{column.header}{arrow}" if is_sorted else column.header
        words = f"{words:<{column.width}} " if name in {"state", "bar"} else f"{words:>{column.width}} "
        pieces.append((words, "bold $foreground" if is_sorted else _QUIET))
    return Content.assemble(*pieces)


def _line(
    row: Row, columns: dict[str, _Column], view: CompareView, readings: dict[str, float | None],
    label_width: int, width: int, *, is_selected: bool,
) -> Content:  # fmt: skip
    behind = _SELECTED if is_selected else ""
    is_drawn = (view.only == row.arm if view.only else row.arm not in view.hidden) and row.id not in view.hidden
    marker = row.marker if is_drawn else "·"
    label = row.label
    if row.is_member:
        label = f"  {label}"
    elif len(row.members) > 1:
        label = f"{label} {'▾' if row.id in view.opened else '▸'}{len(row.members)}"
    label = text.cut(label, label_width)
    colour = f"$chart-{row.role}" if is_drawn else _QUIET
    strength = "bold " if is_selected and is_drawn else ""
    pieces = [
        ("▸ " if is_selected else "  ", "bold $foreground" + behind),
        (f"{marker} " if not row.is_member else "  ", colour + behind),
        (f"{left(label, label_width)} ", f"{strength}{'$foreground' if is_drawn else _QUIET}{behind}"),
    ]
    for name, column in columns.items():
        words, style = _cell(name, row, readings)
        words = words[: column.width]
        words = f"{words:<{column.width}} " if name in {"state", "bar"} else f"{words:>{column.width}} "
        pieces.append((words, (style if is_drawn else _QUIET) + behind))
    used = sum(num_cells(words) for words, _ in pieces)
    if is_selected and used < width:
        pieces.append((" " * (width - used), "$foreground" + behind))
    return Content.assemble(*pieces)


def _cell(name: str, row: Row, readings: dict[str, float | None]) -> tuple[str, str]:
    style = "$foreground 85%"
    match name:
        case "state":
            return state_text(row)
        case "bar":
            return progress_bar(row.progress), state_text(row)[1]
        case "at":
            return text.number(readings.get(row.id)), "bold $accent"
        case "last" | "best":
            spread = row.last if name == "last" else row.best
            is_lost = spread is not None and not math.isfinite(spread.mean)
            return spread_text(spread), "$error" if is_lost else style
        case "best_step":
            return ("–" if row.best_step is None else text.count(round(row.best_step.mean))), style
        case "best_time":
            return ("–" if row.best_seconds is None else text.duration(row.best_seconds.mean)), style
        case "target":
            if row.reached_seconds is None:
                return "not yet" if any(not member.is_final for member in row.members) else "never", _QUIET
            missing = f" {row.num_reached}/{len(row.members)}" if row.num_reached < len(row.members) else ""
            return text.duration(row.reached_seconds.mean) + missing, style
        case "speed":
            return spread_text(row.samples_per_second, has_deviation=False), style
        case _:
            return spread_text(row.gap, has_deviation=False), style
