"""The readers' end of the stream: the same lines however they came in."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rundir.fake_trainer import heartbeat
from tuitrain.errors import RunFolderError
from tuitrain.protocol.carrier import DamageSeen
from tuitrain.protocol.codec import encode
from tuitrain.protocol.events import Heartbeat, UnknownEvent
from tuitrain.rundir.follower import EventFollower, Follower, first_events, last_events, last_events_backwards
from tuitrain.rundir.places import RunFolder

some_bytes = st.text(alphabet="ab\n", max_size=12).map(str.encode) | st.binary(max_size=300)


@given(chunks=st.lists(some_bytes, max_size=12), max_bytes=st.integers(1, 40))
def test_any_chunking_gives_the_same_lines(chunks: list[bytes], max_bytes: int) -> None:
    """Lines depend on the bytes alone: not on how they were written nor on how many are read at once."""
    with tempfile.TemporaryDirectory() as place:
        follower = Follower(Path(place) / "events.jsonl")
        lines = list(follower.read(max_bytes))
        for chunk in chunks:
            with follower.path.open("ab") as file:
                file.write(chunk)
            lines += follower.read(max_bytes)
        lines += _all(follower, max_bytes)
        *expected, unfinished = b"".join(chunks).split(b"\n")
        assert lines == list(enumerate(expected, start=1))
        assert follower.num_unfinished_bytes() == len(unfinished)
        assert follower.num_restarts == 0


@settings(max_examples=200)
@given(
    steps=st.lists(st.tuples(st.sampled_from(["append", "cut", "read"]), some_bytes), max_size=25),
    max_bytes=st.integers(1, 40),
)
def test_a_torn_end_that_is_cut_and_written_anew_is_never_joined(
    steps: list[tuple[str, bytes]], max_bytes: int
) -> None:
    """A writer cuts its torn end and goes on while a reader has seen a part of it, or sleeps through it."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "events.jsonl"
        path.touch()
        follower = Follower(path)
        lines = []
        for step, data in [*steps, ("cut", b""), ("append", b"end\n")]:
            if step == "append":
                with path.open("ab") as file:
                    file.write(data)
            elif step == "cut":
                os.truncate(path, path.read_bytes().rfind(b"\n") + 1)
            else:
                lines += follower.read(max_bytes)
        lines += _all(follower, max_bytes)
        assert lines == list(enumerate(path.read_bytes().split(b"\n")[:-1], start=1))
        assert follower.num_restarts == 0


def test_a_file_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    """A screen may attach before the trainer has opened its stream."""
    follower = Follower(tmp_path / "gone" / "events.jsonl")
    assert follower.read() == []
    assert follower.num_unfinished_bytes() == 0
    follower.path.parent.mkdir()
    follower.path.write_bytes(b"now\n")
    assert follower.read() == [(1, b"now")]


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    """It is there, and no stream."""
    with pytest.raises(RunFolderError, match="cannot be read"):
        Follower(tmp_path).read()


@pytest.mark.parametrize("other", [b"x\n", b"another, longer beginning\nand more\n", b""])
def test_another_file_in_its_place_is_read_from_the_start_and_said(tmp_path: Path, other: bytes) -> None:
    """Shorter, longer or empty: line numbers begin again and the restart is counted."""
    follower = Follower(tmp_path / "events.jsonl")
    follower.path.write_bytes(b"one\ntwo\nthree\n")
    assert len(follower.read()) == 3
    follower.path.write_bytes(other)
    assert follower.read() == list(enumerate(other.split(b"\n")[:-1], start=1))
    assert follower.num_restarts == 1


def test_a_long_line_that_comes_slowly_is_not_read_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10 MB in 160 pieces with a look after each: every byte is read about twice, not eighty times."""
    num_read = 0
    real_pread = os.pread

    def counted(descriptor: int, num_bytes: int, offset: int) -> bytes:
        nonlocal num_read
        data = real_pread(descriptor, num_bytes, offset)
        num_read += len(data)
        return data

    monkeypatch.setattr("os.pread", counted)
    follower = Follower(tmp_path / "events.jsonl")
    with follower.path.open("ab", buffering=0) as file:
        for _ in range(160):
            file.write(b"x" * (64 << 10))
            assert follower.read() == []
        file.write(b"\n")
    assert [(number, len(line)) for number, line in follower.read()] == [(1, 10 << 20)]
    assert num_read < 2.5 * (10 << 20)


def test_a_damaged_line_is_reported_and_the_rest_is_read(folder: RunFolder) -> None:
    """Torn, foreign, too deep, not even text: each is one report with its line number."""
    damage = [b'{"event":"Heartbeat","step', b"\xff\xfe\x00", b"", b"[" * 100_000, b"null"]
    lines = [encode(heartbeat(1, seq=1)), *damage, b'{"event":"FromTheFuture","seq":2}', encode(heartbeat(3, seq=4))]
    folder.events_path.write_bytes(b"\n".join(lines) + b"\n" + b"torn")
    follower = EventFollower(folder)
    events = follower.poll()
    assert [event.line_number for event in events if isinstance(event, DamageSeen)] == [2, 3, 4, 5, 6]
    assert all(event.detail for event in events if isinstance(event, DamageSeen))
    assert [type(event) for event in events if not isinstance(event, DamageSeen)] == [
        Heartbeat,
        UnknownEvent,
        Heartbeat,
    ]
    assert follower.num_gaps == 1
    assert follower.lines.num_unfinished_bytes() == len(b"torn")


@pytest.mark.parametrize("max_bytes", [1, 150, 1000, 1 << 20])
def test_excerpts_hold_whole_readable_lines_of_the_beginning_and_the_end(tmp_path: Path, max_bytes: int) -> None:
    """Never half a line, and never more than was asked for."""
    path = tmp_path / "events.jsonl"
    assert first_events(path) == last_events(path) == []
    lines = [encode(heartbeat(number, seq=number)) for number in range(1, 101)]
    path.write_bytes(b"damaged\n" + b"\n".join(lines) + b"\n" + lines[0])
    first = [event.seq for event in first_events(path, max_bytes)]
    last = [event.seq for event in last_events(path, max_bytes)]
    assert first == list(range(1, len(first) + 1))
    assert last == list(range(101 - len(last), 101))
    assert [event.seq for event in last_events_backwards(path, max_bytes)] == last[::-1]
    assert len(first) * len(lines[0]) <= max_bytes
    assert len(last) * len(lines[0]) <= max_bytes
    if max_bytes >= 1000:
        assert len(first) >= 8
        assert len(last) >= 7


def _all(follower: Follower, max_bytes: int) -> list[tuple[int, bytes]]:
    lines: list[tuple[int, bytes]] = []
    while batch := follower.read(max_bytes):
        lines += batch
    return lines
