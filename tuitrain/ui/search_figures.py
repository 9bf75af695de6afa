"""A search as pictures: its value over each parameter, and the best so far. No widgets."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tuitrain.board.trials import Trial, Trials, place_of
from tuitrain.protocol.comparing import SearchedParameter
from tuitrain.ui import text
from tuitrain.ui.widgets.figure import Curve, Figure, Mark, Spot, Word

_ROOM = 0.06
_WIDE = 30.0
"""Ratio of the largest to the smallest value from which on a logarithmic axis is the better one."""
_MARKERS = {
    "finished": ("●", "loss"), "pruned": ("▼", "text-faint"), "diverged": ("×", "alarm"), "failed": ("×", "alarm"),
    "lost": ("×", "alarm"), "stopped": ("□", "text-faint"), "running": ("○", "mark"), "paused": ("○", "mark"),
    "starting": ("○", "mark"),
}  # fmt: skip
_COARSE, _BEST, _CHOSEN = ("·", "loss"), ("◆", "norm"), ("◆", "mark")


@dataclass(frozen=True)
class SearchView:
    """What a person chose to see."""

    is_log: bool | None = None
    """None means as suits the values."""
    selected: str = ""
    """Key of a trial; empty is the first of the table."""
    page: int = 0
    """Of the charts, where not all fit."""
    is_by_number: bool = False
    """Whether the table has the newest first."""


def is_log(found: Trials, view: SearchView) -> bool:
    """Whether values are drawn on a log axis."""
    values = [trial.value for trial in found.trials if trial.counts and trial.value is not None]
    if view.is_log is not None:
        return view.is_log and all(value > 0.0 for value in values)
    return bool(values) and min(values) > 0.0 and max(values) / min(values) > _WIDE


def parameter_figure(found: Trials, parameter: SearchedParameter, view: SearchView) -> Figure:
    """The value of each trial over one parameter, on the scale on which it is searched."""
    counted = [trial for trial in found.trials if trial.counts]
    if not counted:
        return Figure(title=parameter.key, empty_text="no trial is done yet")
    best = found.best
    spots = [_spot(trial, place_of(parameter, trial.parameters.get(parameter.key, math.nan))) for trial in found.trials]
    if best is not None:
        spots.append(Spot(_place(parameter, best), best.value or 0.0, *_BEST))
    chosen = next((trial for trial in found.trials if trial.key == view.selected), None)
    marks = () if chosen is None else (Mark(_place(parameter, chosen)),)
    low, high = _ends(parameter)
    share = found.shares().get(parameter.key)
    legend = [] if share is None else [Word(f" explains {share:.0%} ")]
    if best is not None:
        legend = [Word(" best "), Word(_value_text(best, parameter), "norm", is_strong=True), *legend]
    return Figure(
        title=parameter.key,
        curves=(_carrier(counted, [_place(parameter, trial) for trial in counted]),),
        spots=tuple(spot for spot in spots if spot is not None),
        marks=marks,
        x_range=(low, high),
        x_names=tuple((float(index), text.plain(choice)) for index, choice in enumerate(parameter.choices)),
        is_log=is_log(found, view),
        x_label="learning rate" if parameter.is_log else "value",
        legend=tuple(legend),
    )


def progress_figure(found: Trials, view: SearchView) -> Figure:
    """The value of each trial in the order of their numbers, and the best so far as a line."""
    counted = [trial for trial in found.trials if trial.counts]
    title = f"{found.metric}, best so far"
    if not counted:
        return Figure(title=title, empty_text="no trial is done yet")
    xs: list[float] = []
    ys: list[float] = []
    for number, value in found.best_so_far():
        if ys:
            xs.append(float(number))
            ys.append(ys[-1])
        xs.append(float(number))
        ys.append(value)
    xs.append(float(max(trial.number for trial in found.trials)))
    ys.append(ys[-1])
    best = found.best
    spots = [_spot(trial, float(trial.number)) for trial in found.trials]
    if best is not None:
        spots.append(Spot(float(best.number), best.value or 0.0, *_BEST))
    legend = () if best is None else (
        Word(" best "), Word(text.number(best.value), "norm", is_strong=True), Word(f" trial {best.number} ")
    )  # fmt: skip
    chosen = next((trial for trial in found.trials if trial.key == view.selected), None)
    return Figure(
        title=title,
        curves=(
            _carrier(counted, [float(trial.number) for trial in counted]),
            Curve("best so far", xs, ys, "norm"),
        ),
        spots=tuple(spot for spot in spots if spot is not None),
        marks=() if chosen is None else (Mark(float(chosen.number)),),
        x_range=(0.5, max(found.plan.num_trials, len(found.trials)) + 0.5),
        is_log=is_log(found, view),
        x_label="step",
        legend=legend,
    )


def marker_of(trial: Trial, best: Trial | None) -> tuple[str, str]:
    """Character and role of a trial; two spaces' worth of nothing for one that waits."""
    if best is not None and trial.key == best.key:
        return _BEST
    if trial.is_coarse and trial.counts:
        return _COARSE
    return _MARKERS.get(trial.word, (" ", "text-faint"))


def _spot(trial: Trial, place: float) -> Spot | None:
    """Of a trial that has a value, or has none because it diverged."""
    if trial.value is None or not math.isfinite(place):
        return None
    marker, role = marker_of(trial, None)
    return Spot(place, trial.value, marker, role)


def _carrier(trials: list[Trial], places: list[float]) -> Curve:
    """Gives the axes their range: what is seen are the spots."""
    pairs = sorted(
        (place, trial.value or 0.0) for trial, place in zip(trials, places, strict=True) if math.isfinite(place)
    )
    return Curve("trials", [place for place, _ in pairs], [value for _, value in pairs], "loss-faint", "points")


def _ends(parameter: SearchedParameter) -> tuple[float, float]:
    if parameter.choices:
        return -0.5, len(parameter.choices) - 0.5
    low, high = place_of(parameter, parameter.low), place_of(parameter, parameter.high)
    room = _ROOM * (high - low)
    return low - room, high + room


def _place(parameter: SearchedParameter, trial: Trial) -> float:
    return place_of(parameter, trial.parameters.get(parameter.key, math.nan))


def _value_text(trial: Trial, parameter: SearchedParameter) -> str:
    value = trial.parameters.get(parameter.key)
    return "–" if value is None else text.plain(value)
