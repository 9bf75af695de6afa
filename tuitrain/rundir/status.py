"""How a run looks from outside: a dead run cannot say that it is dead."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

from tuitrain.errors import RunFolderError
from tuitrain.protocol.carrier import CarrierStatus, RunInfo
from tuitrain.protocol.events import RunEnded
from tuitrain.rundir.follower import last_events_backwards
from tuitrain.rundir.lock import is_locked
from tuitrain.rundir.places import RunFolder, read_info

SILENT_SECONDS = 30.0
"""Without a new byte for this long, a run on another host is silent."""
DISTRUST_SECONDS = 5.0
"""Without a new byte for this long, a held lock is not believed if its trainer is gone."""
_SAME_PROCESS_SECONDS = 2.0


def this_host() -> str:
    """The name of this machine, as `RunInfo.host` has it."""
    return socket.gethostname()


def current_boot_id() -> str:
    """Identifies this boot of this machine; empty where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def process_created(pid: int) -> float | None:
    """When a process was made, by a clock that is not set; None where it is gone or a zombie.

    On Linux in seconds since the boot: the time of day is worked out anew from the clock as it is now, so a clock that
    jumped would make a living trainer another one. Elsewhere in seconds since 1970, as the kernel noted them.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        ticks = _ticks_at_start(pid)
        return float(process.create_time()) if ticks is None else ticks / os.sysconf("SC_CLK_TCK")
    except psutil.NoSuchProcess:
        return None


def _ticks_at_start(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        return int(stat.rpartition(")")[2].split()[19])  # field 22: a name in brackets may hold anything
    except (OSError, ValueError, IndexError):
        return None


class CarrierWatch:
    """Tells whether a run is live, silent, lost, ended or moved.

    Args:
        folder: the run.
        host: the machine we are on.
        clock: seconds by a clock that never jumps.
    """

    def __init__(self, folder: RunFolder, host: str | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._host = this_host() if host is None else host
        self._clock = clock
        self._grew_at = clock()
        self._info: RunInfo | None = None
        self._info_stamp = (0, 0)

    def poll(self, *, has_ended: bool, has_grown: bool) -> CarrierStatus:
        """The status now.

        Args:
            has_ended: the last event that was read is `RunEnded`.
            has_grown: the stream has brought anything since the last poll.
        """
        now = self._clock()
        if has_grown:
            self._grew_at = now
        try:
            if not self._folder.path.is_dir():
                return CarrierStatus(status="moved", detail=f"{self._folder.path} is gone")
            if has_ended:
                return CarrierStatus(status="ended")
            info = self._current_info()
            if info is not None and info.host != self._host:
                return self._from_afar(info.host, now - self._grew_at)
            return self._from_here(info, now - self._grew_at)
        except (OSError, RunFolderError) as error:
            return CarrierStatus(status="silent", detail=str(error))

    def _from_here(self, info: RunInfo | None, quiet_seconds: float) -> CarrierStatus:
        if is_locked(self._folder):
            # A child forked behind Python's back can keep the lock of a dead trainer. A living one says
            # something every second, so only a quiet one is doubted.
            if info is not None and quiet_seconds >= DISTRUST_SECONDS and _is_gone(info):
                return _lost(info)
            return CarrierStatus(status="live")
        # Nobody writes any more. Only now is the end of the stream final: RunEnded may have come since it
        # was last read.
        if isinstance(next(last_events_backwards(self._folder.events_path), None), RunEnded):
            return CarrierStatus(status="ended")
        return _lost(info)

    def _from_afar(self, host: str, quiet_seconds: float) -> CarrierStatus:
        if quiet_seconds < SILENT_SECONDS:
            return CarrierStatus(status="live")
        return CarrierStatus(status="silent", detail=f"nothing new from {host} for {quiet_seconds:.0f} s")

    def _current_info(self) -> RunInfo | None:
        """`run.json`, which changes once the worker is up; None while it cannot be read."""
        try:
            found = self._folder.info_path.stat()
            stamp = (found.st_mtime_ns, found.st_ino)
            if self._info is None or stamp != self._info_stamp:
                self._info, self._info_stamp = read_info(self._folder), stamp
        except (OSError, RunFolderError):
            return self._info
        return self._info


def _is_gone(info: RunInfo) -> bool:
    if not info.pid or not info.boot_id or info.boot_id != current_boot_id():
        return False
    created = process_created(info.pid)
    return created is None or abs(created - info.pid_created) > _SAME_PROCESS_SECONDS


def _lost(info: RunInfo | None) -> CarrierStatus:
    trainer = f"its trainer, pid {info.pid}," if info is not None and info.pid else "its trainer"
    return CarrierStatus(status="lost", detail=f"{trainer} is gone")
