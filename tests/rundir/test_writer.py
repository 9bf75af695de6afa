"""The trainer's end of the stream: whole lines only, whatever the disk and the kernel do."""

from __future__ import annotations

import errno
import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.rundir.conftest import Play
from tests.rundir.fake_trainer import until
from tuitrain.errors import RunFolderError
from tuitrain.protocol.carrier import DamageSeen
from tuitrain.rundir.follower import read_events
from tuitrain.rundir.lock import is_locked
from tuitrain.rundir.places import RunFolder
from tuitrain.rundir.writer import EventsNotWrittenError, EventWriter


@pytest.fixture
def path(folder: RunFolder) -> Path:
    return folder.events_path


@pytest.mark.parametrize("torn", [b"", b"x", b"half", b"h" * 200_000])
@pytest.mark.parametrize("whole", [b"", b"one\n", b"one\n" + b"t" * 100_000 + b"\n"])
def test_opening_cuts_a_torn_end(path: Path, whole: bytes, torn: bytes) -> None:
    """What a crash left after the last newline goes, and nothing else."""
    path.write_bytes(whole + torn)
    with EventWriter(path) as writer:
        assert writer.num_torn_bytes == len(torn)
        writer.append([b"next"])
    assert path.read_bytes() == whole + b"next\n"


def test_appending_nothing_writes_nothing(path: Path) -> None:
    """An empty batch is no empty line."""
    with EventWriter(path) as writer:
        writer.append([])
        writer.sync()
    assert path.read_bytes() == b""


def test_a_newline_within_a_line_is_refused(path: Path) -> None:
    """It would become two lines, neither of them a word."""
    with EventWriter(path) as writer, pytest.raises(ValueError, match="newline"):
        writer.append([b"fine", b"two\nlines"])
    assert path.read_bytes() == b""


def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    """The error names the place and what to try."""
    with pytest.raises(RunFolderError, match="cannot be opened") as caught:
        EventWriter(tmp_path / "gone" / "events.jsonl")
    assert str(tmp_path / "gone") in caught.value.hint


def test_short_writes_are_completed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel may write less than it was given, any number of times."""
    real_write = os.write
    monkeypatch.setattr("os.write", lambda descriptor, data: real_write(descriptor, bytes(data[:3])))
    with EventWriter(path) as writer:
        writer.append([b"first line", b"", b"third"])
    assert path.read_bytes() == b"first line\n\nthird\n"


def test_a_disk_that_fails_even_to_truncate_leaves_no_torn_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the repair fails too, it is made up for before the next append."""
    writer = EventWriter(path)
    real_write = os.write

    def write_a_bit(descriptor: int, data: bytes) -> int:
        monkeypatch.setattr("os.write", _fail)
        return real_write(descriptor, bytes(data[:10]))

    monkeypatch.setattr("os.write", write_a_bit)
    monkeypatch.setattr("os.ftruncate", _fail)
    with pytest.raises(EventsNotWrittenError, match="Input/output") as caught:
        writer.append([b"one", b"two", b"three"])
    assert caught.value.num_written == 2
    monkeypatch.undo()
    writer.append([b"three"])
    writer.close()
    assert path.read_bytes() == b"one\ntwo\nthree\n"


def test_a_full_disk_keeps_whole_lines_and_works_again_later(small_disk: Path) -> None:
    """The run goes on without its record, and the record goes on once there is space."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"b" * (128 << 10))
    _fill_and_recover(small_disk / "events.jsonl", free=ballast.unlink)


def test_a_limit_on_file_size_is_met_like_a_full_disk(path: Path) -> None:
    """As above, on machines where no small disk can be mounted."""
    with _file_size_limit(100_000) as lift:
        _fill_and_recover(path, free=lift)


def test_nothing_acknowledged_is_lost_to_kill_9(folder: RunFolder, part: Play) -> None:
    """Thirty sessions on one stream, each killed at a random moment of a flood of large appends.

    Every second one has a kernel that takes 16 bytes at a time and is killed within a line.
    All whole lines decode, their numbers have no gap, and what the writer had acknowledged is there.
    """
    dice = random.Random(20261121)
    for session in range(30):
        size = folder.events_path.stat().st_size if folder.events_path.exists() else 0
        process = part("flood" if session % 2 else "drip")
        assert process.stdout is not None
        acknowledged = int(process.stdout.readline())
        until(lambda size=size: folder.events_path.stat().st_size > size + dice.randrange(1 << 20))  # type: ignore[misc]
        if session % 2 == 0:
            until(lambda process=process: _stops_within_a_line(process, folder.events_path))  # type: ignore[misc]
        process.kill()
        lines = process.stdout.read().split(b"\n")[:-1]
        acknowledged = int(lines[-1]) if lines else acknowledged
        process.wait()
        until(lambda: not is_locked(folder))
        events = read_events(folder)
        assert not [event for event in events if isinstance(event, DamageSeen)]
        assert [event.seq for event in events if not isinstance(event, DamageSeen)] == list(range(1, len(events) + 1))
        assert len(events) >= acknowledged
        if len(events) > 60_000:
            folder.events_path.unlink()


def _stops_within_a_line(process: subprocess.Popen[bytes], path: Path) -> bool:
    """Whether the process, stopped just now, has an unfinished line in the file; if not, it goes on."""
    os.kill(process.pid, signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    if not path.read_bytes().endswith(b"\n"):
        return True
    os.kill(process.pid, signal.SIGCONT)
    return False


def _fill_and_recover(path: Path, free: object) -> None:
    assert callable(free)
    lines = [b"%06d " % number + b"x" * 93 for number in range(8000)]
    writer = EventWriter(path)
    writer.append(lines[:10])
    with pytest.raises(EventsNotWrittenError, match=r"cannot be written") as caught:
        writer.append(lines[10:])
    num_written = 10 + caught.value.num_written
    assert str(path) in str(caught.value)
    assert caught.value.hint
    assert path.read_bytes().split(b"\n") == [*lines[:num_written], b""]
    assert 10 < num_written < len(lines)
    with pytest.raises(EventsNotWrittenError) as caught:
        writer.append(lines[num_written:])
    num_written += caught.value.num_written
    free()
    writer.append(lines[num_written : num_written + 100])
    writer.close()
    assert path.read_bytes().split(b"\n") == [*lines[: num_written + 100], b""]


def _fail(*_arguments: object) -> int:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


@contextmanager
def _file_size_limit(num_bytes: int) -> Iterator[object]:
    """Python ignores SIGXFSZ, so that a write beyond the limit fails with EFBIG."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 512 KiB."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(place)]
    if (
        sys.platform != "linux"
        or os.geteuid() != 0
        or subprocess.run(command, capture_output=True, check=False).returncode
    ):
        pytest.skip("needs the right to mount")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_reserve_is_held_and_given_back(tmp_path: Path) -> None:
    """A megabyte beside the stream, private, gone when it is given back or the writer closes."""
    with EventWriter(tmp_path / "events.jsonl") as writer:
        reserve = tmp_path / ".reserve"
        assert writer.hold_reserve()
        assert reserve.stat().st_size == 1 << 20
        assert reserve.stat().st_mode & 0o777 == 0o600
        writer.release_reserve()
        assert not reserve.exists()
        assert writer.hold_reserve()
    assert not reserve.exists()
