"""What is evaluated beside the weights as they are, on the train / validation chart: calm lines, and their values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tuitrain.board.board import Board
from tuitrain.ui.widgets.figure import Kind, Word, format_value


@dataclass(frozen=True)
class Look:
    """How a prediction is drawn: each has a role of its own in the theme, and those that may meet differ in kind."""

    role: str
    kind: Kind = "line"


LOOKS: Mapping[str, Look] = {
    "ema": Look("ema"),
    "swa": Look("swa", "dotted"),
    "ensemble": Look("ensemble"),
    "tta": Look("tta", "dotted"),
    "mc": Look("mc", "dotted"),
}
"""Name of a prediction, as in `techniques.averages.PREDICTIONS` → how it is drawn."""


def prediction_words(board: Board, metric: str, cursor: int | None) -> tuple[Word, ...]:
    """The value of each, now or nearest to the cursor: one word each, so that none is cut between name and value."""
    words: list[Word] = []
    for name, look in LOOKS.items():
        points = board.evals.get(f"{name}/{metric}", [])
        if points:
            _, value = points[-1] if cursor is None else min(points, key=lambda point: abs(point[0] - cursor))
            words.append(Word(f"  {name} {format_value(value)}", look.role))
    return tuple(words)
