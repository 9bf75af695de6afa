"""What a run left when it went back: taken off its line, kept to be drawn faint, and taken up again by an undo."""

from __future__ import annotations

from typing import Any

import pytest

from tests.recordings import HERE, PASSED_TWICE, WENT_BACK
from tuitrain.board.board import LEARNING_RATE, LOSS, Board
from tuitrain.board.ghosts import MOST_GHOSTS
from tuitrain.board.series import Series
from tuitrain.protocol.commands import SkipBatches
from tuitrain.protocol.description import OptimizerState
from tuitrain.protocol.events import Column, EvalFinished, RolledBack, StepsFinished
from tuitrain.rundir.follower import read_events
from tuitrain.rundir.places import RunFolder

SGD = OptimizerState(name="sgd", groups=())


def steps(board: Board, first: int, last: int, value: float) -> None:
    columns = (Column(metric=LOSS, first_step=first, values=[value] * (last - first + 1)),)
    board.apply(StepsFinished(step=last, seconds=float(board.num_words), columns=columns))
    board.apply(EvalFinished(step=last, metrics={"eval/loss": value}, eval_seconds=0.0, num_samples=1))


def back(board: Board, step: int, **fields: Any) -> None:
    board.apply(
        RolledBack(
            step=step, from_step=board.step, timeline=1, source="memory", total_steps=400, steps_per_epoch=10,
            batch_size=8, optimizer=SGD, **fields,
        )
    )  # fmt: skip


def line(board: Board) -> list[tuple[float, float]]:
    return board.series[LOSS].points(0, 1e9, 10_000)


def test_a_roll_back_cuts_the_line_and_keeps_the_rest() -> None:
    """Every value is either on the line or on a ghost."""
    board = Board()
    steps(board, 1, 100, 1.0)
    steps(board, 101, 200, 9.0)
    back(board, 100, decisions=())
    assert board.step == 100
    assert [step for step, _ in line(board)] == list(range(1, 101))
    (ghost,) = board.ghosts
    assert (ghost.first, ghost.last) == (100, 200)
    assert ghost.series[LOSS].points(0, 1e9, 10_000) == [(float(step), 9.0) for step in range(101, 201)]
    assert (board.evals["eval/loss"], ghost.evals["eval/loss"]) == ([(100, 1.0)], [(200, 9.0)])
    steps(board, 101, 150, 2.0)
    assert line(board)[-1] == (150.0, 2.0)
    assert board.axis.of(150, "seconds") > board.axis.of(100, "seconds")
    assert board.total_steps == 400


def test_the_average_goes_on_from_where_it_was_cut() -> None:
    """Not from what was left."""
    board = Board()
    steps(board, 1, 100, 1.0)
    steps(board, 101, 200, 9.0)
    back(board, 100)
    steps(board, 101, 102, 1.0)
    assert board.series[LOSS].last_smooth == pytest.approx(1.0)


def test_an_undo_of_a_roll_back_takes_the_rest_up_again() -> None:
    """Forward: what was left is the line again, and the new way is left."""
    board = Board()
    steps(board, 1, 200, 1.0)
    back(board, 100)
    steps(board, 101, 130, 2.0)
    back(board, 200, undone="roll_back to=100")
    assert board.step == 200
    assert line(board) == [(float(step), 1.0) for step in range(1, 201)]
    (ghost,) = board.ghosts
    assert (ghost.first, ghost.last) == (100, 130)
    assert board.evals["eval/loss"] == [(200, 1.0)]


def test_only_so_many_are_kept() -> None:
    """However often a run goes back."""
    board = Board()
    for _ in range(MOST_GHOSTS + 5):
        steps(board, board.step + 1, 50, 1.0)
        back(board, 20)
    assert len(board.ghosts) == MOST_GHOSTS


@pytest.mark.parametrize("length", [100, 20_000, 60_000])
def test_a_long_series_is_cut_anywhere(length: int) -> None:
    """In what is kept in full, and in what is thinned: nothing is lost, nothing is twice."""
    for cut in (0, 1, length // 3, length - 1, length):
        series = Series()
        series.append(1, 1, [float(step) for step in range(1, length + 1)])
        rest = series.cut_after(cut)
        mine, others = series.points(0, 1e9, 10_000), rest.points(0, 1e9, 10_000)
        assert all(step <= cut for step, _ in mine)
        assert max((value for _, value in [*mine, *others]), default=0.0) == length
        assert len(others) + len(mine) > 0
        series.append(cut + 1, 1, [0.5])
        assert series.last == 0.5


def test_a_recording_that_went_back_twice() -> None:
    """What stands is what leads to its end."""
    board = Board()
    for word in read_events(RunFolder(HERE / WENT_BACK)):
        board.apply(word)
    assert board.state == "finished"
    assert [(ghost.first, ghost.last) for ghost in board.ghosts] == [(100, 180), (180, 260)]
    assert [step for step, _ in line(board)] == list(range(1, 301))
    assert board.decisions[0] == (100, SkipBatches(num_batches=10))
    assert board.optimizer is not None
    assert board.optimizer.name == "adam"
    assert "hand-over to sgd" not in {mark.label for mark in board.marks}
    assert board.series[LEARNING_RATE].last == pytest.approx(5e-4)


def test_a_recording_whose_undo_leads_to_a_step_that_was_passed_twice() -> None:
    """The raised rate of the way between is on no line but the ghost's."""
    board = Board()
    for word in read_events(RunFolder(HERE / PASSED_TWICE)):
        board.apply(word)
    assert (board.state, board.step) == ("finished", 200)
    assert [step for step, _ in line(board)] == list(range(1, 201))
    (ghost,) = board.ghosts
    assert (ghost.first, ghost.last) == (60, 140)
    raised, kept = ghost.series[LEARNING_RATE], board.series[LEARNING_RATE]
    assert [{round(value, 6) for _, value in each.points(0, 1e9, 10_000)} for each in (raised, kept)] == [
        {0.03},
        {0.01},
    ]
    assert [(mark.step, mark.label) for mark in board.marks] == [(100, "paused"), (100, "undone"), (140, "paused")]
