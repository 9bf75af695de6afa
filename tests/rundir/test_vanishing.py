"""A trainer whose folder was deleted or moved ends by itself; one whose disk is away waits for it."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from tuitrain.rundir.places import RunFolder
from tuitrain.rundir.vanishing import VanishingWatch


class Watched:
    """A watch that is asked every second for a while."""

    def __init__(self, folder: RunFolder) -> None:
        self.now = 0.0
        self.watch = VanishingWatch(folder, clock=lambda: self.now)

    def within(self, seconds: int) -> str:
        words = ""
        for _ in range(seconds):
            self.now += 1.0
            words = words or self.watch.poll()
        return words


@pytest.fixture
def watched(folder: RunFolder) -> Watched:
    return Watched(folder)


def test_a_folder_that_is_deleted_is_gone_after_a_minute(folder: RunFolder, watched: Watched) -> None:
    """Not before: who moves it back has changed his mind."""
    assert watched.within(100) == ""
    shutil.rmtree(folder.path)
    assert watched.within(59) == ""
    assert watched.within(3) == f"{folder.path}: was deleted"


def test_a_folder_that_is_moved_is_gone_and_found(folder: RunFolder, watched: Watched) -> None:
    """Nothing can be asked of it there, so it ends and says where it is; moved back within the minute, it stays."""
    place = folder.path.with_name("elsewhere")
    folder.path.rename(place)
    assert watched.within(50) == ""
    place.rename(folder.path)
    assert watched.within(50) == ""
    folder.path.rename(place)
    assert watched.within(62) == f"{folder.path}: was moved to {place}"


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO, errno.EACCES])
def test_a_disk_that_refuses_is_an_outage(
    number: int, folder: RunFolder, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes back."""

    def lstat(self: Path) -> os.stat_result:
        raise OSError(number, "refused")

    monkeypatch.setattr(Path, "lstat", lstat)
    assert watched.within(1000) == ""


def test_a_missing_mount_is_an_outage(folder: RunFolder, watched: Watched) -> None:
    """The folder above is not there either, or is one of another disk."""
    folder.path.parent.rename(folder.path.parent.with_name("away"))
    assert watched.within(1000) == ""
    folder.path.parent.mkdir()
    watched.watch._device += 1
    assert watched.within(1000) == ""
