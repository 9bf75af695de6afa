"""The walk through the lecture as a screen: reading, answering, running, searching, remembering, at every size."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from tests.recordings import STEERED, copied
from tests.ui.watching import text_of, until
from tuitrain.errors import TuitrainError
from tuitrain.learning.progress import Progress, progress_path, read_progress, write_progress
from tuitrain.learning.walk import find_station, stations
from tuitrain.preset import Preset, list_presets
from tuitrain.ui.app import TuitrainApp
from tuitrain.ui.screens.home import HomeScreen
from tuitrain.ui.screens.learn import LearnScreen, Page
from tuitrain.ui.screens.live import LiveScreen
from tuitrain.ui.screens.small import HelpSheet
from tuitrain.ui.source import LiveSource

WIDE, USUAL, SMALL = (120, 40), (80, 24), (60, 20)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person who has seen nothing."""
    monkeypatch.setenv("TUITRAIN_HOME", str(tmp_path))
    return tmp_path


@asynccontextmanager
async def walking(
    station: str = "", size: tuple[int, int] = WIDE, presets: list[Preset] | None = None
) -> AsyncIterator[Pilot[int]]:
    """The walk above home, once it shows a station."""
    app = TuitrainApp(presets=list_presets() if presets is None else presets, station=station)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(lambda: isinstance(app.screen, LearnScreen) and bool(open_station(pilot)))
        yield pilot


def open_station(pilot: Pilot[int]) -> str:
    """Id of the one that is shown."""
    return str(pilot.app.screen.query_one(Page).border_title or "")


def shows(pilot: Pilot[int], words: str) -> Callable[[], bool]:
    """Whether words stand on the screen."""
    return lambda: words in text_of(pilot.app)


@pytest.mark.parametrize("size", [WIDE, USUAL, SMALL])
async def test_a_station_is_read_and_answered(size: tuple[int, int]) -> None:
    """Title, formula and, once uncovered, the end of the answer are in view; a covers it again."""
    async with walking("momentum", size) as pilot:
        await until(shows(pilot, "W ← W − η v"))
        assert shows(pilot, "4.2  Optimizers")()
        await pilot.press("a")
        await until(shows(pilot, "0.55."))
        await until(shows(pilot, f"1 of {len(stations())} seen"))
        await pilot.press("a")
        await until(lambda: not shows(pilot, "0.55.")())


async def test_list_and_text_stand_beside_each_other_or_take_turns() -> None:
    """Beside at 80 columns; at 60 the list alone, then the text alone, and escape goes back one by one."""
    async with walking(size=USUAL) as pilot:
        await until(shows(pilot, "Foundations  0/9"))
        assert shows(pilot, "1.1  Foundations")()
    async with walking(size=SMALL) as pilot:
        await until(shows(pilot, "Foundations  0/9"))
        assert not shows(pilot, "1.1  Foundations")()
        await pilot.press("enter")
        await until(shows(pilot, "1.1  Foundations"))
        assert not shows(pilot, "Foundations  0/9")()
        await pilot.press("escape")
        await until(shows(pilot, "Foundations  0/9"))
        await pilot.press("escape")
        await until(lambda: isinstance(pilot.app.screen, HomeScreen))


async def test_arrows_move_in_the_list_and_scroll_the_text() -> None:
    """The open station follows the list; in the text the arrows scroll; left and right change sides."""
    async with walking(size=USUAL) as pilot:
        await pilot.press("down")
        await until(lambda: open_station(pilot) == "line")
        await pilot.press("right", "down", "down")
        await until(lambda: pilot.app.screen.query_one(Page).scroll_offset.y == 2)
        assert open_station(pilot) == "line"
        await pilot.press("left", "down")
        await until(lambda: open_station(pilot) == "stacked-lines")
        await until(lambda: pilot.app.screen.query_one(Page).scroll_offset.y == 0)


async def test_space_reads_on_to_the_next_station_and_n_and_p_go_there() -> None:
    """Page by page through the whole of a station."""
    async with walking("line", USUAL) as pilot:
        page = pilot.app.screen.query_one(Page)
        await until(lambda: page.max_scroll_y > 0)
        while open_station(pilot) == "line":
            before = (open_station(pilot), page.scroll_offset.y)
            await pilot.press("space")
            await until(lambda before=before: (open_station(pilot), page.scroll_offset.y) != before)  # type: ignore[misc]
        assert open_station(pilot) == "stacked-lines"
        await pilot.press("n")
        await until(lambda: open_station(pilot) == "one-hidden-layer")
        await pilot.press("p", "p")
        await until(lambda: open_station(pilot) == "line")


async def test_enter_runs_the_chosen_preset_and_escape_comes_back(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """To the same station, which counts as seen."""
    async with walking("line") as pilot:
        app, started = pilot.app, []
        assert isinstance(app, TuitrainApp)

        def show(preset: Preset) -> None:
            started.append(preset.name)
            app.show_run(LiveSource(copied(STEERED, home / "runs")), has_home=True)

        assert isinstance(app.screen, LearnScreen)
        monkeypatch.setattr(app.screen, "_start", show)
        await pilot.press("2")
        await until(shows(pilot, "▸2 linreg-diverges"))
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, LiveScreen))
        assert started == ["linreg-diverges"]
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, LearnScreen))
        assert open_station(pilot) == "line"
        await until(shows(pilot, "✓ A line"))


async def test_enter_reaches_the_program_through_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """The walk starts presets in the way of home, errors and all."""
    wanted: list[str] = []

    def refuse(preset: Preset, *, has_screen: bool) -> None:
        wanted.append(preset.name)
        raise TuitrainError("the disk is full.", hint="freeing space.")

    monkeypatch.setattr("tuitrain.ui.app.start_detached", refuse)
    async with walking("line") as pilot:
        await pilot.press("enter")
        await until(shows(pilot, "the disk is full. Try: freeing space."))
        assert wanted == ["linreg"]
        assert isinstance(pilot.app.screen, LearnScreen)


@pytest.mark.parametrize("size", [WIDE, SMALL])
async def test_a_missing_preset_is_said_and_nothing_breaks(size: tuple[int, int]) -> None:
    """As in a version that does not have it."""
    async with walking("line", size, presets=[]) as pilot:
        await until(shows(pilot, "not in this version"))
        assert not shows(pilot, "▸")()
        await pilot.press("2", "enter")
        await until(shows(pilot, "No preset named"))
        assert isinstance(pilot.app.screen, LearnScreen)


async def test_what_was_seen_is_remembered() -> None:
    """While the walk is open and when it is left; the next walk goes on at the first unseen station after it."""
    async with walking("line") as pilot:
        await pilot.press("a")
        await until(lambda: read_progress()[0] == Progress(seen=("line",), last="line"))
        await pilot.press("n", "escape")
        await until(lambda: isinstance(pilot.app.screen, HomeScreen))
        assert read_progress()[0] == Progress(seen=("line",), last="stacked-lines")
        await until(shows(pilot, "go on at Stacked lines are one line"))
        await until(shows(pilot, f"1 of {len(stations())} stations seen"))
        await pilot.press("l")
        await until(lambda: isinstance(pilot.app.screen, LearnScreen) and open_station(pilot) == "stacked-lines")
        await pilot.press("n", "q")
        await until(lambda: not pilot.app.is_running)
    assert read_progress()[0].last == "one-hidden-layer"


@pytest.mark.parametrize("size", [WIDE, USUAL, SMALL])
async def test_home_says_where_to_go_on(size: tuple[int, int]) -> None:
    """And with which key."""
    write_progress(Progress(seen=("adam",), last="adam"))
    app = TuitrainApp(presets=list_presets())
    async with app.run_test(size=size):
        await until(lambda: "l  learn  go on at Why Adam corrects its start" in text_of(app))


async def test_a_damaged_memory_is_said_and_the_walk_starts_anew() -> None:
    """Nothing is written over it: it says how the walk is remembered again."""
    progress_path().write_text("{")
    async with walking() as pilot:
        await until(shows(pilot, "The walk starts anew."))
        assert open_station(pilot) == stations()[0].id
        await pilot.press("a")
        await until(lambda: any("the walk starts anew then" in told.message for told in pilot.app._notifications))
    assert progress_path().read_text() == "{"


async def test_a_memory_that_cannot_be_written_is_said_once(home: Path) -> None:
    """The walk goes on."""
    async with walking("line") as pilot:
        await until(lambda: progress_path().is_file())
        progress_path().unlink()
        progress_path().mkdir()
        (progress_path() / "in the way").touch()
        await pilot.press("a")
        await until(shows(pilot, "cannot be read"))
        await pilot.press("n")
        await until(lambda: open_station(pilot) == "stacked-lines")


@pytest.mark.parametrize("size", [WIDE, SMALL])
async def test_a_search_narrows_the_list(size: tuple[int, int]) -> None:
    """Digits and letters are typed and choose nothing; enter goes to the list, escape brings back all."""
    async with walking(size=size) as pilot:
        listed = pilot.app.screen.query_one("#stations", OptionList)
        num_lines = len(listed.options)
        await pilot.press("slash", *"polyak 1964")
        await until(lambda: pilot.app.screen.query_one("#search", Input).value == "polyak 1964")
        await until(lambda: [option.id for option in listed.options if not option.disabled] == ["momentum"])
        await until(lambda: open_station(pilot) == "momentum")
        await pilot.press("enter")
        await until(lambda: listed.has_focus)
        await pilot.press("escape")
        await until(lambda: len(listed.options) == num_lines)
        assert open_station(pilot) == "momentum"
        await pilot.press("slash", *"no-such-thing")
        await until(lambda: not listed.options)
        await pilot.press("escape")
        await until(lambda: open_station(pilot) == "momentum")
        await pilot.press("n")
        await until(lambda: open_station(pilot) == "nesterov")


async def test_all_keys_are_explained() -> None:
    """The help sheet comes from the table."""
    async with walking() as pilot:
        await pilot.press("question_mark")
        await until(lambda: isinstance(pilot.app.screen, HelpSheet))
        await until(shows(pilot, "1 … 9"))


@pytest.mark.parametrize("size", [WIDE, USUAL, SMALL])
async def test_every_station_is_drawn(size: tuple[int, int]) -> None:
    """From the first to the last by one key, without an accident."""
    async with walking("four-parts", size) as pilot:
        for station in stations()[1:]:
            await pilot.press("n")
            assert open_station(pilot) == station.id
        await until(shows(pilot, find_station(open_station(pilot)).title))
        await pilot.press("n")
        assert open_station(pilot) == stations()[-1].id


WITHOUT_TORCH = """
import asyncio, sys
from tuitrain.preset import list_presets
from tuitrain.ui.app import TuitrainApp
from tuitrain.ui.screens.learn import LearnScreen

async def show():
    app = TuitrainApp(presets=list_presets(), station="adam")
    async with app.run_test(size=(120, 40)) as pilot:
        while not isinstance(app.screen, LearnScreen) or not app.screen.query_one("#page").border_title:
            await asyncio.sleep(0.02)
        await pilot.press("a", "n", "slash", "a", "escape")

asyncio.run(show())
assert "torch" not in sys.modules
"""


def test_the_walk_never_loads_torch() -> None:
    """It reads text and draws it."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert done.returncode == 0, done.stderr
