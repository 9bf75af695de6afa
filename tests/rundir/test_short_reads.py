"""Short reads and errors are no end of a file: nothing good is cut off, and nothing is taken for the whole."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rundir.fake_trainer import heartbeat, info_of
from tuitrain.errors import RunFolderError
from tuitrain.protocol.carrier import DamageSeen
from tuitrain.protocol.codec import encode
from tuitrain.protocol.events import Event
from tuitrain.rundir import follower
from tuitrain.rundir.follower import EventFollower, events_of, last_events, read_events
from tuitrain.rundir.places import RunFolder, read_info, write_info
from tuitrain.rundir.private import write_all
from tuitrain.rundir.writer import EventWriter

LINES = [encode(heartbeat(step, step)) for step in range(1, 1001)]
Pread = Callable[[int, int, int], bytes]
Words = list[Event | DamageSeen]


@pytest.fixture
def said(folder: RunFolder) -> RunFolder:
    """A run that said a thousand words and died in the middle of the next."""
    write_info(folder, info_of(folder))
    folder.events_path.write_bytes(b"\n".join([*LINES, b'{"event":"Hea']))
    return folder


def patched(monkeypatch: pytest.MonkeyPatch, pread: Callable[[Pread, int, int, int], bytes]) -> None:
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda *where: pread(real, *where))


def test_short_reads_lose_nothing(said: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """POSIX allows them, and a bad sector or a file server makes them: a third of what was asked for, each time."""
    patched(monkeypatch, lambda real, descriptor, size, start: real(descriptor, max(1, size // 3), start))
    assert read_info(said).id == said.id
    assert len(read_events(said)) == 1000
    assert last_events(said.events_path)[-1].seq == 1000
    with EventWriter(said.events_path) as writer:
        assert writer.num_torn_bytes == 13
    assert said.events_path.read_bytes() == b"\n".join(LINES) + b"\n"


@pytest.mark.parametrize("how", ["error", "nothing"])
def test_a_repair_that_cannot_read_cuts_nothing(how: str, said: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that brings less than the file has raises; the record stays as it is."""

    def pread(real: Pread, descriptor: int, size: int, start: int) -> bytes:
        if size > 10_000:
            return real(descriptor, 5_000, start)
        if how == "error":
            raise OSError(errno.EIO, "Input/output error")
        return b""

    before = said.events_path.read_bytes()
    patched(monkeypatch, pread)
    with pytest.raises(RunFolderError, match="cannot be opened"):
        EventWriter(said.events_path)
    assert said.events_path.read_bytes() == before


def test_a_disk_that_takes_nothing_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes until all is written would go on for ever."""
    monkeypatch.setattr(os, "write", lambda *_: 0)
    with (tmp_path / "file").open("wb") as file, pytest.raises(OSError, match="takes nothing"):
        write_all(file.fileno(), b"abc")


def test_a_line_of_absurd_length_is_damage_and_is_not_held(said: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows it is read; while it has no end it is only looked through."""
    monkeypatch.setattr(follower, "MAX_LINE_BYTES", 1 << 20)
    largest = 0

    def pread(real: Pread, descriptor: int, size: int, start: int) -> bytes:
        nonlocal largest
        found = real(descriptor, size, start)
        largest = max(largest, len(found))
        return found

    patched(monkeypatch, pread)
    stream = EventFollower(said)
    assert len(stream.poll()) == 1000
    with said.events_path.open("ab") as file:
        file.truncate(32 << 20)  # a hole: zeros without a newline
    assert stream.poll() == []
    with said.events_path.open("ab") as file:
        file.write(b"\n" + LINES[0] + b"\n")
    words = stream.poll() + stream.poll()
    assert [type(word) is DamageSeen for word in words] == [True, False]
    assert largest <= follower.BLOCK_BYTES


def test_a_stream_that_vanishes_while_it_is_read_is_no_end(said: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read so far would be taken for the whole record of the run."""
    monkeypatch.setattr(follower.EventFollower, "poll", _polls_little(follower.EventFollower.poll))
    words = events_of(said)
    next(words)
    said.events_path.unlink()
    with pytest.raises(RunFolderError, match="vanished"):
        list(words)


def _polls_little(real: Callable[[EventFollower, int], Words]) -> Callable[[EventFollower], Words]:
    return lambda self: real(self, 1000)
