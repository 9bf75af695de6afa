"""A disk that is full, a folder that is read-only or somebody else's: said once, and the run goes on where it can."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.faults.stream import told_by, whole_events
from tests.rundir.fake_trainer import info_of, request
from tests.session.waiting import Watched
from tests.training.harness import told
from tuitrain.errors import RunFolderError
from tuitrain.preset import load_preset
from tuitrain.protocol.commands import Pause, Stop
from tuitrain.protocol.events import AlarmRaised, CheckpointSaved, RunEnded
from tuitrain.rundir.commands import ask
from tuitrain.rundir.follower import read_events
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder, read_info, write_info
from tuitrain.rundir.writer import EventsNotWrittenError, EventWriter
from tuitrain.session import worker
from tuitrain.session.asking import send
from tuitrain.session.in_process import InProcessRun
from tuitrain.session.printer import Printer
from tuitrain.session.start import create_run
from tuitrain.session.worker import open_hosting
from tuitrain.training.checkpoint import newest_intact

NOBODY = 65534
SAVING = ("task.hidden=[16]", "train.steps=100000", "eval.every_steps=100", "checkpoint.every_minutes=0.002")
is_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def small_disk(home: Path) -> Iterator[Path]:
    """A home on a disk of 3 MB."""
    home.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(home)]
    if sys.platform != "linux" or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount")
    yield home
    subprocess.run(["umount", "-l", str(home)], check=True)


def open_way_to(path: Path) -> None:
    """Let everybody through the test's own folders: only the run's own modes shall protect it."""
    for parent in (*path.parents, path):
        if str(parent).startswith(tempfile.gettempdir() + "/"):
            parent.chmod(0o755)


def as_nobody(act: Callable[[], object]) -> str:
    """Do it in a child as another user; what it raised, empty where it went well."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            act()
        except BaseException as error:  # noqa: BLE001
            os.write(writer, f"{type(error).__name__}: {error}".encode()[:4000] or traceback.format_exc().encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader, "rb") as answer:
        return answer.read().decode()


def test_a_disk_that_fills_up_is_told_once_and_the_run_saves_again_when_there_is_space(small_disk: Path) -> None:
    """Nothing half-written is left, the older checkpoint stands, and every step is told in the end."""
    run = InProcessRun(load_preset("mnist-mlp", SAVING))
    watched = Watched(run.folder)
    try:
        watched.until(lambda board: any("saved" in entry.text for entry in board.log))
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as file:
            for size in (65536, 4096, 512):
                try:
                    while file.write(bytes(size)):
                        pass
                except OSError:
                    continue

        def alarms() -> list[str]:
            return [event.message for event in read_events(run.folder) if isinstance(event, AlarmRaised)]

        watched.until(lambda board: any("No space left" in message for message in alarms()))
        step = watched.board.step
        send_later = run._hosting.run.progress
        watched.until(lambda board: send_later.step > step + 600)
        ballast.unlink()
        saved = sum(isinstance(event, CheckpointSaved) for event in read_events(run.folder))
        watched.until(
            lambda board: sum(isinstance(event, CheckpointSaved) for event in read_events(run.folder)) > saved + 2
        )
    finally:
        assert run.stop_and_wait(60)
    told_alarms = alarms()
    assert len(told_alarms) == len(set(told_alarms))
    events = whole_events(run.folder)
    is_refused = False
    for event in events:  # the disk may have had room for one more while it was filled
        if isinstance(event, AlarmRaised) and "step-" in event.message:
            assert not is_refused, "told again before it worked"
            is_refused = True
        elif isinstance(event, CheckpointSaved):
            is_refused = False
    assert sum("events.jsonl" in message for message in told_alarms) <= 1
    assert isinstance(events[-1], RunEnded)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert sorted(told_by(run.folder).losses) == list(range(1, events[-1].step + 1))
    assert not [path for path in run.folder.checkpoints_path.iterdir() if path.name.startswith(".")]
    found = newest_intact(run.folder.checkpoints_path)
    assert found is not None
    assert found[2] == []


def test_the_reserve_that_was_given_back_is_not_taken_for_space(small_disk: Path) -> None:
    """A full disk is called well only when somebody has made room, or it would be told full again every second."""
    ballast, more = small_disk / "ballast", small_disk / "more"
    more.write_bytes(bytes(1 << 19))
    with EventWriter(small_disk / "events.jsonl") as writer:
        assert writer.hold_reserve()
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass
        writer.release_reserve()
        assert not writer.hold_reserve()
        more.unlink()
        assert writer.hold_reserve()


def test_a_checkpoint_folder_that_refuses_is_told_once(tmp_path: Path) -> None:
    """However often the run tries; what a person asked for is answered each time."""
    moments = [{"at_step": step, "do": "save_checkpoint"} for step in (10, 20)]
    result = told("checkpoint.every_minutes=1e-9", checkpoint_folder=tmp_path / "gone")
    # Once for all that nobody asked for, and once for the end, which is the reason why the run has failed.
    assert len(result.all(AlarmRaised)) == 2
    result = told(checkpoint_folder=tmp_path / "gone", moments=moments)
    assert [alarm.step for alarm in result.all(AlarmRaised)] == [10, 20, 40]


def test_a_full_disk_ends_the_run_where_the_preset_wants_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As failed, with the reason, whether events or a checkpoint met it: nobody asked for that stop."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        result = told(
            "train.on_disk_full=stop", "train.steps=100000", "checkpoint.every_minutes=1e-9", checkpoint_folder=tmp_path
        )
    first = result.all(AlarmRaised)[0]
    assert (first.kind, first.action) == ("disk", "stop")
    assert (result.ended.reason, result.ended.message) == ("failed", first.message)
    assert first.message.endswith("cannot be written: No space left on device")
    assert first.advice == f"freeing space on the disk that holds {tmp_path}."

    append = EventWriter.append
    met: list[bool] = []

    def full_once(self: EventWriter, lines: Sequence[bytes]) -> None:
        if not met and any(b"StepsFinished" in line for line in lines):
            met.append(True)
            raise EventsNotWrittenError(self.path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), 0)
        append(self, lines)

    monkeypatch.setattr(EventWriter, "append", full_once)
    folder = create_run(load_preset("mnist-mlp", [*SAVING, "train.on_disk_full=stop"]))
    with RunLock.acquire(folder):
        ended = open_hosting(folder, "stop").work()
    assert (ended.reason, worker.EXIT_CODES[ended.reason]) == ("failed", 1)
    assert ended.message.endswith("events.jsonl: cannot be written: No space left on device")
    said = io.StringIO()
    Printer(folder.id, said).take([event for event in whole_events(folder) if isinstance(event, AlarmRaised)])
    assert "No space left on device. free some space: " in said.getvalue()


@is_root
def test_another_user_can_neither_read_nor_ask(home: Path) -> None:
    """Not the record, not run.json, not the commands, nor whether it lives; and not put anything in its place."""
    before = os.umask(0)
    try:
        folder = create_run(load_preset("lab-wave", ()))
        open_hosting(folder, "stop")._writer.append([b"{}"])
        ask(folder, request(Pause()))
    finally:
        os.umask(before)
    open_way_to(home)
    (home / "runs").chmod(0o755)
    assert as_nobody(lambda: list((home / "runs").iterdir())) == ""
    attempts: list[Callable[[], object]] = [
        lambda: read_events(folder),
        lambda: read_info(folder),
        lambda: ask(folder, request(Stop())),
        lambda: send(folder, Stop()),
        lambda: RunLock.acquire(folder),
        lambda: list(folder.commands_path.iterdir()),
        folder.events_path.unlink,
        lambda: write_info(folder, info_of(folder)),
    ]
    for attempt in attempts:
        assert "Permission denied" in as_nobody(attempt)
    folder.path.chmod(0o755)  # even where somebody opens the folder itself
    for attempt in attempts:
        assert "Permission denied" in as_nobody(attempt)


@is_root
def test_a_read_only_folder_is_a_clear_error(home: Path, tmp_path: Path) -> None:
    """Nothing can be started in it, asked of it or gone on with; what is there can be read."""
    folder = create_run(load_preset("lab-wave", ()))
    open_way_to(tmp_path)
    for path in sorted([home, *home.rglob("*")]):
        path.chmod(0o555 if path.is_dir() else 0o444)
    assert as_nobody(lambda: summarized(folder)) == ""
    errors = [
        as_nobody(lambda: create_run(load_preset("lab-wave", ()))),
        as_nobody(lambda: ask(folder, request(Stop()))),
        as_nobody(lambda: RunLock.acquire(folder)),
    ]
    for error in errors:
        assert error.startswith("RunFolderError: ")
        assert str(home) in error
        assert "Try: a folder that you can write to" in error


def summarized(folder: RunFolder) -> None:
    read_info(folder)
    if read_events(folder):
        raise RunFolderError("there are no events yet")
