"""Which state is the best: of which evaluation it is, and what to say where it is not that of the best evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from tuitrain.training.automatic import WATCHED


class Best(NamedTuple):
    """An evaluation, by the state that was evaluated."""

    timeline: int
    """How often the run had gone back."""
    step: int
    loss: float
    """Of the validation data."""

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Best:
        """The newest evaluation of a state."""
        return cls(state["timelines"]["current"], state["step"], state["progress"]["last"].get(WATCHED, math.nan))


def is_of_best(state: Mapping[str, Any]) -> bool:
    """Whether a state is that of the best evaluation that it knows of."""
    best = state["progress"]["best"].get(WATCHED, math.nan)
    return bool(state["evaluated_step"] == state["step"] and state["progress"]["last"].get(WATCHED) == best)


def shortfall(kept: tuple[int, float] | None, best: tuple[int, float] | None) -> str:
    """What to say where the best state that is kept is not that of the best evaluation; else empty.

    Args:
        kept: step and validation loss of the state.
        best: of the evaluation.
    """
    if best is None or (kept is not None and kept[1] <= best[1]):
        return ""
    have = "no best is on disk" if kept is None else f"best on disk is step {kept[0]} ({kept[1]:.4g})"
    return f"{have}; the best evaluated was step {best[0]} ({best[1]:.4g})"
