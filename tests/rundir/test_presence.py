"""The pace holds only while somebody looks."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tuitrain.rundir.places import RunFolder
from tuitrain.rundir.presence import PresenceWatch, ScreenPresence


class Times:
    """Two clocks that go only when told."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.skew = 0.0


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def watch(folder: RunFolder, times: Times) -> PresenceWatch:
    return PresenceWatch(folder, clock=lambda: times.now, wall_clock=lambda: _newest(folder) + times.skew)


def test_nobody_is_attached_to_begin_with(watch: PresenceWatch) -> None:
    """An empty folder, and one that is gone, mean the same."""
    assert not watch.is_attached()


def test_a_screen_is_attached_from_its_first_sign_until_it_leaves(
    folder: RunFolder, watch: PresenceWatch, times: Times
) -> None:
    """Two screens count until the last has left."""
    with ScreenPresence(folder):
        assert watch.is_attached()
        with ScreenPresence(folder):
            times.now += 1
            assert watch.is_attached()
        times.now += 1
        assert watch.is_attached()
    times.now += 1
    assert not watch.is_attached()
    assert list(folder.screens_path.iterdir()) == []


def test_a_screen_without_signs_is_no_longer_attached_after_five_seconds(
    folder: RunFolder, watch: PresenceWatch, times: Times
) -> None:
    """A stopped screen does not slow the run; it counts again with its next sign."""
    screen = ScreenPresence(folder)
    for _ in range(10):
        screen.beat()
        assert watch.is_attached()
        times.now += 4.5
    times.now += 1
    assert not watch.is_attached()
    screen.beat()
    times.now += 1
    assert watch.is_attached()


def test_a_killed_screen_is_swept_away_after_a_minute(folder: RunFolder, watch: PresenceWatch, times: Times) -> None:
    """And if it was only asleep, its next sign brings it back."""
    screen = ScreenPresence(folder)
    screen.beat()
    assert watch.is_attached()
    times.now += 61
    assert not watch.is_attached()
    assert list(folder.screens_path.iterdir()) == []
    screen.beat()
    times.now += 1
    assert watch.is_attached()


@pytest.mark.parametrize("skew", [-3600.0, 3600.0])
def test_clocks_that_disagree_only_delay_the_first_sight(
    folder: RunFolder, watch: PresenceWatch, times: Times, skew: float
) -> None:
    """An old file of a dead screen looks just like it, so the first sight is not believed; the second is."""
    times.skew = skew
    screen = ScreenPresence(folder)
    screen.beat()
    assert not watch.is_attached()
    screen.beat()
    times.now += 1
    assert watch.is_attached()


def test_asking_often_costs_nothing(folder: RunFolder, watch: PresenceWatch, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked at every training step."""
    with ScreenPresence(folder):
        assert watch.is_attached()
        monkeypatch.setattr("os.open", lambda *_arguments: pytest.fail("looked again"))
        assert watch.is_attached()


def test_no_failure_reaches_the_screen_or_the_run(
    folder: RunFolder, watch: PresenceWatch, times: Times, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, strange files and a folder that is gone mean at worst that nobody is attached."""

    def full(*_arguments: object) -> int:
        raise OSError(28, "No space left on device")

    (folder.screens_path / "a folder").mkdir()
    os.mkfifo(folder.screens_path / "a pipe")
    with monkeypatch.context() as broken:
        broken.setattr("os.pwrite", full)
        ScreenPresence(folder).beat()
    watch.is_attached()
    times.now += 100
    assert not watch.is_attached()
    shutil.rmtree(folder.path)
    times.now += 1
    with ScreenPresence(folder):
        assert not watch.is_attached()


def _newest(folder: RunFolder) -> float:
    try:
        return max((path.stat().st_mtime for path in Path(folder.screens_path).iterdir()), default=0.0)
    except OSError:
        return 0.0
