"""Where the data of a figure stands on the screen: ranges, gaps, thinning. Numbers only, nothing is drawn.

All that leaves here for drawing is finite, within a few chart sizes of the unit square, and at most some
points a column, whatever came in.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuitrain.ui.widgets.figure import Figure, Tick, linear_ticks, log_ticks, x_ticks

Floats = NDArray[np.float64]
Line = tuple[Floats, Floats]
"""(xs, ys), both of shape (n,), ys in axis units: log10 of the value on a log axis."""

LARGEST = 1e300
MIN_WIDTH, MIN_HEIGHT = 12, 4
_GUTTER = 5
_NARROWEST = 1e-6
_OUTSIDE = 3.0


@dataclass(frozen=True, slots=True)
class Plane:
    """Ranges in axis units and sizes in cells; the canvas begins `gutter` cells from the left, at the top."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float
    gutter: int
    columns: int
    rows: int

    def across(self, xs: Floats) -> Floats:
        """Shares of the width, 0 in the middle of the first column and 1 in that of the last."""
        return np.asarray((xs / 2 - self.x_low / 2) / (self.x_high / 2 - self.x_low / 2))

    def up(self, ys: Floats) -> Floats:
        """Shares of the height from the bottom, kept within a few heights of the canvas."""
        with np.errstate(over="ignore"):  # far outside of a narrow range
            shares = (ys / 2 - self.y_low / 2) / (self.y_high / 2 - self.y_low / 2)
        return np.clip(shares, -_OUTSIDE, 1 + _OUTSIDE)

    def column_of(self, x: float) -> int | None:
        """The column of the canvas that shows `x`; None outside of the range."""
        return math.floor(float(self.across(np.array(x))) * (self.columns - 1) + 0.5) if self._spans(x) else None

    def row_of(self, y: float) -> int | None:
        """The row of the canvas, 0 at the top, that shows `y` in axis units; None outside of the range."""
        is_inside = self.y_low <= y <= self.y_high
        return math.floor((1 - float(self.up(np.array(y)))) * (self.rows - 1) + 0.5) if is_inside else None

    def row_of_value(self, value: float, *, is_log: bool) -> int | None:
        """The row of the canvas that shows a value in its own units; None where the axis does not have it."""
        if is_log:
            return self.row_of(math.log10(value)) if 0 < value < math.inf else None
        return self.row_of(value)

    def x_at(self, cell: float) -> float:
        """The x under a cell of the whole chart, gutter included; kept within the range."""
        share = min(max((cell - self.gutter) / (self.columns - 1), 0.0), 1.0)
        return self.x_low * (1 - share) + self.x_high * share

    def x_ticks(self, figure: Figure) -> list[Tick]:
        """As many ticks as fit below the canvas without crowding."""
        if figure.x_names:
            return list(figure.x_names)
        return x_ticks(self.x_low, self.x_high, max(1, min(self.columns // 8, 8)), figure.x_label)

    def _spans(self, x: float) -> bool:
        return self.x_low <= x <= self.x_high


def plane_of(figure: Figure, width: int, height: int) -> Plane | None:
    """Where a figure of this many cells puts its data; None without data, or without room for it."""
    if width < MIN_WIDTH or height < MIN_HEIGHT:
        return None
    lines = [cleaned(curve.xs, curve.ys, is_log=figure.is_log) for curve in figure.curves]
    if not any(len(xs) for xs, _ in lines):
        return None
    x_low, x_high = _valid(figure.x_range) or _ends([xs for xs, _ in lines])
    x_low, x_high = _widened_right(x_low, x_high)
    y_low, y_high = _y_range(figure, lines, x_low, x_high)
    ticks = y_ticks(y_low, y_high, height - 2, is_log=figure.is_log)
    longest = max((len(label) for _, label in ticks), default=0)
    gutter = min(max(longest, _GUTTER if width >= 30 else 0), width // 3) + 1
    return Plane(x_low, x_high, y_low, y_high, gutter, width - gutter, height - 2)


def y_ticks(low: float, high: float, rows: int, *, is_log: bool) -> list[Tick]:
    """Ticks for a canvas of so many rows, about one in three of them."""
    return (log_ticks if is_log else linear_ticks)(low, high, max(2, min(rows // 3, 6)))


def cleaned(xs: Sequence[float], ys: Sequence[float], *, is_log: bool) -> Line:
    """Ascending finite xs of shape (n,) with their ys in axis units, where NaN and infinities are kept as they are.

    On a log axis values of zero and below are left out. Magnitudes end at 1e300.
    """
    size = min(len(xs), len(ys))
    across, up = np.asarray(xs[:size], dtype=np.float64), np.asarray(ys[:size], dtype=np.float64)
    kept = np.isfinite(across)
    if is_log:
        kept &= ~(up <= 0)
    if not kept.all():
        across, up = across[kept], up[kept]
    if np.any(across[1:] < across[:-1]):
        order = np.argsort(across, kind="stable")
        across, up = across[order], up[order]
    up = np.where(np.isfinite(up), np.clip(up, -LARGEST, LARGEST), up)
    return np.clip(across, -LARGEST, LARGEST), np.log10(up) if is_log else up


def pieces(line: Line, plane: Plane, *, is_connected: bool) -> Iterator[Line]:
    """The finite runs of a series within the range of x, thinned to the lowest and highest point of a column.

    A connected series reaches the edge of the range even where its next point lies beyond.
    """
    xs, ys = _windowed(line, plane, is_connected=is_connected)
    if len(xs) > (4 if is_connected else 12) * plane.columns:
        xs, ys = _thinned(xs, ys, plane)
    breaks = np.flatnonzero(~np.isfinite(ys))
    for start, stop in zip([0, *(breaks + 1)], [*breaks, len(ys)], strict=True):
        if stop > start:
            yield xs[start:stop], ys[start:stop]


def alarm_columns(line: Line, plane: Plane) -> dict[int, bool]:
    """The columns with a value that is not finite, and whether it belongs at the top (+inf) or the bottom."""
    xs, ys = line
    bad = ~np.isfinite(ys) & (xs >= plane.x_low) & (xs <= plane.x_high)
    columns = np.floor(plane.across(xs[bad]) * (plane.columns - 1) + 0.5).astype(int)
    return dict(zip(columns.tolist(), (ys[bad] == np.inf).tolist(), strict=True))


def _windowed(line: Line, plane: Plane, *, is_connected: bool) -> Line:
    xs, ys = line
    start = int(np.searchsorted(xs, plane.x_low, "left"))
    stop = int(np.searchsorted(xs, plane.x_high, "right"))
    inside_xs, inside_ys = xs[start:stop], ys[start:stop]
    if not is_connected:
        return inside_xs, inside_ys
    edges = [(index, edge) for index, edge in ((start, plane.x_low), (stop, plane.x_high)) if 0 < index < len(xs)]
    for index, edge in edges:
        share = (edge / 2 - xs[index - 1] / 2) / (xs[index] / 2 - xs[index - 1] / 2)
        with np.errstate(invalid="ignore"):  # an infinity that has no share in it
            crossing = ys[index - 1] * (1 - share) + ys[index] * share
        place = 0 if index == start and edge == plane.x_low else len(inside_xs)
        if np.isfinite(crossing):
            inside_xs, inside_ys = np.insert(inside_xs, place, edge), np.insert(inside_ys, place, crossing)
    return inside_xs, inside_ys


def _thinned(xs: Floats, ys: Floats, plane: Plane) -> Line:
    """At most two points a column, in order, and one NaN where a column holds a value that is not finite."""
    columns = np.floor(plane.across(xs) * (plane.columns - 1) + 0.5)
    kept: list[int] = []
    for run in np.split(np.arange(len(xs)), np.flatnonzero(np.diff(columns)) + 1):
        heights = ys[run]
        is_finite = np.isfinite(heights)
        finite, gaps = run[is_finite], run[~is_finite]
        places = {int(gaps[0])} if len(gaps) else set()
        if len(finite):
            places |= {int(finite[np.argmin(ys[finite])]), int(finite[np.argmax(ys[finite])])}
        kept += sorted(places)
    return xs[kept], ys[kept]


def _y_range(figure: Figure, lines: list[Line], x_low: float, x_high: float) -> tuple[float, float]:
    chosen = _valid(figure.y_range)
    if chosen and not figure.is_log:
        return _widened(*chosen)
    if chosen and chosen[0] > 0:
        return _widened(math.log10(chosen[0]), math.log10(chosen[1]))
    has_line = any(curve.is_emphasised for curve in figure.curves)
    shown: list[Floats] = []
    for curve, (xs, ys) in zip(figure.curves, lines, strict=True):
        finite = ys[np.isfinite(ys) & (xs >= x_low) & (xs <= x_high)]
        if curve.kind == "points" and has_line and len(finite):
            finite = np.percentile(finite, (1, 99), method="nearest")
        shown.append(finite)
    low, high = _ends(shown)
    for level in figure.levels:
        reach = (high - low) or abs(high)
        y = level.y if not figure.is_log else math.log10(level.y) if level.y > 0 else math.nan
        if low - reach <= y <= high + reach:
            low, high = min(low, y), max(high, y)
    low, high = _widened(low, high)
    if not figure.is_log and 0 <= low < 0.35 * high:
        low = 0.0
    room = 0.04 * (high / 2 - low / 2) * 2 if abs(high) < LARGEST and abs(low) < LARGEST else 0.0
    return low - (room if low or figure.is_log else 0.0), high + room


def _ends(parts: list[Floats]) -> tuple[float, float]:
    filled = [part for part in parts if len(part)]
    return (min(float(p.min()) for p in filled), max(float(p.max()) for p in filled)) if filled else (0.0, 1.0)


def _valid(ends: tuple[float, float] | None) -> tuple[float, float] | None:
    """A range given by a caller, if it is one: finite and not reversed."""
    if ends is None or not (math.isfinite(ends[0]) and math.isfinite(ends[1])) or ends[0] > ends[1]:
        return None
    return max(ends[0], -LARGEST), min(ends[1], LARGEST)


def _widened(low: float, high: float) -> tuple[float, float]:
    """A range that can be told apart: a constant stands in the middle, with a twentieth of itself around it."""
    size = max(abs(low), abs(high))
    if size < 1e-290:
        return -1.0, 1.0
    if high / 2 - low / 2 > _NARROWEST * size:
        return low, high
    return low - size / 20, high + size / 20


def _widened_right(low: float, high: float) -> tuple[float, float]:
    size = max(abs(low), abs(high), 1e-9)
    return (low, high) if high / 2 - low / 2 > _NARROWEST * size else (low, low + max(1.0, size / 20))
