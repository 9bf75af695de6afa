"""What is predicted beside the raw weights, on the train / validation chart: named, calm, and told apart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.training.harness import Told, told
from tuitrain.board.board import Board
from tuitrain.protocol.commands import SetHyperparameter
from tuitrain.protocol.events import StepsFinished
from tuitrain.techniques.averages import AVERAGES, PREDICTIONS
from tuitrain.ui.composing import composed, effect_of, form_for
from tuitrain.ui.figures import Sight, figure_of
from tuitrain.ui.looking import Look
from tuitrain.ui.predictions import LOOKS
from tuitrain.ui.theme import DARK, LIGHT
from tuitrain.ui.widgets.chart import legend_of
from tuitrain.ui.widgets.figure import Figure, format_value
from tuitrain.ui.widgets.palette import THEME_VARIABLES, Palette


@pytest.fixture(scope="module")
def board() -> Board:
    """Of a run with a moving average and snapshots."""
    averaged = ("average.ema_decay=0.9", "schedule.name=sgdr", "schedule.cycle=10", "average.snapshots=2")
    return folded(told(*averaged, "eval.every_steps=10"))


def folded(result: Told) -> Board:
    """What a screen knows at the end."""
    found = Board()
    for fact in result.facts:
        found.apply(fact)
    found.apply(StepsFinished(step=result.ended.step, columns=tuple(result.columns)))
    return found


def figure(board: Board, **sight: object) -> Figure:
    return figure_of("eval", board, Look().views["eval"], replace(Sight(), **sight), 80)  # type: ignore[arg-type]


@pytest.mark.parametrize("metric", ["loss", "accuracy"])
def test_a_prediction_is_a_line_beside_the_one_that_counts(board: Board, metric: str) -> None:
    """Of loss and accuracy; the raw validation line alone is emphasised, and drawn after them."""
    curves = figure(board, metric=metric).curves
    assert [curve.name for curve in curves] == ["ema", "ensemble", "train", "validation"]
    assert [curve.name for curve in curves if curve.is_emphasised] == ["validation"]
    assert list(curves[0].ys) == [value for _, value in board.evals[f"ema/{metric}"]]


def test_a_run_without_predictions_looks_as_ever() -> None:
    """Nothing is added to its chart."""
    plain = folded(told("eval.every_steps=10"))
    assert [curve.name for curve in figure(plain).curves] == ["train", "validation"]


def test_the_legend_names_it_where_there_is_room_for_it(board: Board) -> None:
    """In a chart of 38 columns too, before the gap; under the cursor it is the value there; no name without a value."""
    legend = figure(board).legend
    for width in range(12, 80):
        text = legend_of(Figure(legend=legend), Palette(), width).plain
        assert len(text) <= width
        assert not text.endswith(" ")
    assert "ema " in legend_of(Figure(legend=legend), Palette(), 34).plain
    assert "gap " in legend_of(Figure(legend=legend), Palette(), 80).plain
    first = board.evals["ema/loss"][0]
    words = figure(board, cursor=first[0]).legend
    assert isinstance(words, tuple)
    assert f"  ema {format_value(first[1])}" in {word.text for word in words}


def test_every_prediction_has_a_look_of_its_own() -> None:
    """A role of the palette, a colour in both themes that no other line of the chart has, and never a plain line."""
    assert LOOKS.keys() == PREDICTIONS.keys()
    for theme in (DARK, LIGHT):
        shown = [theme.variables[f"chart-{role}"] for role in ("train", "validation", *LOOKS)]
        assert len(set(shown)) == len(shown)
    assert all(look.role in THEME_VARIABLES and look.kind != "line" for look in LOOKS.values())


def test_a_decay_is_changed_with_the_key_of_the_regularizers(board: Board) -> None:
    """It is among their choices, with its value now, and the line is its new value."""
    form = form_for("regularize", board)
    choices = {choice.name: choice.summary for choice in form.choices}
    assert choices.keys() >= AVERAGES.keys()
    assert choices["ema_decay"].startswith("now 0.9 ")
    command = composed(form, "ema_decay", "0.99")
    assert command == SetHyperparameter(name="ema_decay", value=0.99)
    assert effect_of(command, board) == "ema_decay 0.9 → 0.99"


def test_a_snapshot_is_a_mark_and_a_line_of_the_log(board: Board) -> None:
    """At each end of a cycle."""
    assert [mark.step for mark in board.marks if mark.label == "snapshot"] == [10, 20, 30, 40]
    assert any(entry.text == "snapshot taken" and "2 in the ensemble" in entry.detail for entry in board.log)


def test_the_title_says_over_how_many_samples_the_points_are_means(board: Board) -> None:
    """One number where both sides are as many; none before the first evaluation."""
    assert figure(board).title == "train / validation loss, n 1000"
    few = folded(told("task.num_train=64", "train.steps=1"))
    assert figure(few, metric="accuracy").title == "train / validation accuracy, n 64 / 1000"
    assert figure(Board()).title == "train / validation loss"
