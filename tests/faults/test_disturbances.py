"""Signals, a clock that jumps, a folder that moves, a second trainer, a flood of commands: the run goes on."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.faults.stream import whole_events
from tests.rundir.fake_trainer import until
from tests.session.waiting import LONG, Watched, started
from tuitrain.board.board import Board
from tuitrain.errors import RunBusyError
from tuitrain.preset import load_preset
from tuitrain.protocol.carrier import CarrierStatus, DamageSeen
from tuitrain.protocol.codec import encode
from tuitrain.protocol.commands import Pause, Request, ScaleLearningRate, SetPace, Stop
from tuitrain.protocol.events import CommandApplied, CommandRefused, Heartbeat, RunEnded
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.rundir.process import process_created
from tuitrain.rundir.status import CarrierWatch
from tuitrain.session.asking import ask_and_wait
from tuitrain.session.hosting import work_in_thread
from tuitrain.session.in_process import InProcessRun
from tuitrain.session.reading import RunReader
from tuitrain.session.start import create_run, resume_detached
from tuitrain.session.worker import open_hosting
from tuitrain.training.checkpoint_file import sealed
from tuitrain.training.run import Run

SHORT = ("task.hidden=[16]", "train.steps=100000000", "eval.every_steps=1000")


def test_a_stopped_process_is_alive_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGSTOP: no answer, but not lost, though the clock was set an hour on; SIGCONT: what was asked is applied."""
    run, watched = started(*LONG)
    watched.until(lambda board: board.step > 20)
    os.kill(run.process.pid, signal.SIGSTOP)
    until(lambda: psutil.Process(run.process.pid).status() == psutil.STATUS_STOPPED)
    now = 0.0
    watch = CarrierWatch(run.folder, clock=lambda: now)
    real = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: real(self) + 3600.0)
    now = 1000.0
    assert watch.poll(has_ended=False, has_grown=False).status == "live"
    asked = ask_and_wait(run.folder, ScaleLearningRate(factor=0.5), 0.3)
    assert (asked.status, "no answer within" in asked.text) == ("no answer", True)
    os.kill(run.process.pid, signal.SIGCONT)
    watched.until(lambda board: asked.id in board.replies)
    assert isinstance(watched.board.replies[asked.id], CommandApplied)
    assert ask_and_wait(run.folder, Stop(abort=True), 30).status == "applied"
    assert run.process.wait(30) == 1


def test_a_clock_that_jumps_moves_no_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back by an hour and on by a day: seconds of the run never go back, and the order is that of the numbers."""
    times = iter([1000.0, 1001.0, -2600.0, -2599.0, 85000.0])
    run = Run(clock=lambda: next(times))
    for step in range(5):
        run.publish(Heartbeat(step=step, state="running", steps_per_second=1.0, watching_share=0.0))
    facts = run.take_facts()
    assert [fact.time for fact in facts] == [1000.0, 1001.0, -2600.0, -2599.0, 85000.0]
    assert all(0.0 <= one.seconds <= other.seconds < 60.0 for one, other in itertools.pairwise(facts))
    mine = process_created(os.getpid())
    monkeypatch.setattr(psutil, "boot_time", lambda: 0.0)
    if sys.platform == "linux":
        monkeypatch.setattr("psutil._pslinux.boot_time", lambda: 12345.0)
    assert process_created(os.getpid()) == mine


def test_a_folder_that_is_moved_while_a_screen_watches(home: Path) -> None:
    """Said once, and the screen waits; moved back, it goes on where it was; moved for good, the run goes on there."""
    run = InProcessRun(load_preset("mnist-mlp", ("task.hidden=[16]", "train.steps=1000000", "eval.every_steps=500")))
    reader, board, words = RunReader(run.folder), Board(), list[Any]()

    def reads_until(condition: Any) -> None:
        def look() -> bool:
            for word in reader.poll():
                words.append(word)
                board.apply(word)
            return bool(condition())

        until(look, seconds=30.0)

    reads_until(lambda: board.step > 20)
    elsewhere = run.folder.path.with_name("elsewhere")
    run.folder.path.rename(elsewhere)
    reads_until(lambda: board.carrier is not None and board.carrier.status == "moved")
    step = board.step
    elsewhere.rename(run.folder.path)
    reads_until(lambda: board.step > step + 20)
    reads_until(lambda: board.carrier is not None and board.carrier.status == "live")
    assert [word.status for word in words if isinstance(word, CarrierStatus)].count("moved") == 1
    assert not [word for word in words if isinstance(word, DamageSeen)]
    assert run.stop_and_wait(60)
    moved = RunFolder(run.folder.path.rename(elsewhere))
    stopped = whole_events(moved)[-1]
    assert isinstance(stopped, RunEnded)
    with RunLock.acquire(moved):
        hosting = open_hosting(moved, "stop", is_resumed=True)
        hosting.control.stop()
        assert hosting.work().step == stopped.step


def test_of_two_trainers_on_one_folder_the_second_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it changes anything: run.json stays that of the first."""
    folder = create_run(load_preset("lab-wave", ()))
    (folder.checkpoints_path / "step-00000001.pt").write_bytes(sealed(bytes(2)))
    real, begun = subprocess.Popen, list[subprocess.Popen[bytes]]()

    def sleeping(_arguments: list[str], *, pass_fds: tuple[int, ...], **_: object) -> subprocess.Popen[bytes]:
        begun.append(real(["sleep", "60"], pass_fds=pass_fds))
        return begun[-1]

    monkeypatch.setattr(subprocess, "Popen", sleeping)
    resume_detached(folder, has_screen=False)
    mine = read_info(folder)
    with pytest.raises(RunBusyError, match="another trainer is at work"):
        resume_detached(folder, has_screen=False)
    assert (read_info(folder), len(begun)) == (mine, 1)
    begun[0].kill()
    begun[0].wait()
    resume_detached(folder, has_screen=False)
    assert (len(begun), read_info(folder).session != mine.session) == (2, True)
    begun[1].kill()
    begun[1].wait()


@pytest.mark.parametrize("num", [3000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_any_number_of_commands_and_any_garbage_among_them(num: int, home: Path, capfd: Any) -> None:
    """Each is answered once and in order, what is none is told once by name, and the run goes on to its end."""
    folder = create_run(load_preset("mnist-mlp", SHORT))
    session = read_info(folder).session
    for number in range(num):
        # A plan with many edits is told anew with each further one, so only some are of that kind.
        command = ScaleLearningRate(factor=1.0) if number % 20 == 0 else SetPace(max_steps_per_second=number + 1.0)
        asked = Request(id=f"{number:020d}", session=session, actor="user", time=1.0, command=command)
        (folder.commands_path / f"{asked.id}.json").write_bytes(encode(asked))
    (folder.commands_path / "garbage.json").write_bytes(b"\xff\x00")
    (folder.commands_path / "half.json").write_bytes(b'{"id":"half","session":"' + session.encode())
    (folder.commands_path / "huge.json").write_bytes(b"x" * (10 << 20))
    lock = RunLock.acquire(folder)
    hosting = open_hosting(folder, "stop")
    thread = work_in_thread(hosting)
    watched = Watched(folder)
    try:
        watched.until(lambda board: f"{num - 1:020d}" in board.replies, 240.0)
        assert ask_and_wait(folder, Pause(), 60.0).status == "applied"
    finally:
        hosting.ask_to_stop(abort=True)
        thread.join(60.0)
        lock.release()
    replies = [event for event in whole_events(folder) if isinstance(event, CommandApplied | CommandRefused)]
    ids = [event.command for event in replies]
    numbered = [f"{number:020d}" for number in range(num)]
    wanted = set(numbered)
    assert [identity for identity in ids if identity in wanted] == numbered
    assert len(ids) == len(set(ids))
    told = capfd.readouterr().err
    seen = " ".join(entry.text for entry in watched.board.log)
    for name in ("garbage.json", "half.json", "huge.json"):
        assert told.count(f"{name}': not a command") == 1
        assert seen.count(f"commands/{name}: is no command") <= 1
