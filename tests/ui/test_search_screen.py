"""The search screen: charts, table, keys; each on a wide and a narrow terminal."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.ui.comparisons import FakeReader
from tests.ui.watching import text_of, until
from tuitrain.board.comparison import Comparison
from tuitrain.board.trials import Trials, trials_of
from tuitrain.comparing.space import range_words
from tuitrain.preset import load_preset
from tuitrain.protocol.comparing import ComparisonPlan, Member, MemberState, SearchedParameter, SearchPlan
from tuitrain.ui.actions import BY_ID
from tuitrain.ui.app import TuitrainApp
from tuitrain.ui.compare_report import free_path
from tuitrain.ui.comparison_source import ComparisonSource
from tuitrain.ui.screens.live import LiveScreen
from tuitrain.ui.screens.search import SearchScreen
from tuitrain.ui.search_actions import SEARCH_ACTIONS
from tuitrain.ui.search_figures import SearchView, is_log, parameter_figure, progress_figure
from tuitrain.ui.search_table import header_line, listed, signs, trial_table
from tuitrain.ui.text import plain
from tuitrain.ui.widgets.chart import Chart
from tuitrain.ui.widgets.palette import Palette
from tuitrain.ui.widgets.plotting import draw

SPACE = (
    SearchedParameter(key="optimizer.lr", low=1e-4, high=1.0, is_log=True),
    SearchedParameter(key="regularize.weight_decay", low=1e-6, high=1e-2, is_log=True),
    SearchedParameter(key="task.activation", choices=("relu", "tanh")),
)
STATES: list[tuple[MemberState, float | None]] = [
    ("finished", 0.5), ("pruned", 1.2), ("finished", math.nan), ("failed", None), ("finished", 0.3), ("running", 0.9),
    ("waiting", None),
]  # fmt: skip


def search(num: int = len(STATES)) -> Comparison:
    """A search with a trial of every kind."""
    plan = SearchPlan(space=SPACE, method="random", num_trials=12, preset=load_preset("lr-good").to_data())
    found = Comparison(ComparisonPlan(name="rates", created=0.0, search=plan))
    for index, (state, value) in enumerate(STATES[:num]):
        key = f"trial-{index + 1:03}"
        parameters = {
            "optimizer.lr": 10.0 ** (index * 0.5 - 3.5), "regularize.weight_decay": 1e-4,
            "task.activation": ("relu", "tanh")[index % 2],
        }  # fmt: skip
        found._add_member(Member(key=key, arm=f"trial {index + 1}", parameters=parameters))
        view = found.members[key]
        view.state, view.curves.step, view.curves.total_steps = state, 50, 100
        view.run = "" if state == "waiting" else f"/nowhere/{key}"
        if value is not None:
            view.curves.evaluated["eval/loss"] = [(50, value)]
    return found


def folded(num: int = len(STATES)) -> Trials:
    """The same, folded."""
    return trials_of(search(num))


@asynccontextmanager
async def watched(reader: FakeReader, size: tuple[int, int]) -> AsyncIterator[tuple[SearchScreen, Pilot[int]]]:
    """The screen over a reader, once it has drawn."""
    screen = SearchScreen(ComparisonSource(reader))
    app = TuitrainApp(first=screen)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(lambda: app.screen is screen and screen.is_mounted and screen._drawn_version >= 0)
        yield screen, pilot


SIZES = [(120, 40), (80, 24)]


def test_the_keys_are_all_different() -> None:
    """No key twice; what the live screen has too means the same."""
    keys = [key for action in SEARCH_ACTIONS for key in action.key.split(",")]
    assert len(keys) == len(set(keys))
    assert {"help", "leave"} <= {action.id for action in SEARCH_ACTIONS if action.id in BY_ID}


def test_values_over_a_log_parameter_stand_at_its_logarithm_with_readable_ticks() -> None:
    """Each kind of trial has its marker; the one that diverged stands at the upper edge, the best on top."""
    figure = parameter_figure(folded(), SPACE[0], SearchView())
    assert figure.x_label == "learning rate"
    markers = {round(spot.x, 1): spot.marker for spot in figure.spots}
    assert markers == {-3.5: "●", -3.0: "▼", -2.5: "×", -1.5: "◆", -1.0: "○"}
    lines = draw(figure, 60, 14, Palette(depth="none"))
    assert "×" in lines[0]
    assert "0.01" in lines[-1]
    assert sum(line.count("◆") for line in lines) == 1


def test_choices_stand_under_their_names() -> None:
    """An axis of words."""
    figure = parameter_figure(folded(), SPACE[2], SearchView())
    lines = draw(figure, 60, 14, Palette(depth="none"))
    assert "relu" in lines[-1]
    assert "tanh" in lines[-1]


def test_lists_that_are_chosen_from_have_whole_numbers() -> None:
    """Under the chart, in the table and in words: as a person wrote them."""
    widths = SearchedParameter(key="task.hidden", choices=([16.0], [32.0, 16.0]))
    figure = parameter_figure(folded(), widths, SearchView())
    assert [name for _, name in figure.x_names] == ["[16]", "[32, 16]"]
    assert plain([32.0, 0.5]) == "[32, 0.5]"
    assert range_words(widths) == "[16], [32, 16]"


def test_the_best_so_far_only_gets_better() -> None:
    """A line of steps from the first trial that counts to the newest."""
    curve = next(curve for curve in progress_figure(folded(), SearchView()).curves if curve.name == "best so far")
    assert list(curve.ys) == [0.5, 0.5, 0.3, 0.3]
    assert list(curve.xs) == [1.0, 5.0, 5.0, 7.0]


def test_nothing_done_yet_is_said() -> None:
    """An empty chart says why."""
    assert parameter_figure(folded(0), SPACE[0], SearchView()).empty_text == "no trial is done yet"
    assert progress_figure(folded(0), SearchView()).empty_text == "no trial is done yet"


def test_a_log_axis_is_chosen_where_values_are_far_apart() -> None:
    """And never where one is not positive."""
    assert not is_log(folded(), SearchView())
    assert is_log(folded(), SearchView(is_log=True))


@pytest.mark.parametrize("width", [40, 76, 116])
def test_lines_of_the_table_fit(width: int) -> None:
    """The best first with its marker; the chosen one is always in view."""
    found = folded()
    shown = listed(found, SearchView())
    assert [trial.number for trial in shown][:2] == [5, 1]
    table = trial_table(found, shown, SearchView(selected="trial-007"), width, 4, 0)
    assert all(line.cell_length <= width for line in table.lines)
    assert any("waiting" in line.plain for line in table.lines)
    assert len(table.lines) == 4


@pytest.mark.parametrize(("width", "has_steps"), [(36, False), (56, False), (76, True)])
def test_a_narrow_table_does_without_the_steps(width: int, *, has_steps: bool) -> None:
    """No value is cut there, and a number keeps its size."""
    found = folded()
    lines = trial_table(found, listed(found, SearchView()), SearchView(), width, 12, 0).lines
    assert any("steps" in line.plain for line in lines) == has_steps
    assert all(line.cell_length <= width and "…" not in line.plain for line in lines[1:])
    assert any("0.0316" in line.plain for line in lines)


def test_the_signs_of_the_trials_that_are_there_are_told() -> None:
    """What was stopped, too; as many as fit."""
    found = search()
    assert signs(trials_of(found), 80) == "◆ best  ● finished  ▼ pruned  × diverged or failed  ○ at work"
    found.members["trial-006"].state = "stopped"
    assert "□ stopped" in signs(trials_of(found), 80)
    assert "at work" not in signs(trials_of(found), 80)
    assert signs(trials_of(found), 30) == "◆ best  ● finished  ▼ pruned"


@pytest.mark.parametrize("width", [16, 40, 58, 80, 120])
def test_the_header_drops_what_does_not_fit(width: int) -> None:
    """And cuts no value."""
    plain = header_line(folded(), "rates", state="searching", width=width).plain
    assert len(plain) <= width
    assert "…" not in plain
    assert ("best" in plain) == (width > 16)
    assert ("eval/loss" in plain) == (width > 58)


@pytest.mark.parametrize("size", SIZES)
async def test_charts_and_trials_are_shown_and_come_as_they_are(size: tuple[int, int]) -> None:
    """As many charts as fit; p turns to the others; a new trial appears."""
    reader = FakeReader(search(2))
    async with watched(reader, size) as (screen, pilot):
        shown = [chart for chart in screen.query(Chart) if chart.display]
        assert len(shown) == size[0] // 38
        assert "1 of 12" not in text_of(pilot.app)
        await until(lambda: "2 of 12 trials" in text_of(pilot.app))
        whole = search()

        def grow(comparison: Comparison) -> None:
            comparison.members.update(whole.members)

        reader.changes.append(grow)
        await until(lambda: "best eval/loss 0.300, trial 5" in text_of(pilot.app))
        titles = {str(chart.border_title) for chart in shown}
        await pilot.press("p")
        await until(lambda: {str(chart.border_title) for chart in shown} != titles)


@pytest.mark.parametrize("size", SIZES)
async def test_keys_open_stop_and_export(
    size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """x asks for the chosen trial alone, and not for one that is done; X for all; e writes a preset; enter opens."""
    monkeypatch.chdir(tmp_path)
    reader = FakeReader(search())
    async with watched(reader, size) as (screen, pilot):
        await pilot.press("x")
        await until(lambda: "the trial is not at work" in _notes(pilot))
        while screen._chosen() is None or screen._chosen().state != "running":  # type: ignore[union-attr]
            await pilot.press("down")
            await asyncio.sleep(0.01)
        await pilot.press("x")
        await until(lambda: reader.stopped == ["trial-006"])
        await until(lambda: screen.source.is_scheduled)
        await pilot.press("X")
        await until(lambda: reader.has_stopped_all)
        await pilot.press("e")
        path = tmp_path / "rates-best.toml"
        await until(lambda: path.is_file() and path.stat().st_size > 0)
        await until(lambda: load_preset(str(path)).optimizer.lr == pytest.approx(10.0**-1.5))
        await pilot.press("home", "enter")
        await until(lambda: isinstance(pilot.app.screen, LiveScreen))


def test_an_exported_best_writes_over_nothing(tmp_path: Path) -> None:
    """The command line asks for --force; a key must not do it unasked."""
    assert free_path(tmp_path, "rates-best", ".toml").name == "rates-best.toml"
    (tmp_path / "rates-best.toml").write_text("mine")
    assert free_path(tmp_path, "rates-best", ".toml").name == "rates-best-2.toml"


async def test_help_names_every_key_and_q_leaves() -> None:
    """? opens the sheet; q leaves the search to itself."""
    async with watched(FakeReader(search()), (120, 40)) as (_, pilot):
        await pilot.press("question_mark")
        await until(lambda: "export best" in text_of(pilot.app))
        help_text = " ".join(action.help for action in SEARCH_ACTIONS)
        assert "The run goes on" not in help_text
        await pilot.press("escape")
        await pilot.press("q")
        await until(lambda: pilot.app.return_code is not None)


def _notes(pilot: Pilot[int]) -> str:
    return " ".join(note.message for note in pilot.app._notifications)
