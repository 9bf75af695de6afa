"""Local processes: told apart from others of the same number, found again by whoever comes later, ended in time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tuitrain.comparing.local import LocalExecutor, ProcessHandle

DEAF = (
    "import signal, time\nsignal.signal(signal.SIGTERM, lambda *_: print('heard', flush=True))\nprint('up', flush=True)"
)


@pytest.fixture
def deaf() -> Iterator[subprocess.Popen[str]]:
    """A process that hears SIGTERM, and goes on."""
    code = f"{DEAF}\nwhile True: time.sleep(0.01)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield process
        process.kill()


def test_what_does_not_stop_is_killed_after_a_while(deaf: subprocess.Popen[str]) -> None:
    """Asked once, however often it is cancelled: a second time would end a trainer without saving."""
    now = [0.0]
    executor = LocalExecutor(grace_seconds=30.0, clock=lambda: now[0])
    handle = str(ProcessHandle.of(deaf.pid))
    for _ in range(3):
        executor.cancel(handle)
        assert executor.state(handle) == "running"
    assert deaf.stdout is not None
    assert deaf.stdout.readline() == "heard\n"
    now[0] = 30.0
    executor.state(handle)
    assert deaf.wait(30) == -signal.SIGKILL
    assert deaf.stdout.read() == ""  # once
    assert executor.state(handle) == "done"


def test_a_process_of_the_same_number_is_another_one(deaf: subprocess.Popen[str]) -> None:
    """Neither is it taken for the trainer, nor is it ended; after a reboot nobody knows."""
    handle = ProcessHandle.of(deaf.pid)
    executor = LocalExecutor()
    later = str(handle._replace(created=f"{float(handle.created) - 0.01:.2f}"))
    rebooted = str(handle._replace(boot="another-boot"))
    assert [executor.state(one) for one in (str(handle), later, rebooted)] == ["running", "done", "unknown"]
    executor.cancel(later)
    executor.cancel(rebooted)
    os.kill(deaf.pid, signal.SIGTERM)
    assert deaf.stdout is not None
    assert deaf.stdout.readline() == "heard\n"
    deaf.kill()
    assert deaf.stdout.read() == ""  # one word: of our own signal


@pytest.mark.parametrize("text", ["", "7", "a/1.00/b", "-1/1.00/b", "0/1.00/b", "1/1.00/b\n", "1/nan/b"])
def test_what_is_no_handle_is_unknown(text: str) -> None:
    """And cancels nothing: a process of number 0 or below 0 would be many."""
    executor = LocalExecutor()
    assert executor.state(text) == "unknown"
    executor.cancel(text)


def test_a_zombie_is_done() -> None:
    """Also where nobody has waited for it yet."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        handle = str(ProcessHandle.of(process.pid))
        assert LocalExecutor().state(handle) == "running"
        assert process.stdin is not None
        process.stdin.close()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert LocalExecutor().state(handle) == "done"
