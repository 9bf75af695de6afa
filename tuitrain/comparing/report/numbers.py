"""Numbers of a ranking as a table shows them: no more digits than the seeds support."""

from __future__ import annotations

import math

from tuitrain.board.verdict import Standing

UNKNOWN = "–"


def value_text(value: float | None, deviation: float | None = None) -> str:
    """A value to two digits of its deviation; to five digits where there is none."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    decimals = _decimals(value, deviation)
    return f"{value:.5g}" if decimals is None else f"{value:.{decimals}f}"


def mean_text(standing: Standing) -> str:
    """0.912 ± 0.0041: the mean and the standard deviation over the seeds."""
    if standing.mean is None:
        return "diverged" if standing.num_diverged else UNKNOWN
    mean = value_text(standing.mean, standing.deviation)
    if standing.deviation is None:
        return mean
    decimals = _decimals(standing.mean, standing.deviation)
    return f"{mean} ± {standing.deviation:.2g}" if decimals is None else f"{mean} ± {standing.deviation:.{decimals}f}"


def difference_text(standing: Standing, *, is_best: bool) -> str:
    """−0.02 (−0.03 to −0.01): to the best, with its interval."""
    if is_best or standing.difference is None:
        return UNKNOWN
    if standing.low is None or standing.high is None:
        return signed(standing.difference)
    return f"{signed(standing.difference)} ({signed(standing.low)} to {signed(standing.high)})"


def signed(value: float) -> str:
    """With a sign and two digits."""
    if value == 0.0:
        return "0"
    return f"{value:+.2g}".replace("-", "−", 1) if value < 0 else f"{value:+.2g}"


def remark(standing: Standing, *, is_best: bool) -> str:
    """What a table must say besides its numbers; empty where nothing is."""
    if standing.num_diverged or not standing.values:
        return standing.text
    _, has_few, few = standing.text.rpartition("; ")
    return few if has_few and not is_best else ""


def _decimals(value: float, deviation: float | None) -> int | None:
    """Of a value and its deviation; None where a power of ten is shorter."""
    if not deviation or not 1e-3 <= abs(value) < 1e5 or not 1e-7 <= deviation < 1e5:
        return None
    return max(0, 1 - math.floor(math.log10(deviation)))
