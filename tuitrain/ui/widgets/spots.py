"""Single characters on a chart: what a scatter is made of where a dot of braille would be too small to see."""

from __future__ import annotations

import math

from tuitrain.ui.widgets.canvas import Cell, Rows
from tuitrain.ui.widgets.figure import Figure
from tuitrain.ui.widgets.palette import Palette
from tuitrain.ui.widgets.plane import Plane


def lay_spots(rows: Rows, figure: Figure, plane: Plane, palette: Palette) -> None:
    """Each at its cell; one beyond the range of y at its edge, one beyond that of x nowhere."""
    for spot in figure.spots:
        column = plane.column_of(spot.x) if math.isfinite(spot.x) else None
        if column is None:
            continue
        row = _row(spot.y, plane, is_log=figure.is_log)
        rows[row][column] = Cell(spot.marker, palette.colour(spot.role), rows[row][column].background)


def _row(value: float, plane: Plane, *, is_log: bool) -> int:
    if not math.isfinite(value):
        return 0
    found = plane.row_of_value(value, is_log=is_log)
    if found is not None:
        return found
    height = (math.log10(value) if value > 0.0 else -math.inf) if is_log else value
    return 0 if height > plane.y_high else plane.rows - 1
