"""The lock of a run folder: held from before the trainer is started until its process is gone.

The starter locks, hands the open descriptor to the worker and closes its own: the lock lives on, and
dies with the worker however that dies. It is the open file that is locked, so a forked child would
keep a dead run alive; here a forked child closes it. A child made by `subprocess` is not forked in
this sense (no Python runs before exec) and gets the descriptor with `pass_fds=[lock.fileno()]`; but
with `preexec_fn` it is, and loses it: start workers with `start_new_session=True` instead.

Some file systems refuse locks, or give the same one to everybody. There the file says who holds it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
import weakref
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import msgspec

from tuitrain.errors import RunBusyError, RunFolderError, TuitrainError
from tuitrain.protocol.carrier import RunInfo
from tuitrain.rundir.follower import has_last_word
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.rundir.private import cannot, open_private, open_to_read, read_at, write_all
from tuitrain.rundir.process import Process, whereabouts

_MOST_TRIES = 50
"""Counted, not timed: on a machine that stalls a second may be over after two of them."""
_RETRY_SECONDS = 0.02
_SIGNED_SECONDS = 0.1
"""Of two that sign a file at once, both see after this long who was the last."""
_MAX_SIGNATURE_BYTES = 4096
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)
LockState = Literal["held", "free", "none", "unknown"]
"""none: there is no such file. unknown: it cannot be asked, or its file system knows no locks."""


class RunLock:
    """A held lock; made by `acquire` or `from_descriptor`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._signature = b""
        """What was written into the file, where the file system knows no locks."""
        _held.add(self)

    @classmethod
    def acquire(cls, folder: RunFolder) -> RunLock:
        """Take the lock.

        Raises:
            RunBusyError: another trainer has it; where the file system knows no locks, by what `run.json` says.
            RunFolderError: a part of the folder is a link to elsewhere, or the lock file cannot be made.
        """
        folder.check_own()
        busy = RunBusyError(
            f"{folder.path}: another trainer is at work in it.", hint=f"watching it: `tuitrain attach {folder.id}`."
        )
        was_there = folder.lock_path.exists()  # somebody may have removed it under a trainer
        lock = cls.at(folder.lock_path, busy)
        if (lock._signature or not was_there) and _is_at_work(folder):
            lock.release()
            raise busy
        return lock

    @classmethod
    def at(cls, path: Path, busy: TuitrainError) -> RunLock:
        """Take the lock of a file, which is made where it is not there.

        Args:
            path: of the file.
            busy: what to raise where another process has it.

        Raises:
            TuitrainError: `busy`.
            RunFolderError: the file cannot be made.
        """
        try:
            descriptor = open_private(path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise cannot("opened", path, error) from error
        lock = cls(descriptor)
        # Whoever asks `is_locked` holds it for an instant, too: one refusal is no answer.
        try:
            for _ in range(_MOST_TRIES):
                if _take(descriptor, fcntl.LOCK_EX):
                    if _is_real(path, fcntl.LOCK_SH) or lock._sign(path, os.getpid()):
                        return lock
                    break
                time.sleep(_RETRY_SECONDS)
        except OSError as error:
            lock.release()
            raise cannot("locked", path, error) from error
        lock.release()
        raise busy

    @classmethod
    def from_descriptor(cls, descriptor: int) -> RunLock:
        """Take over a lock that was inherited over exec.

        Raises:
            RunBusyError: the descriptor is of a lock file, but another process has the lock.
            OSError: it is no open descriptor.
        """
        os.set_inheritable(descriptor, False)
        if not _take(descriptor, fcntl.LOCK_EX):
            raise RunBusyError("The lock that was handed over is held by another trainer.")
        return cls(descriptor)

    def fileno(self) -> int:
        """The locked descriptor, to be handed to a worker; -1 once released."""
        return self._descriptor

    def hand_over(self, pid: int) -> None:
        """Another process has inherited it: from now on it is that one's.

        Raises:
            OSError: the file cannot be written.
        """
        if self._signature:
            self._write_signature(pid)
            self._signature = b""

    def release(self) -> None:
        """Let go of it here; it stays locked as long as a process to which it was handed lives."""
        # No LOCK_UN: that would unlock it for those who inherited it as well.
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                if self._signature and _signature_in(descriptor) == self._signature:
                    os.ftruncate(descriptor, 0)
            os.close(descriptor)

    def _sign(self, path: Path, pid: int) -> bool:
        """Write into the file who holds it, where locking does nothing; False where somebody else does."""
        if _is_alive(_holder(self._descriptor), path):
            return False
        self._write_signature(pid)
        time.sleep(_SIGNED_SECONDS)
        return _signature_in(self._descriptor) == self._signature

    def _write_signature(self, pid: int) -> None:
        self._signature = msgspec.json.encode(Process.of(pid))
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        write_all(self._descriptor, self._signature)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def is_locked(folder: RunFolder) -> bool:
    """Whether a trainer holds the folder."""
    return is_held(folder.lock_path)


def is_held(path: Path) -> bool:
    """Whether a process holds the lock of a file; where locking does nothing, whether its holder is seen from here."""
    state = lock_state(path)
    if state != "unknown":
        return state == "held"
    try:
        descriptor = open_to_read(path)
    except OSError:
        return False
    try:
        return _is_alive(_holder(descriptor), path)
    finally:
        os.close(descriptor)


def lock_state(path: Path) -> LockState:
    """How the lock of a file stands.

    Raises:
        RunFolderError: it is a link, which is not followed.
    """
    try:
        descriptor = open_to_read(path)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise cannot("read", path, error) from error
        # What is no regular file was made by no trainer.
        is_none = error.errno in {errno.ENOENT, errno.ENOTDIR, errno.EINVAL}
        return "none" if is_none else "unknown"
    try:
        # Ours is shared, so it keeps out only an exclusive one.
        if not _take(descriptor, fcntl.LOCK_SH):
            return "held"
        return "free" if _is_real(path, fcntl.LOCK_EX) else "unknown"
    except OSError:
        return "unknown"
    finally:
        os.close(descriptor)


def _is_real(path: Path, kind: int) -> bool:
    """Whether the lock that we have on a file keeps out a second descriptor of it."""
    descriptor = open_to_read(path)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _NO_LOCKS
    else:
        return False
    finally:
        os.close(descriptor)


def _is_at_work(folder: RunFolder) -> bool:
    """Whether the trainer that signed `run.json` is seen alive, and has not said its last word."""
    try:
        info = read_info(folder)
    except RunFolderError:
        return False
    return _is_alive(info, folder.path) and not has_last_word(folder)


def _is_alive(process: Process | RunInfo | None, place: Path) -> bool:
    return process is not None and bool(process.pid) and whereabouts(process, place) == "alive"


def _holder(descriptor: int) -> Process | None:
    try:
        return msgspec.json.decode(_signature_in(descriptor), type=Process)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _signature_in(descriptor: int) -> bytes:
    return read_at(descriptor, _MAX_SIGNATURE_BYTES, 0)


def _take(descriptor: int, kind: int) -> bool:
    """Whether it is ours now, as far as the file system knows locks: without any nobody is kept out."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True


def _release_all() -> None:
    for lock in list(_held):
        lock.release()


_held: weakref.WeakSet[RunLock] = weakref.WeakSet()
os.register_at_fork(after_in_child=_release_all)
