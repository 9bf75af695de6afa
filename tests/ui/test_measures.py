"""The screen of measurements: each result with its number, the range test as a picture, and a key for each."""

from __future__ import annotations

import math

import pytest
from msgspec.structs import replace

from tests.board.test_board import folded, recorded
from tests.board.test_journal import CHECK, NOISE, RANGE, SHARP
from tests.recordings import STEERED
from tests.ui.watching import FakeSource, text_of, until, watched
from tuitrain.board.board import Board
from tuitrain.protocol.commands import (
    CheckGradients,
    FindLearningRate,
    MeasureGradientNoise,
    MeasureSharpness,
    SetLearningRate,
)
from tuitrain.protocol.describe import COMMANDS
from tuitrain.protocol.description import CommandInfo
from tuitrain.protocol.events import CommandQueued
from tuitrain.protocol.measured import GradientsChecked, TensorCheck
from tuitrain.ui.actions import MEASURE_ACTIONS
from tuitrain.ui.measures import command_to_take, range_figure, result_lines, way_line
from tuitrain.ui.screens.live import LiveScreen
from tuitrain.ui.screens.measures import MeasuresScreen
from tuitrain.ui.widgets.palette import Palette
from tuitrain.ui.widgets.plotting import draw

TENSORS = (
    TensorCheck(name="lin_1.weight", num_entries=10, worst_error=0.5, analytic=1.0, numeric=2.0),
    TensorCheck(name="lin_2.weight", num_entries=10, worst_error=1e-9, analytic=1.0, numeric=1.0),
)
WRONG = GradientsChecked(
    step=5, worst_error=0.5, worst_tensor="lin_1.weight", verdict="wrong", **{**CHECK, "tensors": TENSORS}
)


def measured_board() -> Board:
    """A running board with one result of each kind."""
    board = folded(recorded(STEERED)[:25])
    for fact in (RANGE, WRONG, SHARP, NOISE):
        board.apply(fact)
    return board


def test_the_keys_of_the_screen_are_all_different() -> None:
    """And each measurement has one."""
    keys = [key for action in MEASURE_ACTIONS for key in action.key.split(",")]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("is_short", [True, False])
@pytest.mark.parametrize("width", [20, 78, 118])
def test_results_are_lines_that_fit(width: int, is_short: bool) -> None:
    """Whatever the width; every kind is there, with its number in front."""
    lines = result_lines(measured_board(), width, is_short=is_short)
    assert all(line.cell_length <= width for line in lines)
    assert len(lines) == (8 if is_short else 12)
    shown = "\n".join(line.plain for line in result_lines(measured_board(), 200, is_short=is_short))
    for number in ("lr 0.02", "relative error 0.5, wrong", "λ 10.6", "40.7 samples"):
        assert number in shown
    assert ("cosine by batch size: 1: 0.11  32: 0.77" in shown) is not is_short
    assert ("lin_1.weight 5.0e-01  lin_2.weight 1.0e-09" in shown) is not is_short


def test_the_figure_marks_the_suggestion_the_edge_and_the_rate_now() -> None:
    """x is the logarithm of the rate, whose ticks are decades; a loss that is no number hides nothing."""
    board = measured_board()
    figure = range_figure(board)
    assert [(round(mark.x, 2), mark.label) for mark in figure.marks] == [
        (-4.0, "now"),
        (-1.7, "fastest"),
        (-1.0, "edge"),
    ]
    lines = draw(figure, 80, 20, Palette(depth="none"))
    assert "1e-3" in lines[-1]
    assert "0.1" in lines[-1]
    board.apply(replace(RANGE, suggestion=math.nan, edge=math.nan, learning_rate=0.0))
    assert range_figure(board).marks == ()
    assert len(draw(range_figure(board), 80, 20, Palette())) == 20


def test_the_suggestion_can_be_taken_where_there_is_one() -> None:
    """As the command that the screen names."""
    board = measured_board()
    assert command_to_take(board) == SetLearningRate(lr=0.02)
    assert "set_learning_rate lr=0.02" in way_line(board, 100).plain
    board.apply(replace(RANGE, suggestion=math.nan))
    assert command_to_take(board) is None
    assert not way_line(board, 100).plain


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_the_keys_ask_and_the_answers_are_shown(size: tuple[int, int]) -> None:
    """v opens it; l, c, h and n ask; t takes the suggestion; escape goes back."""
    source = FakeSource(STEERED, 25)
    async with watched(source, size) as (_, pilot):
        started = source.board.started
        assert started is not None
        # The recording is of a run that knew no measurements yet.
        source.board.started = replace(started, commands=tuple(CommandInfo(name=name) for name in COMMANDS))
        await pilot.press("v")
        await until(lambda: isinstance(pilot.app.screen, MeasuresScreen))
        await until(lambda: "not measured yet" in text_of(pilot.app))
        await pilot.press("t", "l", "c", "h", "n")
        await until(lambda: len(source.asked) == 4)
        assert source.asked == [FindLearningRate(), CheckGradients(), MeasureSharpness(), MeasureGradientNoise()]
        source.waiting = [CommandQueued(step=5, command="9", request=FindLearningRate(), actor="user")]
        await until(lambda: "measuring…" in text_of(pilot.app))
        source.waiting = [RANGE, SHARP, NOISE, WRONG]
        await until(lambda: "relative error 0.5" in text_of(pilot.app))
        await pilot.press("t")
        await until(lambda: source.asked[-1] == SetLearningRate(lr=0.02))
        assert "takes it: set_learning_rate lr=0.02" in text_of(pilot.app)
        await pilot.press("escape")
        await until(lambda: isinstance(pilot.app.screen, LiveScreen))
