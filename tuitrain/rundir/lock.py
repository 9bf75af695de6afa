"""The lock of a run folder: held from before the trainer is started until its process is gone.

The starter locks, hands the open descriptor to the worker and closes its own: the lock lives on, and
dies with the worker however that dies. It is the open file that is locked, so a forked child would
keep a dead run alive; here a forked child closes it. A child made by `subprocess` is not forked in
this sense (no Python runs before exec) and gets the descriptor with `pass_fds=[lock.fileno()]`; but
with `preexec_fn` it is, and loses it: start workers with `start_new_session=True` instead.
"""

from __future__ import annotations

import fcntl
import os
import time
import weakref
from pathlib import Path
from types import TracebackType
from typing import Self

from tuitrain.errors import RunBusyError, TuitrainError
from tuitrain.rundir.places import RunFolder
from tuitrain.rundir.private import cannot, open_private, open_to_read

_MOST_TRIES = 50
"""Counted, not timed: on a machine that stalls a second may be over after two of them."""
_RETRY_SECONDS = 0.02


class RunLock:
    """A held lock; made by `acquire` or `from_descriptor`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        _held.add(self)

    @classmethod
    def acquire(cls, folder: RunFolder) -> RunLock:
        """Take the lock.

        Raises:
            RunBusyError: another trainer has it.
            RunFolderError: a part of the folder is a link to elsewhere, the lock file cannot be made, or its file
                system knows no locks.
        """
        folder.check_own()
        return cls.at(
            folder.lock_path,
            RunBusyError(
                f"{folder.path}: another trainer is at work in it.",
                hint=f"watching it: `tuitrain attach {folder.id}`.",
            ),
        )

    @classmethod
    def at(cls, path: Path, busy: TuitrainError) -> RunLock:
        """Take the lock of a file, which is made where it is not there.

        Args:
            path: of the file.
            busy: what to raise where another process has it.

        Raises:
            TuitrainError: `busy`.
            RunFolderError: the file cannot be made, or its file system knows no locks.
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
                    return lock
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

    def release(self) -> None:
        """Let go of it here; it stays locked as long as a process to which it was handed lives."""
        # No LOCK_UN: that would unlock it for those who inherited it as well.
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def is_locked(folder: RunFolder) -> bool:
    """Whether a trainer holds the folder; False where there is no lock file.

    Raises:
        RunFolderError: the lock file is there and cannot be asked.
    """
    return is_held(folder.lock_path)


def is_held(path: Path) -> bool:
    """Whether a process holds the lock of a file; False where there is no such file.

    Raises:
        RunFolderError: it is there and cannot be asked.
    """
    try:
        descriptor = open_to_read(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise cannot("read", path, error) from error
    try:
        return not _take(descriptor, fcntl.LOCK_SH)
    except OSError as error:
        raise cannot("asked", path, error) from error
    finally:
        os.close(descriptor)


def _take(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _release_all() -> None:
    for lock in list(_held):
        lock.release()


_held: weakref.WeakSet[RunLock] = weakref.WeakSet()
os.register_at_fork(after_in_child=_release_all)
