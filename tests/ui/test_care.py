"""Runs are taken care of from home: names, notes, tags and the trash, at both sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from tests.recordings import DIVERGED, HAND_MADE, STEERED, copied
from tests.ui.watching import text_of, until
from tuitrain.preset import list_presets
from tuitrain.rundir.catalogue import list_runs
from tuitrain.rundir.labels import Labels, noted, read_labels, renamed, tagged
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder, runs_folder
from tuitrain.rundir.summary import summarize
from tuitrain.rundir.trash import list_trash
from tuitrain.ui.app import TuitrainApp
from tuitrain.ui.run_lines import run_details, run_line
from tuitrain.ui.screens.care import DeleteSheet, LabelSheet
from tuitrain.ui.screens.home import HomeScreen

SIZES = [(120, 40), (80, 24)]


@pytest.fixture
def steered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """The oldest of two runs, at the end of the list."""
    monkeypatch.setenv("TUITRAIN_HOME", str(tmp_path))
    copied(DIVERGED, runs_folder())
    return copied(STEERED, runs_folder())


async def on_the_last_run(pilot: Pilot[int]) -> None:
    """Until it is chosen."""
    app = pilot.app
    await until(lambda: len(app.screen.query_one("#runs", OptionList).options) == 2)
    await pilot.press("tab", "end")
    await until(lambda: "finished at step 300" in text_of(app))


async def typed(pilot: Pilot[int], key: str, text: str) -> None:
    """Open a dialog, empty it, type into it and enter."""
    await pilot.press(key)
    await until(lambda: isinstance(pilot.app.screen, LabelSheet) and bool(pilot.app.screen.query(Input)))
    field = pilot.app.screen.query_one(Input)
    field.value = ""
    await pilot.press(*(text or ()), "enter")


@pytest.mark.parametrize("size", SIZES)
async def test_a_run_is_named_noted_and_tagged(size: tuple[int, int], steered: RunFolder) -> None:
    """What was typed is on the disk, in the list and in the detail."""
    app = TuitrainApp(presets=list_presets())
    async with app.run_test(size=size, notifications=True) as pilot:
        await on_the_last_run(pilot)
        await typed(pilot, "r", "base [line]")
        await until(lambda: read_labels(steered)[0].name == "base [line]")
        await typed(pilot, "t", "keep, #v2")
        await until(lambda: read_labels(steered)[0].tags == ("keep", "v2"))
        await typed(pilot, "n", "q and ? are words here")
        await until(lambda: read_labels(steered)[0].note == "q and ? are words here")
        await until(lambda: "base [line] #keep #v2" in text_of(app), 30.0)
        await until(lambda: "#keep #v2   q and ? are words here" in text_of(app))
        assert "● mnist-mlp-5eed" not in text_of(app)
        await typed(pilot, "r", "")
        await until(lambda: read_labels(steered)[0] == Labels(note="q and ? are words here", tags=("keep", "v2")))


async def test_what_cannot_be_is_said_and_may_be_typed_again(steered: RunFolder) -> None:
    """The dialog comes back with what was typed; escape leaves all as it was."""
    app = TuitrainApp(presets=list_presets())
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await on_the_last_run(pilot)
        await typed(pilot, "r", "last")
        await until(lambda: "means the newest run already" in text_of(app))
        await until(lambda: isinstance(app.screen, LabelSheet) and bool(app.screen.query(Input)))
        assert app.screen.query_one(Input).value == "last"
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, HomeScreen))
    assert read_labels(steered)[0].is_empty


@pytest.mark.parametrize("size", SIZES)
async def test_delete_asks_and_says_where_it_goes(size: tuple[int, int], steered: RunFolder) -> None:
    """Keeping is first; then the run is in the trash, and the next one is chosen."""
    app = TuitrainApp(presets=list_presets())
    async with app.run_test(size=size, notifications=True) as pilot:
        await on_the_last_run(pilot)
        assert "d delete" in text_of(app)
        for keys in (("escape",), ("enter",)):
            await pilot.press("d")
            await until(lambda: isinstance(app.screen, DeleteSheet) and "tuitrain restore" in text_of(app))
            await pilot.press(*keys)
            await until(lambda: isinstance(app.screen, HomeScreen))
        assert steered.path.is_dir()
        await pilot.press("d")
        await until(lambda: isinstance(app.screen, DeleteSheet))
        await pilot.press("down", "enter")
        await until(lambda: [item.id for item in list_trash()] == [STEERED])
        await until(lambda: len(app.screen.query_one("#runs", OptionList).options) == 1)
        await until(lambda: "failed at step 206" in text_of(app))
    assert [run.id for run in list_runs()] == [DIVERGED]


async def test_a_live_run_is_not_deleted(steered: RunFolder) -> None:
    """The reason is said, and the key is in the help with it."""
    lines = steered.events_path.read_bytes().splitlines(keepends=True)
    steered.events_path.write_bytes(b"".join(lines[:-1]))
    app = TuitrainApp(presets=list_presets())
    with RunLock.acquire(steered):
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await until(lambda: len(app.screen.query_one("#runs", OptionList).options) == 2)
            await pilot.press("tab", "home", "d")
            await until(lambda: "stop it first" in text_of(app))
            assert isinstance(app.screen, HomeScreen)
            await pilot.press("question_mark")
            await until(
                lambda: "tuitrain restore RUN" in text_of(app) and "not now: the run is at work" in text_of(app)
            )
            await pilot.press("escape")


async def test_without_a_run_the_keys_say_so(steered: RunFolder) -> None:
    """On the list of presets."""
    app = TuitrainApp(presets=list_presets())
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("t")
        await until(lambda: "choose a run first" in text_of(app))


@pytest.mark.parametrize("size", SIZES)
async def test_the_disk_use_of_a_run_is_shown(size: tuple[int, int], steered: RunFolder) -> None:
    """Measured by a thread, shown when it is there."""
    (steered.checkpoints_path / "step-00000300.pt").write_bytes(bytes(3_000_000))
    app = TuitrainApp(presets=list_presets())
    async with app.run_test(size=size) as pilot:
        await on_the_last_run(pilot)
        await until(lambda: "3.1 MB on" in text_of(app))


async def test_a_name_made_elsewhere_is_seen(steered: RunFolder) -> None:
    """By the command line or another screen."""
    app = TuitrainApp(presets=list_presets())
    async with app.run_test(size=(120, 40)) as pilot:
        await on_the_last_run(pilot)
        renamed(steered, "from elsewhere")
        await until(lambda: text_of(app).count("from elsewhere") == 2)


@pytest.mark.parametrize("width", [30, 55, 76])
@pytest.mark.parametrize("name", ["", "short", "名前" * 20, "a name much longer than any list is wide"])
def test_a_line_keeps_its_columns(width: int, name: str, tmp_path: Path) -> None:
    """Whatever people wrote; and a note with lines stays in one."""
    folder = copied(HAND_MADE, tmp_path)
    plain = run_line(summarize(folder), width).cell_length
    renamed(folder, name)
    tagged(folder, ["one", "two", "three-and-more"])
    noted(folder, "first\nsecond")
    run = summarize(folder)
    assert run_line(run, width).cell_length == plain == max(53, width)
    details = run_details(run, 1234)
    assert not any("\n" in str(line) for line in details)
    assert "1.2 kB on disk" in str(details[0])


def test_runs_of_a_long_comparison_are_told_apart_in_a_line(tmp_path: Path) -> None:
    """The key stands whole at the end of what is cut."""
    run = replace(summarize(copied(HAND_MADE, tmp_path)), comparison="lr-good-random-over-many-rates/trial-007")
    assert "…/trial-007" in run_line(run, 60).plain
