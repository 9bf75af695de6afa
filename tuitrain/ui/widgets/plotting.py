"""Turns a `Figure` into lines of a terminal. The one module that imports plotext.

Whatever the data, `draw` answers with exactly the lines asked for: plotext aborts the whole process on a NaN
and prints advice on odd ranges, so only finite points in the unit square reach it. It rasterises the curves;
axes, shades and labels are laid around and under them here, which keeps the axes of neighbouring charts
aligned and the emphasised line clear. plotext has one figure for the whole process: only the UI thread draws.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import re
from dataclasses import dataclass, field

import numpy as np

from tuitrain.signs import in_ascii
from tuitrain.ui.widgets.canvas import (
    Cell,
    Rows,
    encoded,
    lay_alarms,
    lay_cursor,
    lay_markers,
    lay_marks,
    notice,
    shade_bands,
    with_axes,
)
from tuitrain.ui.widgets.figure import Curve, Figure
from tuitrain.ui.widgets.palette import RGB, Markers, Palette
from tuitrain.ui.widgets.plane import Floats, Line, Plane, cleaned, pieces, plane_of
from tuitrain.ui.widgets.raster import lay_lines
from tuitrain.ui.widgets.spots import lay_spots

_CODES = re.compile(r"\x1b\[([0-9;]*)m")
_PLAIN_LINES = {"braille": ("•", "o", "+"), "ascii": ("o", "+", "x")}


@dataclass(slots=True)
class _Layers:
    """The series on their way to plotext, bottom first, and the cells that only the emphasised line may use."""

    plane: Plane
    roles: list[str] = field(default_factory=list)
    kept_clear: set[tuple[int, int]] = field(default_factory=set)

    def add(self, role: str, marker: str, us: Floats, vs: Floats, *, is_connected: bool = False) -> None:
        """Adds a series in shares of the canvas, u to the right and v upwards."""
        if not is_connected:
            us, vs = self._visible(us, vs)
        if len(us) == 0:
            return
        import plotext  # a tenth of a second, which the first frame, without data, need not wait for

        us, vs = _without_repeats(us, vs, self.plane)
        # The layer's number travels through plotext as a colour and is turned into the role's colour afterwards.
        self.roles.append(role)
        number = len(self.roles)
        pixel = plotext.pixel((number >> 16, number >> 8 & 255, number & 255))
        signal = plotext.figure.signal(us.tolist(), vs.tolist(), marker=plotext.marker(marker, pixel))
        plotext.figure.draw(signal.lines() if is_connected else signal)

    def _visible(self, us: Floats, vs: Floats) -> Line:
        inside = (us >= 0) & (us <= 1) & (vs >= 0) & (vs <= 1)
        us, vs = us[inside], vs[inside]
        if self.kept_clear:
            cells = zip(*_cells_of(us, vs, self.plane), strict=True)
            free = np.fromiter((cell not in self.kept_clear for cell in cells), dtype=bool, count=len(us))
            us, vs = us[free], vs[free]
        return us, vs


def draw(figure: Figure, width: int, height: int, palette: Palette, markers: Markers = "braille") -> list[str]:
    """Draws a figure as exactly `height` lines of exactly `width` cells, coloured by ANSI codes. Never raises."""
    try:
        plane = plane_of(figure, width, height)
        if plane is None:
            return notice(figure.empty_text, width, height, palette)
        rows = _composed(figure, plane, palette, markers)
    except (ValueError, ArithmeticError) as error:
        return notice(f"chart cannot be drawn: {error}", width, height, palette)
    return [encoded(row) for row in rows]


def _composed(figure: Figure, plane: Plane, palette: Palette, markers: Markers) -> Rows:
    """Height rows of width cells, in the order of drawing: what comes later lies on top."""
    rows = _rasterised(figure, plane, palette, markers)
    lay_lines(rows, [curve for curve in figure.curves if _is_one_of_many(curve)], figure, plane, palette)
    shade_bands(rows, figure, plane, palette)
    lay_marks(rows, figure, plane, palette)
    lay_alarms(rows, figure, plane, palette)
    lay_markers(rows, figure, plane, palette)
    lay_spots(rows, figure, plane, palette)
    lay_cursor(rows, figure, plane, palette)
    rows = with_axes(rows, figure, plane, palette)
    if markers == "ascii":
        for cell in itertools.chain.from_iterable(rows):
            cell.character = in_ascii(cell.character)
    return rows


def _rasterised(figure: Figure, plane: Plane, palette: Palette, markers: Markers) -> Rows:
    lines = [
        (curve, cleaned(curve.xs, curve.ys, is_log=figure.is_log))
        for curve in figure.curves
        if not _is_one_of_many(curve)
    ]
    plain = itertools.cycle(_PLAIN_LINES[markers])
    with contextlib.redirect_stdout(io.StringIO()):
        import plotext

        # Otherwise a chart is cut to the size that the terminal had when plotext was imported, less two rows.
        plotext.terminal.limit(False, False)
        chart = plotext.figure
        chart.clear.all()
        chart.plot_size(plane.columns, plane.rows)
        chart.axes(False)
        for axis in ("x", "y"):
            chart.ruler(axis).lim(0, 1)
            chart.ruler(axis).ticks([])
        layers = _Layers(plane)
        for curve, line in lines:
            if curve.is_emphasised and curve.kind == "line":
                for xs, ys in pieces(line, plane, is_connected=True):
                    layers.kept_clear |= _footprint(plane.across(xs), plane.up(ys), plane)
        for curve, line in sorted(lines, key=lambda each: (each[0].is_emphasised, each[0].kind != "points")):
            finest = markers if markers == "braille" else {"line": "*"}.get(curve.kind, ".")
            has_own = curve.is_emphasised or curve.kind != "line" or (palette.depth != "none" and markers == "braille")
            marker = finest if has_own else next(plain)
            for xs, ys in pieces(line, plane, is_connected=curve.kind != "points"):
                us, vs = plane.across(xs), plane.up(ys)
                if curve.kind == "dotted":
                    us, vs = _dots_along(us, vs, plane)
                layers.add(curve.role, marker, us, vs, is_connected=curve.kind == "line" and len(us) > 1)
        text = chart.build().string()
    colours = [palette.colour(role) for role in layers.roles]
    lines_of_text = text.split("\n") + [""] * plane.rows
    return [_decoded(line, plane.columns, colours) for line in lines_of_text[: plane.rows]]


def _is_one_of_many(curve: Curve) -> bool:
    """Whether it is rasterised without plotext, whose cost is by the point: fifty lines would take a second."""
    return bool(curve.marker) and curve.kind == "line" and not curve.is_emphasised


def _footprint(us: Floats, vs: Floats, plane: Plane) -> set[tuple[int, int]]:
    """The cells (row, column) that a connected line touches, followed a quarter of a cell at a time."""
    across, up = us * (plane.columns - 1), vs * (plane.rows - 1)
    lengths = np.concatenate(([0.0], np.cumsum(np.hypot(np.diff(across), np.diff(up)))))
    stops = np.arange(0.0, lengths[-1] + 0.25, 0.25)
    return set(zip(*_cells_of(np.interp(stops, lengths, us), np.interp(stops, lengths, vs), plane), strict=True))


def _cells_of(us: Floats, vs: Floats, plane: Plane) -> tuple[list[int], list[int]]:
    """Rows and columns of points, each of shape (n,), as plotext rounds them."""
    rows = np.floor((1 - vs) * (plane.rows - 1) + 0.5).astype(int)
    columns = np.floor(us * (plane.columns - 1) + 0.5).astype(int)
    return rows.tolist(), columns.tolist()


def _without_repeats(us: Floats, vs: Floats, plane: Plane) -> Line:
    """Leaves out points on the same dot as the one before: plotext's cost is by the point."""
    across, up = np.floor((us * (plane.columns - 1) + 0.5) * 2), np.floor(((1 - vs) * (plane.rows - 1) + 0.5) * 4)
    kept = np.concatenate(([True], (np.diff(across) != 0) | (np.diff(up) != 0)))
    return us[kept], vs[kept]


def _dots_along(us: Floats, vs: Floats, plane: Plane) -> Line:
    """Points on a line, one for every cell and a half to the right; a single point stays as it is."""
    spacing = 1.5 / (plane.columns - 1)
    places = np.arange(np.ceil(us[0] / spacing) * spacing, us[-1] + spacing / 2, spacing)
    return (places, np.interp(places, us, vs)) if len(us) > 1 and len(places) else (us, vs)


def _decoded(line: str, width: int, colours: list[RGB | None]) -> list[Cell]:
    """A row of plotext's text as cells, its layer numbers turned into the colours of their roles."""
    cells: list[Cell] = []
    number = 0
    for index, part in enumerate(_CODES.split(line)):
        if index % 2 == 0:
            colour = colours[number - 1] if 0 < number <= len(colours) else None
            cells.extend(Cell(character, colour) for character in part)
        elif part.startswith("38;2;"):
            red, green, blue = (int(value) for value in part.split(";")[2:5])
            number = red << 16 | green << 8 | blue
        elif part == "0":
            number = 0
    return cells[:width] + [Cell() for _ in range(width - len(cells))]
