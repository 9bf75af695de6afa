"""Lines as dots of braille, by numpy alone: for charts of so many lines that a cost by the point is too much."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tuitrain.ui.widgets.canvas import Rows
from tuitrain.ui.widgets.figure import Curve, Figure
from tuitrain.ui.widgets.palette import Palette
from tuitrain.ui.widgets.plane import Floats, Plane, cleaned, pieces

_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""Of the dots of a braille cell, four rows of two."""
_EMPTY = " \u2800"


def lay_lines(rows: Rows, curves: Sequence[Curve], figure: Figure, plane: Plane, palette: Palette) -> None:
    """Draw lines where the canvas is still empty; of two in one cell the later one gives the colour.

    What is faint stays out of the cells of what is not, so that a line of the best is a line among fifty others.
    """
    for is_faint in (False, True):
        drawn = [curve for curve in curves if curve.role.endswith("-faint") == is_faint]
        if drawn:
            _lay(rows, drawn, figure, plane, palette)


def _lay(rows: Rows, curves: Sequence[Curve], figure: Figure, plane: Plane, palette: Palette) -> None:
    dots = np.zeros((plane.rows * 4, plane.columns * 2), dtype=bool)
    owners = np.full((plane.rows, plane.columns), -1)
    for number, curve in enumerate(curves):
        for xs, ys in pieces(cleaned(curve.xs, curve.ys, is_log=figure.is_log), plane, is_connected=True):
            down, right = _dots_of(plane.across(xs), plane.up(ys), plane)
            dots[down, right] = True
            owners[down // 4, right // 2] = number
    cells = (dots.reshape(plane.rows, 4, plane.columns, 2) * _BITS[:, np.newaxis, :]).sum(axis=(1, 3))
    colours = [palette.colour(curve.role) for curve in curves]
    for row, column in zip(*(places.tolist() for places in np.nonzero(cells)), strict=True):
        cell = rows[row][column]
        if cell.character in _EMPTY:
            cell.character, cell.colour = chr(0x2800 + int(cells[row, column])), colours[owners[row, column]]


def _dots_of(us: Floats, vs: Floats, plane: Plane) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Rows and columns of the dots that a connected line touches, each of shape (n,), as plotext rounds them."""
    right, down = (us * (plane.columns - 1) + 0.5) * 2, ((1 - vs) * (plane.rows - 1) + 0.5) * 4
    lengths = np.concatenate(([0.0], np.cumsum(np.maximum(np.abs(np.diff(right)), np.abs(np.diff(down))))))
    stops = np.append(np.arange(0.0, lengths[-1], 1.0), lengths[-1])
    places = np.floor([np.interp(stops, lengths, down), np.interp(stops, lengths, right)]).astype(int)
    is_inside = (places[0] >= 0) & (places[0] < plane.rows * 4) & (places[1] >= 0) & (places[1] < plane.columns * 2)
    return places[0][is_inside], places[1][is_inside]
