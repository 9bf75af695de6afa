"""What people write on a run stays on it, is found by, and never harms it."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from tests.rundir.fake_trainer import info_of
from tuitrain.errors import RunFolderError, RunNotFoundError, UsageError
from tuitrain.rundir.catalogue import find_run
from tuitrain.rundir.labels import Labels, labels_path, noted, read_labels, renamed, tagged, untagged
from tuitrain.rundir.places import RunFolder, write_info
from tuitrain.rundir.summary import summarize

FIRST = "20261119-0900-spiral-aaaa"
SECOND = "20261120-0900-mnist-mlp-bbbb"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two dead runs."""
    for name in (FIRST, SECOND):
        folder = RunFolder.create(tmp_path / "runs" / name)
        write_info(folder, info_of(folder))
    return tmp_path / "runs"


def test_what_is_written_is_read(folder: RunFolder) -> None:
    """Name, note and tags, each without touching the others, readable by the owner only."""
    assert read_labels(folder) == (Labels(), "")
    renamed(folder, "  my baseline ")
    noted(folder, "first line\nsecond: ä")
    tagged(folder, ["keep", "paper"])
    tagged(folder, ["keep", "v2"])
    assert read_labels(folder) == (
        Labels(name="my baseline", note="first line\nsecond: ä", tags=("keep", "paper", "v2")),
        "",
    )
    assert stat.S_IMODE(labels_path(folder).stat().st_mode) == 0o600
    untagged(folder, ["paper"])
    noted(folder, "")
    renamed(folder, "")
    assert read_labels(folder)[0] == Labels(tags=("keep", "v2"))
    with pytest.raises(UsageError, match='no tag "paper"') as caught:
        untagged(folder, ["keep", "paper"])
    assert "keep, v2" in caught.value.hint
    assert read_labels(folder)[0].tags == ("keep", "v2")


@pytest.mark.parametrize("name", ["last", "LAST", "a/b", "x" * 61, "two\nlines", "\x1b[2J", "-h", "..", "~me"])
def test_names_that_would_confuse_are_refused(folder: RunFolder, name: str) -> None:
    """And the one before stands."""
    renamed(folder, "before")
    with pytest.raises(UsageError, match="name"):
        renamed(folder, name)
    assert read_labels(folder)[0].name == "before"


@pytest.mark.parametrize("tag", ["", "two words", "a,b", "a/b", "#a", "-a", "x" * 33, "\x07"])
def test_tags_are_words(folder: RunFolder, tag: str) -> None:
    """What could not be typed again, or means something else, is refused; so is a flood of them."""
    with pytest.raises(UsageError, match="cannot be a tag"):
        tagged(folder, ["fine", tag])
    assert read_labels(folder)[0].is_empty
    with pytest.raises(UsageError, match="17 tags"):
        tagged(folder, [f"t{number}" for number in range(17)])


def test_a_note_has_a_length_and_no_codes(folder: RunFolder) -> None:
    """Several lines are fine."""
    for note in ("x" * 2001, "\x1b]0;title\x07"):
        with pytest.raises(UsageError, match="note"):
            noted(folder, note)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"name": 3}',
        b'{"tags": "keep"}',
        b'{"name": "\\u001b[2J"}',
        b'{"name": "last"}',
        b'{"name": " x"}',
        b"[" * 50_000,
        b'{"note": "' + b"x" * 70_000 + b'"}',
    ],
)
def test_a_damaged_file_is_told_and_counts_as_empty(folder: RunFolder, content: bytes) -> None:
    """Nothing that stands in it can hide the run or reach the terminal; it is not written over, but left as it is."""
    write_info(folder, info_of(folder))
    labels_path(folder).write_bytes(content)
    labels, problem = read_labels(folder)
    assert labels.is_empty
    assert "labels.json: " in problem
    summary = summarize(folder)
    assert (summary.preset, summary.name) == ("mnist-mlp", "")
    assert problem in summary.problem
    with pytest.raises(RunFolderError, match=r"labels\.json: "):
        renamed(folder, "anew")
    assert labels_path(folder).read_bytes() == content


def test_a_folder_in_its_place_is_told(folder: RunFolder) -> None:
    """Not fatal either."""
    write_info(folder, info_of(folder))
    labels_path(folder).mkdir()
    assert "cannot be read" in summarize(folder).problem


def test_two_who_write_at_once_lose_nothing(folder: RunFolder) -> None:
    """The screen and the command line, each reading and writing the whole file."""
    threads = [threading.Thread(target=lambda tag=f"t{number}": tagged(folder, [tag])) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(read_labels(folder)[0].tags) == sorted(f"t{number}" for number in range(16))


def test_a_run_is_found_by_its_name(runs: Path) -> None:
    """Exactly; before a part of an id, after an id itself."""
    renamed(RunFolder(runs / FIRST), "baseline")
    assert find_run("baseline", runs).id == FIRST
    with pytest.raises(RunNotFoundError) as caught:
        find_run("baselin", runs)
    assert FIRST in caught.value.hint
    renamed(RunFolder(runs / FIRST), "bbbb")
    assert find_run("bbbb", runs).id == FIRST
    renamed(RunFolder(runs / FIRST), SECOND)
    assert find_run(SECOND, runs).id == SECOND


def test_two_runs_of_one_name_are_ambiguous(runs: Path) -> None:
    """The error lists their ids."""
    for name in (FIRST, SECOND):
        renamed(RunFolder(runs / name), "baseline")
    with pytest.raises(RunNotFoundError, match="2 runs") as caught:
        find_run("baseline", runs)
    assert FIRST in caught.value.message
    assert SECOND in caught.value.message


def test_labels_are_part_of_a_summary(runs: Path) -> None:
    """What a list shows."""
    folder = RunFolder(runs / FIRST)
    assert not summarize(folder).is_labelled
    tagged(folder, ["keep"])
    summary = summarize(folder)
    assert (summary.tags, summary.is_labelled, summary.problem) == (("keep",), True, "")


def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    """Nothing is made anew in its place."""
    with pytest.raises(RunFolderError, match="No such file"):
        renamed(RunFolder(tmp_path / "gone"), "x")
    assert not (tmp_path / "gone").exists()


def test_labels_that_cannot_be_read_for_a_moment_are_left(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """One I/O error on opening them: name and note of the run were lost to the next tag."""
    noted(folder, "the one that worked")
    real = os.open

    def failing(path: object, flags: int, *more: int, **options: int) -> int:
        if str(path).endswith("labels.json"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(path, flags, *more, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", failing)
    with pytest.raises(RunFolderError, match="Input/output error"):
        tagged(folder, ["third"])
    monkeypatch.undo()
    assert read_labels(folder)[0] == Labels(note="the one that worked")
