"""The layers as a table with a heat map over time: pure lines of text, from what the board knows.

One layer a row, the input on top. A narrow terminal loses columns; name, chosen quantity and map always stay.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from textual.content import Content

from tuitrain.board.layer_verdicts import Verdict
from tuitrain.board.layers import LayerHistory
from tuitrain.ui import text
from tuitrain.ui.layer_heat import BY_ID, heat_cells, legend_of, scale_of
from tuitrain.ui.layer_words import BAR, Shapes, activation_text, bars, shape_text, share_text, short_names, shortened

_LONGEST_NAME, _SHORTEST_NAME = 20, 5
_LONGEST_SHAPE = 12
_TALLEST_ROW = 3
_QUIET, _LOUD = "$foreground 55%", "bold $warning"
FROZEN = "▪"
"""Marks a layer that is not trained."""
_SELECTED = " on $foreground 12%"


@dataclass(frozen=True)
class LayerView:
    """What a person chose to see."""

    quantity: str = "gradient_norm"
    selected: int = 0
    top: int = 0
    """The first row in view."""


@dataclass(frozen=True)
class LayerTable:
    """The finished picture: as many lines as fit, and the words for the frame around them."""

    lines: tuple[Content, ...]
    title: str
    legend: Content
    view: LayerView
    """The view that was drawn: with the selected row in sight."""
    page: int
    """Rows in view."""


@dataclass(frozen=True)
class _Column:
    header: str
    width: int
    quantities: tuple[str, ...]
    """What it shows, for warnings and for the choice; none for the shape."""
    priority: int
    """The smallest stays longest."""


_COLUMNS: dict[str, _Column] = {
    "shape": _Column("shape", _LONGEST_SHAPE, (), 8),
    "gradient": _Column("gradient", 8, ("gradient_norm",), 1),
    "bar": _Column("", BAR, ("gradient_norm",), 2),
    "weight": _Column("weight", 7, ("weight_norm",), 7),
    "update": _Column("upd/wt", 7, ("update_ratio",), 3),
    "activation": _Column("activation", 17, ("activation_mean", "activation_std"), 6),
    "dead": _Column("dead", 5, ("dead",), 4),
    "saturated": _Column("sat.", 5, ("saturated",), 5),
}


def layer_table(
    history: LayerHistory,
    shapes: Shapes,
    view: LayerView,
    found: Sequence[Verdict],
    width: int,
    height: int,
    frozen: Collection[str] = (),
) -> LayerTable:
    """Draw a table of `width` × `height` cells.

    Args:
        history: what is known.
        shapes: sizes of the weights by name of the layer.
        view: what is wanted.
        found: what stands out; its cells are shown as warnings.
        width: columns of the terminal.
        height: lines, the one with the headers among them.
        frozen: names of the layers that are not trained; they are marked.
    """
    num_layers = len(history.names)
    room = max(1, height - 1)
    tall = max(1, min(_TALLEST_ROW, room // max(1, num_layers)))
    page = max(1, room // tall)
    view = _in_sight(view, num_layers, page)
    drawing = _Drawing(history, shapes, view, found, width, frozenset(frozen))
    rows = range(view.top, min(num_layers, view.top + page))
    lines = [drawing.header()]
    for layer in rows:
        lines += [drawing.row(layer, is_text=part == (tall - 1) // 2) for part in range(tall)]
    part = f"layers {rows.start + 1}–{rows.stop} of {num_layers}" if len(rows) < num_layers else f"{num_layers} layers"
    num_frozen = sum(name in frozen for name in history.names)
    part += f", {num_frozen} frozen ({FROZEN})" if num_frozen else ""
    title = f"{part} · {BY_ID[view.quantity].title} over time"
    legend = legend_of(drawing.scale, max(8, width - 4))
    return LayerTable(tuple(lines[:height]), title, legend, view, page)


class _Drawing:
    """One picture: which columns fit, how wide the map is, and its rows."""

    def __init__(
        self, history: LayerHistory, shapes: Shapes, view: LayerView, found: Sequence[Verdict], width: int,
        frozen: frozenset[str],
    ) -> None:  # fmt: skip
        self._is_frozen = [name in frozen for name in history.names]
        self._history, self._shapes, self._view, self._width = history, shapes, view, width
        self._loud = {(verdict.quantity, layer) for verdict in found for layer in verdict.layers}
        self._names = short_names(history.names, max(_SHORTEST_NAME, min(_LONGEST_NAME, width // 6)))
        self._name_width = max(_SHORTEST_NAME, *(len(name) for name in self._names))
        shape_width = max([len("shape"), *(len(shape_text(shapes.get(name))) for name in history.names)])
        self._widths = {name: column.width for name, column in _COLUMNS.items()}
        self._widths["shape"] = min(shape_width, _LONGEST_SHAPE)
        self._columns = self._that_fit()
        self._heat_width = max(1, width - self._taken(self._columns))
        values = history.matrix(view.quantity, history.first_step, history.step, self._heat_width)
        self._heat = values
        self.scale = scale_of(BY_ID[view.quantity], values)
        self._texts = self._all_texts()

    def header(self) -> Content:
        """The names of the columns; over the map its first and its last step."""
        pieces: list[tuple[str, str]] = [(f"  {'layer':<{self._name_width}} ", _QUIET)]
        for name in self._columns:
            column = _COLUMNS[name]
            style = "bold $foreground" if self._view.quantity in column.quantities else _QUIET
            pieces.append((f"{column.header:>{self._widths[name]}} ", style))
        first, last = text.count(self._history.first_step), text.count(self._history.step)
        first = f"step {first}" if len(first) + len(last) + 8 <= self._heat_width else first
        gap = self._heat_width - len(first) - len(last)
        steps = f"{first}{' ' * gap}{last}" if gap > 0 else f"{last:>{self._heat_width}}"[: self._heat_width]
        return Content.assemble(*pieces, (steps, _QUIET))

    def row(self, layer: int, *, is_text: bool) -> Content:
        """One line of a layer: with its values, or with the map alone where a row is more than one line tall."""
        is_selected = layer == self._view.selected
        behind = _SELECTED if is_selected else ""
        name = self._names[layer] if is_text else ""
        mark = ("▸" if is_selected else " ") + (FROZEN if self._is_frozen[layer] else " ") if is_text else "  "
        style = "bold $foreground" if is_selected else "$foreground 85%"
        pieces = [(f"{mark}{name:<{self._name_width}} ", style + behind)]
        for column in self._columns:
            words, look = self._texts[column][layer] if is_text else ("", "$foreground")
            pieces.append((f"{words:>{self._widths[column]}} ", look + behind))
        return Content.assemble(*pieces, *heat_cells(self._heat[layer], self.scale))

    def _that_fit(self) -> list[str]:
        chosen = [name for name, column in _COLUMNS.items() if self._view.quantity in column.quantities]
        kept = {name for name in chosen if name != "bar"}
        least_heat = max(12, self._width // 3)
        for name in sorted(_COLUMNS, key=lambda name: _COLUMNS[name].priority):
            if name not in kept and self._has_values(name):
                together = kept | {name}
                if self._width - self._taken(together) < least_heat:
                    break
                kept = together
        return [name for name in _COLUMNS if name in kept]

    def _has_values(self, name: str) -> bool:
        if name == "shape":
            return any(layer in self._shapes for layer in self._history.names)
        return any(self._history.is_known(quantity) for quantity in _COLUMNS[name].quantities)

    def _taken(self, columns: Sequence[str] | set[str]) -> int:
        return 3 + self._name_width + sum(self._widths[name] + 1 for name in columns)

    def _all_texts(self) -> dict[str, list[tuple[str, str]]]:
        """Column → what it says of each layer, with its style."""
        values = {quantity: self._history.newest(quantity).tolist() for quantity in BY_ID}
        layers = range(len(self._history.names))
        shapes = [self._shapes.get(name) for name in self._history.names]
        lines = bars(self._history.newest("gradient_norm"))
        says: dict[str, Callable[[int], str]] = {
            "shape": lambda layer: shape_text(shapes[layer]),
            "gradient": lambda layer: text.number(values["gradient_norm"][layer]),
            "bar": lambda layer: lines[layer],
            "weight": lambda layer: text.number(values["weight_norm"][layer]),
            "update": lambda layer: text.number(values["update_ratio"][layer]),
            "activation": lambda layer: activation_text(
                values["activation_mean"][layer], values["activation_std"][layer]
            ),
            "dead": lambda layer: share_text(values["dead"][layer]),
            "saturated": lambda layer: share_text(values["saturated"][layer]),
        }
        return {
            name: [(shortened(says[name](layer), self._widths[name]), self._style(name, layer)) for layer in layers]
            for name in self._columns
        }

    def _style(self, column: str, layer: int) -> str:
        if any((quantity, layer) in self._loud for quantity in _COLUMNS[column].quantities):
            return _LOUD
        return {"shape": _QUIET, "bar": "$success 70%"}.get(column, "$foreground 85%")


def _in_sight(view: LayerView, num_layers: int, page: int) -> LayerView:
    """The same view with the selected row inside, and no empty lines below the last one."""
    selected = max(0, min(view.selected, num_layers - 1))
    top = max(selected - page + 1, min(view.top, selected))
    return LayerView(view.quantity, selected, max(0, min(top, num_layers - page)))
