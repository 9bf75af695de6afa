"""Asking a run, and seeing what it was asked: one file a command, named by its id, renamed into place.

Files, because appends of two NFS clients can overwrite each other and the half line of a killed
screen would swallow the next command. They are never deleted: together they are what was asked.
"""

from __future__ import annotations

import errno
import heapq
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Container
from dataclasses import dataclass

from tuitrain.protocol.codec import DecodeError, decode_request, encode
from tuitrain.protocol.commands import Request
from tuitrain.rundir.places import RunFolder
from tuitrain.rundir.private import cannot, read_whole, reason, replace_whole

MAX_COMMAND_BYTES = 1 << 20
_SUFFIX = ".json"
_SAFE_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,127}")
_VANISHED = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE)
_TRANSIENT = (errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN)
_PATIENCE_SECONDS = 5.0
_FINE_SETTLING_SECONDS = 0.05
_COARSE_SETTLING_SECONDS = 2.0


class _LastTime:
    """The latest time given to an id of this process, so that no two are equal and none goes back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nanoseconds = 0

    def after(self, nanoseconds: int) -> int:
        with self._lock:
            self._nanoseconds = max(nanoseconds, self._nanoseconds + 1)
            return self._nanoseconds


_last_time = _LastTime()


def new_command_id(clock: Callable[[], int] = time.time_ns) -> str:
    """A new id: 20 digits of nanoseconds since 1970, then 8 random hex digits.

    Ids sort by time, and strictly so within a process even when its clock is set back.
    """
    return f"{_last_time.after(clock()):020d}-{secrets.token_hex(4)}"


def ask(folder: RunFolder, request: Request) -> None:
    """Put a request where its run will find it.

    Raises:
        RunFolderError: it cannot be written, or would land elsewhere; nothing was asked.
        ValueError: its id cannot be a file name.
    """
    if not _SAFE_ID.fullmatch(request.id):
        raise ValueError(f"{request.id!r} cannot be the id of a command")
    folder.check_own()
    replace_whole(folder.commands_path / f"{request.id}{_SUFFIX}", encode(request))


@dataclass(frozen=True, slots=True)
class DamagedCommand:
    """A file among the commands that is none; it is reported once."""

    name: str
    """Of the file."""
    detail: str

    @property
    def command(self) -> str:
        """The id that was to be answered, if it was one of ours; else empty."""
        identity = self.name.removesuffix(_SUFFIX)
        return identity if _SAFE_ID.fullmatch(identity) else ""


class CommandReader:
    """Sees every command of a run once.

    Args:
        folder: the run.
        answered: ids that already have their final reply, and are passed over unread.
        clock: seconds by a clock that never jumps.
    """

    def __init__(
        self, folder: RunFolder, answered: Container[str] = frozenset(), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = folder
        self._answered = answered
        self._clock = clock
        self._seen: set[str] = set()
        self._waiting: list[str] = []
        self._failing: dict[str, float] = {}
        """Files that could not be read, and since when."""
        self._changed_ns: int | None = None
        self._settled_at: float | None = None

    def poll(self, max_files: int = 256) -> list[Request | DamagedCommand]:
        """The next new commands, in the order of their ids; empty where nothing is new.

        Args:
            max_files: how many to read at most; the others wait for the next call.

        Raises:
            RunFolderError: the folder of commands is there and cannot be listed.
        """
        self._look_for_new()
        found: list[Request | DamagedCommand] = []
        failed: list[str] = []
        for _ in range(min(max_files, len(self._waiting))):
            name = heapq.heappop(self._waiting)
            try:
                word = self._read(name)
            except OSError as error:
                # A disk that refuses for a moment must not swallow what somebody decided.
                if self._clock() - self._failing.setdefault(name, self._clock()) < _PATIENCE_SECONDS:
                    failed.append(name)
                    continue
                word = DamagedCommand(name, reason(error))
            if word is not None:
                found.append(word)
        for name in failed:
            heapq.heappush(self._waiting, name)
        return found

    def _look_for_new(self) -> None:
        path = self._folder.commands_path
        try:
            # Opening, rather than a plain stat, is what makes an NFS client ask its server.
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if self._may_have_changed(os.fstat(descriptor).st_mtime_ns):
                    with os.scandir(descriptor) as entries:
                        for entry in entries:
                            self._take_up(entry.name)
            finally:
                os.close(descriptor)
        except OSError as error:
            if error.errno not in _VANISHED:
                raise cannot("listed", path, error) from error

    def _may_have_changed(self, changed_ns: int) -> bool:
        """Whether to list again.

        A file that comes within the granularity of the folder's time leaves that time as it was, so
        listing goes on for a while after each change. By our own clock: the server's may be another.
        """
        now = self._clock()
        if changed_ns != self._changed_ns:
            self._changed_ns = changed_ns
            is_coarse = changed_ns % 1_000_000_000 == 0
            self._settled_at = now + (_COARSE_SETTLING_SECONDS if is_coarse else _FINE_SETTLING_SECONDS)
            return True
        if self._settled_at is None:
            return False
        # Listed once more when the time is over, for what came just before.
        if now >= self._settled_at:
            self._settled_at = None
        return True

    def _take_up(self, name: str) -> None:
        if name in self._seen or name.startswith(".") or not name.endswith(_SUFFIX):
            return
        self._seen.add(name)
        if name.removesuffix(_SUFFIX) not in self._answered:
            heapq.heappush(self._waiting, name)

    def _read(self, name: str) -> Request | DamagedCommand | None:
        try:
            request = decode_request(read_whole(self._folder.commands_path / name, MAX_COMMAND_BYTES))
        except OSError as error:
            if error.errno in _VANISHED:
                self._seen.discard(name)
                return None
            if error.errno in _TRANSIENT:
                raise
            return DamagedCommand(name, reason(error))
        except (DecodeError, RecursionError) as error:
            return DamagedCommand(name, str(error))
        if request.id != name.removesuffix(_SUFFIX):
            # Under two names it would be carried out twice.
            return DamagedCommand(name, f'it says that its id is "{request.id}"')
        return request
