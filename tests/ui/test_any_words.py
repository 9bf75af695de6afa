"""Whatever a run says, with whatever numbers: header, panels, charts and effects are drawn, never an exception."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.board.test_board import folded, recorded
from tests.protocol.test_words import EVENTS, words
from tests.recordings import ALL, STEERED
from tests.ui.test_plotting import PLAIN
from tuitrain.board.board import Board
from tuitrain.protocol.commands import ScaleLearningRate, SwitchOptimizer
from tuitrain.protocol.events import Heartbeat, LearningRatePlanned
from tuitrain.ui import text
from tuitrain.ui.composing import effect_of
from tuitrain.ui.figures import CHARTS, Sight, figure_of
from tuitrain.ui.looking import Look
from tuitrain.ui.widgets.header import header_line
from tuitrain.ui.widgets.panels import _wrapped, optimizer_lines, optimizer_strip
from tuitrain.ui.widgets.plotting import draw

BEAT = Heartbeat(step=3, state="running", steps_per_second=1.0, watching_share=0.0)
ODD = st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -1.0, 1e-300, 1e300])


def shown(board: Board) -> list[str]:
    """Everything that a live screen makes of a board, as text."""
    lines = [header_line(STEERED, board, 200, is_reading=True, note="replay").plain]
    lines += [line.plain for line in optimizer_lines(board, 34)] + [optimizer_strip(board).plain]
    lines += [line.plain for entry in board.log for line in _wrapped(entry, 30, 5)]
    for chart in CHARTS:
        for sight in (Sight(), Sight(cursor=5, metric="accuracy")):
            lines += draw(figure_of(chart, board, Look().views[chart], sight, 40), 40, 12, PLAIN)
    return lines


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([kind for kind in EVENTS if kind is not LearningRatePlanned]).flatmap(words))
def test_any_one_word_can_be_shown(word: Any) -> None:
    """After a run that was well until then."""
    assert shown(folded([*recorded(STEERED)[:30], word]))


@settings(max_examples=40, deadline=None)
@given(ODD, ODD, ODD, ODD)
def test_odd_numbers_in_a_heartbeat_can_be_shown(speed: float, share: float, seconds: float, best: float) -> None:
    """A speed that is NaN, a clock at infinity."""
    beat = msgspec.structs.replace(
        BEAT, steps_per_second=speed, watching_share=share, seconds=seconds, best={"eval/loss": best}
    )
    board = folded([*recorded(STEERED)[:25], beat])
    assert "step" in shown(board)[0]
    assert text.rate(speed)
    assert text.duration(seconds)


@pytest.mark.parametrize("name", ALL)
def test_every_moment_of_a_recording_can_be_shown(name: str) -> None:
    """After each of its words."""
    board = Board()
    for word in recorded(name):
        board.apply(word)
        lines = shown(board)
        assert effect_of(ScaleLearningRate(factor=0.1), board) or board.plan is None
        assert effect_of(SwitchOptimizer(name="sgd"), board) or not board.is_live
    assert "step" in lines[0]


def test_a_board_that_knows_nothing_can_be_shown() -> None:
    """Before the first word."""
    assert "starting" in shown(Board())[0]
