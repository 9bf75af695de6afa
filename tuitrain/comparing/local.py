"""Local processes: each trainer in a session of its own, so that it outlives the scheduler."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from typing import NamedTuple

from tuitrain.comparing.executor import Job, JobState
from tuitrain.errors import TuitrainError
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.process import current_boot_id, process_created
from tuitrain.session.start import renew, spawn

GRACE_SECONDS = 30.0
"""So long a trainer that is cancelled may evaluate and save before it is killed; as SLURM's KillWait."""
_HANDLE = re.compile(r"(?P<pid>[1-9]\d*)/(?P<created>\d+\.\d\d)/(?P<boot>[\w-]*)")


class LocalExecutor:
    """Starts trainers on this machine. Cancelling asks to stop, which evaluates and saves; what does not, is killed.

    Args:
        grace_seconds: between the two. The kill comes with the first `state` or `cancel` after it.
        clock: seconds by a clock that never jumps.
    """

    name = "local"

    def __init__(self, *, grace_seconds: float = GRACE_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._grace_seconds = grace_seconds
        self._clock = clock
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._asked_at: dict[str, float] = {}

    def submit(self, job: Job) -> str:
        """Start its trainer; it holds the lock of its folder from before it exists.

        Raises:
            RunBusyError: a trainer is at work in there.
            UsageError: it has no checkpoint to go on from.
            TuitrainError: the process cannot be started.
        """
        with RunLock.acquire(job.folder) as lock:
            if job.is_resumed:
                renew(job.folder)
            try:
                started = spawn(
                    job.folder, lock, None, has_screen=False, is_resumed=job.is_resumed, environment=job.environment
                )
            except OSError as error:
                raise TuitrainError(
                    f"{job.folder.id}: its trainer cannot be started: {error.strerror or error}.",
                    hint="fewer at once, with a smaller --parallel.",
                ) from error
        handle = str(ProcessHandle.of(started.process.pid))
        self._processes[handle] = started.process
        return handle

    def state(self, handle: str) -> JobState:
        """By its process; a process that came later and has the same number is another one."""
        known = ProcessHandle.parse(handle)
        if known is None or known.boot != current_boot_id():
            return "unknown"
        process = self._processes.get(handle)
        # One's own child is waited for, which reaps it: killed, it looks like a zombie before its last thread is gone,
        # and with that the lock of its folder.
        is_over = not known.is_alive() if process is None else process.poll() is not None
        if is_over:
            return "done"
        asked = self._asked_at.get(handle)
        if asked is not None and self._clock() - asked >= self._grace_seconds:
            send(known.pid, signal.SIGKILL)
        return "running"

    def cancel(self, handle: str) -> None:
        """Ask it to stop, once; asked again it would leave without saving."""
        known = ProcessHandle.parse(handle)
        if known is not None and self.state(handle) == "running" and handle not in self._asked_at:
            self._asked_at[handle] = self._clock()
            send(known.pid, signal.SIGTERM)

    def close(self) -> None:
        """Nothing to let go of: trainers are processes of their own."""
        for process in self._processes.values():
            process.poll()


class ProcessHandle(NamedTuple):
    """A process of this machine, told from those that had or will have the same number."""

    pid: int
    created: str
    """By `process_created`, to a hundredth."""
    boot: str

    @classmethod
    def of(cls, pid: int) -> ProcessHandle:
        """Of a process that is there, or was a moment ago."""
        return cls(pid, f"{process_created(pid) or 0.0:.2f}", current_boot_id())

    @classmethod
    def parse(cls, text: str) -> ProcessHandle | None:
        """Back from its text; None where it is none."""
        match = _HANDLE.fullmatch(text)
        return None if match is None else cls(int(match["pid"]), match["created"], match["boot"])

    def __str__(self) -> str:
        return f"{self.pid}/{self.created}/{self.boot}"

    def is_alive(self) -> bool:
        """Whether it is at work; a zombie is not."""
        created = process_created(self.pid) if self.boot == current_boot_id() else None
        return created is not None and f"{created:.2f}" == self.created


def send(pid: int, number: signal.Signals) -> None:
    """A signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
