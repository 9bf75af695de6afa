"""A run that was killed or stopped goes on in its own folder, as if nothing had been."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tuitrain.board.board import Board
from tuitrain.errors import RunBusyError, UsageError
from tuitrain.preset import load_preset, preset_from_data
from tuitrain.protocol.carrier import DamageSeen
from tuitrain.protocol.commands import Resume, ScaleLearningRate
from tuitrain.protocol.events import AlarmRaised, CommandApplied, RunEnded, RunResumed, StepsFinished
from tuitrain.rundir.follower import read_events
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder
from tuitrain.rundir.summary import summarize
from tuitrain.session.asking import send
from tuitrain.session.recorded import recorded
from tuitrain.session.start import Started, create_run, resume_detached, start_detached
from tuitrain.session.worker import open_hosting
from tuitrain.training.checkpoint_file import checkpoint_paths, name_of

SMALL = ("task.hidden=[16]", "train.steps=400", "checkpoint.every_minutes=0.002", "eval.every_steps=50")
_HOLDS = (
    '{at_step=100,do="pause"}', '{at_step=150,do="save_checkpoint"}', '{at_step=200,do="save_checkpoint"}',
    '{at_step=300,do="pause"}',
)  # fmt: skip
HELD = (*SMALL, f"moment=[{','.join(_HOLDS)}]")
"""The same, which waits to be looked at, and again near its end: it is at work whenever a test comes to ending it."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUITRAIN_HOME", str(tmp_path))


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def goes_on_beyond(started: Started, step: int) -> None:
    """Let it go on, once it waits at its first pause."""
    until(lambda: summarize(started.folder).state == "paused")
    send(started.folder, Resume())
    until(lambda: summarize(started.folder).step > step)


def exit_code(started: Started) -> int:
    """Of a run that goes on to its end, woken where it pauses."""

    def is_over() -> bool:
        if summarize(started.folder).state == "paused":
            send(started.folder, Resume())
        return started.process.poll() is not None

    until(is_over, 120.0)
    return started.process.wait()


def losses(folder: RunFolder) -> dict[int, float]:
    """The batch loss of every step, as it was told last."""
    found: dict[int, float] = {}
    for event in read_events(folder):
        for column in event.columns if isinstance(event, StepsFinished) else ():
            if column.metric == "batch/loss":
                found |= {column.first_step + i * column.stride: value for i, value in enumerate(column.values)}
    return found


def applied(folder: RunFolder) -> dict[str, int]:
    """Id of each command that was carried out → step."""
    return {event.command: event.step for event in read_events(folder) if isinstance(event, CommandApplied)}


def told_beyond(folder: RunFolder, step: int) -> list[Path]:
    """The checkpoints after a step that the record tells of and that are there, the newest first."""
    told = recorded(folder).sha256
    return [
        path
        for path in checkpoint_paths(folder.checkpoints_path)
        if path.name in told and (name := name_of(path)) and name.step > step
    ]


def trained_here(moments: list[dict[str, object]]) -> RunFolder:
    """The same run, never interrupted."""
    preset = load_preset("mnist-mlp", SMALL)
    folder = create_run(preset_from_data({**preset.to_data(), "moment": moments}, "test"))
    with RunLock.acquire(folder):
        open_hosting(folder, "stop").work()
    return folder


def test_a_killed_run_goes_on_bit_for_bit() -> None:
    """With what a person had decided; the sequence of the stream has no gap, and no decision is taken twice."""
    started = start_detached(load_preset("mnist-mlp", HELD), has_screen=False)
    folder = started.folder
    until(lambda: summarize(folder).state == "paused")
    asked = send(folder, ScaleLearningRate(factor=0.5))
    until(lambda: asked in applied(folder))
    decided = applied(folder)[asked]
    goes_on_beyond(started, decided)
    # Two of them that the record tells of, as the newest will be damaged.
    until(lambda: len(told_beyond(folder, decided)) >= 2)
    with pytest.raises(RunBusyError):
        resume_detached(folder, has_screen=False)
    started.process.send_signal(signal.SIGKILL)
    started.process.wait(10.0)
    assert summarize(folder).state == "lost"

    # What is newer than these was not told of before the kill: it is taken only where there is no other.
    newest = told_beyond(folder, decided)[0]
    newest.write_bytes(newest.read_bytes()[:-100])
    assert exit_code(resume_detached(folder, has_screen=False)) == 0

    events = [event for event in read_events(folder) if not isinstance(event, DamageSeen)]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    resumed = next(event for event in events if isinstance(event, RunResumed))
    assert resumed.seconds >= max(event.seconds for event in events if event.seq < resumed.seq - 2)
    assert resumed.step > decided
    assert sum(isinstance(event, CommandApplied) and event.command == asked for event in events) == 1
    damaged = [event for event in events if isinstance(event, AlarmRaised)]
    assert [newest.name in event.message for event in damaged] == [True]

    board = Board()
    for event in events:
        board.apply(event)
    assert (board.state, board.step) == ("finished", 400)
    assert board.series["batch/loss"].last_step == 400
    assert any(mark.label == "resumed" for mark in board.marks)

    assert losses(folder) == losses(trained_here([{"at_step": decided, "do": "scale_learning_rate", "factor": 0.5}]))


def test_a_stopped_run_goes_on_to_its_planned_end() -> None:
    """By SIGTERM; it takes no step again."""
    started = start_detached(load_preset("mnist-mlp", HELD), has_screen=False)
    goes_on_beyond(started, 100)
    os.kill(started.process.pid, signal.SIGTERM)
    assert started.process.wait(30.0) == 0
    assert summarize(started.folder).state == "stopped"
    assert exit_code(resume_detached(started.folder, has_screen=False)) == 0
    events = read_events(started.folder)
    assert [event.lost_steps for event in events if isinstance(event, RunResumed)] == [0]
    assert [event.reason for event in events if isinstance(event, RunEnded)] == ["stopped", "finished"]
    assert losses(started.folder) == losses(trained_here([]))


def test_a_damaged_checkpoint_is_told_whether_the_record_knows_it_or_not() -> None:
    """Where it would have been the one to go on from: what is older than the state that is taken is nobody's news."""
    folder = trained_here([{"at_step": 200, "do": "stop"}])
    older, newer = (folder.checkpoints_path / f"step-{step:08d}.pt" for step in (1, 300))
    for path in (older, newer):
        path.write_bytes(b"")
    with RunLock.acquire(folder):
        open_hosting(folder, "stop", is_resumed=True).work()
    (alarm,) = [event for event in read_events(folder) if isinstance(event, AlarmRaised)]
    assert newer.name in alarm.message
    assert older.name not in alarm.message


def test_without_a_checkpoint_there_is_nothing_to_go_on_from() -> None:
    """Said at once, with what to do."""
    folder = create_run(load_preset("mnist-mlp", SMALL))
    with pytest.raises(UsageError, match="no checkpoint"):
        resume_detached(folder, has_screen=False)
