"""One chart, described completely: pure data, without plotext and without textual.

A screen builds a `Figure` from what the board knows and from the chart's view of it; `plotting.draw` turns
it into lines. Colours are named by role ("loss", "gap", "alarm") and become colours only in a theme.
A role with "-faint" appended is that role's colour sunk towards the background, for raw points.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["line", "points", "dotted"]
XAxis = Literal["step", "epoch", "seconds"]
FigureAxis = XAxis | Literal["samples", "learning rate", "value"]
"""What x is; a learning rate is given as its log10, a value is a plain number."""
Tick = tuple[float, str]
"""Where a tick stands on its axis (on a log axis: log10 of the value) and what it says."""

_SECONDS_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
_SUFFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True, slots=True)
class Curve:
    """One series. `xs` ascend; `ys` may hold NaN and infinities, which become gaps with an alarm below them."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    role: str
    kind: Kind = "line"
    is_emphasised: bool = False
    """The one line of the chart: drawn last and kept clear of everything faint."""
    marker: str = ""
    """One character at its end, and along it where there are no colours: tells it from many others."""


@dataclass(frozen=True, slots=True)
class Band:
    """A calm shade between two series over the same `xs`, drawn first: the generalization gap."""

    name: str
    xs: Sequence[float]
    lows: Sequence[float]
    highs: Sequence[float]
    role: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical mark where something happened: role "mark" for a decision, "alarm" for trouble."""

    x: float
    label: str = ""
    role: str = "mark"


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal mark at a value that matters, such as the threshold of gradient clipping."""

    y: float
    label: str = ""
    role: str = "mark"


@dataclass(frozen=True, slots=True)
class Spot:
    """One character at a place, above everything else: a trial among many. Out of range it stands at the edge."""

    x: float
    y: float
    """Not finite: at the upper edge."""
    marker: str
    role: str


@dataclass(frozen=True, slots=True)
class Word:
    """A piece of the legend, in the colour of a role; "text-faint" is the quiet one."""

    text: str
    role: str = "text-faint"
    is_strong: bool = False
    is_entry: bool = False
    """It begins one of several things that are named: how many of them have no room is told."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Everything one chart shows. An empty one says why it is empty."""

    title: str = ""
    curves: tuple[Curve, ...] = ()
    bands: tuple[Band, ...] = ()
    marks: tuple[Mark, ...] = ()
    levels: tuple[Level, ...] = ()
    spots: tuple[Spot, ...] = ()
    """In this order, the last one on top; their range is that of the curves."""
    x_names: tuple[Tick, ...] = ()
    """Ticks of an x axis that has names for its places; empty where numbers do."""
    x_range: tuple[float, float] | None = None
    """In units of `x_label`; None means all of the data."""
    y_range: tuple[float, float] | None = None
    """In units of the series, on a log axis too; None means chosen from the data."""
    is_log: bool = False
    """A logarithmic y axis: values of zero and below are not on it."""
    x_label: FigureAxis = "step"
    cursor: float | None = None
    """Where the reading line stands, in units of x; None means no reading line."""
    legend: str | tuple[Word, ...] = ()
    """One line for the bottom border, taken literally (no markup)."""
    empty_text: str = "waiting for the first step"


def value_at(curve: Curve, x: float) -> float | None:
    """The value of the point nearest to `x`, the earlier one of two equally near; None for an empty curve."""
    size = min(len(curve.xs), len(curve.ys))
    if size == 0:
        return None
    after = min(bisect.bisect_left(curve.xs, x, 0, size), size - 1)
    before = max(after - 1, 0)
    return curve.ys[before if x - curve.xs[before] <= curve.xs[after] - x else after]


def format_value(value: float) -> str:
    """A value in at most seven or so characters: 0.231, 12.5, 2 310, 1.0e-3, 4.2e+6, nan."""
    if not math.isfinite(value):
        return str(float(value))
    size = abs(value)
    if size == 0:
        return "0"
    if size < 0.00995 or size >= 999_999.5:
        mantissa, _, exponent = f"{value:.1e}".partition("e")
        return f"{mantissa}e{int(exponent):+d}" if size >= 1 else f"{mantissa}e{int(exponent)}"
    if size >= 999.5:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.{max(0, 2 - math.floor(math.log10(size)))}f}" if size >= 1 else f"{value:.3f}"


def linear_ticks(low: float, high: float, count: int) -> list[Tick]:
    """At most `count` + 1 round ticks (1, 2 or 5 times a power of ten apart) within [low, high]."""
    step = _round_step((high - low) / max(count, 1))
    if not step:
        return []
    return _distinct([(tick, _linear_label(tick, step)) for tick in _multiples(low, high, step)])


def log_ticks(low: float, high: float, count: int) -> list[Tick]:
    """Ticks of a log axis from 10^low to 10^high: decades, or round values where hardly a decade is in view."""
    decades = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
    if len(decades) >= 2:
        stride = math.ceil(len(decades) / max(count, 1))
        kept = [decade for decade in decades if decade % stride == 0]
        return [(float(decade), _decade_label(decade)) for decade in kept or decades[:1]]
    if abs(low) > 290 or abs(high) > 290:
        return [(float(decade), _decade_label(decade)) for decade in decades]
    fine = [d * 10.0**e for e in range(math.floor(low), math.floor(high) + 1) for d in (1, 2, 5)]
    inside = [(math.log10(value), _linear_label(value, value)) for value in fine if low <= math.log10(value) <= high]
    if len(inside) >= 2:
        return inside
    return [(math.log10(tick), label) for tick, label in linear_ticks(10.0**low, 10.0**high, count) if tick > 0]


def seconds_ticks(low: float, high: float, count: int) -> list[Tick]:
    """Ticks at round durations: 0:30, 5:00, 2h, 1d."""
    wanted = (high - low) / max(count, 1)
    step = float(next((step for step in _SECONDS_STEPS if step >= wanted), 0))
    if wanted < 1:
        return [(tick, f"{label}s") for tick, label in linear_ticks(low, high, count)]
    step = step or 86_400 * (_round_step(wanted / 86_400) or 1)
    return [(tick, _duration_label(tick)) for tick in _multiples(low, high, step)]


def x_ticks(low: float, high: float, count: int, x_label: FigureAxis) -> list[Tick]:
    """The ticks of an x axis, as fits its unit; steps have no fractions."""
    if x_label == "seconds":
        return seconds_ticks(low, high, count)
    if x_label == "learning rate":
        return log_ticks(low, high, count)
    if x_label == "step":
        count = min(count, max(1, math.floor(high - low)))
        return [tick for tick in linear_ticks(low, high, count) if tick[0] == round(tick[0])]
    return linear_ticks(low, high, count)


def _round_step(wanted: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is at least `wanted`; 0 where there is none."""
    if not 1e-300 < wanted < 1e300:
        return 0.0
    power = 10.0 ** math.floor(math.log10(wanted))
    return next((factor * power for factor in (1, 2, 5, 10) if factor * power >= wanted * (1 - 1e-9)), 0.0)


def _multiples(low: float, high: float, step: float) -> list[float]:
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    return [index * step for index in range(first, last + 1)] if last - first < 100 else []


def _linear_label(tick: float, step: float) -> str:
    size = abs(tick)
    if size < step / 2:
        return "0"
    if size >= 1e15 or size < 0.00995:
        digits = max(0, min(3, math.floor(math.log10(size)) - math.floor(math.log10(step) + 1e-9)))
        mantissa, _, exponent = f"{tick:.{digits}e}".partition("e")
        return f"{_trimmed(mantissa)}e{int(exponent)}"
    unit, suffix = next(((unit, suffix) for unit, suffix in _SUFFIXES if size >= unit), (1.0, ""))
    decimals = max(0, min(4, -math.floor(math.log10(step / unit) + 1e-9)))
    label = f"{tick / unit:.{decimals}f}"
    return f"{_trimmed(label)}{suffix}" if suffix else label


def _trimmed(digits: str) -> str:
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def _decade_label(decade: int) -> str:
    return _linear_label(10.0**decade, 10.0**decade) if -3 < decade < 6 else f"1e{decade}"


def _duration_label(seconds: float) -> str:
    whole = round(abs(seconds))
    sign = "-" if seconds < 0 and whole else ""
    if whole >= 86_400 and whole % 86_400 == 0:
        return f"{sign}{whole // 86_400}d"
    if whole >= 3600:
        hours, minutes = divmod(whole // 60, 60)
        return f"{sign}{hours}h{minutes:02d}" if minutes else f"{sign}{hours}h"
    return f"{sign}{whole // 60}:{whole % 60:02d}"


def _distinct(ticks: list[Tick]) -> list[Tick]:
    """Without ticks that repeat the label before them: a range too narrow to tell them apart in few digits."""
    return [tick for index, tick in enumerate(ticks) if index == 0 or tick[1] != ticks[index - 1][1]]
