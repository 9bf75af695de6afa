"""A heat map in cells: what colour and what glyph a value has on the scale of its quantity, and the scale itself.

Every cell can be read twice: by its colour, and by a glyph that is the denser the larger the value is.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from textual.content import Content

from tuitrain.board.layers import Floats
from tuitrain.ui.widgets.figure import format_value

Kind = Literal["log", "share", "signed"]

_SHADES = " ░▒▓█"
_NEGATIVE_SHADES = " -=≡#"
_UNKNOWN, _INFINITE = "·", "×"
_NEGATIVE_COLOUR = "$accent"
_FINEST = 80
"""Parts of a scale: a multiple of the glyphs and of the tones."""
_TONES = 16
"""Colours of a scale; neighbours of one tone are drawn in one go."""
_MOST_DECADES = 12
_CELLS = 24
"""Of a legend, its numbers not counted."""


@dataclass(frozen=True)
class Quantity:
    """How a quantity of the layers is shown."""

    id: str
    """As in `LayersMeasured.values`."""
    title: str
    kind: Kind
    """log: sizes over decades. share: 0 to 100 %. signed: around zero."""
    colour: str
    """A colour of the theme."""


QUANTITIES: tuple[Quantity, ...] = (
    Quantity("gradient_norm", "gradient norm", "log", "$success"),
    Quantity("update_ratio", "update / weight", "log", "$accent"),
    Quantity("activation_std", "deviation of activations", "log", "$secondary"),
    Quantity("activation_mean", "mean of activations", "signed", "$secondary"),
    Quantity("dead", "dead units", "share", "$warning"),
    Quantity("saturated", "saturated activations", "share", "$warning"),
    Quantity("weight_norm", "weight norm", "log", "$primary"),
)
"""In the order in which the key goes through them."""

BY_ID = {quantity.id: quantity for quantity in QUANTITIES}


@dataclass(frozen=True)
class Scale:
    """From values to shares of a scale.

    `low` and `high` are exponents of ten where `kind` is log, else values.
    """

    kind: Kind
    colour: str
    low: float
    high: float

    def place(self, value: float) -> float:
        """Where a finite value stands: 0 to 1, or -1 to 1 where signed. A zero is below every logarithm."""
        if self.kind == "log":
            if value <= 0.0:
                return 0.0
            share = (math.log10(value) - self.low) / (self.high - self.low)
        else:
            share = value / self.high
        return min(1.0, max(-1.0 if self.kind == "signed" else 0.0, share))


def scale_of(quantity: Quantity, values: Floats) -> Scale:
    """A scale with round ends that holds the values, so that the colours seldom shift while a run goes on."""
    sizes = np.abs(values[np.isfinite(values)])
    sizes = sizes[sizes > 0.0]
    if quantity.kind == "share":
        return Scale("share", quantity.colour, 0.0, 1.0)
    if not len(sizes):
        return Scale(quantity.kind, quantity.colour, *((-1.0, 0.0) if quantity.kind == "log" else (0.0, 1.0)))
    top = math.log10(float(sizes.max()))
    if quantity.kind == "signed":
        power = 10.0 ** math.floor(top)
        high = next((factor * power for factor in (1, 2, 5) if factor * power >= float(sizes.max())), 10 * power)
        return Scale("signed", quantity.colour, 0.0, high)
    ceiling = math.ceil(top - 1e-9)
    floor = min(ceiling - 1, math.floor(math.log10(float(sizes.min())) + 1e-9))
    return Scale("log", quantity.colour, float(max(floor, ceiling - _MOST_DECADES)), float(ceiling))


def heat_cells(values: Floats, scale: Scale) -> list[tuple[str, str]]:
    """(columns,): a row of the map as pieces of text with their styles."""
    cells = [_cell(value, scale) for value in values.tolist()]
    return [
        ("".join(glyph for glyph, _ in group), style) for style, group in itertools.groupby(cells, key=lambda c: c[1])
    ]


def legend_of(scale: Scale, width: int) -> Content:
    """The scale with its numbers: cells between the ends, and numbers within where there is room."""
    for stops in _stops(scale):
        pieces: list[tuple[str, str] | str] = [(_label(scale, stops[0]), "$foreground 75%")]
        for before, after in itertools.pairwise(stops):
            num_cells = max(2, round(_CELLS * (after - before) / (stops[-1] - stops[0])))
            shares = before + (after - before) * (np.arange(num_cells) + 0.5) / num_cells
            pieces += [" ", *(_shaded(share, scale) for share in shares.tolist()), " "]
            pieces.append((_label(scale, after), "$foreground 75%"))
        line = Content.assemble(*pieces)
        if line.cell_length <= width:
            return line
    return Content("")


def _stops(scale: Scale) -> list[tuple[float, ...]]:
    """Where the numbers of a legend stand, the fullest choice first."""
    if scale.kind == "signed":
        return [(-1.0, 0.0, 1.0), (-1.0, 1.0)]
    if scale.kind == "share":
        return [(0.0, 0.25, 0.5, 0.75, 1.0), (0.0, 0.5, 1.0), (0.0, 1.0)]
    decades = round(scale.high - scale.low)
    apart = [step for step in (1, 2, 3, 4, 6) if step < decades <= 6 * step]
    return [(*(place / decades for place in range(0, decades, step)), 1.0) for step in apart] + [(0.0, 1.0)]


def _label(scale: Scale, share: float) -> str:
    if scale.kind == "share":
        return f"{share * 100:.0f} %"
    if scale.kind == "signed":
        return format_value(share * scale.high)
    exponent = round(scale.low + share * (scale.high - scale.low))
    return f"{10.0**exponent:g}" if -3 < exponent < 4 else f"1e{exponent}"


def _cell(value: float, scale: Scale) -> tuple[str, str]:
    if math.isnan(value):
        return _UNKNOWN, "$foreground 20%"
    if math.isinf(value):
        return _INFINITE, "bold $error on $error 25%"
    return _shaded(scale.place(value), scale)


def _shaded(share: float, scale: Scale) -> tuple[str, str]:
    """The glyph and the style of a place on the scale."""
    return _look_of(int(share * _FINEST), share < 0.0, scale.colour)


@lru_cache(maxsize=2048)
def _look_of(place: int, is_negative: bool, colour: str) -> tuple[str, str]:
    """The glyph and the style of a place, counted in parts of which `_FINEST` are the whole scale."""
    shades = _NEGATIVE_SHADES if is_negative else _SHADES
    colour = _NEGATIVE_COLOUR if is_negative else colour
    glyph = shades[min(len(shades) - 1, abs(place) * len(shades) // _FINEST)]
    tone = min(_TONES - 1, abs(place) * _TONES // _FINEST) / (_TONES - 1)
    return glyph, f"{colour} {30 + 60 * tone:.0f}% on {colour} {6 + 64 * tone:.0f}%"
