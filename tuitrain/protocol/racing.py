"""What a run on a surface says of its race: who runs, from where, and who was lost.

Where they are after each step are ordinary measurements: `coordinate_metric` names them. `events` has the rest.
"""

from __future__ import annotations

import msgspec

from tuitrain.protocol.event_base import EventBase

AXES = ("x", "y")


class Racer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One optimizer of a race."""

    label: str
    """What it is called, its own in the race. The run itself is the first of the racers; its optimizer may change."""
    learning_rate: float = 0.0
    """Constant; 0 for the run itself, whose plan says it."""
    lost_at: int | None = None
    """Step at which it left the picture for good; None while it is in the race."""


class RaceStarted(EventBase, frozen=True, kw_only=True):
    """All racers stand, or stood, at one start: said at the beginning, after a move, and where a run goes back."""

    step: int
    surface: str
    """A name of `tasks.surfaces.SURFACES`."""
    since: int
    """Finished steps when they stood at the start."""
    start: tuple[float, ...]
    """(x,) or (x, y)."""
    racers: tuple[Racer, ...]
    cause: str = ""


class RacerLost(EventBase, frozen=True, kw_only=True):
    """An optimizer diverged: it stays where it left the picture, and the others go on."""

    step: int
    index: int
    """Its place among the racers."""
    label: str


def coordinate_metric(index: int, axis: int) -> str:
    """The name of the measurement that says where a racer is after each step, e.g. "race/0/x"."""
    return f"race/{index}/{AXES[axis]}"
