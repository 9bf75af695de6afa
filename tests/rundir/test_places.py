"""Where runs live, and that nobody else can read or steer them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.rundir.fake_trainer import heartbeat, info_of, request
from tuitrain.errors import RunFolderError
from tuitrain.protocol.codec import encode
from tuitrain.rundir.commands import ask
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import (
    RunFolder,
    home_folder,
    new_run_folder,
    new_run_id,
    read_info,
    runs_folder,
    show,
    write_info,
)
from tuitrain.rundir.presence import ScreenPresence
from tuitrain.rundir.private import open_private
from tuitrain.rundir.writer import EventWriter


@pytest.fixture(params=[0o000, 0o022, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_everything_in_a_run_folder_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    """Folders 0700, files 0600, under the laxest and the strictest umask."""
    folder = RunFolder.create(tmp_path / "home" / "runs" / "one")
    write_info(folder, info_of(folder))
    ask(folder, request())
    with EventWriter(folder.events_path) as writer, RunLock.acquire(folder), ScreenPresence(folder):
        writer.append([encode(heartbeat())])
        os.close(open_private(folder.output_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND))
        found = list((tmp_path / "home").rglob("*"))
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in found}
    assert len(modes) == 11
    assert {path: mode for path, mode in modes.items() if mode != (0o700 if path.is_dir() else 0o600)} == {}


def test_home_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Else where the platform keeps the data of users."""
    monkeypatch.setenv("TUITRAIN_HOME", str(tmp_path))
    assert home_folder() == tmp_path
    assert runs_folder() == tmp_path / "runs"
    monkeypatch.setenv("TUITRAIN_HOME", "")
    assert home_folder().is_absolute()
    assert home_folder().name == "tuitrain"


@pytest.mark.parametrize(
    ("name", "middle"),
    [("mnist-mlp", "mnist-mlp"), ("../My Net: v2!", "my-net-v2"), ("ü", "run"), ("", "run"), ("x" * 99, "x" * 40)],
)
def test_ids_tell_time_and_preset_and_are_safe_file_names(name: str, middle: str) -> None:
    """Sorted by name is sorted by time, to the minute."""
    made = new_run_id(name, datetime(2026, 11, 21, 14, 32))
    assert made.startswith(f"20261121-1432-{middle}-")
    assert len(made) == len(f"20261121-1432-{middle}-7f3a")
    assert len({new_run_id(name, datetime(2026, 11, 21)) for _ in range(20)}) > 15


def test_run_json_is_read_as_it_was_written(folder: RunFolder) -> None:
    """And written anew in one stroke, leaving no draft."""
    write_info(folder, info_of(folder))
    write_info(folder, info_of(folder, pid=os.getpid()))
    assert read_info(folder) == info_of(folder, pid=os.getpid())
    assert [path.name for path in folder.path.iterdir() if path.is_file()] == ["run.json"]


def test_a_failed_write_leaves_the_old_run_json(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk must not cost a run its identity."""
    write_info(folder, info_of(folder))

    def full(*_arguments: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", full)
    with pytest.raises(RunFolderError, match="No space left") as caught:
        write_info(folder, info_of(folder, pid=1))
    assert str(folder.path) in caught.value.hint
    assert read_info(folder).pid == 0
    assert [path.name for path in folder.path.iterdir() if path.is_file()] == ["run.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000, b"{}"])
def test_a_damaged_run_json_is_said(folder: RunFolder, content: bytes) -> None:
    """With its place."""
    folder.info_path.write_bytes(content)
    with pytest.raises(RunFolderError, match=r"run\.json: is damaged"):
        read_info(folder)


def test_a_missing_run_json_is_said(folder: RunFolder) -> None:
    """With its place."""
    with pytest.raises(RunFolderError, match=r"run\.json: cannot be read"):
        read_info(folder)


def test_a_folder_in_use_is_not_taken_for_a_new_run(folder: RunFolder) -> None:
    """Two runs never share a folder; an empty one may be given."""
    with pytest.raises(RunFolderError, match="not empty"):
        RunFolder.create(folder.path)
    (folder.path.parent / "empty").mkdir()
    assert RunFolder.create(folder.path.parent / "empty").commands_path.is_dir()
    (folder.path.parent / "file").touch()
    with pytest.raises(RunFolderError, match="cannot be made"):
        RunFolder.create(folder.path.parent / "file" / "run")


def test_a_name_that_is_taken_is_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a hundred short runs a minute, as a comparison starts them, two draw one name in every fourteenth minute."""
    drawn = iter(["aaaa", "aaaa", "bbbb", *["aaaa"] * 100])
    monkeypatch.setattr("secrets.token_hex", lambda _size: next(drawn))
    now = datetime(2026, 11, 21, 14, 32)
    made = [show(new_run_folder(tmp_path / "runs", "mnist", now)).id for _ in range(2)]
    assert made == ["20261121-1432-mnist-aaaa", "20261121-1432-mnist-bbbb"]
    with pytest.raises(RunFolderError, match="no name for a new run was free"):
        new_run_folder(tmp_path / "runs", "mnist", now)


def test_a_place_for_runs_that_is_a_file_is_said(tmp_path: Path) -> None:
    """And not that all names are taken."""
    (tmp_path / "runs").touch()
    with pytest.raises(RunFolderError, match="cannot be made"):
        new_run_folder(tmp_path / "runs", "mnist", datetime(2026, 11, 21, 14, 32))
