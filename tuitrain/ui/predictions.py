"""What is evaluated beside the weights as they are, on the train / validation chart: calm lines, and their values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tuitrain.board.board import Board
from tuitrain.ui.widgets.figure import Kind, Word, format_value


@dataclass(frozen=True)
class Look:
    """How a prediction is drawn: in a colour of its own, and never as a line, which the raw weights alone have."""

    role: str
    kind: Kind
    label: str
    """In the legend, where room is scarce."""


LOOKS: Mapping[str, Look] = {
    "ema": Look("ema", "dotted", "ema"),
    "swa": Look("swa", "points", "swa"),
    "ensemble": Look("ensemble", "dotted", "ens"),
    "tta": Look("tta", "dotted", "tta"),
    "mc": Look("mc", "points", "mc"),
}
"""Name of a prediction, as in `techniques.averages.PREDICTIONS` → how it is drawn."""


def prediction_words(board: Board, metric: str, cursor: int | None) -> tuple[Word, ...]:
    """The value of each, now or nearest to the cursor: one word each, so that none is cut between name and value."""
    words: list[Word] = []
    for name, look in LOOKS.items():
        points = board.evals.get(f"{name}/{metric}", [])
        if points:
            _, value = points[-1] if cursor is None else min(points, key=lambda point: abs(point[0] - cursor))
            words.append(Word(f"  {look.label} {format_value(value)}", look.role))
    return tuple(words)
