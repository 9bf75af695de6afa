"""Measurements as a picture: the curve of the range test, and a few lines for each of the others. No widgets."""

from __future__ import annotations

import math

from textual.content import Content

from tuitrain.board.board import Board
from tuitrain.board.measured import Measured
from tuitrain.protocol.commands import (
    CheckGradients,
    Command,
    FindLearningRate,
    MeasureGradientNoise,
    MeasureSharpness,
    SetLearningRate,
)
from tuitrain.protocol.measured import (
    GradientNoiseMeasured,
    GradientsChecked,
    LearningRateRangeTested,
    Measurement,
    SharpnessMeasured,
)
from tuitrain.protocol.measured_words import advice, headline, rounded, way_to_take
from tuitrain.ui import text
from tuitrain.ui.widgets.figure import Curve, Figure, Mark, Word

_QUIET = "$foreground 55%"
_HEADROOM = 0.15
"""Of the range of the smoothed curve that is shown above and below it."""

COMMANDS: dict[str, Command] = {
    "range_test": FindLearningRate(),
    "gradient_check": CheckGradients(),
    "sharpness": MeasureSharpness(),
    "gradient_noise": MeasureGradientNoise(),
}
"""Id of an action → what it asks."""
_TITLES = {
    "range_test": "l  range test", "gradient_check": "c  gradients", "sharpness": "h  sharpness",
    "gradient_noise": "n  noise",
}  # fmt: skip


def command_to_take(board: Board) -> SetLearningRate | None:
    """What takes the suggestion of the newest range test; None where there is none."""
    found = board.measured.range_test
    if found is None or math.isnan(found.suggestion):
        return None
    return SetLearningRate(lr=rounded(found.suggestion))


def range_figure(board: Board) -> Figure:
    """Loss over the logarithm of the rate, with the suggestion, the edge and the present rate."""
    found = board.measured.range_test
    title = "loss over learning rate, on a copy of the run"
    if found is None or not found.rates:
        words = "measuring…" if is_asked("range_test", board) else "l: train a copy with a rate that rises"
        return Figure(title=title, empty_text=words if board.is_live else "no range test was made")
    places = [math.log10(rate) for rate in found.rates if rate > 0.0]
    named = (
        ("now", found.learning_rate, "rate"), ("fastest", found.suggestion, "mark"), ("edge", found.edge, "alarm"),
    )  # fmt: skip
    marks = [Mark(math.log10(rate), label, role) for label, rate, role in named if rate > 0.0]
    legend = [
        part
        for label, rate, role in named
        for part in (Word(f"  {label} "), Word(text.number(rate), role, is_strong=True))
    ]
    return Figure(
        title=f"{title}, step {text.count(found.step)}",
        curves=(
            Curve("batches", places, found.losses, "loss-faint", "points"),
            Curve("smoothed", places, found.smoothed, "loss", is_emphasised=True),
        ),
        marks=tuple(sorted(marks, key=lambda mark: mark.x)),
        x_range=(places[0], max(places[-1], *(mark.x for mark in marks))) if marks else None,
        y_range=_range_of(found.smoothed),
        x_label="learning rate",
        legend=tuple(legend),
    )


def result_lines(board: Board, width: int, *, is_short: bool) -> list[Content]:
    """Each kind with its newest result: what was found, what to make of it, and unless it is short, the numbers."""
    lines: list[Content] = []
    for name, title in _TITLES.items():
        found = _of(board.measured, name)
        if is_asked(name, board):
            said = Content.styled("measuring… the run waits", "$warning")
        elif found is None:
            said = Content.styled("not measured yet" if board.is_live else "was not measured", _QUIET)
        else:
            is_wrong = isinstance(found, GradientsChecked) and found.verdict == "wrong"
            when = f"   step {text.count(found.step)}, {found.measure_seconds:.2g} s"
            said = Content.assemble(
                (headline(found).partition(": ")[2] or headline(found), "bold $error" if is_wrong else "bold"),
                (when, _QUIET),
            )
        lines.append(Content.assemble((f"{title:<15}", "$foreground 75%"), said).truncate(width, ellipsis=True))
        if found is not None:
            indent = " " * 15
            lines.append(Content(f"{indent}{advice(found)}").truncate(width, ellipsis=True))
            if not is_short:
                lines.append(Content.styled(f"{indent}{numbers(found)}", _QUIET).truncate(width, ellipsis=True))
    return lines


def way_line(board: Board, width: int) -> Content:
    """How to take the suggestion."""
    found = board.measured.range_test
    command = way_to_take(found) if found is not None else ""
    if not command or not board.is_live:
        return Content("")
    return Content.assemble(("t", "bold"), f" takes it: {command}; the schedule keeps its shape").truncate(width)


def numbers(found: Measurement) -> str:
    """The numbers behind a result, in one line."""
    match found:
        case LearningRateRangeTested():
            ends = f"{found.rates[0]:.1e} to {found.rates[-1]:.1e}" if found.rates else ""
            why = {"diverged": "the loss diverged", "nonfinite": "the loss was no number", "end": "to the end"}
            what = f"{len(found.rates)} batches of {found.batch_size}, {found.optimizer}"
            return ", ".join((what, ends, why[found.stopped], *found.notes))
        case GradientsChecked():
            worst = sorted(found.tensors, key=lambda tensor: -tensor.worst_error)
            return "  ".join(f"{tensor.name} {tensor.worst_error:.1e}" for tensor in worst)
        case SharpnessMeasured():
            shown = found.history[:: max(1, len(found.history) // 5)]
            way = " → ".join(f"{value:.3g}" for value in (*shown, found.history[-1]))
            return f"{len(found.history)} products with the Hessian over {found.num_samples} samples: {way}"
        case GradientNoiseMeasured():
            pairs = zip(found.batch_sizes, found.cosines, strict=False)
            return "cosine by batch size: " + "  ".join(f"{size}: {cosine:.2f}" for size, cosine in pairs)


def is_asked(name: str, board: Board) -> bool:
    """Whether a measurement is asked for and not answered yet."""
    return board.is_live and any(isinstance(command, type(COMMANDS[name])) for command in board.asked.values())


def _of(measured: Measured, name: str) -> Measurement | None:
    found: dict[str, Measurement | None] = {
        "range_test": measured.range_test, "gradient_check": measured.gradient_check, "sharpness": measured.sharpness,
        "gradient_noise": measured.gradient_noise,
    }  # fmt: skip
    return found[name]


def _range_of(values: list[float]) -> tuple[float, float] | None:
    finite = [value for value in values if math.isfinite(value)]
    if not finite or max(finite) == min(finite):
        return None
    # What diverges would press the rest flat: as much above the start as the curve falls below it is enough.
    low, start = min(finite), finite[0]
    high = min(max(finite), start + max(start - low, 0.25 * abs(start)))
    room = _HEADROOM * (high - low)
    return low - room, high + room
