"""Replay equals live: a recording read while it grows, or at once, or in any state, is one board."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.board.test_board import folded, picture, recorded
from tests.protocol.test_words import EVENTS, words
from tests.recordings import ALL, ASKED, HAND_MADE, HERE, STEERED
from tests.recordings.hand_made import hand_made
from tuitrain.board.board import LOSS, Board
from tuitrain.protocol.carrier import CarrierStatus, CommandSeen
from tuitrain.protocol.codec import to_jsonable
from tuitrain.protocol.commands import Pause, Request, Stop
from tuitrain.protocol.events import (
    Column,
    CommandApplied,
    EvalFinished,
    Heartbeat,
    Paused,
    Resumed,
    RunEnded,
    StageEntered,
    StepsFinished,
)
from tuitrain.rundir.follower import EventFollower, read_events
from tuitrain.rundir.places import RunFolder

RUN_STARTED = next(word for word in hand_made() if type(word).__name__ == "RunStarted")


def jsonable(board: Board) -> str:
    """The picture, with NaN equal to NaN."""
    return repr(picture(board))


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=10, deadline=None)
@given(sizes=st.lists(st.integers(1, 5000), min_size=1, max_size=30))
def test_a_growing_file_gives_the_same_board(name: str, sizes: list[int]) -> None:
    """However the bytes arrive: cut within lines, words, digits."""
    data = (HERE / name / "events.jsonl").read_bytes()
    with tempfile.TemporaryDirectory() as place:
        folder = RunFolder(Path(place))
        follower, board = EventFollower(folder), Board()
        start = 0
        with folder.events_path.open("ab", buffering=0) as file:
            for size in [*sizes, len(data)]:
                file.write(data[start : start + size])
                start += size
                for word in follower.poll():
                    board.apply(word)
                    for series in board.series.values():
                        series.points(0, 1e6, 20)
    assert jsonable(board) == jsonable(folded(recorded(name)))


def test_a_million_steps_fold_and_stay_small() -> None:
    """A long run is kept in thousands of entries; its ends and its highest value are right."""
    board = Board()
    values = [float(index % 100) for index in range(1000)]
    for start in range(0, 1_000_000, 1000):
        columns = tuple(
            Column(metric=f"batch/{name}", first_step=start + 1, values=values)
            for name in ("loss", "gradient_norm", "learning_rate")
        )
        board.apply(StepsFinished(step=start + 1000, columns=columns, seconds=start / 1000))
    assert board.step == 1_000_000
    for series in board.series.values():
        points = series.points(0, 1_000_000, 100)
        assert (len(points) <= 200, max(value for _, value in points)) == (True, 99.0)
        assert (series.last_step, len(series) < 30_000) == (1_000_000, True)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(EVENTS).flatmap(words), max_size=12))
def test_no_sequence_of_words_can_break_the_board(spoken: list[Any]) -> None:
    """In any order, with any numbers; what it then shows is one of the known states."""
    board = folded(spoken, set(range(0, 12, 3)))
    assert board.num_words == len(spoken)
    assert board.state in {"starting", "running", "paused", "finished", "stopped", "failed"}
    assert board.eta_seconds is None or board.eta_seconds >= 0.0


def test_the_state_follows_the_words() -> None:
    """From the first stage to the end, through pause and loss, and back when the carrier was wrong."""
    board = Board()
    told: list[str] = [board.state]
    for word in (
        StageEntered(stage="importing torch"),
        RUN_STARTED,
        Paused(step=3, reason="asked"),
        CarrierStatus(status="silent"),
        CarrierStatus(status="lost"),
        CarrierStatus(status="live"),
        Resumed(step=3),
        CarrierStatus(status="moved"),
        CarrierStatus(status="ended"),
        RunEnded(step=9, reason="aborted"),
        CarrierStatus(status="lost"),
    ):
        board.apply(word)
        told.append(board.state)
    assert told == [
        "starting", "starting", "running", "paused", "paused", "lost", "paused", "running", "lost", "running",
        "stopped", "stopped",
    ]  # fmt: skip
    assert not board.is_live


def test_the_end_answers_everything() -> None:
    """Nothing is pending after the last word, and what is seen later is not asked."""
    board = folded(recorded(ASKED)[:20])
    request = Request(id="9", session="s", actor="user", time=0.0, command=Stop())
    board.apply(CommandSeen(request=request))
    assert "9" in board.asked
    board.apply(RunEnded(step=41, reason="stopped"))
    board.apply(CommandSeen(request=msgspec.structs.replace(request, id="10", command=Pause())))
    assert board.asked == {}


def test_replies_are_bounded_and_the_newest_is_there() -> None:
    """A run that is asked for weeks."""
    board = Board()
    for number in range(5000):
        board.apply(CommandApplied(step=number, command=str(number), summary=""))
    assert len(board.replies) <= 2000
    assert "4999" in board.replies


def test_the_gap_is_a_series_of_its_own_and_a_repeated_evaluation_replaces() -> None:
    """Validation minus train, for loss and accuracy; at one step the newest counts."""
    board = Board()
    for loss in (2.0, 3.0):
        metrics = {"train/loss": 1.0, "eval/loss": loss, "train/accuracy": 0.75, "eval/accuracy": 0.5, "other": 1.0}
        board.apply(EvalFinished(step=10, metrics=metrics, eval_seconds=0.25, num_samples=10))
    assert board.evals["gap/loss"] == [(10, 2.0)]
    assert board.evals["gap/accuracy"] == [(10, -0.25)]
    assert board.last_eval("eval/loss") == 3.0
    assert board.last_eval("gap/precision") is None
    assert board.eval_seconds == 0.5
    board.apply(EvalFinished(step=20, metrics={"eval/loss": 1.0}, eval_seconds=0.0, num_samples=10))
    assert len(board.evals["gap/loss"]) == 1


def test_the_time_left_is_told_only_where_it_can_be() -> None:
    """Not before the speed is known, not while paused, not after the end."""
    board = Board()
    board.apply(RUN_STARTED)
    assert not board.eta_seconds
    board.apply(Heartbeat(step=20, state="running", steps_per_second=4.0, watching_share=0.0))
    assert board.step == 20
    assert board.eta_seconds == 20.0
    board.apply(Paused(step=20, reason="asked"))
    assert not board.eta_seconds


@pytest.mark.parametrize("name", ALL)
def test_the_recordings_are_whole_small_and_of_no_machine(name: str) -> None:
    """Every line readable, numbered without gaps, under 200 kB, with a last word."""
    folder = RunFolder(HERE / name)
    events = list(read_events(folder))
    assert [getattr(event, "seq", None) for event in events] == list(range(1, len(events) + 1))
    assert isinstance(events[-1], RunEnded)
    text = folder.events_path.read_text() + folder.info_path.read_text()
    assert len(text) < 200_000
    assert '"host":"recorded"' in text
    for trace in (str(Path.home()) + "/", "/tmp/", "/work/", "/usr/"):
        assert trace not in text


def test_the_hand_made_recording_is_what_its_script_writes() -> None:
    """Word by word."""
    told = [to_jsonable(event) for event in read_events(RunFolder(HERE / HAND_MADE))]
    written = [to_jsonable(event) for event in hand_made()]
    assert told == written


def test_looking_with_another_smoothing_leaves_the_rest_alone() -> None:
    """Only the smoothed line differs between two who look at the same run."""
    one, two = folded(recorded(STEERED)), folded(recorded(STEERED))
    two.series[LOSS].smooth_with(0.5)
    assert one.series[LOSS].points(0, 1e6, 80) == two.series[LOSS].points(0, 1e6, 80)
    assert one.series[LOSS].last_smooth != two.series[LOSS].last_smooth
