"""The trainer's end of the stream, and a scheduler's of its journal: one writer, no torn line before a whole one.

A full disk is not the end of a run: what was written whole stays, a torn rest is cut off, and
later appends work again once there is space.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tuitrain.errors import RunFolderError
from tuitrain.rundir.private import advice, cannot, open_private, read_exactly, reason, write_all, write_some

_SCAN_BYTES = 1 << 16
_RESERVE_BYTES = (1 << 20, 1 << 18, 1 << 16)
"""What is set aside, or less where there is no room for it from the beginning."""


class EventsNotWrittenError(RunFolderError):
    """Some lines of an append could not be written.

    Args:
        path: the stream.
        error: what the system said.
        num_written: lines of that append, counted from its first, that are in the file whole.
            Those after it are not: append them again.
    """

    def __init__(self, path: Path, error: OSError, num_written: int) -> None:
        super().__init__(f"{path}: cannot be written: {reason(error)}.", hint=advice(error, path))
        self.num_written = num_written


class EventWriter:
    """Appends lines to the stream of a run. Not thread-safe: the pump alone writes.

    Args:
        path: the stream; it is made where it is missing, with mode 0600.

    Raises:
        RunFolderError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reserve = path.with_name(".reserve")
        self._reserve_sizes: tuple[int, ...] = _RESERVE_BYTES
        try:
            # O_APPEND, so that after every truncation the next byte lands at the new end.
            self._descriptor = open_private(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        except OSError as error:
            raise cannot("opened", path, error) from error
        try:
            self.num_torn_bytes = self._cut_torn_end()
        except OSError as error:
            os.close(self._descriptor)
            raise cannot("opened", path, error) from error
        self._may_be_torn = False

    def append(self, lines: Sequence[bytes]) -> None:
        """Append lines; each is given without its newline.

        Raises:
            EventsNotWrittenError: the disk is full or broken. Its `num_written` says how many lines made
                it; the rest may be appended again later.
            ValueError: a line holds a newline.
        """
        if any(b"\n" in line for line in lines):
            raise ValueError("a line of the stream holds a newline")
        if not lines:
            return
        data = b"".join(part for line in lines for part in (line, b"\n"))
        num_bytes = 0
        try:
            if self._may_be_torn:
                self._cut_torn_end()
            self._may_be_torn = True
            while num_bytes < len(data):
                num_bytes += write_some(self._descriptor, memoryview(data)[num_bytes:])
            self._may_be_torn = False
        except OSError as error:
            self._try_to_mend()
            raise EventsNotWrittenError(self.path, error, data.count(b"\n", 0, num_bytes)) from error

    def sync(self) -> None:
        """Make everything written so far survive a power cut.

        Raises:
            RunFolderError: the disk refuses.
        """
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise cannot("synced", self.path, error) from error

    def hold_reserve(self) -> bool:
        """Set up to a megabyte aside for what must be said on a full disk; False where there is no room.

        Also tells whether a full disk has space again: there must be a quarter more than was set aside, or the reserve
        that was given back would be taken for it, and the disk be called full again a second later, over and over.
        """
        for size in self._reserve_sizes:
            if self._held(size):
                self._reserve_sizes = (size,)
                return True
        return False

    def _held(self, size: int) -> bool:
        try:
            descriptor = open_private(self._reserve, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        except OSError:
            return False
        try:
            write_all(descriptor, os.urandom(size + size // 4))  # zeros a file system may store in no space
            os.ftruncate(descriptor, size)
        except OSError:
            self.release_reserve()
            return False
        finally:
            os.close(descriptor)
        return True

    def release_reserve(self) -> None:
        """Give it back."""
        with suppress(OSError):
            self._reserve.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file and give the reserve back; a second time does nothing."""
        self.release_reserve()
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _try_to_mend(self) -> None:
        try:
            self._cut_torn_end()
        except OSError:
            return  # The next append tries again before it writes.
        self._may_be_torn = False

    def _cut_torn_end(self) -> int:
        """Truncate to the last newline; the number of bytes cut."""
        size = os.fstat(self._descriptor).st_size
        end = size
        while end > 0:
            start = max(0, end - _SCAN_BYTES)
            newline = read_exactly(self._descriptor, end - start, start).rfind(b"\n")  # else good lines would be cut
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end < size:
            os.ftruncate(self._descriptor, end)
        return size - end
