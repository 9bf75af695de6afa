"""How a run looks from outside: a dead run cannot say that it is dead.

A lock that is held means life, one that is free death. Where file systems know no locks, or not those of another
machine, the process that signed `run.json` is looked for; where it cannot be seen, only silence tells, by our own
clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from tuitrain.errors import RunBusyError, RunFolderError
from tuitrain.protocol.carrier import CarrierStatus, RunInfo
from tuitrain.rundir.follower import has_last_word
from tuitrain.rundir.lock import is_locked, lock_state
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.rundir.process import Whereabouts, current_boot_id, whereabouts

SILENT_SECONDS = 30.0
"""Without a new byte for this long, a run that cannot be seen from here is silent."""
LOST_SECONDS = 60.0
"""Without a new byte for this long, it is lost. A trainer speaks twice as often, even on a full disk."""
DISTRUST_SECONDS = 5.0
"""Without a new byte for this long, a held lock is not believed if its trainer is gone."""
_LOOK_SECONDS = 0.2
_DAY_SECONDS = 86_400.0


class CarrierWatch:
    """Tells whether a run is live, silent, lost, ended or moved.

    Args:
        folder: the run.
        clock: seconds by a clock that never jumps.
    """

    def __init__(self, folder: RunFolder, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
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
                return CarrierStatus(status="moved", detail=f"its folder, {self._folder.path}, is gone")
            if has_ended:
                return CarrierStatus(status="ended")
            return self._living(self._current_info(), now - self._grew_at)
        except (OSError, RunFolderError) as error:
            return CarrierStatus(status="silent", detail=str(error))

    def _living(self, info: RunInfo | None, quiet_seconds: float) -> CarrierStatus:
        # A child forked behind Python's back can keep the lock of a dead trainer. A living one says
        # something every second, so only a quiet one is doubted.
        is_doubted = quiet_seconds >= DISTRUST_SECONDS and info is not None and _is_gone(self._folder, info)
        if is_locked(self._folder) and not is_doubted:
            return CarrierStatus(status="live")
        found = _trainer(self._folder, info)
        if found == "alive" or (found == "elsewhere" and quiet_seconds < LOST_SECONDS):
            if found == "alive" or quiet_seconds < SILENT_SECONDS:
                return CarrierStatus(status="live")
            return CarrierStatus(status="silent", detail=_silence(info, quiet_seconds))
        # Nobody writes any more. Only now is the end of the stream final: RunEnded may have come since it
        # was last read.
        if has_last_word(self._folder):
            return CarrierStatus(status="ended")
        if found == "elsewhere":
            return CarrierStatus(status="lost", detail=_silence(info, quiet_seconds))
        trainer = f"its trainer, pid {info.pid}," if info is not None and info.pid else "its trainer"
        return CarrierStatus(status="lost", detail=f"{trainer} is gone")

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


class _Silence:
    """Since when streams that were looked at now and then have not grown."""

    def __init__(self) -> None:
        self._seen: dict[Path, tuple[int, float]] = {}

    def is_long(self, path: Path) -> bool:
        """Whether a stream has not grown for so long that its trainer is lost.

        At the first look only its own time can tell, by a clock that may be another machine's: that is not believed
        but where it is off by more than a day.
        """
        try:
            found = path.stat()
        except OSError:
            return False
        size, since = self._seen.get(path, (-1, 0.0))
        if size != found.st_size:
            self._seen[path] = (found.st_size, since := time.monotonic())
        return time.monotonic() - since >= LOST_SECONDS or abs(time.time() - found.st_mtime) > _DAY_SECONDS


_silence_of = _Silence()


def is_at_work(folder: RunFolder, info: RunInfo | None) -> bool:
    """Whether a run that has not said its last word has a trainer, as far as one look can tell.

    Args:
        folder: the run.
        info: what its `run.json` holds; None where it cannot be read.
    """
    if is_locked(folder):
        return True
    found = _trainer(folder, info)
    return found == "alive" or (found == "elsewhere" and not _silence_of.is_long(folder.events_path))


def has_trainer(folder: RunFolder) -> bool:
    """As `is_at_work`, of a run whose `run.json` and last word were not read yet."""
    if is_locked(folder):
        return True
    try:
        return is_at_work(folder, read_info(folder)) and not has_last_word(folder)
    except RunFolderError:
        return is_at_work(folder, None)


def check_not_elsewhere(folder: RunFolder, *, here: bool) -> None:
    """Make sure that no trainer that cannot be seen from here may be at work in a folder, before another one is.

    Args:
        folder: the run.
        here: whether a person knows that it is gone. It must be silent all the same.

    Raises:
        RunBusyError: there may be one.
        RunFolderError: the folder cannot be read.
    """
    info = read_info(folder)
    if is_locked(folder) or not info.pid or _trainer(folder, info) != "elsewhere" or has_last_word(folder):
        return
    trainer = f"its trainer, pid {info.pid} on {info.host},"
    if not here:
        raise RunBusyError(
            f"{folder.path}: {trainer} may be at work, which cannot be seen from here.",
            hint=f"tuitrain run --resume {folder.id} --here, where you know that it is gone.",
        )
    before, deadline = _size(folder), time.monotonic() + DISTRUST_SECONDS
    while time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
        if _size(folder) != before:
            raise RunBusyError(f"{folder.path}: {trainer} is at work.", hint=f"tuitrain attach {folder.id}")


def _trainer(folder: RunFolder, info: RunInfo | None) -> Whereabouts:
    """What became of the trainer of a folder that is not seen locked."""
    lock = lock_state(folder.lock_path)
    if info is None or not (info.pid or lock != "unknown"):
        return "elsewhere" if lock == "unknown" else "gone"
    found = whereabouts(info, folder.path)
    return "gone" if lock == "free" and found == "alive" else found


def _is_gone(folder: RunFolder, info: RunInfo) -> bool:
    return info.pid != 0 and info.boot_id == current_boot_id() and whereabouts(info, folder.path) == "gone"


def _size(folder: RunFolder) -> int:
    return folder.events_path.stat().st_size if folder.events_path.exists() else 0


def _silence(info: RunInfo | None, quiet_seconds: float) -> str:
    return f"nothing new{f' from {info.host}' if info is not None else ''} for {quiet_seconds:.0f} s"
