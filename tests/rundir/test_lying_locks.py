"""File systems that refuse locks or give the same one to everybody: `run.json` decides, and else only silence."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.rundir.fake_trainer import heartbeat, info_of
from tests.rundir.test_status import Watched
from tuitrain.errors import RunBusyError, RunFolderError
from tuitrain.preset import load_preset
from tuitrain.protocol.codec import encode
from tuitrain.protocol.events import RunEnded
from tuitrain.rundir import process, status
from tuitrain.rundir.lock import RunLock, is_held, is_locked
from tuitrain.rundir.places import RunFolder, runs_folder, write_info
from tuitrain.rundir.status import check_not_elsewhere
from tuitrain.rundir.summary import summarize
from tuitrain.rundir.writer import EventWriter
from tuitrain.session.start import start_detached


@pytest.fixture(params=["refuses", "does nothing"])
def lies(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    def flock(_descriptor: int, _kind: int) -> None:
        if request.param == "refuses":
            raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    return str(request.param)


@pytest.fixture
def other() -> Iterator[int]:
    """The pid of a process that lives."""
    sleeper = subprocess.Popen(["sleep", "60"])
    yield sleeper.pid
    sleeper.kill()
    sleeper.wait()


@pytest.fixture
def watched(folder: RunFolder) -> Watched:
    return Watched(folder)


@pytest.mark.usefixtures("lies")
def test_a_living_trainer_is_neither_lost_nor_joined_by_a_second(
    folder: RunFolder, watched: Watched, other: int
) -> None:
    """However long it is silent; one that is gone is lost, and may be followed by another."""
    write_info(folder, info_of(folder, pid=other))
    folder.events_path.write_bytes(encode(heartbeat(3, 1)) + b"\n")
    watched.now += 1000
    assert watched.poll().status == "live"
    assert summarize(folder).state == "running"
    with pytest.raises(RunBusyError, match="another trainer"):
        RunLock.acquire(folder)
    write_info(folder, replace(info_of(folder, pid=other), pid_created=1.0))  # its number was given again
    assert (watched.poll().status, summarize(folder).state) == ("lost", "lost")
    RunLock.acquire(folder).release()


@pytest.mark.usefixtures("lies")
def test_of_two_that_start_at_once_one_is_refused(folder: RunFolder, other: int) -> None:
    """Before either has signed run.json: the lock file says whose it is, also after it was handed over."""
    write_info(folder, info_of(folder))
    lock = RunLock.acquire(folder)
    with pytest.raises(RunBusyError):
        RunLock.acquire(folder)
    lock.hand_over(other)
    lock.release()
    assert is_locked(folder)
    with pytest.raises(RunBusyError):
        RunLock.acquire(folder)


@pytest.mark.usefixtures("lies")
def test_a_lock_that_was_let_go_is_free(folder: RunFolder) -> None:
    """In the process that had it, too: a dashboard deletes a run, and another one."""
    with RunLock.acquire(folder):
        assert is_locked(folder)
    assert not is_locked(folder)
    RunLock.acquire(folder).release()


@pytest.mark.usefixtures("lies")
def test_a_run_that_has_ended_does_not_need_its_process_gone(folder: RunFolder, other: int) -> None:
    """A dashboard in whose process it was trained still lives."""
    write_info(folder, info_of(folder, pid=other))
    folder.events_path.write_bytes(encode(RunEnded(step=1, reason="finished", seq=1)) + b"\n")
    assert summarize(folder).state == "finished"
    RunLock.acquire(folder).release()


@pytest.mark.parametrize(
    "strange",
    [{"host": "node17"}, {"pid_namespace": "pid:[7]"}, {"boot_id": "another"}],
    ids=["host", "container", "boot on a shared disk"],
)
def test_where_a_trainer_cannot_be_seen_only_silence_tells(
    strange: dict[str, str], folder: RunFolder, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A minute of it by our own clock, however the file is stamped; a second trainer has to be told."""
    monkeypatch.setattr(process, "_is_local", lambda _: False)
    monkeypatch.setattr(status, "DISTRUST_SECONDS", 0.3)
    write_info(folder, replace(info_of(folder, pid=1), **strange))
    with EventWriter(folder.events_path) as writer:
        writer.append([encode(heartbeat(3, 1))])
    os.utime(folder.events_path, (1e9, folder.events_path.stat().st_mtime - 7200))  # another clock
    assert summarize(folder).state == "running"
    watched.now += 59
    assert watched.poll().status == "silent"
    with pytest.raises(RunBusyError, match="--here"):
        check_not_elsewhere(folder, here=False)
    check_not_elsewhere(folder, here=True)
    watched.now += 2
    assert watched.poll().status == "lost"
    assert watched.poll(has_grown=True).status == "live"


def test_a_boot_before_this_one_is_death_where_the_disk_is_our_own(
    folder: RunFolder, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut nobody waits for a minute, nor says --here."""
    monkeypatch.setattr(process, "_is_local", lambda _: True)
    write_info(folder, replace(info_of(folder, pid=os.getpid()), boot_id="an earlier one"))
    assert watched.poll().status == "lost"
    check_not_elsewhere(folder, here=False)


def test_a_start_that_is_refused_leaves_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In no list: nobody ever trained in it."""
    monkeypatch.setenv("TUITRAIN_HOME", str(tmp_path))
    monkeypatch.setattr(fcntl, "flock", _broken)
    with pytest.raises(RunFolderError, match="cannot be locked"):
        start_detached(load_preset("lab-wave", ()), has_screen=False)
    assert list(runs_folder().iterdir()) == []


def test_a_lock_that_was_removed_under_a_trainer_does_not_let_a_second_in(
    folder: RunFolder, watched: Watched, other: int
) -> None:
    """By hand, as what looked like litter."""
    write_info(folder, info_of(folder, pid=other))
    assert (watched.poll().status, summarize(folder).is_live) == ("live", True)
    with pytest.raises(RunBusyError):
        RunLock.acquire(folder)


def test_no_lock_file_is_no_lock(folder: RunFolder) -> None:
    """Nor is what is no file."""
    assert not is_held(folder.lock_path)
    os.mkfifo(folder.lock_path)
    assert not is_held(folder.lock_path)


def _broken(_descriptor: int, _kind: int) -> None:
    raise OSError(errno.EIO, "Input/output error")
