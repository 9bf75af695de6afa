"""The readers' end of the stream: follow it while it grows, or read only its beginning or end.

A reader takes whole lines only. What follows the last newline is in progress while the run lives,
and torn once it is dead. The file is opened anew for every read: on NFS this is what makes the
bytes of another machine visible, and a reader that sleeps holds nothing.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tuitrain.errors import RunFolderError
from tuitrain.protocol.carrier import DamageSeen
from tuitrain.protocol.codec import DecodeError, decode_event
from tuitrain.protocol.events import Event, RunEnded
from tuitrain.rundir.places import RunFolder
from tuitrain.rundir.private import cannot, open_to_read, read_at

BLOCK_BYTES = 4 << 20
EXCERPT_BYTES = 256 << 10
MAX_LINE_BYTES = 64 << 20
"""What is longer is no word: a trainer says at most a million numbers in one."""
_OPENING_BYTES = 256


class Follower:
    """Follows the lines of a file that one writer appends to.

    Args:
        path: the file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_there = False
        """Whether there was a file when it was last read."""
        self.num_restarts = 0
        """How often the file turned out to be another one, or shorter than what was read of it, so that
        lines come from number 1 again."""
        self._forget()

    @property
    def position(self) -> int:
        """Bytes of whole lines read so far."""
        return self._position

    @property
    def searched(self) -> int:
        """Bytes in which no whole line is left to read: beyond the position by an unfinished line."""
        return self._searched

    def read(self, max_bytes: int = BLOCK_BYTES) -> list[tuple[int, bytes]]:
        """The next whole lines with their numbers from 1, without newlines; empty where nothing is new.

        Args:
            max_bytes: about how much to read at once; a longer line is read whole all the same, but of one that is
                longer than `MAX_LINE_BYTES` only the beginning: it is no word of ours.

        Raises:
            RunFolderError: the file is there and cannot be read.
        """
        with _opened(self.path) as descriptor:
            self.is_there = descriptor is not None
            if descriptor is None:
                return []
            if not self._is_as_before(descriptor):
                self._forget()
                self.num_restarts += 1
            block, num_bytes = self._next_lines(descriptor, max_bytes)
            if not block:
                return []
            if self._position == 0:
                self._opening = block[:_OPENING_BYTES]
        self._position += num_bytes
        self._searched = self._position
        lines = block.removesuffix(b"\n").split(b"\n")
        first = self._num_lines + 1
        self._num_lines += len(lines)
        return list(enumerate(lines, start=first))

    def num_unfinished_bytes(self) -> int:
        """How much follows the last line, once all are read: in progress, or torn when the writer is dead."""
        with _opened(self.path) as descriptor:
            return 0 if descriptor is None else max(0, os.fstat(descriptor).st_size - self._position)

    def _forget(self) -> None:
        self._position = 0  # of the first byte not yet delivered: a line starts here
        self._searched = 0  # no newline was seen between the two
        self._num_lines = 0
        self._opening = b""

    def _is_as_before(self, descriptor: int) -> bool:
        """Whether this is the file that was read before, with those lines still in place.

        It is known by its first bytes (the first event holds a time): inodes are reused, and some
        network file systems renumber them.
        """
        if self._position == 0:
            return True
        return (
            read_at(descriptor, 1, self._position - 1) == b"\n"
            and read_at(descriptor, len(self._opening), 0) == self._opening
        )

    def _next_lines(self, descriptor: int, max_bytes: int) -> tuple[bytes, int]:
        """Whole lines from the position on, ending in a newline, and the number of their bytes in the file.

        Both are empty where there are none; of a line of absurd length there is only the beginning.

        Nothing of an unfinished line is kept, because its writer may cut it off and write another;
        only how far it was searched, so that a long line that grows slowly is not searched from its start
        each time. The last byte searched is looked at again: it is the newline if another, shorter line
        has ended just there.
        """
        if os.fstat(descriptor).st_size < self._searched:
            self._searched = self._position
        while True:
            start = max(self._position, self._searched - 1)
            block = read_at(descriptor, max(2, max_bytes), start)
            end = block.rfind(b"\n") + 1
            if end:
                break
            self._searched = start + len(block)
            if len(block) < max(2, max_bytes):
                return b"", 0
        if start == self._position:
            return block[:end], end
        first = start + block.find(b"\n") + 1 - self._position
        if first > MAX_LINE_BYTES:
            return read_at(descriptor, _OPENING_BYTES, self._position), first
        found = read_at(descriptor, start + end - self._position, self._position)
        end = found.rfind(b"\n") + 1
        return found[:end], end


class EventFollower:
    """Follows the events of a run; a damaged line is reported and skipped."""

    def __init__(self, folder: RunFolder) -> None:
        self.lines = Follower(folder.events_path)
        self.num_gaps = 0
        """How often the sequence numbers jumped, e.g. over a damaged line."""
        self._seq = 0

    @property
    def num_restarts(self) -> int:
        """How often the stream began again: what was folded from it before is void."""
        return self.lines.num_restarts

    def poll(self, max_bytes: int = BLOCK_BYTES) -> list[Event | DamageSeen]:
        """What is new, in order; empty where nothing is.

        Raises:
            RunFolderError: the stream is there and cannot be read.
        """
        num_restarts = self.lines.num_restarts
        lines = self.lines.read(max_bytes)
        if self.lines.num_restarts != num_restarts:
            self._seq = 0
        return [self._decoded(number, line) for number, line in lines]

    def _decoded(self, number: int, line: bytes) -> Event | DamageSeen:
        try:
            event = decode_event(line)
        except (DecodeError, RecursionError) as error:
            return DamageSeen(line_number=number, detail=str(error))
        self.num_gaps += event.seq != self._seq + 1
        self._seq = event.seq
        return event


def torn_line(num_bytes: int) -> str:
    """What a reader says of the end of a run that died while it wrote."""
    return f"a torn last line of {num_bytes} bytes was skipped"


def events_of(folder: RunFolder) -> Iterator[Event | DamageSeen]:
    """Everything that the run has said by now, in order.

    Raises:
        RunFolderError: the stream is there and cannot be read, or vanished meanwhile.
    """
    follower = EventFollower(folder)
    while batch := follower.poll():
        yield from batch
    if follower.lines.position and not follower.lines.is_there:
        raise RunFolderError(f"{folder.events_path}: vanished while it was read.", hint="tuitrain runs")


def read_events(folder: RunFolder) -> list[Event | DamageSeen]:
    """As `events_of`, all at once."""
    return list(events_of(folder))


def first_events(path: Path, max_bytes: int = EXCERPT_BYTES) -> list[Event]:
    """Events from the first `max_bytes` of a stream; damaged lines are left out.

    Raises:
        RunFolderError: the stream is there and cannot be read.
    """
    with _opened(path) as descriptor:
        block = b"" if descriptor is None else read_at(descriptor, max_bytes, 0)
    return list(_readable(block.split(b"\n")[:-1]))


def last_events(path: Path, max_bytes: int = EXCERPT_BYTES) -> list[Event]:
    """Events from the last `max_bytes` of a stream; damaged lines are left out.

    Raises:
        RunFolderError: the stream is there and cannot be read.
    """
    return list(_readable(_last_lines(path, max_bytes)))


def last_events_backwards(path: Path, max_bytes: int = EXCERPT_BYTES) -> Iterator[Event]:
    """As `last_events`, the newest first and decoded one by one, for those who need only a few.

    Raises:
        RunFolderError: the stream is there and cannot be read.
    """
    return _readable(reversed(_last_lines(path, max_bytes)))


def has_last_word(folder: RunFolder) -> bool:
    """Whether the newest event of a run is its last word.

    Raises:
        RunFolderError: the stream is there and cannot be read.
    """
    path = folder.events_path
    if path.is_symlink() or not path.is_file():
        return False  # what cannot be read at all is not waited for
    return isinstance(next(last_events_backwards(path), None), RunEnded)


def _last_lines(path: Path, max_bytes: int) -> list[bytes]:
    with _opened(path) as descriptor:
        if descriptor is None:
            return []
        start = max(0, os.fstat(descriptor).st_size - max_bytes)
        lines = read_at(descriptor, max_bytes, start).split(b"\n")
    return lines[1 if start else 0 : -1]


def _readable(lines: Iterable[bytes]) -> Iterator[Event]:
    for line in lines:
        try:
            yield decode_event(line)
        except (DecodeError, RecursionError):
            continue


@contextmanager
def _opened(path: Path) -> Iterator[int | None]:
    """A descriptor to read from, or None where the file is not there at the moment."""
    try:
        descriptor = open_to_read(path)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE):
            raise cannot("read", path, error) from error
        yield None
        return
    try:
        yield descriptor
    except OSError as error:
        raise cannot("read", path, error) from error
    finally:
        os.close(descriptor)
