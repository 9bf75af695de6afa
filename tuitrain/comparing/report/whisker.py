"""The interval of a difference as a whisker, on one scale for the arms of a ranking; zero is the best arm."""

from __future__ import annotations

import math

from tuitrain.board.verdict import Ranking, Standing
from tuitrain.comparing.report.drawing import Drawing, Marker, Point, Polyline, shape_of


def whisker_range(ranking: Ranking) -> tuple[float, float] | None:
    """The scale: every difference, and every interval as far as it is not several times wider than they are apart.

    With two seeds an interval may be a hundred times as wide as anything that was measured: it is cut off then.
    """
    middles = [standing.difference for standing in ranking.standings if standing.difference is not None]
    apart = max((abs(middle) for middle in middles), default=0.0)
    ends = [
        end
        for standing in ranking.standings
        for end in (standing.low, standing.high)
        if end is not None and standing.difference is not None
    ]
    reach = max((abs(end) for end in ends), default=0.0)
    limit = min(reach, 1.5 * apart) if apart else reach
    shown = [0.0, *middles, *(max(-limit, min(limit, end)) for end in ends)]
    low, high = min(shown), max(shown)
    span = high - low
    return (low - 0.05 * span, high + 0.05 * span) if math.isfinite(span) and span > 0.0 else None


def draw_whisker(
    drawing: Drawing, standing: Standing, arm: int, scale: tuple[float, float], x: float, y: float, size: Point
) -> None:
    """Draw one arm's interval; where it goes on beyond the scale it ends in an arrow.

    Args:
        drawing: what it is drawn on.
        standing: of the arm.
        arm: its index.
        scale: from `whisker_range`.
        x: left edge, pixels.
        y: top edge, pixels.
        size: width and height, pixels.
    """
    middle, low, high = y + size[1] / 2, *scale

    def at(value: float) -> float:
        return x + (min(max(value, low), high) - low) / (high - low) * size[0]

    drawing.marks.append(Polyline(((at(0.0), y), (at(0.0), y + size[1])), "muted", 1.0, (2.0, 2.0)))
    if standing.low is not None and standing.high is not None and standing.low != standing.high:
        drawing.marks.append(Polyline(((at(standing.low), middle), (at(standing.high), middle)), arm, 1.8))
        for end, inward in ((standing.low, 4.0), (standing.high, -4.0)):
            across = at(end)
            back = across + inward if not low <= end <= high else across
            for up in (-3.5, 3.5):
                drawing.marks.append(Polyline(((back, middle + up), (across, middle)), arm, 1.6))
    if standing.difference is not None:
        drawing.marks.append(Marker(at(standing.difference), middle, shape_of(arm), arm, 3.4))
