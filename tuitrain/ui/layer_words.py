"""What is known of layers, as words, numbers and bars: the cells of their table, and the lines below it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from rich.cells import cell_len
from textual.content import Content

from tuitrain.board.layer_verdicts import Verdict
from tuitrain.board.layers import QUANTITIES, Floats, LayerHistory
from tuitrain.ui import text

BAR = 8
"""Cells of a bar."""
_BAR_DECADES = 4.0
"""Decades that a bar spans at least, so that small differences look small."""
_QUIET = "$foreground 55%"

Shapes = Mapping[str, tuple[int, ...]]
"""Layer → sizes of its weight."""


def layer_line(history: LayerHistory, shapes: Shapes, layer: int, width: int) -> Content:
    """All that is known of one layer, in one line."""
    values = {quantity: float(history.newest(quantity)[layer]) for quantity in QUANTITIES}
    shape = shapes.get(history.names[layer])
    words = [
        Content.styled(_printable(history.names[layer]), "bold"),
        Content(shape_text(shape)) if shape else Content(""),
    ]
    known = (
        ("gradient", text.number(values["gradient_norm"])),
        ("weight", text.number(values["weight_norm"])),
        ("update / weight", text.number(values["update_ratio"])),
        ("activation", activation_text(values["activation_mean"], values["activation_std"]).strip()),
        ("dead", share_text(values["dead"])),
        ("saturated", share_text(values["saturated"])),
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
    return [shortened(name, width) for name in names]


def bars(values: Floats) -> list[str]:
    """A bar a layer by the logarithm of its value; the largest is full, and every value above zero can be seen."""
    sizes = np.where(np.isfinite(values) & (values > 0.0), values, np.nan)
    if bool(np.isnan(sizes).all()):
        return ["" for _ in values]
    logs = np.log10(sizes)
    high = float(np.nanmax(logs))
    low = min(float(np.nanmin(logs)), high - _BAR_DECADES)
    return [_bar((value - low) / (high - low)) for value in logs.tolist()]


def _bar(share: float) -> str:
    """A thin bar from the left, `BAR` cells wide, in half cells."""
    if math.isnan(share):
        return " " * BAR
    halves = max(1, round(share * BAR * 2))
    return f"{'━' * (halves // 2)}{'╸' if halves % 2 else ''}".ljust(BAR)


def shape_text(shape: tuple[int, ...] | None) -> str:
    """E.g. 256×784; empty where it is not known."""
    return "×".join(str(size) for size in shape) if shape else ""


def activation_text(mean: float, deviation: float) -> str:
    """Mean ± deviation, as wide as its column."""
    return f"{text.number(mean):>7} ± {text.number(deviation):<7}"


def share_text(share: float) -> str:
    """E.g. 62 %; the smallest shares are told apart from none."""
    if math.isnan(share):
        return "–"
    return "<1 %" if 0.0 < share < 0.01 else f"{share * 100:.0f} %"


def _printable(name: str) -> str:
    """One column a character, whatever a layer is called."""
    return "".join(letter if letter.isprintable() and cell_len(letter) == 1 else "?" for letter in name)


def shortened(words: str, width: int) -> str:
    """The words, or their end where they are too long: layers are told apart by the ends of their names."""
    return words if len(words) <= width else f"…{words[len(words) - width + 1 :]}"
