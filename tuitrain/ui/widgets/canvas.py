"""Cells, and what is laid over and under the rasterised curves: shades, labels, alarms, the cursor, axes.

Every character that gets into a cell is exactly one column wide, so rows keep their width whatever a label says.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len

from tuitrain.ui.widgets.figure import Curve, Figure, value_at
from tuitrain.ui.widgets.palette import RGB, Palette
from tuitrain.ui.widgets.plane import Floats, Plane, alarm_columns, cleaned, y_ticks


@dataclass(slots=True)
class Cell:
    """One character of the chart; None is the terminal's own colour."""

    character: str = " "
    colour: RGB | None = None
    background: RGB | None = None


Rows = list[list[Cell]]

_EMPTY = " \u2800·"
"""What may be written over: nothing, braille without a dot, and the dots that stand for a shade."""


_MARKER_SPACING = 12
_LEAST_SHADED = 0.35
"""Share of a cell between the curves: low enough that a gap of one row never falls between two cells."""


def shade_bands(rows: Rows, figure: Figure, plane: Plane, palette: Palette) -> None:
    """Tints the cells that lie well between the two curves of a band; dots where there are no tints."""
    for band in figure.bands:
        lows = _at_columns(*cleaned(band.xs, band.lows, is_log=figure.is_log), plane)
        highs = _at_columns(*cleaned(band.xs, band.highs, is_log=figure.is_log), plane)
        tops = (1 - np.fmax(lows, highs)) * (plane.rows - 1)
        bottoms = (1 - np.fmin(lows, highs)) * (plane.rows - 1)
        numbers = np.arange(plane.rows)[:, np.newaxis]
        with np.errstate(invalid="ignore"):
            covered = np.minimum(bottoms + 0.5, numbers + 1) - np.maximum(tops + 0.5, numbers) >= _LEAST_SHADED
        tint, dots = palette.shade(band.role), palette.colour(f"{band.role}-faint")
        for row, column in zip(*np.nonzero(_without_specks(covered & ~np.isnan(lows + highs))), strict=True):
            cell = rows[row][column]
            cell.background = tint
            if tint is None:
                _lay_behind(cell, "·", dots)


def lay_marks(rows: Rows, figure: Figure, plane: Plane, palette: Palette) -> None:
    """Dotted lines for levels and marks behind the curves, named where the curves leave room."""
    for level in figure.levels:
        number = plane.row_of_value(level.y, is_log=figure.is_log)
        if number is not None:
            for cell in rows[number][::2]:
                _lay_behind(cell, "⠄", palette.colour(f"{level.role}-faint"))
            above = rows[number - 1 if number else 1]
            _put_where_free(above, plane.columns - len(level.label), level.label, palette.colour("text-faint"))
    placed = [(plane.column_of(mark.x), mark) for mark in figure.marks]
    for column, mark in placed:
        for row in rows if column is not None else ():
            _lay_behind(row[column or 0], "⠅", palette.colour(f"{mark.role}-faint"))
    for column, mark in placed:
        if column is not None:
            # Decisions made in one pause share a column: their names stand one below the other.
            room = rows[: max(1, len(rows) // 4)]
            any(_put_where_free(row, column + 2, mark.label, palette.colour("text-faint")) for row in room)


def lay_alarms(rows: Rows, figure: Figure, plane: Plane, palette: Palette) -> None:
    """A cross at the edge wherever a value is not finite: above for +inf, else below."""
    for curve in figure.curves:
        for column, is_above in alarm_columns(cleaned(curve.xs, curve.ys, is_log=figure.is_log), plane).items():
            rows[0 if is_above else -1][column] = Cell("×", palette.colour("alarm"))


def lay_markers(rows: Rows, figure: Figure, plane: Plane, palette: Palette) -> None:
    """The marker of a line at its end; where there are no colours, along it too, each line's at columns of its own."""
    marked = [curve for curve in figure.curves if curve.marker]
    for number, curve in sorted(enumerate(marked), key=lambda each: each[1].is_emphasised):
        places = [_end_of(curve, figure, plane)]
        if palette.depth == "none":
            heights = _at_columns(*cleaned(curve.xs, curve.ys, is_log=figure.is_log), plane)
            columns = range(-5 * number % _MARKER_SPACING, plane.columns, _MARKER_SPACING)
            places += [(column, float(heights[column])) for column in columns]
        for column, height in places:
            if 0 <= column < plane.columns and 0 <= height <= 1:
                row = int(np.floor((1 - height) * (plane.rows - 1) + 0.5))
                rows[row][column] = Cell(curve.marker, palette.colour(curve.role), rows[row][column].background)


def _end_of(curve: Curve, figure: Figure, plane: Plane) -> tuple[int, float]:
    """The column and the height of the last point in view; a column of -1 where there is none."""
    last = max(0, bisect.bisect_right(curve.xs, plane.x_high) - 1)
    xs, ys = cleaned(curve.xs[max(0, last - 3) : last + 1], curve.ys[max(0, last - 3) : last + 1], is_log=figure.is_log)
    kept = np.flatnonzero(np.isfinite(ys) & (xs >= plane.x_low))
    if not len(kept):
        return -1, 0.0
    end = kept[-1:]
    return int(np.floor(plane.across(xs[end])[0] * (plane.columns - 1) + 0.5)), float(plane.up(ys[end])[0])


def lay_cursor(rows: Rows, figure: Figure, plane: Plane, palette: Palette) -> None:
    """The reading line, behind the curves, and a dot where it meets each of the lines."""
    column = plane.column_of(figure.cursor) if figure.cursor is not None else None
    if column is None or figure.cursor is None:
        return
    for row in rows:
        _lay_behind(row[column], "│", palette.colour("text-faint"))
    for curve in figure.curves:
        value = value_at(curve, figure.cursor) if curve.kind == "line" else None
        row_number = plane.row_of_value(value, is_log=figure.is_log) if value is not None else None
        if row_number is not None:
            rows[row_number][column] = Cell(
                curve.marker or "●", palette.colour(curve.role), rows[row_number][column].background
            )


def with_axes(rows: Rows, figure: Figure, plane: Plane, palette: Palette) -> Rows:
    """The canvas with the y axis on its left and the x axis and its labels below."""
    quiet, line = palette.colour("text-faint"), palette.colour("grid")
    labels = {plane.row_of(y): text for y, text in y_ticks(plane.y_low, plane.y_high, plane.rows, is_log=figure.is_log)}
    framed: Rows = []
    for number, row in enumerate(rows):
        text = labels.get(number, "")
        gutter = [Cell() for _ in range(plane.gutter - 1)]
        _put(gutter, plane.gutter - 1 - len(text), text, quiet)
        framed.append([*gutter, Cell("┤" if text else "│", line), *row])
    rule = [Cell() for _ in range(plane.gutter - 1)] + [Cell("└", line)] + [Cell("─", line) for _ in rows[0]]
    names = [Cell() for _ in rule]
    for x, text in plane.x_ticks(figure):
        column = plane.column_of(x)
        if column is None:
            continue
        centre = plane.gutter + column
        start = max(0, min(centre - (len(text) - 1) // 2, len(names) - len(text)))
        if _put_where_free(names, start, text, quiet):
            rule[centre].character = "┬"
    return [*framed, rule, names]


def encoded(row: Iterable[Cell]) -> str:
    """A row as text with ANSI codes, one run of codes for each run of equal colours; none where there is no colour."""
    parts = []
    for (colour, background), cells in itertools.groupby(row, key=lambda cell: (cell.colour, cell.background)):
        text = "".join(cell.character for cell in cells)
        codes = [f"38;2;{colour[0]};{colour[1]};{colour[2]}"] if colour and text.strip() else []
        if background:
            codes.append(f"48;2;{background[0]};{background[1]};{background[2]}")
        parts.append(f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if codes else text)
    return "".join(parts)


def notice(text: str, width: int, height: int, palette: Palette) -> list[str]:
    """Lines of the size of a chart that say something quietly in their middle, as far as they have room."""
    rows = [[Cell() for _ in range(width)] for _ in range(height)]
    if height > 0:
        _put(rows[(height - 1) // 2], max(0, (width - len(text)) // 2), text, palette.colour("text-faint"))
    return [encoded(row) for row in rows]


def _without_specks(covered: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Only the stretches of at least three cells in a row: where a band is steep the rest would be a staircase."""
    padded = np.pad(covered, ((0, 0), (2, 2)))
    triples = padded[:, :-2] & padded[:, 1:-1] & padded[:, 2:]
    return np.asarray(triples[:, :-2] | triples[:, 1:-1] | triples[:, 2:])


def _at_columns(xs: Floats, ys: Floats, plane: Plane) -> Floats:
    """Heights of a series in the middle of each column, as shares of the canvas; NaN where it does not reach."""
    if len(xs) == 0:
        return np.full(plane.columns, np.nan)
    centres = np.arange(plane.columns) / (plane.columns - 1)
    # A gap must not be bridged, and np.interp carries a NaN only as far as its two neighbours: just what is wanted.
    finite = np.where(np.isfinite(ys), ys, np.nan)
    half = 0.5 / (plane.columns - 1)
    heights = np.interp(centres, plane.across(xs), plane.up(finite))
    ends = plane.across(xs[[0, -1]])
    return np.where((centres >= ends[0] - half) & (centres <= ends[1] + half), heights, np.nan)


def _lay_behind(cell: Cell, character: str, colour: RGB | None) -> None:
    if cell.character in _EMPTY:
        cell.character, cell.colour = character, colour


def _put(row: list[Cell], start: int, text: str, colour: RGB | None) -> None:
    for column, character in enumerate(text, start):
        if 0 <= column < len(row):
            is_narrow = character.isprintable() and cell_len(character) == 1
            row[column].character, row[column].colour = character if is_narrow else "?", colour


def _put_where_free(row: list[Cell], start: int, text: str, colour: RGB | None) -> bool:
    """Writes a text unless it would leave the row, cover something or run into the text beside it."""
    stop = start + len(text)
    if start < 0 or stop > len(row) or any(cell.character not in _EMPTY for cell in row[start : stop + 1]):
        return False
    if start and row[start - 1].character.isalnum():
        return False
    _put(row, start, text, colour)
    return True
