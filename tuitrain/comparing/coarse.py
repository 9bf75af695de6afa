"""Coarse, then fine (CS231n, lecture 6): short trials over the whole space, then full ones around the best of them.

A third of the trials is coarse, each a quarter as long as the preset, with its schedule scaled along. The fine ones
draw from a third of each range, on its scale, centred on the best coarse trial and cut off at the ends of the range;
choices stay open.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tuitrain.board.trials import place_of
from tuitrain.comparing.space import as_tried, range_words, share_of
from tuitrain.preset import Preset, preset_from_data
from tuitrain.protocol.comparing import SearchedParameter
from tuitrain.protocol.plan import Value
from tuitrain.techniques.schedules import schedule_spec

LEAST_TRIALS = 3
"""Two coarse ones and a fine one."""
LENGTH = 0.25
"""Of a coarse trial against the preset."""
_HALF_WIDTH = 1 / 6
_DEFAULT_EPOCHS = 10.0
EDGE = 0.05
"""Share of a range, on its scale, within which a value lies at its edge."""


def narrowed(space: Sequence[SearchedParameter], best: Mapping[str, Value]) -> tuple[SearchedParameter, ...]:
    """The space around the best point."""
    found: list[SearchedParameter] = []
    for item in space:
        if item.choices or item.key not in best:
            found.append(item)
            continue
        share = share_of(item, best[item.key])
        ends = [_value(item, min(1.0, max(0.0, share + offset))) for offset in (-_HALF_WIDTH, _HALF_WIDTH)]
        if ends[0] == ends[1]:  # of a few whole numbers one is left
            ends = [max(item.low, ends[0] - 1), min(item.high, ends[1] + 1)]
        found.append(msgspec.structs.replace(item, low=ends[0], high=ends[1]))
    return tuple(found)


def narrowed_words(fine: Sequence[SearchedParameter]) -> str:
    """What is searched next, in a sentence."""
    ranges = "; ".join(f"{item.key} {range_words(item)}" for item in fine if not item.choices)
    return f"The coarse trials are done. Around the best of them, at full length: {ranges or 'the same choices'}."


def shortened(data: Mapping[str, Any], share: float = LENGTH) -> Preset:
    """A preset with a share of its steps: schedule, moments and evaluations happen at the same share of the run.

    Args:
        data: of the preset, as `Preset.to_data` gave it.
        share: of the length, above 0.
    """
    preset = preset_from_data(data, "search")
    found: dict[str, Any] = preset.to_data()
    train = dict(found["train"])
    if preset.train.steps is not None:
        train["steps"] = max(1, round(preset.train.steps * share))
    else:
        train["epochs"] = (preset.train.epochs or _DEFAULT_EPOCHS) * share
    found["train"] = train
    found["schedule"] = _schedule(preset, share)
    found["moment"] = [{**item, "at_step": round(item["at_step"] * share)} for item in found.get("moment", [])]
    found["eval"] = _eval(found["eval"], share)
    return preset_from_data(found, "search, a coarse trial")


def edge_remarks(
    space: Sequence[SearchedParameter], best: Mapping[str, Value], preset_takes: Any, whose: str = "the best"
) -> list[str]:
    """Which parameters of the best trial lie at the edge of their range, so that better ones may lie beyond.

    Args:
        space: the whole of it.
        best: parameters of the best trial.
        preset_takes: told key and a value beyond the range; whether the preset would take it.
        whose: what it is the best of.
    """
    found: list[str] = []
    for item in space:
        if item.choices or item.key not in best:
            continue
        share = share_of(item, best[item.key])
        if EDGE < share < 1.0 - EDGE:
            continue
        way = "up" if share > 0.5 else "down"
        if preset_takes(item.key, _beyond(item, is_up=share > 0.5)):
            value = f"{best[item.key]:g}"
            where = f"{whose} {item.key}, {value}, lies at the edge of {item.low:g} to {item.high:g}"
            found.append(f"{where[0].upper()}{where[1:]}: search further {way}.")
    return found


def _beyond(item: SearchedParameter, *, is_up: bool) -> Value:
    """A value a tenth of the range outside of it."""
    low, high = place_of(item, item.low), place_of(item, item.high)
    place = high + 0.1 * (high - low) if is_up else low - 0.1 * (high - low)
    if item.is_integer:
        return math.ceil(item.high + 1) if is_up else math.floor(item.low - 1)
    return float(f"{10.0**place if item.is_log else place:.4g}")


def _value(item: SearchedParameter, share: float) -> float:
    low, high = place_of(item, item.low), place_of(item, item.high)
    place = low + share * (high - low)
    return float(as_tried(item, 10.0**place if item.is_log else place))


def _schedule(preset: Preset, share: float) -> dict[str, Any]:
    found = preset.schedule.model_dump(exclude_none=True)
    spec = schedule_spec(preset.schedule.name)
    for name, value in preset.schedule.further.items():
        if name in spec.durations:
            least = spec.by_name[name].low
            found[name] = (
                [_scaled(item, share, least) for item in value]
                if isinstance(value, list)
                else _scaled(value, share, least)
            )
        elif name in spec.rates and isinstance(value, int | float):
            found[name] = value ** (1.0 / share)
    found["warmup"] = preset.schedule.warmup * share
    return found


def _scaled(value: float, share: float, least: float) -> float:
    """Whole numbers stay whole, and nothing falls below what the schedule takes."""
    scaled = round(value * share) if isinstance(value, int) else value * share
    return max(scaled, type(scaled)(least)) if math.isfinite(least) else scaled


def _eval(section: Mapping[str, Any], share: float) -> dict[str, Any]:
    found = dict(section)
    for key in ("every_epochs", "every_seconds"):
        if found.get(key):
            found[key] *= share
    if found.get("every_steps"):
        found["every_steps"] = max(1, round(found["every_steps"] * share))
    return found
