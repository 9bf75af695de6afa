"""The board: the same words give the same knowledge, whoever looks and whenever."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.protocol.test_words import EVENTS, words
from tests.recordings import DIVERGED, HERE, STEERED
from tuitrain.board.axis import Axis
from tuitrain.board.board import GRADIENT_NORM, LOSS, Board, Word
from tuitrain.board.series import Series
from tuitrain.protocol.carrier import CarrierStatus, CommandSeen
from tuitrain.protocol.commands import Request, ScaleLearningRate
from tuitrain.protocol.events import CommandApplied, CommandQueued, UnknownEvent
from tuitrain.rundir.follower import read_events
from tuitrain.rundir.places import RunFolder


def recorded(name: str) -> list[Word]:
    """All words of a recording."""
    return list(read_events(RunFolder(HERE / name)))


def folded(words_of: list[Word], look_at: set[int] = frozenset()) -> Board:  # type: ignore[assignment]
    """A board, looked at after some of its words."""
    board = Board()
    for index, word in enumerate(words_of):
        board.apply(word)
        if index in look_at:
            for series in board.series.values():
                series.points(0, 1e9, 50)
    return board


def picture(board: Board) -> object:
    """Everything that a screen would draw."""
    lines = {
        name: (series.points(0, 1e9, 80), series.smooth_points(0, 1e9, 80)) for name, series in board.series.items()
    }
    return lines, board.marks, board.log, board.evals, board.state, board.step, board.plan, board.optimizer


@settings(max_examples=15, deadline=None)
@given(st.sets(st.integers(0, 120)))
def test_looking_in_between_changes_nothing(look_at: set[int]) -> None:
    """Replayed at once or followed word by word, the picture is the same."""
    assert picture(folded(recorded(STEERED), look_at)) == picture(folded(recorded(STEERED)))


def test_a_recording_tells_its_story() -> None:
    """Decisions leave marks and entries, the optimizer and the plan are those at the end."""
    board = folded(recorded(STEERED))
    assert (board.state, board.step) == ("finished", 300)
    labels = [mark.label for mark in board.marks]
    assert labels[:3] == ["×0.5", "gradient_clip 4", "hand-over to sgd"]
    assert "adam → sgd" in labels
    assert "linear over 100 steps" in labels
    assert board.optimizer is not None
    assert board.optimizer.name == "sgd"
    assert board.optimizer.groups[0].hyperparameters["momentum"] == 0.8
    assert board.plan is not None
    assert board.plan.segments[-1].schedule.name == "linear"
    texts = [entry.text for entry in board.log]
    assert any(text.startswith("first update ×") for text in texts)
    assert len(board.evals["gap/loss"]) == len(board.evals["eval/loss"])
    step, gap = board.evals["gap/loss"][-1]
    assert gap == board.evals["eval/loss"][-1][1] - board.evals["train/loss"][-1][1]
    assert step == 300


def test_a_diverged_run_is_failed_with_its_alarm() -> None:
    """The step is named, the bad value is kept as what it is."""
    board = folded(recorded(DIVERGED))
    assert board.state == "failed"
    assert [mark.kind for mark in board.marks] == ["alarm"]
    bad = board.series[LOSS].nonfinite_steps
    assert bad == [board.ended.step if board.ended is not None else None]
    assert all(math.isfinite(value) for _, value in board.series[LOSS].points(0, 1e9, 50))


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_no_event_can_break_the_board(kind: type, data: st.DataObject) -> None:
    """Whatever a run says, in whatever order."""
    board = folded(recorded(STEERED)[:40])
    board.apply(data.draw(words(kind)))
    assert board.num_words == 41


def test_asked_comes_before_applied() -> None:
    """A command is pending from the moment its file is seen until its reply; a late file changes nothing."""
    board = folded(recorded(STEERED)[:20])
    request = Request(id="7", session="s", actor="user", time=0.0, command=ScaleLearningRate(factor=0.1))
    board.apply(CommandSeen(request=request))
    board.apply(CommandQueued(step=3, command="7", request=request.command, actor="user"))
    assert list(board.asked) == ["7"]
    board.apply(CommandApplied(step=4, command="7", summary="×0.1"))
    board.apply(CommandSeen(request=request))
    assert not board.asked


def test_a_dead_run_cannot_say_so_but_its_reader_can() -> None:
    """Lost while it runs; what has ended stays ended."""
    lost = CarrierStatus(status="lost", detail="its trainer, pid 7, is gone")
    board = folded(recorded(STEERED)[:30])
    before = board.state
    board.apply(lost)
    assert [before, board.state] == ["running", "lost"]
    assert board.log[-1].text == f"lost at step {board.step}"
    ended = folded(recorded(STEERED))
    ended.apply(lost)
    assert ended.state == "finished"


def test_words_of_a_newer_version_are_counted() -> None:
    """Never fatal."""
    board = Board()
    board.apply(UnknownEvent(name="Teleported"))
    assert board.num_unknown == 1


def test_a_spike_survives_a_million_values() -> None:
    """Two points a column at most, and the highest value is one of them."""
    series = Series()
    for start in range(0, 1_000_000, 1000):
        values = [1.0] * 1000
        if start == 123_000:
            values[456] = 99.0
        series.append(start + 1, 1, values)
    points = series.points(0, 1_000_000, 100)
    assert len(points) <= 200
    assert max(value for _, value in points) == 99.0
    assert [step for step, _ in points] == sorted(step for step, _ in points)
    assert len(series.smooth_points(0, 1_000_000, 100)) <= 100
    assert len(series) < 30_000


def test_the_moving_average_is_bias_corrected_and_skips_what_is_not_finite() -> None:
    """Against the plain recurrence, whatever the chunks."""
    values = [float(value % 7) for value in range(200)]
    values[50], values[51] = math.nan, math.inf
    series = Series(smoothing=0.9)
    for start in range(0, 200, 13):
        series.append(start + 1, 1, values[start : start + 13])
    total = weight = 0.0
    expected = []
    for value in values:
        if math.isfinite(value):
            total, weight = 0.9 * total + 0.1 * value, 0.9 * weight + 0.1
        expected.append(total / weight)
    assert [value for _, value in series.smooth_points(0, 1000, 500)] == pytest.approx(expected)
    assert series.nonfinite_steps == [51, 52]
    series.smooth_with(0.0)
    assert series.last_smooth == series.last


def test_seconds_are_interpolated_and_go_on_at_the_average() -> None:
    """Between batches of steps, and for the plan ahead."""
    axis = Axis()
    axis.steps_per_epoch = 50
    axis.note(100, 10.0)
    axis.note(200, 30.0)
    assert axis.of(150, "seconds") == 20.0
    assert axis.of(300, "seconds") == pytest.approx(45.0)
    assert axis.of(75, "epoch") == 1.5
    assert axis.of(75, "step") == 75


def test_the_recordings_hold_nothing_of_a_machine() -> None:
    """No path, no host, no process."""
    for name in (STEERED, DIVERGED):
        text = (HERE / name / "run.json").read_text() + (HERE / name / "events.jsonl").read_text()
        assert str(Path.home()) not in text
        assert '"host":"recorded"' in text
    board = folded(recorded(STEERED))
    assert GRADIENT_NORM in board.series
