"""The lock lives exactly as long as the trainer's process."""

from __future__ import annotations

import fcntl
import itertools
import os
import subprocess
import threading
import time

import psutil
import pytest

from tests.rundir.conftest import Play
from tests.rundir.fake_trainer import until
from tuitrain.errors import RunBusyError
from tuitrain.rundir.lock import RunLock, is_locked
from tuitrain.rundir.places import RunFolder


def test_a_held_lock_is_seen_and_not_given_twice(folder: RunFolder) -> None:
    """Not even within one process."""
    assert not is_locked(folder)
    with RunLock.acquire(folder) as lock:
        assert is_locked(folder)
        with pytest.raises(RunBusyError, match="another trainer") as caught:
            RunLock.acquire(folder)
        assert folder.id in caught.value.hint
        assert is_locked(folder)
    assert lock.fileno() == -1
    assert not is_locked(folder)


def test_asking_does_not_disturb_taking(folder: RunFolder) -> None:
    """Whoever asks holds the lock for an instant; the trainer must get it all the same."""
    is_over = threading.Event()

    def keep_asking() -> None:
        while not is_over.is_set():
            is_locked(folder)

    threads = [threading.Thread(target=keep_asking) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            RunLock.acquire(folder).release()
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def test_a_machine_that_stalls_gets_the_lock_all_the_same(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute passes between two tries, and somebody was asking at each of the first three."""
    asking = os.open(folder.lock_path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(asking, fcntl.LOCK_SH)
    num_waits = 0

    def wait(_seconds: float) -> None:
        nonlocal num_waits
        num_waits += 1
        if num_waits == 3:
            os.close(asking)

    monkeypatch.setattr("time.sleep", wait)
    minutes = itertools.count(time.monotonic(), 60.0)
    monkeypatch.setattr("time.monotonic", lambda: next(minutes))
    with RunLock.acquire(folder):
        assert num_waits == 3


def test_the_lock_dies_with_its_process(folder: RunFolder, part: Play) -> None:
    """Kill -9 leaves no stale lock."""
    process = part("hold")
    _told(process)
    assert is_locked(folder)
    process.kill()
    process.wait()
    assert not is_locked(folder)
    RunLock.acquire(folder).release()


def test_a_worker_keeps_the_lock_that_its_starter_handed_over(folder: RunFolder, part: Play, doomed: list[int]) -> None:
    """There is no moment without a lock between starter and worker, and none of it outlives the worker."""
    starter = part("start")
    worker = _told(starter)
    doomed.append(worker)
    assert starter.wait(20) == 0
    assert is_locked(folder)
    with pytest.raises(RunBusyError):
        RunLock.acquire(folder)
    psutil.Process(worker).kill()
    until(lambda: not is_locked(folder))


def test_a_forked_child_does_not_keep_the_lock(folder: RunFolder, part: Play, doomed: list[int]) -> None:
    """A DataLoader's worker that outlives its trainer must not make the run look alive."""
    trainer = part("fork")
    child = _told(trainer)
    doomed.append(child)
    trainer.kill()
    trainer.wait()
    until(lambda: not is_locked(folder))  # the child may not have come to letting go of it yet
    assert psutil.pid_exists(child)


def test_a_forked_child_leaves_the_lock_to_its_parent(folder: RunFolder) -> None:
    """Closing in the child must not unlock for the parent, who shares the open file."""
    with RunLock.acquire(folder):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        assert is_locked(folder)


def test_a_lock_taken_over_is_not_inherited_further(folder: RunFolder) -> None:
    """What the worker starts by exec must not hold the lock after it."""
    with RunLock.acquire(folder) as lock:
        copy = os.dup(lock.fileno())
        os.set_inheritable(copy, True)
        with RunLock.from_descriptor(copy) as worker_lock:
            assert not os.get_inheritable(worker_lock.fileno())


def test_a_lock_that_another_holds_cannot_be_taken_over(folder: RunFolder) -> None:
    """A descriptor of the lock file is no proof of holding it."""
    with RunLock.acquire(folder):
        descriptor = os.open(folder.lock_path, os.O_RDWR)
        with pytest.raises(RunBusyError):
            RunLock.from_descriptor(descriptor)
        os.close(descriptor)


def _told(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())
