"""What a disk did not promise to keep is told, and a trainer without a folder ends and says so."""

from __future__ import annotations

import errno
import os
import random
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rundir.fake_trainer import heartbeat, request, until
from tests.session.waiting import Watched
from tuitrain.errors import RunFolderError
from tuitrain.launch import _say_goodbye
from tuitrain.preset import load_preset
from tuitrain.protocol.commands import Pause
from tuitrain.protocol.events import AlarmRaised, RunEnded
from tuitrain.rundir import vanishing
from tuitrain.rundir.commands import CommandReader, ask
from tuitrain.rundir.follower import read_events
from tuitrain.rundir.places import RunFolder
from tuitrain.rundir.private import replace_whole
from tuitrain.session.in_process import InProcessRun
from tuitrain.ui.source import LiveSource

SMALL = ("task.hidden=[16]", "train.steps=100000000", "eval.every_steps=100000", "checkpoint.every_minutes=60")


@pytest.fixture
def run(home: Path) -> Iterator[InProcessRun]:
    run = InProcessRun(load_preset("mnist-mlp", SMALL))
    Watched(run.folder).until(lambda board: board.step > 20)
    yield run
    assert run.stop_and_wait(60)


def alarms(folder: RunFolder) -> list[str]:
    return [event.message for event in read_events(folder) if isinstance(event, AlarmRaised)]


def test_a_sync_that_fails_is_told_once_and_so_is_its_end(run: InProcessRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an error the system may have dropped what it held: that later ones succeed does not bring it back."""
    with monkeypatch.context() as patched:
        num_failed = 0

        def fsync(_: int) -> None:
            nonlocal num_failed
            num_failed += 1
            raise OSError(errno.EIO, "Input/output error")

        patched.setattr(os, "fsync", fsync)
        until(lambda: num_failed > 1 and alarms(run.folder), 30.0)
    until(lambda: len(alarms(run.folder)) > 1, 30.0)
    first, second = alarms(run.folder)
    assert "events.jsonl: cannot be synced: Input/output error." in first
    assert second.endswith("events.jsonl: is synced again")


def test_a_rename_that_may_not_outlast_a_power_cut_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in the place is whole all the same. Where folders cannot be synced at all there is nothing to say."""
    real, number = os.fsync, errno.EIO

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, "refused")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(RunFolderError, match="may be lost in a power cut"):
        replace_whole(tmp_path / "run.json", b"new")
    assert (tmp_path / "run.json").read_bytes() == b"new"
    number = errno.EINVAL
    replace_whole(tmp_path / "run.json", b"newer")


def test_a_trainer_whose_folder_is_deleted_ends(
    run: InProcessRun, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would go on for ever, in no list. On leaving, the screen names the last step that it saw."""
    monkeypatch.setattr(vanishing, "GONE_SECONDS", 2.0)
    shutil.rmtree(run.folder.path)
    until(lambda: not run.is_alive, 60.0)
    assert "was deleted; the run stops" in capsys.readouterr().err
    source = LiveSource(run.folder)
    source.board.apply(heartbeat(178, 1))
    assert _say_goodbye(source) == 1
    assert "its folder is gone; the last step that was seen is 178" in capsys.readouterr().out


def test_a_trainer_whose_folder_is_moved_says_so_in_its_record(
    run: InProcessRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record went with it."""
    monkeypatch.setattr(vanishing, "GONE_SECONDS", 2.0)
    place = run.folder.path.rename(run.folder.path.with_name("elsewhere"))
    until(lambda: not run.is_alive, 60.0)
    ended = read_events(RunFolder(place))[-1]
    assert isinstance(ended, RunEnded)
    assert f"was moved to {place}" in alarms(RunFolder(place))[0]


def test_a_command_that_cannot_be_read_for_a_moment_is_not_swallowed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a decision of somebody; read again it is carried out."""
    folder = RunFolder.create(home / "runs" / "one")
    asked = request(Pause())
    ask(folder, asked)
    reader, real, dice = CommandReader(folder), os.pread, random.Random(1)

    def pread(*where: int) -> bytes:
        if dice.random() < 0.7:
            raise OSError(errno.EIO, "Input/output error")
        return real(*where)

    monkeypatch.setattr(os, "pread", pread)
    found: list[object] = []

    def look() -> bool:
        found.extend(reader.poll())
        return bool(found)

    until(look)
    assert found == [asked]
