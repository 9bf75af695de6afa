"""The compare screen under a person's keys, over a comparison that is built by hand."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from textual import events
from textual.app import App
from textual.keys import _character_to_key
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from tests.recordings import HERE, STEERED
from tests.ui.comparisons import STEPS, FakeReader, compared, comparison, fill
from tests.ui.test_compare_figure import going_on
from tests.ui.watching import text_of, until
from tuitrain.board.comparison import Comparison
from tuitrain.ui.screens.care import LabelSheet
from tuitrain.ui.screens.compare import CompareScreen
from tuitrain.ui.screens.live import LiveScreen
from tuitrain.ui.screens.small import HelpSheet
from tuitrain.ui.screens.stopping import StopSheet, VerdictSheet
from tuitrain.ui.widgets.chart import Chart


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (60, 16)])
async def test_chart_table_and_verdict_are_there(size: tuple[int, int]) -> None:
    """In a small terminal too."""
    async with compared(FakeReader(comparison(states=going_on, seeds=3)), size) as (screen, pilot):
        await until(lambda: "adam" in text_of(pilot.app))
        text = text_of(pilot.app)
        for words in ("optimizers", "eval/loss", "verdict", "q leave", *(["2/3 done"] if size[1] > 20 else [])):
            assert words in text
        assert len(screen.query_one(Chart).figure.curves) >= 3


async def test_keys_turn_the_metric_and_ask_for_what_is_not_read() -> None:
    """m goes on, M back; what is measured at each step is read only when it is looked at."""
    reader = FakeReader(comparison())
    async with compared(reader) as (screen, pilot):
        await until(lambda: bool(screen.source.offered) and "batch/gradient_norm" in screen._offered)
        assert screen._offered[0] == "eval/loss"
        await pilot.press("m")
        assert screen.view.metric == "eval/accuracy"
        assert reader.wanted == set()
        await pilot.press("M", "M", "M")
        assert screen.view.metric == "batch/learning_rate"
        await until(lambda: reader.wanted >= {"batch/learning_rate"})
        await until(lambda: "reading batch/learning_rate" in text_of(pilot.app))
        await pilot.press("m", "m", "t", "g")
        await until(lambda: "eval/loss · by epoch · log" in text_of(pilot.app))


async def test_a_cursor_reads_all_runs_at_one_place() -> None:
    """In the legend and in a column of its own; escape takes it away."""
    async with compared(FakeReader(comparison())) as (screen, pilot):
        await until(lambda: screen.query_one(Chart).x_span is not None)
        await pilot.press("left", "shift+left")
        await until(lambda: "at cursor" in text_of(pilot.app))
        assert screen.view.cursor == pytest.approx(890)
        await until(lambda: "step 890" in text_of(pilot.app))
        await pilot.press("escape")
        await until(lambda: "at cursor" not in text_of(pilot.app))


async def test_members_are_listed_and_a_run_is_opened_and_left_again() -> None:
    """Enter on an arm lists its members; on a member it opens the live screen, from which escape comes back."""
    found = comparison(seeds=2)
    found.members["sgd-s1"].run = str(HERE / STEERED)
    async with compared(FakeReader(found)) as (screen, pilot):
        await until(lambda: "sgd" in text_of(pilot.app))
        await pilot.press("enter")
        await until(lambda: "seed 1" in text_of(pilot.app))
        await pilot.press("down", "down", "enter")
        await until(lambda: isinstance(pilot.app.screen, LiveScreen))
        await pilot.press("escape")
        await until(lambda: pilot.app.screen is screen)
        assert screen.view.selected == "sgd-s1"
        await pilot.press("up", "up", "enter")
        await until(lambda: "seed 1" not in text_of(pilot.app))


def asks_what_to_stop(pilot: Pilot[int]) -> bool:
    """Whether the dialog is there, and takes keys."""
    return isinstance(pilot.app.screen, StopSheet) and isinstance(pilot.app.focused, OptionList)


async def test_what_is_hopeless_is_stopped_after_asking() -> None:
    """The chosen arm, a member of it, or all; escape stops nothing."""
    reader = FakeReader(comparison(states=going_on, seeds=3))
    async with compared(reader) as (screen, pilot):
        await until(lambda: bool(screen._shown))
        await pilot.press("x")
        await until(lambda: "Stop the whole comparison (1 at work, 1 waiting)" in text_of(pilot.app))
        assert isinstance(pilot.app.screen, StopSheet)
        await pilot.press("escape")
        await until(lambda: pilot.app.screen is screen)
        await pilot.press("down", "down", "x")
        await until(lambda: asks_what_to_stop(pilot))
        await pilot.press("down", "enter")
        await until(lambda: reader.stopped == ["muon-s2"])
        await pilot.press("x")
        await until(lambda: asks_what_to_stop(pilot))
        await pilot.press("down", "down", "enter")
        await until(lambda: reader.has_stopped_all)


async def test_a_refusal_is_told() -> None:
    """E.g. a folder that cannot be written."""
    reader = FakeReader(comparison(states=going_on, seeds=3))
    reader.refusal = "the disk is full"
    async with compared(reader) as (screen, pilot):
        await until(lambda: bool(screen._shown))
        await pilot.press("down", "x")
        await until(lambda: asks_what_to_stop(pilot))
        await pilot.press("down", "enter")
        await until(lambda: "the disk is full" in text_of(pilot.app))


async def test_nothing_is_stopped_where_all_is_done() -> None:
    """It is said, and nothing is asked."""
    async with compared(FakeReader(comparison())) as (screen, pilot):
        await until(lambda: bool(screen._shown))
        await pilot.press("x")
        await until(lambda: "nothing is at work" in text_of(pilot.app))
        assert pilot.app.screen is screen


async def test_rows_are_filtered_hidden_and_sorted() -> None:
    """Typed words narrow the rows and the lines; escape shows all again."""
    async with compared(FakeReader(comparison(states=going_on, seeds=3))) as (screen, pilot):
        await until(lambda: bool(screen._shown))
        await pilot.press("slash", *"running")
        await until(lambda: [row.id for row in screen._shown] == ["adam"])
        assert screen.query_one("#filter", Input).value == "running"
        await pilot.press("enter")
        await until(lambda: 'holding "running"' in text_of(pilot.app))
        await pilot.press("escape")
        await until(lambda: len(screen._shown) == 3)
        await pilot.press("space")
        await until(lambda: "sgd" not in {curve.name for curve in screen.query_one(Chart).figure.curves})
        await pilot.press("space", "o")
        await until(lambda: {curve.name for curve in screen.query_one(Chart).figure.curves} == {"sgd"})
        await pilot.press("o", "s", "S")
        await until(lambda: "sorted by last" in text_of(pilot.app))
        assert [row.id for row in screen._shown] == ["muon", "adam", "sgd"]
        assert screen.view.selected == "sgd"


async def test_keys_are_keys_again_after_a_filter_and_a_dialog() -> None:
    """The filter, which is no longer seen, takes none of them."""
    async with compared(FakeReader(comparison())) as (screen, pilot):
        await until(lambda: bool(screen._shown))
        await pilot.press("slash", *"sgd", "enter", "escape", "r")
        await until(lambda: pilot.app.screen is not screen)
        await pilot.press("escape")
        await until(lambda: pilot.app.screen is screen)
        await pilot.press("b")
        assert screen.view.words == ""
        await pilot.press("q")
        await until(lambda: pilot.app.return_code == 0)


async def test_a_key_while_the_screen_goes_is_harmless() -> None:
    """Its parts go before it does; a key may come between."""
    async with compared(FakeReader(comparison())) as (screen, _):
        await screen.query_one("#filter", Input).remove()
        assert screen.check_action("press", ("leave",))
        screen.action_press("back")


async def test_a_target_is_set_and_taken_away() -> None:
    """As a level in the chart and a column of the table; what is no number is said."""
    async with compared(FakeReader(comparison())) as (screen, pilot):
        await until(lambda: bool(screen._shown))
        await pilot.press("r")
        await until(lambda: pilot.app.screen is not screen and isinstance(pilot.app.focused, Input))
        await pilot.press(*"0.3", "enter")
        await until(lambda: pilot.app.screen is screen and "to target" in text_of(pilot.app))
        assert screen.query_one(Chart).figure.levels[0].y == 0.3
        await pilot.press("r")
        await until(lambda: pilot.app.screen is not screen and isinstance(pilot.app.focused, Input))
        await pilot.press("backspace", *"x", "enter")
        await until(lambda: '"0.x" is not a number' in text_of(pilot.app))
        assert pilot.app.screen.query_one(Input).value == "0.x"
        assert screen.view.target == 0.3
        await pilot.press("backspace", "4", "enter")
        await until(lambda: screen.view.target == 0.4)
        await until(lambda: pilot.app.screen is screen)
        await pilot.press("r")
        await until(lambda: pilot.app.screen is not screen and isinstance(pilot.app.focused, Input))
        await pilot.press("backspace", "backspace", "backspace", "enter")
        await until(lambda: screen.view.target is None)


async def test_a_filter_is_edited_left_as_it_was_and_removed() -> None:
    """What is typed after the key is never a key of the screen."""
    async with compared(FakeReader(comparison(states=going_on, seeds=3))) as (screen, pilot):
        await until(lambda: bool(screen._shown))
        await pilot.press("slash", *"ada", "enter", "slash")
        assert screen.query_one("#filter", Input).value == "ada"
        await pilot.press(*"zzz", "enter")
        await until(lambda: screen.view.words == "adazzz")
        assert pilot.app.screen is screen
        await pilot.press("slash", "backspace", "backspace", "backspace", "enter")
        await until(lambda: [row.id for row in screen._shown] == ["adam"])
        await pilot.press("slash", *"nothing", "escape")
        await until(lambda: not screen.query_one("#filter", Input).display)
        await until(lambda: [row.id for row in screen._shown] == ["adam"])
        assert screen.view.words == "ada"
        await pilot.press("slash", "backspace", "backspace", "backspace", "enter")
        await until(lambda: len(screen._shown) == 3)
        assert screen.view.words == ""


async def test_what_is_typed_in_one_burst_is_typed_into_what_it_opens() -> None:
    """No key waits for the one before; those that come before the line has the focus are not lost."""
    async with compared(FakeReader(comparison())) as (screen, pilot):
        await until(lambda: bool(screen._shown))
        before = screen.view
        type_at_once(pilot.app, "/adam")
        await until(lambda: screen.view == replace(before, words="adam"))
        await pilot.press("enter", "escape")
        type_at_once(pilot.app, "/sgd\r")
        await until(lambda: [row.id for row in screen._shown] == ["sgd"])
        await until(lambda: not screen.query_one("#filter", Input).display)
        type_at_once(pilot.app, "r0.25")
        await until(lambda: isinstance(pilot.app.screen, LabelSheet))
        await until(lambda: pilot.app.screen.query_one(Input).value == "0.25")


def type_at_once(app: App[int], characters: str) -> None:
    """As a terminal hands on what was typed faster than it is read."""
    for character in characters:
        app.post_message(events.Key("enter" if character == "\r" else _character_to_key(character), character))


async def test_a_key_that_can_do_nothing_says_why() -> None:
    """Evaluations are not smoothed; one run has no spread."""
    async with compared(FakeReader(comparison(seeds=1))) as (screen, pilot):
        await until(lambda: bool(screen._shown))
        for key, words in (("plus", "not smoothed"), ("minus", "not smoothed"), ("b", "no spread")):
            before = screen.view
            await pilot.press(key)
            await until(lambda words=words: words in text_of(pilot.app))  # type: ignore[misc]
            assert screen.view == before
            pilot.app.clear_notifications()
    async with compared(FakeReader(comparison(seeds=2))) as (screen, pilot):
        await until(lambda: bool(screen._shown))
        screen.view = replace(screen.view, metric="batch/loss")
        await pilot.press("plus", "b")
        assert (screen.view.smoothing, screen.view.bands) == (5, "all")


async def test_the_sheet_of_the_verdict_follows() -> None:
    """A run that ends while it is open is ranked in it."""
    reader = FakeReader(comparison(seeds=2, states=lambda arm, seed: ("finished", STEPS) if arm else ("waiting", 0)))
    async with compared(reader) as (screen, pilot):
        await until(lambda: "no value yet" in text_of(pilot.app))
        await pilot.press("v")
        await until(lambda: isinstance(pilot.app.screen, VerdictSheet))

        def end(found: Comparison) -> None:
            for view in found.arms["sgd"]:
                view.state = "finished"
                fill(view, STEPS, seed=view.member.seed)

        reader.changes.append(end)
        await until(lambda: "no value yet" not in str(pilot.app.screen.query_one(Static).visual))
        assert screen._verdicts is not None


@pytest.mark.parametrize(("size", "rows"), [((60, 20), 3), ((80, 24), 3)])
async def test_a_low_terminal_shows_some_rows_under_some_chart(size: tuple[int, int], rows: int) -> None:
    """Neither takes it all."""
    async with compared(FakeReader(comparison([f"arm {index}" for index in range(9)], 1)), size) as (screen, pilot):
        await until(lambda: "arm 1" in text_of(pilot.app) and "no verdict yet" not in text_of(pilot.app))
        await until(lambda: screen._page >= rows)
        await until(lambda: screen.query_one(Chart).size.height >= 5)


async def test_the_verdict_and_the_keys_have_sheets() -> None:
    """v shows the whole ranking, ? all keys; leaving ends the app with 0."""
    reader = FakeReader(comparison())
    async with compared(reader) as (screen, pilot):
        await until(lambda: "sgd is better than every other arm" in text_of(pilot.app))
        await pilot.press("v")
        await until(lambda: isinstance(pilot.app.screen, VerdictSheet) and "worse" in text_of(pilot.app))
        await pilot.press("v")
        await until(lambda: pilot.app.screen is screen)
        await pilot.press("question_mark")
        await until(lambda: isinstance(pilot.app.screen, HelpSheet))
        await pilot.press("escape", "q")
        await until(lambda: pilot.app.return_code == 0)
    await until(lambda: reader.is_closed)


async def test_a_run_goes_on_and_a_folder_vanishes() -> None:
    """The picture follows; the line of what is gone stays as far as it was read."""
    reader = FakeReader(comparison(seeds=1, states=lambda arm, seed: ("running", 400)))
    async with compared(reader) as (screen, pilot):
        await until(lambda: bool(screen.query_one(Chart).figure.curves))

        def go_on(found: Comparison) -> None:
            fill(found.members["adam-s0"], STEPS)
            found.members["adam-s0"].state = "finished"
            found.members["sgd-s0"].state = "gone"

        reader.changes.append(go_on)
        await until(lambda: "gone: sgd-s0" in text_of(pilot.app))
        ends = {curve.name: curve.xs[-1] for curve in screen.query_one(Chart).figure.curves}
        assert ends == {"sgd-s0": 400, "adam": STEPS, "muon": 400}


async def test_a_dead_scheduler_and_reading_are_told() -> None:
    """With how to go on; while much is unread its share."""
    reader = FakeReader(comparison(states=going_on, seeds=3))
    reader.is_scheduled, reader.unread = False, 1000
    async with compared(reader) as (_, pilot):
        reader.unread = 600
        await until(lambda: "reading 40 %" in text_of(pilot.app))
        assert "the scheduler is gone" not in text_of(pilot.app)
        reader.unread = 0
        await until(lambda: "the scheduler is gone" in text_of(pilot.app))
        assert "--resume optimizers" in text_of(pilot.app)


async def test_a_disk_that_hangs_does_not_freeze_the_screen() -> None:
    """Keys are taken while the reader holds the lock; the picture comes when it lets go."""
    reader = FakeReader(comparison())
    hold, holds = threading.Event(), threading.Event()

    def hang(found: Comparison) -> None:
        del found
        holds.set()
        hold.wait(20)

    async with compared(reader) as (screen, pilot):
        await until(lambda: bool(screen._shown))
        reader.changes.append(hang)
        await until(holds.is_set)
        await pilot.press("g")
        assert screen.view.is_log
        assert not screen.query_one(Chart).figure.is_log
        hold.set()
        await until(lambda: screen.query_one(Chart).figure.is_log)


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_fifty_runs_scroll(size: tuple[int, int]) -> None:
    """The chosen one is in view, and its line stands out."""
    found = comparison([f"arm {index}" for index in range(50)], 1)
    async with compared(FakeReader(found), size) as (screen, pilot):
        await until(lambda: len(screen._shown) == 50)
        await pilot.press("end")
        await until(lambda: "▸ ▲ arm 49" in text_of(pilot.app) or "arm 49 " in text_of(pilot.app))
        await until(lambda: screen.query_one(Chart).figure.curves[-1].name == "arm 49")
        assert screen.query_one(Chart).figure.curves[-1].is_emphasised
        await pilot.press("pageup")
        assert screen.view.selected != "arm 49"


async def test_no_runs_and_nothing_launched_are_said() -> None:
    """Every key is harmless then."""
    keys = "m M t g f b i i i o s S + - left right up down home end space enter x".replace("+", "plus").split()
    for found, words in (
        (comparison((), 0), "there are no runs"),
        (comparison(states=lambda arm, seed: ("waiting", 0)), "waiting: 12 members, 2 at a time"),
    ):
        async with compared(FakeReader(found)) as (screen, pilot):
            await until(lambda words=words: words in text_of(pilot.app))  # type: ignore[misc]
            for key in keys:
                await pilot.press({"-": "minus"}.get(key, key))
            await pilot.press("escape", "escape")
            await until(lambda screen=screen: isinstance(screen, CompareScreen) and not screen._is_dirty)  # type: ignore[misc]


def test_a_gap_nearer_to_zero_is_better_and_a_rate_is_no_aim() -> None:
    """Of a loss it is above zero, of an accuracy below."""
    found = comparison()
    assert found.is_lower_better("gap/loss")
    assert not found.is_lower_better("gap/accuracy")
    assert found.is_aim("eval/loss")
    assert found.is_aim("batch/loss")
    assert not found.is_aim("batch/learning_rate")


async def test_a_key_writes_a_page_over_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Into the folder where one stands; a second one beside the first."""
    monkeypatch.chdir(tmp_path)
    async with compared(FakeReader(comparison())) as (_, pilot):
        for name in ("optimizers.html", "optimizers-2.html"):
            await pilot.press("w")
            await until(lambda name=name: (tmp_path / name).is_file())  # type: ignore[misc]
            assert "sgd is better than every other arm" in (tmp_path / name).read_text()
        await until(lambda: "wrote" in text_of(pilot.app))
