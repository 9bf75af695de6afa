"""Where an axis has its ticks, and how their numbers are written."""

from __future__ import annotations

import math


def linear_ticks(low: float, high: float, most: int = 6) -> tuple[float, ...]:
    """Multiples of 1, 2 or 5 times a power of ten within [low, high]; at most about `most`."""
    span = high - low
    if not math.isfinite(span) or span <= 0.0:
        return (low,) if math.isfinite(low) else ()
    raw = span / most
    if raw < 1e-300:
        return (low,)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1.0, 2.0, 5.0, 10.0) if power * factor >= raw * (1.0 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    if not 0 <= last - first <= 4 * most:  # steps below what a float resolves at that height
        return (low,)
    return tuple(float(f"{index * step:.12g}") for index in range(first, last + 1))


def log_ticks(low: float, high: float, most: int = 6) -> tuple[float, ...]:
    """Powers of ten within [low, high]; with 2 and 5 times each where they are few, every n-th where many."""
    if not 0.0 < low <= high or not math.isfinite(high):
        return ()
    decades = range(max(-307, math.floor(math.log10(low))), min(307, math.ceil(math.log10(high))) + 1)
    within = [10.0**power for power in decades if low * 0.999 <= 10.0**power <= high * 1.001]
    if len(within) > most:
        every = next(step for step in (2, 3, 5, 10, 20, 50, 100, 200) if len(within) <= most * step)
        return tuple(value for value in within if round(math.log10(value)) % every == 0)
    if len(within) >= 3:
        return tuple(within)
    finer = [factor * 10.0**power for power in decades for factor in (1.0, 2.0, 5.0)]
    found = tuple(value for value in finer if low * 0.999 <= value <= high * 1.001)
    return found if len(found) >= 2 else linear_ticks(low, high, most)


def tick_label(value: float) -> str:
    """0, 0.25, 1500, 20k, 1e-5, 3e8."""
    if value == 0.0:
        return "0"
    size = abs(value)
    if 1e4 <= size < 1e6 and value == round(value, -2):
        return f"{value / 1000:g}k"
    if 1e-3 <= size < 1e6:
        return f"{value:.6g}"
    mantissa, _, exponent = f"{value:.3e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}"
