"""What was seen is remembered, privately and whole; what is damaged is said and counts as nothing."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from tuitrain.errors import RunFolderError
from tuitrain.learning.progress import (
    Progress,
    next_station,
    num_seen,
    progress_path,
    read_progress,
    write_progress,
)
from tuitrain.learning.walk import stations


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that does not exist yet."""
    folder = tmp_path / "home"
    monkeypatch.setenv("TUITRAIN_HOME", str(folder))
    return folder


def test_nothing_seen_is_no_problem() -> None:
    """The first time there is no file, and nothing is made by looking."""
    assert read_progress() == (Progress(), "")
    assert not progress_path().parent.exists()


def test_what_was_written_is_read_and_private(home: Path) -> None:
    """Mode 0600 under any umask, and no draft stays."""
    before = os.umask(0)
    try:
        write_progress(Progress(seen=("line",), last="adam"))
    finally:
        os.umask(before)
    assert read_progress() == (Progress(seen=("line",), last="adam"), "")
    assert stat.S_IMODE(progress_path().stat().st_mode) == 0o600
    assert [path.name for path in home.iterdir()] == ["learning.json"]


def test_two_screens_do_not_undo_each_other() -> None:
    """What one has seen stays seen when the other writes."""
    write_progress(Progress(seen=("line", "of-a-newer-version"), last="line"))
    both = write_progress(Progress(seen=("adam",), last="adam"))
    assert both == read_progress()[0] == Progress(seen=("line", "of-a-newer-version", "adam"), last="adam")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"seen": 3}', b"\xff\xfe", b"[" * 9000, b"x" * (1 << 17)])
def test_a_damaged_file_is_said_and_counts_as_nothing(data: bytes, home: Path) -> None:
    """The walk starts anew; the file is not written over, but left as it is."""
    home.mkdir()
    progress_path().write_bytes(data)
    progress, problem = read_progress()
    assert progress == Progress()
    assert "learning.json" in problem
    with pytest.raises(RunFolderError, match=r"learning\.json: "):
        write_progress(Progress(last="line"))
    assert progress_path().read_bytes() == data


def test_a_link_is_not_followed(home: Path, tmp_path: Path) -> None:
    """Neither read nor written through."""
    home.mkdir()
    other = tmp_path / "other"
    other.write_text('{"seen":["line"]}')
    progress_path().symlink_to(other)
    assert read_progress()[0] == Progress()
    with pytest.raises(RunFolderError, match="is a link"):
        write_progress(Progress(last="adam"))
    assert other.read_text() == '{"seen":["line"]}'


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_home_that_cannot_be_written_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the place."""
    monkeypatch.setenv("TUITRAIN_HOME", "/proc/nowhere")
    with pytest.raises(RunFolderError, match="/proc/nowhere"):
        write_progress(Progress(last="line"))


def test_the_walk_goes_on_where_it_was_left() -> None:
    """At the last station while it is unseen, else at the next unseen one, around the end, at last at the first."""
    walk = stations()
    ids = tuple(station.id for station in walk)
    assert next_station(walk, Progress()) is walk[0]
    assert next_station(walk, Progress(last=ids[4])) is walk[4]
    assert next_station(walk, Progress(last=ids[4], seen=ids[4:6])) is walk[6]
    assert next_station(walk, Progress(last=ids[-1], seen=(ids[-1], ids[0]))) is walk[1]
    assert next_station(walk, Progress(last=ids[3], seen=ids)) is walk[0]
    assert next_station(walk, Progress(last="gone")) is walk[0]
    assert num_seen(walk, Progress(seen=("line", "gone"))) == 1
