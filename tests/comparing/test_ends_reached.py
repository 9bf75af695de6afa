"""An end is reached: a torn tail, a pipe in the place of a file, a scheduler that dies at any moment."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from tests.comparing.fake_engine import FakeEngine
from tests.comparing.made_up import made_up_run
from tests.comparing.test_scheduler import folded, folder_of, scheduler
from tuitrain.comparing import worker
from tuitrain.comparing.folder import ComparisonFolder
from tuitrain.comparing.headless import follow
from tuitrain.comparing.reading import ComparisonReader
from tuitrain.errors import RunFolderError
from tuitrain.protocol.comparing import ComparisonPlan, JournalWord, Member, MemberLaunched
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder, runs_folder


def reader_of(*runs: RunFolder) -> ComparisonReader:
    members = tuple(Member(key=run.id, arm=run.id, run=str(run.path)) for run in runs)
    return ComparisonReader.of_plan(ComparisonPlan(name="", created=0.0, arms=tuple(map(str, runs)), members=members))


def in_bounds(reader: ComparisonReader) -> None:
    polls.append(1)
    assert len(polls) < 60, "it waits for ever"


polls: list[int] = []


@pytest.fixture(autouse=True)
def _counted() -> None:
    polls.clear()


@pytest.mark.parametrize("has_end", [True, False], ids=["ended", "lost"])
@pytest.mark.parametrize("tail", [b'{"eve', b"\0" * 5000], ids=["torn", "zeros after a power cut"])
def test_a_torn_tail_is_named_and_the_end_is_reached(tail: bytes, has_end: bool, tmp_path: Path) -> None:
    """It counted as unread, and was waited for."""
    runs = [made_up_run(tmp_path, name, num_steps=200, has_end=has_end) for name in ("one", "other")]
    with runs[0].events_path.open("ab") as file:
        file.write(tail)
    reader = reader_of(*runs)
    assert follow(reader, None, in_bounds)
    assert reader.comparison.remarks == [f"one: a torn last line of {len(tail)} bytes was skipped"]
    assert reader.num_unread_bytes == 0
    assert not reader.is_incomplete


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_no_file_is_told_and_not_waited_for(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of the stream, of run.json and of the lock."""
    monkeypatch.setattr("tuitrain.comparing.run_curves._PATIENCE_SECONDS", 0.1)
    run, good = RunFolder.create(tmp_path / "odd"), made_up_run(tmp_path, "good", num_steps=200)
    for path in (run.events_path, run.info_path, run.lock_path):
        path.mkdir() if kind == "folder" else os.mkfifo(path)
    reader = reader_of(run, good)
    assert follow(reader, None, in_bounds)
    assert "no regular file" in reader.comparison.remarks[0]
    assert reader.is_incomplete


def test_a_disk_that_refuses_for_a_moment_is_read_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error is no end of the file."""
    runs = [made_up_run(tmp_path, name, num_steps=200) for name in ("one", "other")]
    real, refusing = os.pread, [True] * 3

    def pread(*arguments: int) -> bytes:
        if refusing and refusing.pop():
            raise OSError(errno.EIO, "Input/output error")
        return real(*arguments)

    monkeypatch.setattr(os, "pread", pread)
    reader = reader_of(*runs)
    assert follow(reader, None, in_bounds)
    assert [view.state for view in reader.comparison.members.values()] == ["finished", "finished"]
    assert not reader.is_incomplete


class Dies(BaseException):
    """As kill -9: nothing catches it."""


def test_a_scheduler_that_dies_while_it_launches_leaves_no_run_to_nobody(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it has made, the next one knows of it; of what was only begun nothing stays."""
    folder, engine = folder_of(1), FakeEngine()
    it = scheduler(folder, engine)
    with monkeypatch.context() as patched:
        patched.setattr("tuitrain.session.start.show", raising(Dies()))
        with pytest.raises(Dies):
            it.look()
    assert [(bool(view.run), Path(view.run).exists()) for view in folded(folder).members.values()] == [(True, False)]
    scheduler(folder, engine).look()
    assert [run.job.folder.path for run in engine.working] == list(runs_folder().iterdir())


def test_a_scheduler_that_cannot_write_down_what_it_launches_makes_no_run(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk ends it; the list of runs stays as it was."""
    folder, engine = folder_of(1), FakeEngine()
    it = scheduler(folder, engine)
    real = it._write

    def write(word: JournalWord) -> None:
        if isinstance(word, MemberLaunched):
            raise RunFolderError("the disk is full")
        real(word)

    monkeypatch.setattr(it, "_write", write)
    with pytest.raises(RunFolderError, match="the disk is full"):
        it.look()
    assert list(runs_folder().iterdir()) == []


def test_a_journal_that_cannot_be_opened_is_told_where_a_person_looks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its scheduler has nowhere to write it down but in what it prints."""
    folder = folder_of(2)
    monkeypatch.setattr(worker, "Journal", raising(RunFolderError("journal.jsonl: cannot be opened: no space left")))
    with RunLock.at(folder.lock_path, RunFolderError("busy")) as lock, folder.output_path.open("w") as output:
        monkeypatch.setattr("sys.argv", ["worker", str(folder.path), f"--lock-descriptor={os.dup(lock.fileno())}"])
        monkeypatch.setattr("sys.stderr", output)
        monkeypatch.setattr(worker, "_handle_signals", lambda _: None)
        assert worker.main() == 1
    monkeypatch.undo()
    assert follow(ComparisonReader.of_folder(ComparisonFolder(folder.path)), None)
    assert "its scheduler printed: journal.jsonl: cannot be opened: no space left" in capsys.readouterr().err


def raising(error: BaseException) -> Any:
    def act(*_: object, **__: object) -> None:
        raise error

    return act
