"""What a run left when it went back: kept to be drawn faint, and to be taken up again when that is undone."""

from __future__ import annotations

from dataclasses import dataclass, field

from tuitrain.board.series import Series

MOST_GHOSTS = 8


@dataclass
class Ghost:
    """A stretch of steps that is no longer part of the run."""

    first: int
    """The step after which the run left it."""
    last: int
    series: dict[str, Series] = field(default_factory=dict)
    evals: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    way: int = 0
    """Number of the way that was left."""


def cut_off(series: dict[str, Series], evals: dict[str, list[tuple[int, float]]], step: int, last: int) -> Ghost:
    """Take all that came after a step away from a run.

    Args:
        series: metric → what was measured; cut in place.
        evals: metric → evaluations; cut in place, and dropped where nothing is left.
        step: the last that stays.
        last: the newest step there was.
    """
    ghost = Ghost(step, last)
    for metric, values in series.items():
        rest = values.cut_after(step)
        if len(rest):
            ghost.series[metric] = rest
    for metric, points in list(evals.items()):
        later = [point for point in points if point[0] > step]
        if later:
            ghost.evals[metric] = later
        evals[metric] = [point for point in points if point[0] <= step]
        if not evals[metric]:
            del evals[metric]
    return ghost


def seemingly_taken(ghosts: list[Ghost], step: int, now: int) -> Ghost | None:
    """Of a stream that does not tell on which way a state was: forward from `now` is taken for what was left last."""
    found = (ghost for ghost in reversed(ghosts) if ghost.first < step <= ghost.last)
    return next(found, None) if step > now else None


def taken_up(ghost: Ghost, series: dict[str, Series], evals: dict[str, list[tuple[int, float]]], step: int) -> None:
    """Give a stretch back to a run, up to a step; it ends where the stretch begins."""
    for metric, rest in ghost.series.items():
        mine = series.setdefault(metric, Series(rest.smoothing))
        for at, value in rest.all_values(step):
            mine.append(at, 1, [value])
    for metric, points in ghost.evals.items():
        evals.setdefault(metric, []).extend(point for point in points if point[0] <= step)
