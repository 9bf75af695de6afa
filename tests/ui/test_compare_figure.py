"""The overlay of the compare screen: which lines, in which colours, how far, and how they are drawn."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from textual.color import Color
from textual.theme import Theme

from tests.ui.comparisons import STEPS, comparison, fill
from tuitrain.board.comparison import Comparison
from tuitrain.board.positions import POSITIONS, PositionName
from tuitrain.protocol.comparing import MemberState
from tuitrain.ui.compare_figure import Overlay, place_text, reading, thinned
from tuitrain.ui.compare_rows import Rows
from tuitrain.ui.compare_view import CompareView
from tuitrain.ui.theme import DARK, LIGHT
from tuitrain.ui.widgets.chart import legend_of
from tuitrain.ui.widgets.figure import Curve, Figure, Word
from tuitrain.ui.widgets.palette import THEME_VARIABLES, Palette
from tuitrain.ui.widgets.plotting import draw

VIEW = CompareView(metric="eval/loss")


def going_on(arm: int, seed: int) -> tuple[MemberState, int]:
    """The first arm is done, of the second one seed is behind, of the third one failed and the rest waits."""
    states: list[list[tuple[MemberState, int]]] = [
        [("finished", STEPS)] * 3,
        [("finished", STEPS), ("finished", STEPS), ("running", 500)],
        [("finished", STEPS), ("failed", 300), ("waiting", 0)],
    ]
    return states[arm][seed]


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_the_colours_of_arms_differ_and_can_be_seen(theme: Theme) -> None:
    """A contrast of three to one at least, as the guideline for graphics wants, in both themes."""
    colours = [Color.parse(theme.variables[THEME_VARIABLES[f"arm-{index}"][0]]) for index in range(8)]
    assert len({colour.rgb for colour in colours}) == 8
    background = Color.parse(str(theme.background))
    assert min(_contrast(colour, background) for colour in colours) >= 3.0


def _contrast(one: Color, other: Color) -> float:
    def luminance(colour: Color) -> float:
        parts = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.normalized]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_thinning_keeps_the_extremes_and_two_points_a_column() -> None:
    """Whatever the shape; what is not a number is left out where its column has one."""
    random = np.random.default_rng(0)
    xs, ys = np.arange(5000.0), random.normal(size=5000)
    ys[100], ys[4000], ys[77] = 50.0, -50.0, math.nan
    thin_xs, thin_ys = thinned((xs, ys), 100)
    assert len(thin_xs) <= 200
    assert (max(thin_ys), min(thin_ys)) == (50.0, -50.0)
    assert thin_xs == sorted(thin_xs)
    assert all(map(math.isfinite, thin_ys))
    assert thinned((xs, np.full(5000, math.nan)), 100)[1][0] != 0
    short = thinned((xs[:50], ys[:50]), 100)
    assert short == (xs[:50].tolist(), ys[:50].tolist())


def figure_of(found: Comparison, view: CompareView = VIEW) -> Figure:
    """The overlay at 100 columns."""
    return Overlay().figure(found, Rows().arms(found, view), view, 100)


def test_a_mean_goes_as_far_as_all_and_the_rest_is_faint() -> None:
    """Of the arm with a seed behind: a mean up to it, two faint lines from there; the failed one has its own."""
    found = comparison(states=going_on, seeds=3)
    curves = figure_of(found, replace(VIEW, selected="adam")).curves
    mean = next(curve for curve in curves if curve.name == "adam")
    assert mean.is_emphasised
    assert mean.xs[-1] == 500
    assert mean.role == "arm-1"
    rests = {curve.name: curve for curve in curves if curve.role == "arm-1-faint"}
    assert sorted(rests) == ["adam-s0", "adam-s1"]
    assert all(curve.xs[0] >= 450 and curve.xs[-1] == STEPS for curve in rests.values())
    failed = next(curve for curve in curves if curve.name == "muon-s1")
    assert (failed.xs[0], failed.xs[-1]) == (0, 300)
    found.members["adam-s0"].state = "gone"
    gone = next(curve for curve in figure_of(found).curves if curve.name == "adam-s0")
    assert (gone.xs[0], gone.xs[-1]) == (0, STEPS)


def test_each_fold_has_its_line_beside_the_mean_and_the_spread() -> None:
    """Of the chosen arm; without folds only of one that is opened."""
    found = comparison(seeds=3, num_folds=3)
    figure = figure_of(found, replace(VIEW, selected="adam"))
    assert {curve.name for curve in figure.curves} == {"sgd", "adam", "muon", "adam-s0", "adam-s1", "adam-s2"}
    assert [band.name for band in figure.bands] == ["adam"]


def test_what_is_hidden_is_not_drawn() -> None:
    """By arm, by member of an opened arm, and all but one."""
    found = comparison(seeds=2)
    assert {curve.name for curve in figure_of(found).curves} == {"sgd", "adam", "muon"}
    assert {curve.name for curve in figure_of(found, VIEW.toggled("adam")).curves} == {"sgd", "muon"}
    assert {curve.name for curve in figure_of(found, VIEW.toggled_only("adam")).curves} == {"adam"}
    opened = VIEW.toggled_opened("sgd").toggled("sgd-s1")
    assert {curve.name for curve in figure_of(found, opened).curves} == {"sgd", "adam", "muon", "sgd-s0"}
    assert "hidden" in figure_of(found, replace(VIEW, hidden=frozenset({"sgd", "adam", "muon"}))).empty_text


def test_bands_are_of_the_chosen_arm_of_all_or_of_none() -> None:
    """And an arm of one run has none."""
    found = comparison(seeds=3)
    view = replace(VIEW, selected="adam")
    assert [band.name for band in figure_of(found, view).bands] == ["adam"]
    assert [band.name for band in figure_of(found, view.next_bands()).bands] == ["sgd", "adam", "muon"]
    assert figure_of(found, view.next_bands().next_bands()).bands == ()
    assert figure_of(comparison(seeds=1), view).bands == ()
    band = figure_of(found, view).bands[0]
    mean = next(curve for curve in figure_of(found, view).curves if curve.name == "adam")
    assert band.lows[0] < mean.ys[0] < band.highs[0]


@pytest.mark.parametrize(("position", "end"), [("step", 1000), ("epoch", 10), ("samples", 32_000), ("seconds", 20)])
def test_runs_are_aligned_by_every_position(position: str, end: float) -> None:
    """And a window shows the newest part of it."""
    view = replace(VIEW, position=position)  # type: ignore[arg-type]
    figure = figure_of(comparison(), view)
    assert figure.curves[0].xs[-1] == pytest.approx(end)
    assert figure.x_label == position
    assert figure_of(comparison(), view.next_window()).x_range == pytest.approx((end / 2, end))
    assert len(draw(figure, 60, 12, Palette())) == 12


def test_a_run_goes_on_and_its_line_with_it() -> None:
    """What is kept is thrown away when the run goes on."""
    found, overlay, rows = comparison(seeds=1, states=lambda arm, seed: ("running", 400)), Overlay(), Rows()
    first = overlay.figure(found, rows.arms(found, VIEW), VIEW, 100)
    fill(found.members["sgd-s0"], 800)
    second = overlay.figure(found, rows.arms(found, VIEW), VIEW, 100)
    ends = [next(curve.xs[-1] for curve in figure.curves if curve.name == "sgd") for figure in (first, second)]
    assert ends == [400, 800]
    opened = VIEW.toggled_opened("sgd")
    pair = comparison(seeds=2, states=lambda arm, seed: ("running", 400))
    overlay.figure(pair, rows.arms(pair, opened), opened, 100)
    fill(pair.members["sgd-s1"], 800)
    curves = {curve.name: curve for curve in overlay.figure(pair, rows.arms(pair, opened), opened, 100).curves}
    assert [curves[name].xs[-1] for name in ("sgd", "sgd-s0", "sgd-s1")] == [400, 400, 800]
    assert rows.arms(found, VIEW)[0].facts[0].best is not None


def test_of_many_arms_the_best_keep_their_colour() -> None:
    """The others are faint, so that the best can be seen; of a few all keep it."""
    many = comparison([f"arm {index}" for index in range(20)], 1)
    quiet = [curve.name for curve in figure_of(many).curves if curve.role.endswith("-quiet")]
    assert sorted(quiet) == [f"arm {index}" for index in range(1, 5)]
    assert not any(curve.role.endswith("-faint") for curve in figure_of(comparison(seeds=1)).curves)


def test_a_line_without_plotext_lies_where_plotext_puts_it() -> None:
    """The same cells, so that a line does not jump when it is chosen."""
    xs = np.linspace(0, 10, 60).tolist()
    ys = np.sin(xs).tolist()
    palette = Palette()
    drawn = []
    for is_emphasised in (True, False):
        curve = Curve("a", xs, ys, "arm-0", is_emphasised=is_emphasised, marker="●")
        drawn.append(draw(Figure(curves=(curve,)), 70, 16, replace(palette, depth="none")))
    inked = [{(row, column) for row, line in enumerate(lines) for column, cell in enumerate(line) if cell != " "}
             for lines in drawn]  # fmt: skip
    assert len(inked[0] ^ inked[1]) <= 0.05 * len(inked[0])
    assert drawn[0][0].count("●") or any("●" in line for line in drawn[0])


def test_without_colours_lines_carry_their_markers() -> None:
    """Several along each line; with colours one at its end."""
    figure = figure_of(comparison(seeds=1))
    plain = "".join(draw(figure, 100, 20, Palette(depth="none")))
    assert all(plain.count(marker) >= 4 for marker in "●▲■")
    coloured = "".join(draw(figure, 100, 40, Palette()))
    assert [coloured.count(marker) for marker in "●▲■"] == [1, 1, 1]


def test_faint_lines_stay_out_of_the_cells_of_others() -> None:
    """A line in colour is as it would be alone."""
    xs = np.linspace(0, 10, 50).tolist()
    chosen = Curve("best", xs, [5.0 for _ in xs], "arm-0-quiet", marker="●")
    others = tuple(Curve(f"{up}", xs, [5.0 + up / 20 for _ in xs], "arm-1-faint", marker="▲") for up in range(-99, 100))
    palette = Palette({"arm-0": (200, 0, 0), "arm-1": (0, 200, 0)})
    both = draw(Figure(curves=(*others, chosen), y_range=(0.0, 10.0)), 40, 12, palette)
    alone = draw(Figure(curves=(chosen,), y_range=(0.0, 10.0)), 40, 12, palette)
    row = next(number for number, line in enumerate(alone) if "●" in line)
    assert re.findall("[\u2801-\u28ff]+", alone[row])[0] in both[row]


def test_the_legend_names_as_many_as_fit() -> None:
    """The chosen one first; none of those that fit is left out."""
    figure = figure_of(comparison([f"arm {index}" for index in range(50)], 1), replace(VIEW, selected="arm 7"))
    text = legend_of(figure, Palette(), 100).plain
    assert text.startswith("◇ arm 7  ")
    assert 80 < len(text) <= 100
    assert text.endswith(f"  +{50 - text.count('arm')}")
    assert "+" not in legend_of(figure_of(comparison()), Palette(), 100).plain
    for width in range(4, 130):
        text = legend_of(figure, Palette(), width).plain
        assert len(text) <= max(width, len("◇ arm 7    +49"))
        assert text.endswith(f"  +{50 - text.count('arm')}")


def test_an_arm_far_off_makes_the_axis_logarithmic_until_a_person_chooses() -> None:
    """As in the report: a bad arm would squash the others; the title says so."""
    found = comparison(("sgd", "adam", "bad"), 2)
    assert not figure_of(found).is_log
    fill(found.members["bad-s0"], STEPS, floor=300.0)
    figure = figure_of(found)
    assert figure.is_log
    assert figure.title.endswith("log")
    assert not figure_of(found, VIEW.toggled_log(is_log=True)).is_log
    assert "log" not in figure_of(found, VIEW.toggled_log(is_log=True)).title
    assert not figure_of(found, VIEW.toggled("bad")).is_log
    assert figure_of(comparison(), VIEW.toggled_log()).is_log
    for view in found.arms["sgd"]:
        view.curves.evaluated["eval/loss"][0] = (0, -1.0)
    assert not figure_of(found).is_log


def test_a_run_that_broke_off_leaves_the_chart_and_the_others_can_be_read() -> None:
    """Also where no arm has finished so far off; what is not far off is shown whole."""
    found = comparison(("sgd", "bad"), 1)
    assert figure_of(found).y_range is None
    found.members["bad-s0"].state = "failed"
    assert figure_of(found).y_range is None
    fill(found.members["bad-s0"], 400, floor=1e30)
    for view, reach in ((VIEW, 1.5), (VIEW.toggled_log(), 10.0)):
        figure = figure_of(found, view)
        highest = max(max(curve.ys) for curve in figure.curves if curve.name == "sgd")
        assert figure.is_log == (view.is_log is True)
        assert figure.y_range is not None
        assert figure.y_range[1] == pytest.approx(reach * highest)
        assert len(draw(figure, 80, 20, Palette())) == 20
        assert "▲ bad  failed" in legend_of(figure, Palette(), 100).plain
    found.members["sgd-s0"].state = "failed"
    assert figure_of(found).y_range is None


def test_the_cursor_stays_within_what_is_shown() -> None:
    """In a window its left edge is as far as it goes, and the legend reads there."""
    found = comparison(seeds=1)
    narrow = replace(VIEW, window=0.05, cursor=100.0)
    figure = figure_of(found, narrow)
    assert figure.x_range == pytest.approx((950, 1000))
    assert figure.cursor == 950
    assert "step 950" in legend_of(figure, Palette(), 100).plain
    assert figure_of(found, replace(VIEW, cursor=100.0)).cursor == 100
    assert figure_of(comparison(()), replace(VIEW, cursor=100.0)).cursor == 100


@pytest.mark.parametrize("position", POSITIONS)
def test_an_axis_of_steps_has_a_tick_where_it_begins(position: PositionName) -> None:
    """What is measured at each step begins at 1, and the first tick is at 0."""
    view = replace(VIEW, metric="batch/loss", position=position)
    lines = draw(figure_of(comparison(), view), 100, 20, Palette(depth="none"))
    corner, ticks = lines[-2].index("└"), lines[-1]
    assert lines[-2][corner + 1] == "┬"
    assert ticks[corner + 1].strip() or ticks[corner : corner + 4].strip()


def test_a_value_stands_apart_from_its_name() -> None:
    """In another colour, with a gap."""
    words = [word for word in figure_of(comparison()).legend if isinstance(word, Word)]
    names, values = words[::2], words[1::2]
    assert all(name.text.endswith("  ") and name.role.startswith("arm-") for name in names)
    assert all(float(value.text) and value.role == "text" for value in values)


def test_readings_end_where_a_line_ends() -> None:
    """A cursor beyond the end of a run reads nothing of it."""
    assert reading([0.0, 10.0, 20.0], [1.0, 2.0, 3.0], 12.0) == 2.0
    assert reading([0.0, 10.0, 20.0], [1.0, 2.0, 3.0], 45.0) is None
    assert reading([], [], 1.0) is None


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (comparison((), 0), "there are no runs"),
        (comparison(states=lambda arm, seed: ("waiting", 0)), "waiting: 12 members, 2 at a time"),
        (comparison(states=lambda arm, seed: ("starting", 0)), "no eval/loss yet"),
    ],
)
def test_an_empty_chart_says_why(found: Comparison, words: str) -> None:
    """And draws nothing."""
    figure = figure_of(found)
    assert figure.curves == ()
    assert figure.empty_text == words


def test_a_cursor_among_few_seconds_says_where_it_stands() -> None:
    """A run of half a second is read at 0.314, not at 0."""
    view = replace(VIEW, position="seconds", cursor=0.3141)
    assert place_text(view) == "0.314"
    assert place_text(replace(view, cursor=31415.9)) == "31 416"
