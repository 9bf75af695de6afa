"""Home lists what there is; a replay plays it; neither asks a run anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from textual.widgets import OptionList

from tests.recordings import ASKED, DIVERGED, STEERED, copied
from tests.ui.watching import text_of, until
from tuitrain.errors import TuitrainError
from tuitrain.preset import list_presets
from tuitrain.protocol.commands import Pause
from tuitrain.rundir.places import runs_folder
from tuitrain.ui.app import TuitrainApp
from tuitrain.ui.screens.home import HomeScreen
from tuitrain.ui.screens.live import LiveScreen
from tuitrain.ui.source import ReplaySource


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with two recordings."""
    monkeypatch.setenv("TUITRAIN_HOME", str(tmp_path))
    for name in (STEERED, DIVERGED):
        copied(name, runs_folder())
    return runs_folder()


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (60, 20)])
async def test_home_lists_presets_and_runs(size: tuple[int, int], runs: Path) -> None:
    """With what to look for, and the state of each run."""
    app = TuitrainApp(presets=list_presets())
    async with app.run_test(size=size) as pilot:
        await until(lambda: "linreg-0bad" in text_of(app))
        assert "failed" in text_of(app)
        await until(lambda: "A line through points" in text_of(app))
        await until(lambda: len(app.screen.query_one("#runs", OptionList).options) == 2)
        await pilot.press("tab", "end")
        await until(lambda: "finished at step 300" in text_of(app) or size[1] < 24)


async def test_enter_on_a_run_shows_it_and_escape_comes_back(runs: Path) -> None:
    """A finished run is shown whole."""
    app = TuitrainApp(presets=list_presets())
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: "mnist-mlp-5eed" in text_of(app))
        await pilot.press("tab", "end", "enter")
        await until(lambda: isinstance(app.screen, LiveScreen))
        await until(lambda: "what happened" in text_of(app) and "finished" in text_of(app))
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, HomeScreen))


def test_a_replay_plays_seeks_and_takes_no_commands(runs: Path) -> None:
    """By a clock of the test: part of the way, back, and at the end the whole board."""
    now = [0.0]
    source = ReplaySource(copied(STEERED, runs / "again"), speed=1.0, timer=lambda: now[0])
    source.start()
    source._thread.join(10)
    source.drain(1.0)
    assert source.length > 0.5
    now[0] = source.length * 0.9  # the first half is the import of torch
    while source.drain(1.0):
        pass
    midway = source.board.step
    assert 0 < midway < 300
    source.seek(0.0)
    source.drain(1.0)
    assert source.board.step < midway
    now[0] += 1e6
    while source.drain(1.0):
        pass
    assert (source.board.state, source.board.step) == ("finished", 300)
    source.is_playing = False
    with pytest.raises(TuitrainError, match="takes no commands"):
        source.ask(Pause())


async def test_a_replay_goes_through_the_same_screen(runs: Path) -> None:
    """Space holds it, the comma goes back, a decay is refused with the reason."""
    source = ReplaySource(copied(STEERED, runs / "again"), speed=1000.0)
    app = TuitrainApp(source)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(lambda: source.board.state == "finished")
        await until(lambda: "replay" in text_of(app) and "adam → sgd handed over" in text_of(app))
        await pilot.press("space", "comma")
        await until(lambda: not source.is_playing and source.position < source.length)
        await pilot.press("d")
        await until(lambda: "this is a replay" in text_of(app))


async def test_home_without_runs_says_how_to_start_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not an empty list."""
    monkeypatch.setenv("TUITRAIN_HOME", str(tmp_path))
    app = TuitrainApp(presets=list_presets())
    async with app.run_test(size=(120, 40)):
        await until(lambda: "No runs yet" in text_of(app))


SCREEN_WITHOUT_TORCH = """
import asyncio, sys
from pathlib import Path
from tuitrain.preset import list_presets
from tuitrain.rundir.catalogue import find_run
from tuitrain.ui.app import TuitrainApp
from tuitrain.ui.source import LiveSource, ReplaySource

async def show(app):
    async with app.run_test(size=(120, 40)) as pilot:
        for _ in range(20):
            await asyncio.sleep(0.02)

asyncio.run(show(TuitrainApp(presets=list_presets())))
asyncio.run(show(TuitrainApp(LiveSource(find_run("5eed")))))
asyncio.run(show(TuitrainApp(ReplaySource(find_run("5eed"), 10.0))))
assert "torch" not in sys.modules
"""


def test_home_attach_and_replay_never_load_torch(runs: Path) -> None:
    """They draw what was recorded, and that is all."""
    done = subprocess.run(
        [sys.executable, "-c", SCREEN_WITHOUT_TORCH], capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert done.returncode == 0, done.stderr


async def test_the_presets_are_narrowed_by_what_is_typed(runs: Path) -> None:
    """Every word must be in the name, the title or the chapter; escape shows all again, a second one leaves."""
    app = TuitrainApp(presets=list_presets())
    async with app.run_test(size=(120, 40)) as pilot:
        presets = app.screen.query_one("#presets", OptionList)
        num_presets = len(presets.options)
        await pilot.press("slash", *"schedules cos")
        await until(lambda: [option.id for option in presets.options] == [None, "cosine"])
        await until(lambda: "Half a cosine" in text_of(app))
        await pilot.press("enter")
        await until(lambda: presets.has_focus and presets.highlighted == 1)
        await pilot.press("escape")
        await until(lambda: len(presets.options) == num_presets)
        assert app.is_running
        await pilot.press("slash", *"no such thing")
        await until(lambda: not presets.options)
        await pilot.press("escape", "escape")
        await until(lambda: not app.is_running)


async def test_a_stopped_run_is_looked_at_or_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Enter asks; looking is first, as it changes nothing; without a checkpoint going on says why not."""
    monkeypatch.setenv("TUITRAIN_HOME", str(tmp_path))
    copied(ASKED, runs_folder())
    app = TuitrainApp(presets=list_presets())
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(lambda: "lab-wave-a5ed" in text_of(app))
        await pilot.press("tab", "end", "enter")
        await until(lambda: "Look at it" in text_of(app))
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, LiveScreen) and "stopped" in text_of(app))
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, HomeScreen))
        await pilot.press("enter")
        await until(lambda: "go on?" in text_of(app))
        await pilot.press("down", "enter")
        await until(lambda: "has no checkpoint" in text_of(app))
        assert isinstance(app.screen, HomeScreen)
