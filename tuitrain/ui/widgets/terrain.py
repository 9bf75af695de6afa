"""A race on a surface as lines of a terminal: the height in calm bands, the ways over it, a marker where each is now.

The bands are drawn once for a surface, a size and a palette; a frame only lays the ways over them. A function of one
coordinate is a curve with the racers on it, and below it their ways, time running down.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tuitrain.signs import in_ascii
from tuitrain.tasks.surfaces import SURFACES, SurfaceSpec
from tuitrain.ui.race import RaceView
from tuitrain.ui.widgets.canvas import Cell, Rows, encoded, notice, with_axes
from tuitrain.ui.widgets.figure import Figure
from tuitrain.ui.widgets.palette import RGB, Markers, Palette
from tuitrain.ui.widgets.plane import MIN_HEIGHT, MIN_WIDTH, Floats, Plane

_BANDS = 14
_DECADES = 4.0
"""Of heights above the lowest that the bands tell apart."""
_FRESH_STEPS = 25
"""The newest part of a way is drawn in full colour, the rest sunk."""
_MOST_POINTS = 3000
"""Of a way that is drawn: the newest."""
_SUNK = 0.5
_DOTS = np.array([[1, 8], [2, 16], [4, 32], [64, 128]], dtype=np.uint8)
_GUTTER = 6
_CURVE_SHARE = 0.6
"""Of the height, for the curve; the rest is for the ways below it."""
_LEAST_FOR_WAYS = 12
_ARROWS = "→↗↑↖←↙↓↘"
"""Eighths of a turn from the right."""
_LEAST_SLOPE = 1e-4
"""In heights a half cell: where it is flatter an arrow would point at rounding errors."""


@dataclass
class _Canvas:
    """Dots of the ways on their way into cells."""

    dots: NDArray[np.uint8]  # (rows, columns) bits of a braille character
    owners: NDArray[np.int16]  # (rows, columns) index of a racer, -1 where a way was left
    fresh: NDArray[np.bool_]  # (rows, columns)

    @classmethod
    def of(cls, rows: int, columns: int) -> _Canvas:
        shape = (rows, columns)
        return cls(np.zeros(shape, np.uint8), np.full(shape, -1, np.int16), np.zeros(shape, bool))

    def draw(self, us: Floats, vs: Floats, owner: int, *, is_fresh: bool) -> None:
        """A connected way through points (n,) in cells from the left and from the top."""
        rows, columns = self.dots.shape
        across, down = np.clip(us * 2.0, -columns, 3.0 * columns), np.clip(vs * 4.0, -2.0 * rows, 6.0 * rows)
        lengths = np.concatenate(([0.0], np.cumsum(np.maximum(np.abs(np.diff(across)), np.abs(np.diff(down))))))
        stops = np.append(np.arange(0.0, lengths[-1], 0.8), lengths[-1])
        x, y = np.floor(np.interp(stops, lengths, across)), np.floor(np.interp(stops, lengths, down))
        inside = (x >= 0) & (x < 2 * columns) & (y >= 0) & (y < 4 * rows)
        x, y = x[inside].astype(int), y[inside].astype(int)
        np.bitwise_or.at(self.dots, (y // 4, x // 2), _DOTS[y % 4, x % 2])
        self.owners[y // 4, x // 2] = owner
        self.fresh[y // 4, x // 2] = is_fresh


def draw_race(view: RaceView, width: int, height: int, palette: Palette, markers: Markers = "braille") -> list[str]:
    """The race as exactly `height` lines of exactly `width` cells, coloured by ANSI codes."""
    if width < MIN_WIDTH or height < MIN_HEIGHT:
        return notice(view.spec.name, width, height, palette)
    draw = _on_curve if view.spec.dimension == 1 else _on_contour
    rows = draw(view, width, height, palette, markers)
    if markers == "ascii":
        rows = [[Cell(in_ascii(c.character), c.colour, c.background) for c in row] for row in rows]
    return [encoded(row) for row in rows]


def _on_contour(view: RaceView, width: int, height: int, palette: Palette, markers: Markers) -> Rows:
    plane = _plane(view.spec, width, height)
    rows = [list(row) for row in _contour(view.spec.name, plane, _Colours.of(palette), markers)]
    for minimum in view.spec.minima:
        _put(rows, plane, minimum, "+", palette.colour("text"))
    canvas = _Canvas.of(plane.rows, plane.columns)
    for points in view.ghosts:
        canvas.draw(*_cells(plane, points), -1, is_fresh=False)
    for path in reversed(view.paths):
        points = path.points[-_MOST_POINTS:]
        us, vs = _cells(plane, points)
        old = max(1, len(points) - _FRESH_STEPS)
        canvas.draw(us[:old], vs[:old], path.index, is_fresh=False)
        canvas.draw(us[old - 1 :], vs[old - 1 :], path.index, is_fresh=True)
    _lay(rows, canvas, palette, markers)
    _put(rows, plane, view.start, "○", palette.colour("text"))
    for path in reversed(view.paths):
        _put(rows, plane, tuple(path.points[-1]), path.marker, palette.colour(path.role))
    _put_downhill(rows, plane, view, palette)
    return with_axes(rows, Figure(x_label="epoch"), plane, palette)


def _on_curve(view: RaceView, width: int, height: int, palette: Palette, markers: Markers) -> Rows:
    """The curve above, the ways below."""
    body = height - 2
    num_curve = round(body * _CURVE_SHARE) if body >= _LEAST_FOR_WAYS else body
    plane = _plane(view.spec, width, num_curve + 2)
    rows: Rows = [[Cell() for _ in range(plane.columns)] for _ in range(body)]
    curve, ways = _Canvas.of(num_curve, plane.columns), _Canvas.of(body - num_curve, plane.columns)
    xs = np.linspace(plane.x_low, plane.x_high, 4 * plane.columns)
    values = np.asarray(view.spec.function([xs], np), dtype=np.float64)
    curve.draw(*_cells(plane, np.stack([xs, values], axis=1)), -1, is_fresh=True)
    _lay(rows[:num_curve], curve, palette, markers, is_line=True)
    if len(rows) > num_curve:
        # By the root of the time: most happens early, and the end is a straight line.
        span = max(1.0, float(view.step - view.since))
        for path in reversed(view.paths):
            points, steps = path.points[-_MOST_POINTS:, 0], path.steps[-_MOST_POINTS:]
            us = plane.across(points) * (plane.columns - 1) + 0.5
            vs = 1.0 + np.sqrt((steps - view.since) / span) * (body - num_curve - 1.25)
            ways.draw(us, vs, path.index, is_fresh=True)
        _lay(rows[num_curve:], ways, palette, markers)
        for place, character in enumerate(f" steps {view.since} to {view.step}, down "):
            if rows[num_curve][place].character == " ":
                rows[num_curve][place] = Cell(character, palette.colour("text-faint"))
    for minimum in view.spec.minima:
        _put(rows[:num_curve], plane, (minimum[0], view.spec.at(minimum)), "+", palette.colour("text"))
    for path in reversed(view.paths):
        for_place = (float(path.points[-1, 0]), float(path.values[-1]))
        _put(rows[:num_curve], plane, for_place, path.marker, palette.colour(path.role))
    return with_axes(rows, Figure(x_label="epoch"), plane, palette)


def _plane(spec: SurfaceSpec, width: int, height: int) -> Plane:
    """Where coordinates stand on the screen; of a curve the values are the y axis."""
    gutter = min(_GUTTER, width // 3)
    (x_low, x_high), (y_low, y_high) = spec.ranges[0], spec.ranges[1] if spec.dimension == 2 else _heights(spec)
    return Plane(x_low, x_high, y_low, y_high, gutter, width - gutter, height - 2)


def _heights(spec: SurfaceSpec) -> tuple[float, float]:
    low, high = spec.ranges[0]
    values = [spec.at((low + (high - low) * share,)) for share in np.linspace(0.0, 1.0, 400)]
    margin = (max(values) - min(values)) * 0.06
    return min(values) - margin, max(values) + margin


def _cells(plane: Plane, points: Floats) -> tuple[Floats, Floats]:
    """Points (n, 2) in cells from the left and from the top."""
    finite = np.where(np.isfinite(points), points, 0.0)
    across = np.clip(plane.across(finite[:, 0]), -3.0, 4.0) * (plane.columns - 1) + 0.5
    return across, (1.0 - plane.up(finite[:, 1])) * (plane.rows - 1) + 0.5


def _put(rows: Rows, plane: Plane, point: tuple[float, ...], character: str, colour: RGB | None) -> None:
    """A character at a point; at the edge where that lies outside."""
    us, vs = _cells(plane, np.array([point]))
    row = int(min(max(np.floor(vs[0]), 0), len(rows) - 1))
    column = int(min(max(np.floor(us[0]), 0), plane.columns - 1))
    rows[row][column] = Cell(character, colour, rows[row][column].background)


def _put_downhill(rows: Rows, plane: Plane, view: RaceView, palette: Palette) -> None:
    """An arrow beside the run's own point, against the gradient as it is seen on the screen."""
    point = view.paths[0].points[-1]
    nudges = [np.array([1e-5 * (high - low), 0.0]) for low, high in view.spec.ranges]
    nudges[1] = nudges[1][::-1]
    slopes = [view.spec.at(point + nudge) - view.spec.at(point - nudge) for nudge in nudges]
    widths = (plane.columns / (plane.x_high - plane.x_low), 2.0 * plane.rows / (plane.y_high - plane.y_low))
    x, y = (
        -slope / float(nudge.max()) * width for slope, nudge, width in zip(slopes, nudges, widths, strict=True)
    )  # in half cells, which are about square
    size = math.hypot(x, y)
    if not _LEAST_SLOPE < size < math.inf:
        return
    us, vs = _cells(plane, np.array([point]))
    column, row = int(np.floor(us[0])) + round(x / size), int(np.floor(vs[0])) - round(y / size)
    if 0 <= row < len(rows) and 0 <= column < plane.columns:
        arrow = _ARROWS[round(math.atan2(y, x) / (math.pi / 4.0)) % 8]
        rows[row][column] = Cell(arrow, palette.colour("racer-0"), rows[row][column].background)


def _lay(rows: Rows, canvas: _Canvas, palette: Palette, markers: Markers, *, is_line: bool = False) -> None:
    """Dots into the cells, in the colour of whose way they are."""
    for row, column in zip(*np.nonzero(canvas.dots), strict=True):
        owner, cell = int(canvas.owners[row, column]), rows[row][column]
        role = "text" if is_line else "text-faint" if owner < 0 else f"racer-{owner}"
        colour = palette.colour(role)
        if not canvas.fresh[row, column] and colour is not None and palette.depth == "full":
            under = cell.background or palette.background
            colour = _mixed(under, colour, _SUNK)
        character = chr(0x2800 + int(canvas.dots[row, column])) if markers == "braille" else "."
        rows[row][column] = Cell(character, colour, cell.background)


@dataclass(frozen=True)
class _Colours:
    """What of a palette the bands depend on."""

    low: RGB | None
    high: RGB | None
    background: RGB
    faint: RGB | None
    is_full: bool

    @classmethod
    def of(cls, palette: Palette) -> _Colours:
        return cls(
            palette.colour("low"), palette.colour("high"), palette.background, palette.colour("text-faint"),
            palette.depth == "full",
        )  # fmt: skip

    def band(self, share: float) -> RGB | None:
        """The colour of a height, 0 at the lowest, 1 at the highest."""
        if not self.is_full or self.low is None or self.high is None:
            return None
        return _mixed(self.background, _mixed(self.low, self.high, share), 0.06 + 0.34 * share)


@lru_cache(maxsize=16)
def _contour(name: str, plane: Plane, colours: _Colours, markers: Markers) -> Rows:
    """The bands, half a cell high each; lines between them where there are no shades. Not to be changed."""
    bands = _bands(SURFACES[name], plane)
    if not colours.is_full:
        return _contour_lines(bands, colours)
    # Every other band a little lighter: what makes it a map of heights and no fog.
    shades = [colours.band((band + 0.7 * (band % 2)) / _BANDS) for band in range(_BANDS)]
    rows: Rows = []
    for upper, lower in zip(bands[::2], bands[1::2], strict=True):
        row: list[Cell] = []
        for above, below in zip(upper.tolist(), lower.tolist(), strict=True):
            is_split = above != below and markers == "braille"
            row.append(Cell("▀" if is_split else " ", shades[above] if is_split else None, shades[below]))
        rows.append(row)
    return rows


def _contour_lines(bands: NDArray[np.int64], colours: _Colours) -> Rows:
    cells = bands[::2]
    padded = np.pad(cells, ((0, 1), (0, 1)), mode="edge")
    edge = (padded[:-1, :-1] != padded[:-1, 1:]) | (padded[:-1, :-1] != padded[1:, :-1])
    return [[Cell("." if is_edge else " ", colours.faint) for is_edge in row] for row in edge.tolist()]


def _bands(spec: SurfaceSpec, plane: Plane) -> NDArray[np.int64]:
    """(2 · rows, columns): the band of every half cell, log-spaced above the lowest value in view."""
    xs = np.linspace(plane.x_low, plane.x_high, plane.columns)
    halves = (np.arange(2 * plane.rows) - 0.5) / 2.0 / max(plane.rows - 1, 1)
    ys = plane.y_high - (halves - 0.25 / max(plane.rows - 1, 1)) * (plane.y_high - plane.y_low)
    grid = np.meshgrid(xs, ys)
    with np.errstate(all="ignore"):
        heights = np.asarray(spec.function(list(grid), np), dtype=np.float64) - spec.lowest
    top = float(np.nanmax(heights))
    shares = np.log10(np.maximum(heights / top, 10.0**-_DECADES)) / _DECADES + 1.0
    return np.asarray(np.minimum((shares * _BANDS).astype(np.int64), _BANDS - 1))


def _mixed(under: RGB, over: RGB, share: float) -> RGB:
    red, green, blue = (round(a + (b - a) * share) for a, b in itertools.zip_longest(under, over))
    return red, green, blue
