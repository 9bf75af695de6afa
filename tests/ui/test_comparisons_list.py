"""The list of comparisons that home opens."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from textual.widgets import OptionList

from tests.ui.comparisons import comparison
from tests.ui.watching import text_of, until
from tuitrain.comparing.folder import ComparisonFolder, create_comparison
from tuitrain.ui.app import TuitrainApp
from tuitrain.ui.screens.compare import CompareScreen
from tuitrain.ui.screens.comparisons import Entry, comparison_line
from tuitrain.ui.screens.home import HomeScreen


async def test_home_lists_comparisons_and_opens_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """c lists them, enter opens, escape comes back to home; a damaged one is said, and the others stay."""
    monkeypatch.setenv("TUITRAIN_HOME", str(tmp_path))
    folder = create_comparison(comparison(seeds=2, title="three optimizers").plan)
    damaged = ComparisonFolder(folder.path.with_name("damaged"))
    damaged.path.mkdir()
    damaged.plan_path.write_text("{")
    app = TuitrainApp()
    async with app.run_test(size=(100, 30)) as pilot:
        await until(lambda: isinstance(app.screen, HomeScreen))
        await pilot.press("c")
        await until(lambda: "three optimizers" in text_of(app) and "damaged" in text_of(app))
        names = app.screen.query_one(OptionList)
        names.highlighted = names.get_option_index("optimizers")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, CompareScreen) and "6 waiting" in text_of(app))
        await until(lambda: "the scheduler is gone" in text_of(app))
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, HomeScreen))
        await pilot.press("c")
        await until(lambda: "three optimizers" in text_of(app))
        names = app.screen.query_one(OptionList)
        names.highlighted = names.get_option_index("optimizers")
        await pilot.press("enter")
        await until(lambda: "the scheduler is gone" in text_of(app))
        await pilot.press("q")
        await until(lambda: app.return_code == 0)
        assert "tuitrain compare --resume optimizers" in str(app._exit_renderables)


@pytest.mark.parametrize("width", [20, 45, 63, 91])
def test_a_comparison_is_one_line_that_keeps_both_ends_of_its_name(width: int) -> None:
    """However long its name and title; a title is there where there is room for it."""
    name, title = "schedules-of-a-long-name-2", "mnist-mlp: optimizer.name, optimizer.lr, schedule.warmup and more"
    entries = [
        Entry(name, "12 runs", time.time() - 100.0, title=title), Entry(name, "8 trials", 0.0, is_at_work=True),
        Entry(name, is_damaged=True), Entry("a", "2 runs", time.time(), title="short"),
    ]  # fmt: skip
    lines = [comparison_line(entry, len(name), width) for entry in entries]
    assert all(line.cell_length <= width and "\n" not in line.plain for line in lines)
    assert all(line.plain.startswith("sch") and "-2 " in line.plain for line in lines[:3])
    assert "ago" in lines[0].plain
    assert "at work" in lines[1].plain
    assert "damaged" in lines[2].plain
    assert ("12 runs" in lines[0].plain) == (width > 45)
    assert ("mnist" in lines[0].plain) == (width > 63)


@pytest.mark.parametrize("width", [60, 80, 120])
async def test_home_says_that_c_lists_comparisons(width: int) -> None:
    """On its last line."""
    app = TuitrainApp()
    async with app.run_test(size=(width, 24)):
        await until(lambda: "c compar" in text_of(app))
