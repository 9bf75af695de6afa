"""The trainer is a process of its own: it answers, outlives its starter, and its death is noticed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.session.waiting import LONG, Watched, started
from tuitrain.board.board import Board
from tuitrain.preset import load_preset
from tuitrain.protocol.commands import Evaluate, Pause, ScaleLearningRate, Stop, SwitchOptimizer
from tuitrain.protocol.events import StepsFinished
from tuitrain.rundir.catalogue import list_runs
from tuitrain.rundir.follower import read_events
from tuitrain.rundir.places import read_info
from tuitrain.rundir.presence import ScreenPresence
from tuitrain.session.asking import ask_and_wait, send
from tuitrain.session.in_process import InProcessRun


def test_a_run_signs_its_folder_and_finishes() -> None:
    """From *starting: importing torch* to its last word; the exit code is the run's."""
    run, watched = started("train.steps=50")
    watched.until(lambda board: board.stage == "importing torch" or board.started)
    watched.until(lambda board: board.state == "finished")
    assert run.process.wait(30) == 0
    info = read_info(run.folder)
    assert (info.pid, info.total_steps) == (run.process.pid, 50)
    assert (run.folder.checkpoints_path / "step-00000050.pt").is_file()
    assert run.folder.output_path.read_text() == ""
    numbers = [event.seq for event in read_events(run.folder) if hasattr(event, "seq")]
    assert numbers == list(range(1, len(numbers) + 1))


def test_asking_is_answered_with_the_step_or_the_reason() -> None:
    """Applied, refused, the swap of a hand-over, and after the end refused at once."""
    run, watched = started(*LONG)
    watched.until(lambda board: board.step > 50)
    decayed = ask_and_wait(run.folder, ScaleLearningRate(factor=0.1), 30)
    assert decayed.status == "applied"
    assert decayed.step is not None
    assert decayed.step >= 50
    swapped = ask_and_wait(run.folder, SwitchOptimizer(name="sgd"), 60, wait_for="swap")
    assert (swapped.status, swapped.text[:10]) == ("applied", "adam → sgd")
    assert ask_and_wait(run.folder, Pause(), 30).status == "applied"
    refused = ask_and_wait(run.folder, Pause(), 30)
    assert (refused.status, refused.hint) == ("refused", "resume, or step_once.")
    assert ask_and_wait(run.folder, Evaluate(), 30).status == "applied"
    assert ask_and_wait(run.folder, Stop(), 30).status == "applied"
    watched.until(lambda board: board.state == "stopped")
    run.process.wait(30)
    late = ask_and_wait(run.folder, Pause(), 30)
    assert (late.status, late.id) == ("refused", "")
    assert "stopped" in late.text


def test_a_killed_trainer_is_lost_and_its_words_are_there() -> None:
    """Everything that a reader saw, and no torn state; the list of runs says so too."""
    run, watched = started(*LONG)
    seen = watched.until(lambda board: board.step > 100 and board.step)
    os.kill(run.process.pid, signal.SIGKILL)
    run.process.wait(30)
    with run.folder.events_path.open("ab") as stream:
        stream.write(b'{"event":"StepsFini')
    watched.until(lambda board: board.state == "lost")
    assert [item.state for item in list_runs()] == ["lost"]
    steps = [event for event in read_events(run.folder) if isinstance(event, StepsFinished)]
    assert steps[-1].step == watched.board.step >= int(seen)
    told = [entry.text for entry in watched.board.log[-2:]]
    assert told[0] == "a torn last line of 19 bytes was skipped"
    assert told[1].startswith("lost at step")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_gracefully(number: signal.Signals) -> None:
    """Evaluated, saved, exit code 0; the decision is recorded as the signal's."""
    run, watched = started(*LONG)
    watched.until(lambda board: board.step > 20)
    os.kill(run.process.pid, number)
    watched.until(lambda board: board.state == "stopped")
    assert run.process.wait(30) == 0
    assert list(run.folder.checkpoints_path.glob("step-*.pt"))


def test_a_hang_up_leaves_the_run() -> None:
    """The terminal goes, the run stays, in a session of its own."""
    run, watched = started(*LONG)
    step = watched.until(lambda board: board.step)
    os.kill(run.process.pid, signal.SIGHUP)
    watched.until(lambda board: board.step > step + 50)
    assert os.getsid(run.process.pid) == run.process.pid
    send(run.folder, Stop(abort=True))
    watched.until(lambda board: board.state == "stopped")
    assert run.process.wait(30) == 1  # aborted


def test_a_failure_is_recorded_with_its_reason(tmp_path: Path) -> None:
    """Data that are not there and cannot be downloaded: failed, the message says what to do, exit code 1."""
    run, watched = started(f"task.data_folder={tmp_path}", "task.dataset=cifar10", preset="mnist-mlp")
    watched.until(lambda board: board.state == "failed", 120)
    assert run.process.wait(30) == 1
    assert watched.board.ended is not None
    assert 'task.dataset="mnist-5k"' in watched.board.ended.message


def test_the_pace_holds_only_while_a_screen_is_attached() -> None:
    """Two steps a second while watched, free as soon as the screen leaves."""
    run, watched = started(*LONG, "train.max_steps_per_second=2")
    watched.until(lambda board: board.step > 200)
    with ScreenPresence(run.folder) as screen:

        def is_paced(board: Board) -> bool:
            screen.beat()  # as a screen does, again and again: one sign is forgotten after a while
            return board.heartbeat is not None and board.heartbeat.is_paced

        watched.until(is_paced)
        step = watched.board.step
    watched.until(lambda board: board.step > step + 500)
    send(run.folder, Stop(abort=True))
    watched.until(lambda board: board.state == "stopped")
    assert run.process.wait(30) == 1  # aborted


def test_a_run_inside_this_process_says_the_same() -> None:
    """Same folder, same words; it stops when asked and gives its lock back."""
    run = InProcessRun(load_preset("lab-wave", LONG))
    watched = Watched(run.folder)
    watched.until(lambda board: board.step > 20)
    assert ask_and_wait(run.folder, Pause(), 30).status == "applied"
    assert run.is_alive
    assert run.stop_and_wait(60)
    watched.until(lambda board: board.state == "stopped")
    assert [item.state for item in list_runs()] == ["stopped"]
