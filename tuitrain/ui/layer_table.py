"""The layers as a table with a heat map over time: pure lines of text, from what the board knows.

One layer a row, the input on top. A narrow terminal loses columns; name, chosen quantity and map always stay.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rich.cells import cell_len
from textual.content import Content

from tuitrain.board.layer_verdicts import Verdict
from tuitrain.board.layers import Floats, LayerHistory
from tuitrain.ui import text
from tuitrain.ui.layer_heat import BY_ID, heat_cells, legend_of, scale_of

_LONGEST_NAME, _SHORTEST_NAME = 20, 5
_LONGEST_SHAPE = 12
_TALLEST_ROW = 3
_BAR = 8
_BAR_DECADES = 4.0
"""Decades that a bar spans at least, so that small differences look small."""
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_QUIET, _LOUD = "$foreground 55%", "bold $warning"
_SELECTED = " on $foreground 12%"

Shapes = Mapping[str, tuple[int, ...]]


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
    "bar": _Column("", _BAR, ("gradient_norm",), 2),
    "weight": _Column("weight", 7, ("weight_norm",), 7),
    "update": _Column("upd/wt", 7, ("update_ratio",), 3),
    "activation": _Column("activation", 16, ("activation_mean", "activation_std"), 6),
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
) -> LayerTable:
    """Draw a table of `width` × `height` cells.

    Args:
        history: what is known.
        shapes: sizes of the weights by name of the layer.
        view: what is wanted.
        found: what stands out; its cells are shown as warnings.
        width: columns of the terminal.
        height: lines, the one with the headers among them.
    """
    num_layers = len(history.names)
    room = max(1, height - 1)
    tall = max(1, min(_TALLEST_ROW, room // max(1, num_layers)))
    page = max(1, room // tall)
    view = _in_sight(view, num_layers, page)
    drawing = _Drawing(history, shapes, view, found, width)
    rows = range(view.top, min(num_layers, view.top + page))
    lines = [drawing.header()]
    for layer in rows:
        lines += [drawing.row(layer, is_text=part == (tall - 1) // 2) for part in range(tall)]
    part = f"layers {rows.start + 1}–{rows.stop} of {num_layers}" if len(rows) < num_layers else f"{num_layers} layers"
    title = f"{part} · {BY_ID[view.quantity].title} over time"
    legend = legend_of(drawing.scale, max(8, width - 4))
    return LayerTable(tuple(lines[:height]), title, legend, view, page)


def layer_line(history: LayerHistory, shapes: Shapes, layer: int, width: int) -> Content:
    """All that is known of one layer, in one line."""
    values = {quantity: float(history.newest(quantity)[layer]) for quantity in BY_ID}
    shape = shapes.get(history.names[layer])
    words = [
        Content.styled(_printable(history.names[layer]), "bold"),
        Content(_shape_text(shape)) if shape else Content(""),
    ]
    known = (
        ("gradient", text.number(values["gradient_norm"])),
        ("weight", text.number(values["weight_norm"])),
        ("update / weight", text.number(values["update_ratio"])),
        ("activation", " ".join(_activation_text(values["activation_mean"], values["activation_std"]).split())),
        ("dead", _share_text(values["dead"])),
        ("saturated", _share_text(values["saturated"])),
    )
    words += [Content.assemble((f"{name} ", _QUIET), value) for name, value in known if value.strip("–± ")]
    return Content("  ").join([word for word in words if word.plain]).truncate(width, ellipsis=True)


def verdict_lines(found: Sequence[Verdict], healthy: str, width: int, most: int) -> list[Content]:
    """One line each, the worst first; the last one says how many more there are."""
    if not found:
        return [Content.styled(healthy, _QUIET).truncate(width, ellipsis=True)]
    shown = found[:most]
    lines = []
    for verdict in shown:
        style = "$error" if verdict.is_alarm else "$warning"
        num_more = len(found) - len(shown) if verdict is shown[-1] else 0
        more = f"  +{num_more} more" if num_more else ""
        words = Content.assemble(("! ", f"bold {style}"), (verdict.text, style)).truncate(
            width - len(more), ellipsis=True
        )
        lines.append(Content.assemble(words, (more, _QUIET)))
    return lines


def short_names(names: Sequence[str], width: int) -> list[str]:
    """Names of at most `width` characters: without the parts that all begin with, if need be, else their ends."""
    names = [_printable(name) for name in names]
    while any(len(name) > width for name in names) and len({name.partition(".")[:2] for name in names}) == 1:
        if "." not in names[0]:
            break
        names = [name.partition(".")[2] for name in names]
    return [_shortened(name, width) for name in names]


class _Drawing:
    """One picture: which columns fit, how wide the map is, and its rows."""

    def __init__(
        self, history: LayerHistory, shapes: Shapes, view: LayerView, found: Sequence[Verdict], width: int
    ) -> None:
        self._history, self._shapes, self._view, self._width = history, shapes, view, width
        self._loud = {(verdict.quantity, layer) for verdict in found for layer in verdict.layers}
        self._names = short_names(history.names, max(_SHORTEST_NAME, min(_LONGEST_NAME, width // 6)))
        self._name_width = max(_SHORTEST_NAME, *(len(name) for name in self._names))
        shape_width = max([len("shape"), *(len(_shape_text(shapes.get(name))) for name in history.names)])
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
        mark = "▸ " if is_selected and is_text else "  "
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
        bars = _bars(self._history.newest("gradient_norm"))
        says: dict[str, Callable[[int], str]] = {
            "shape": lambda layer: _shape_text(shapes[layer]),
            "gradient": lambda layer: text.number(values["gradient_norm"][layer]),
            "bar": lambda layer: bars[layer],
            "weight": lambda layer: text.number(values["weight_norm"][layer]),
            "update": lambda layer: text.number(values["update_ratio"][layer]),
            "activation": lambda layer: _activation_text(
                values["activation_mean"][layer], values["activation_std"][layer]
            ),
            "dead": lambda layer: _share_text(values["dead"][layer]),
            "saturated": lambda layer: _share_text(values["saturated"][layer]),
        }
        return {
            name: [(_shortened(says[name](layer), self._widths[name]), self._style(name, layer)) for layer in layers]
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


def _bars(values: Floats) -> list[str]:
    """A bar a layer by the logarithm of its value; the largest is full, and every value above zero can be seen."""
    sizes = np.where(np.isfinite(values) & (values > 0.0), values, np.nan)
    if bool(np.isnan(sizes).all()):
        return ["" for _ in values]
    logs = np.log10(sizes)
    high = float(np.nanmax(logs))
    low = min(float(np.nanmin(logs)), high - _BAR_DECADES)
    return [_bar((value - low) / (high - low)) for value in logs.tolist()]


def _bar(share: float) -> str:
    """A bar from the left, `_BAR` cells wide."""
    if math.isnan(share):
        return " " * _BAR
    eighths = max(1, round(share * _BAR * 8))
    return f"{'█' * (eighths // 8)}{_EIGHTHS[eighths % 8] if eighths % 8 else ''}".ljust(_BAR)


def _shape_text(shape: tuple[int, ...] | None) -> str:
    return "×".join(str(size) for size in shape) if shape else ""


def _activation_text(mean: float, deviation: float) -> str:
    return f"{text.number(mean):>7} ±{text.number(deviation):>7}"


def _share_text(share: float) -> str:
    if math.isnan(share):
        return "–"
    return "<1 %" if 0.0 < share < 0.01 else f"{share * 100:.0f} %"


def _printable(name: str) -> str:
    """One column a character, whatever a layer is called."""
    return "".join(letter if letter.isprintable() and cell_len(letter) == 1 else "?" for letter in name)


def _shortened(words: str, width: int) -> str:
    """The words, or their end where they are too long: layers are told apart by the ends of their names."""
    return words if len(words) <= width else f"…{words[len(words) - width + 1 :]}"
