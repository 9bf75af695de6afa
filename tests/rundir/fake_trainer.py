"""A trainer without training, in this process or in one of its own: it holds the lock, talks and answers.

As a program (`python -m tests.rundir.fake_trainer MODE FOLDER`) it plays the parts that need a process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from tuitrain.protocol.carrier import RunInfo
from tuitrain.protocol.codec import encode
from tuitrain.protocol.commands import Command, Pause, Request, Stop
from tuitrain.protocol.events import CommandApplied, CommandQueued, Event, Heartbeat, RunEnded
from tuitrain.rundir.commands import CommandReader, new_command_id
from tuitrain.rundir.follower import last_events
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder, write_info
from tuitrain.rundir.process import current_boot_id, process_created, this_host
from tuitrain.rundir.writer import EventWriter

ROOT = Path(__file__).parents[2]


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for a condition; fail when it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def info_of(folder: RunFolder, pid: int = 0, host: str = "", created: float = 1.0) -> RunInfo:
    """A `run.json` as a trainer on this machine writes it."""
    return RunInfo(
        id=folder.id,
        preset_name="mnist-mlp",
        title="A small net",
        created=created,
        session="s1",
        host=host or this_host(),
        pid=pid,
        pid_created=(process_created(pid) or 0.0) if pid else 0.0,
        boot_id=current_boot_id(),
        total_steps=100,
    )


def heartbeat(step: int = 0, seq: int = 0) -> Heartbeat:
    """Some event, recognised by its step."""
    return Heartbeat(seq=seq, step=step, state="running", steps_per_second=float("nan"), watching_share=0.01)


def request(command: Command | None = None, command_id: str = "") -> Request:
    """A request as a screen makes it."""
    return Request(id=command_id or new_command_id(), session="s1", actor="user", time=1.0, command=command or Pause())


def play(mode: str, folder: RunFolder) -> subprocess.Popen[bytes]:
    """Start this file as a program; its stdout is a pipe."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.rundir.fake_trainer", mode, str(folder.path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )


class FakeTrainer:
    """Says a heartbeat at every turn, and answers every command it is asked; `Stop` ends it."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.lock = RunLock.acquire(folder)
        write_info(folder, info_of(folder, pid=os.getpid()))
        self.writer = EventWriter(folder.events_path)
        self.reader = CommandReader(folder)
        last = last_events(folder.events_path)
        self.seq = last[-1].seq if last else 0
        self.has_ended = False

    def say(self, *events: Event) -> None:
        """Stamp and append events."""
        lines = []
        for event in events:
            self.seq += 1
            lines.append(encode(msgspec.structs.replace(event, seq=self.seq)))
        self.writer.append(lines)

    def turn(self) -> None:
        """One turn of the loop."""
        for asked in self.reader.poll():
            if isinstance(asked, Request):
                self.say(
                    CommandQueued(step=self.seq, command=asked.id, request=asked.command, actor=asked.actor),
                    CommandApplied(step=self.seq, command=asked.id, summary="done"),
                )
                if isinstance(asked.command, Stop):
                    self.say(RunEnded(step=self.seq, reason="stopped"))
                    self.has_ended = True
                    return
        self.say(heartbeat(self.seq))

    def run(self, is_killed: threading.Event) -> None:
        """Turn until stopped, or until killed without a last word."""
        while not (self.has_ended or is_killed.wait(0.002)):
            self.turn()
        self.writer.close()
        self.lock.release()


def _main(mode: str, folder: RunFolder) -> None:
    match mode:
        case "train":
            FakeTrainer(folder).run(threading.Event())
        case "flood":
            _flood(FakeTrainer(folder))
        case "drip":
            real_write = os.write
            os.write = lambda descriptor, data: real_write(descriptor, bytes(memoryview(data)[:16]))
            _flood(FakeTrainer(folder))
        case "start":
            _start(folder)
        case "worker":
            _hold(RunLock.from_descriptor(int(sys.argv[3])))
        case "fork":
            _fork(RunLock.acquire(folder))
        case "hold":
            _hold(RunLock.acquire(folder))
        case _:
            sys.exit(f"no part called {mode}")


def _flood(trainer: FakeTrainer) -> None:
    """Append as fast as the disk takes it, and tell after each append up to where."""
    while True:
        trainer.say(*[heartbeat(trainer.seq)] * (1 + trainer.seq % 5000))
        _tell(trainer.seq)


def _start(folder: RunFolder) -> None:
    """Lock, hand the lock to a worker, tell its pid and leave."""
    lock = RunLock.acquire(folder)
    arguments = [sys.executable, "-m", "tests.rundir.fake_trainer", "worker", str(folder.path), str(lock.fileno())]
    with subprocess.Popen(
        arguments, pass_fds=[lock.fileno()], start_new_session=True, stdout=subprocess.PIPE
    ) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        _tell(worker.pid)
        lock.release()
        os._exit(0)


def _fork(lock: RunLock) -> None:
    """Fork a child that outlives us, as a DataLoader does, and tell its pid."""
    child = os.fork()
    if child:
        _tell(child)
    time.sleep(60)
    lock.release()


def _hold(lock: RunLock) -> None:
    _tell(os.getpid())
    time.sleep(60)
    lock.release()


def _tell(number: int) -> None:
    print(number, flush=True)


if __name__ == "__main__":
    _main(sys.argv[1], RunFolder(Path(sys.argv[2])))
