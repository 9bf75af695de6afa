"""Numbers and durations in words, as short as they can be read."""

from __future__ import annotations

import math

from tuitrain.cells import beginning, ending, num_cells
from tuitrain.protocol.plan import Value
from tuitrain.ui.widgets.figure import format_value


def count(value: int) -> str:
    """12 345 with thin groups."""
    return f"{value:,}".replace(",", " ")


def duration(seconds: float) -> str:
    """0:07, 12:30, 3:05:00, 2d 4h."""
    if not math.isfinite(seconds):
        return "–"
    whole = max(0, round(seconds))
    if whole >= 86_400:
        return f"{whole // 86_400}d {whole % 86_400 // 3600}h"
    hours, rest = divmod(whole, 3600)
    minutes, seconds_left = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{seconds_left:02d}" if hours else f"{minutes}:{seconds_left:02d}"


def memory(num_bytes: int) -> str:
    """312 MB, 2.1 GB."""
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.0f} MB"


def rate(steps_per_second: float) -> str:
    """Steps per second; seconds per step where that is the better number."""
    if not math.isfinite(steps_per_second):
        return "– steps/s"
    if steps_per_second <= 0.0:
        return "0 steps/s"
    if steps_per_second < 0.2:
        return f"{1.0 / steps_per_second:.1f} s/step"
    return f"{format_value(steps_per_second) if steps_per_second < 100 else count(round(steps_per_second))} steps/s"


def share(value: float) -> str:
    """1.9 %."""
    return f"{value * 100:.1f} %"


def plain(value: Value) -> str:
    """A hyper-parameter: yes, no, 0.9, 1e-08, [128, 64]."""
    if isinstance(value, list):
        return f"[{', '.join(map(plain, value))}]"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def age(seconds: float) -> str:
    """5 s, 3 min, 2 h, 4 d."""
    for size, unit in ((86_400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def cut(words: str, width: int) -> str:
    """Words in so many cells, at least one: what is cut is the middle, as names often differ at an end."""
    if num_cells(words) <= width:
        return words
    begin = beginning(words, width // 2 + 1)
    return begin + ending(words, width - num_cells(begin) + 1).removeprefix("…")


def number(value: float | None) -> str:
    """A measured value, or a dash where there is none."""
    return "–" if value is None or math.isnan(value) else format_value(value)
