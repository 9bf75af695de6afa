"""Live, silent, lost, ended or moved: what readers see of a run that cannot say it itself."""

from __future__ import annotations

import os

import pytest
from msgspec.structs import replace

from tests.rundir.conftest import Play
from tests.rundir.fake_trainer import heartbeat, info_of, until
from tuitrain.protocol.carrier import CarrierStatus
from tuitrain.protocol.codec import encode
from tuitrain.protocol.events import RunEnded
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder, read_info, write_info
from tuitrain.rundir.process import current_boot_id, process_created, this_host
from tuitrain.rundir.status import CarrierWatch
from tuitrain.rundir.writer import EventWriter


class Watched:
    """A watch with a clock that stands still until told."""

    def __init__(self, folder: RunFolder) -> None:
        self.now = 100.0
        self.watch = CarrierWatch(folder, clock=lambda: self.now)

    def poll(self, *, has_ended: bool = False, has_grown: bool = False) -> CarrierStatus:
        return self.watch.poll(has_ended=has_ended, has_grown=has_grown)


@pytest.fixture
def watched(folder: RunFolder) -> Watched:
    return Watched(folder)


def test_a_locked_run_is_live_however_quiet(folder: RunFolder, watched: Watched) -> None:
    """A trainer that imports torch, or is stopped in a debugger, is not dead."""
    with RunLock.acquire(folder):
        assert watched.poll().status == "live"
        write_info(folder, info_of(folder, pid=os.getpid()))
        watched.now += 1000
        assert watched.poll().status == "live"


def test_a_free_lock_means_lost_and_names_the_trainer(folder: RunFolder, watched: Watched) -> None:
    """At the first look, so that a list of dead runs does not flicker."""
    RunLock.acquire(folder).release()
    write_info(folder, info_of(folder, pid=os.getpid()))
    status = watched.poll()
    assert status.status == "lost"
    assert f"pid {os.getpid()}" in status.detail


def test_kill_9_is_seen_at_the_next_look(folder: RunFolder, part: Play, watched: Watched) -> None:
    """With the real process and lock."""
    process = part("train")
    until(lambda: folder.events_path.exists() and folder.events_path.stat().st_size > 1000)
    assert watched.poll().status == "live"
    process.kill()
    process.wait()
    assert watched.poll().status == "lost"
    assert str(process.pid) in watched.poll().detail


def test_a_last_word_that_was_not_read_yet_is_no_loss(folder: RunFolder, watched: Watched) -> None:
    """The trainer says its last word and goes between our reading of the stream and our asking for the lock."""
    write_info(folder, info_of(folder))
    with RunLock.acquire(folder), EventWriter(folder.events_path) as writer:
        writer.append([encode(heartbeat())])
        assert watched.poll(has_grown=True).status == "live"
        writer.append([encode(RunEnded(step=1, reason="finished", traceback="x" * 100_000))])
    assert watched.poll(has_ended=False).status == "ended"


def test_a_run_that_said_its_last_word_has_ended(folder: RunFolder, watched: Watched) -> None:
    """Even while its process still tidies up."""
    with RunLock.acquire(folder):
        assert watched.poll(has_ended=True).status == "ended"


@pytest.mark.parametrize("has_ended", [False, True])
def test_a_folder_that_is_gone_was_moved(folder: RunFolder, watched: Watched, has_ended: bool) -> None:
    """Renamed or deleted while a screen looks at it."""
    with RunLock.acquire(folder):
        folder.path.rename(folder.path.with_name("elsewhere"))
        assert watched.poll(has_ended=has_ended).status == "moved"


def test_another_host_is_silent_after_thirty_quiet_seconds(folder: RunFolder, watched: Watched) -> None:
    """By the reader's clock alone; a new byte makes it live again."""
    write_info(folder, info_of(folder, host="node17"))
    watched.now += 29
    assert watched.poll().status == "live"
    watched.now += 2
    status = watched.poll()
    assert status.status == "silent"
    assert "node17" in status.detail
    assert watched.poll(has_grown=True).status == "live"


def test_a_lock_kept_by_a_stranger_does_not_keep_a_dead_run_alive(folder: RunFolder, watched: Watched) -> None:
    """Its trainer's pid is gone or belongs to another process, and nothing comes any more."""
    mine = info_of(folder, pid=os.getpid())
    write_info(folder, info_of(folder, pid=2**22 - 1))
    with RunLock.acquire(folder):
        assert watched.poll().status == "live"
        watched.now += 6
        assert watched.poll().status == "lost"
        assert watched.poll(has_grown=True).status == "live"
        watched.now += 6
        write_info(folder, mine)
        assert watched.poll().status == "live"
        write_info(folder, replace(mine, pid_created=mine.pid_created - 100))
        assert watched.poll().status == "lost"
        write_info(folder, replace(mine, pid_created=mine.pid_created - 100, boot_id="an earlier boot"))
        assert watched.poll().status == "live"


def test_a_damaged_run_json_does_not_stop_the_watch(folder: RunFolder, watched: Watched) -> None:
    """The lock still tells."""
    folder.info_path.write_bytes(b"damaged")
    assert watched.poll().status == "lost"
    with RunLock.acquire(folder):
        assert watched.poll().status == "live"


def test_this_machine_knows_itself(folder: RunFolder) -> None:
    """The stamps that go into run.json compare equal when they are taken again."""
    assert this_host()
    assert current_boot_id() == current_boot_id()
    created = process_created(os.getpid())
    assert created is not None
    assert process_created(os.getpid()) == created
    assert process_created(2**22 - 1) is None
    write_info(folder, info_of(folder, pid=os.getpid()))
    assert read_info(folder).pid_created == created
