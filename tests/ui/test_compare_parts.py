"""What the compare screen shows, without a screen: rows, overlay, table, words, verdict."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from msgspec.structs import replace as struct_replace
from textual.color import Color
from textual.theme import Theme

from tests.ui.comparisons import STEPS, FakeReader, comparison, fill
from tuitrain.board.comparison import Comparison
from tuitrain.protocol.comparing import MemberState
from tuitrain.ui.compare_actions import COMPARE_ACTIONS
from tuitrain.ui.compare_figure import Overlay, reading, thinned
from tuitrain.ui.compare_rows import Row, Rows, spread_of
from tuitrain.ui.compare_table import compare_table, progress_bar, spread_text
from tuitrain.ui.compare_verdict import Verdicts, verdict_line, verdict_sheet
from tuitrain.ui.compare_view import SORTS, CompareView
from tuitrain.ui.compare_words import detail_line, header_line, size_text, warnings
from tuitrain.ui.comparison_source import ComparisonSource
from tuitrain.ui.theme import DARK, LIGHT
from tuitrain.ui.widgets.chart import legend_of
from tuitrain.ui.widgets.figure import Curve, Figure
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


def rows_of(found: Comparison, view: CompareView = VIEW) -> list[Row]:
    """All arms."""
    return Rows().arms(found, view)


def test_sixty_four_arms_are_told_apart() -> None:
    """No two share both colour and marker; where there are no colours, no two of eight share the marker."""
    rows = rows_of(comparison([f"arm {index}" for index in range(64)], 1, lambda arm, seed: ("waiting", 0)))
    assert len({(row.role, row.marker) for row in rows}) == 64
    assert len({row.marker for row in rows[:8]}) == 8


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


def test_keys_are_all_different() -> None:
    """Of the screen."""
    keys = [key for action in COMPARE_ACTIONS for key in action.key.split(",")]
    assert len(keys) == len(set(keys))


def test_a_mean_is_over_what_is_done_with() -> None:
    """A seed that is half done does not pull the mean of its arm up; while none is done, all count."""
    row = rows_of(comparison(states=going_on, seeds=3))[1]
    done = [facts.last for facts in row.facts[:2]]
    assert row.last is not None
    assert row.last.num == 2
    assert row.last.mean == pytest.approx(np.mean([value for value in done if value is not None]))
    at_work = rows_of(comparison(seeds=2, states=lambda arm, seed: ("running", 500)))[0]
    assert at_work.last is not None
    assert at_work.last.num == 2


def test_the_verdict_is_over_what_is_done_with() -> None:
    """An arm of which nothing is done has no value yet, once another one has; before that all count."""
    found = comparison(("a", "b"), 2, lambda arm, seed: ("finished", STEPS) if arm == 0 else ("running", 400))
    assert {arm: len(values) for arm, values in found.final_values("eval/loss").items()} == {"a": 2, "b": 0}
    for view in found.members.values():
        view.state = "running"
    assert {arm: len(values) for arm, values in found.final_values("eval/loss").items()} == {"a": 2, "b": 2}


@pytest.mark.parametrize("sort", SORTS)
def test_sorting_keeps_every_row_and_puts_what_is_not_known_last(sort: str) -> None:
    """Whichever way round."""
    found = comparison(states=going_on, seeds=3)
    fill(found.members["muon-s2"], 10, is_lost_at=0)
    found.members["muon-s2"].state = "failed"
    for is_reversed in (False, True):
        view = replace(VIEW, sort=sort, is_reversed=is_reversed, opened=frozenset({"muon"}))  # type: ignore[arg-type]
        labels = [row.id for row in Rows().listed(found, view)]
        assert sorted(labels) == sorted(["sgd", "adam", "muon", "muon-s0", "muon-s1", "muon-s2"])
        if sort in {"last", "best"}:
            assert labels[2 if sort == "last" else labels.index("muon")] == "muon"
    best_first = [row.id for row in rows_of(found, replace(VIEW, sort="best"))]
    assert best_first[0] == "sgd"
    accuracy = [row.id for row in rows_of(comparison(), replace(VIEW, metric="eval/accuracy", sort="last"))]
    assert accuracy == ["sgd", "adam", "muon"]


def test_rows_are_found_by_label_state_seed_and_parameter() -> None:
    """Every word has to be there, in one member."""
    found = comparison(states=going_on, seeds=3)
    member = found.members["adam-s1"]
    member.member = struct_replace(member.member, parameters={"optimizer.lr": 0.003})
    words = {"ADA": ["adam"], "failed": ["muon"], "running": ["adam"], "lr=0.003": ["adam"], "sgd failed": [],
             "mnist5k seed": ["sgd", "adam", "muon"]}  # fmt: skip
    for typed, wanted in words.items():
        assert [row.id for row in rows_of(found, replace(VIEW, words=typed))] == wanted


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
    assert rows.arms(found, VIEW)[0].facts[0].best is not None


def test_of_many_arms_the_best_keep_their_colour() -> None:
    """The others are faint, so that the best can be seen; of a few all keep it."""
    many = comparison([f"arm {index}" for index in range(20)], 1)
    quiet = [curve.name for curve in figure_of(many).curves if curve.role.endswith("-quiet")]
    assert sorted(quiet) == [f"arm {index}" for index in range(1, 5)]
    assert not any(curve.role.endswith("-faint") for curve in figure_of(comparison(seeds=1)).curves)


@pytest.mark.parametrize("width", [30, 60, 76, 116, 200])
def test_a_table_fits_and_keeps_what_matters(width: int) -> None:
    """Every line as wide as there is room at most; state and value stay on 80 columns, with a cursor too."""
    found = comparison(states=going_on, seeds=3)
    view = replace(VIEW, selected="adam", opened=frozenset({"adam"}), cursor=300.0, targets=(("eval/loss", 0.3),))
    rows = Rows().listed(found, view)
    table = compare_table(rows, view, {"adam": 0.5}, width, 10, 0)
    assert all(line.cell_length <= max(width, 30) for line in table.lines)
    text = "\n".join(line.plain for line in table.lines)
    assert "▸ ▲ adam ▾3" in text
    if width >= 76:
        for word in ("state", "at cursor", "last", "0.500", "1/3 done 1 failed"):
            assert word in text
    if width >= 200:
        for word in ("samples/s", "gap", "to target", "at step", "seed 2"):
            assert word in text


def test_a_long_table_scrolls_with_the_arrow() -> None:
    """The chosen row is always in view, and the page is full."""
    rows = rows_of(comparison([f"arm {index}" for index in range(50)], 1, lambda arm, seed: ("waiting", 0)))
    top = 0
    for chosen in (0, 7, 8, 49, 3):
        table = compare_table(rows, replace(VIEW, selected=f"arm {chosen}"), {}, 80, 9, top)
        top = table.top
        assert len(table.lines) == 9
        assert any(line.plain.startswith("▸") and f"arm {chosen} " in line.plain for line in table.lines)
    assert table.title == "4–11 of 50"


def test_the_time_to_a_target_says_who_never_reached_it() -> None:
    """Seconds of those that did, and how many of how many."""
    found = comparison(states=going_on, seeds=3)
    view = VIEW.aimed(0.2)
    table = compare_table(rows_of(found, view), view, {}, 200, 6, 0)
    sgd, adam, muon = (line.plain for line in table.lines[1:])
    assert "0:11" in sgd
    assert "not yet" in adam
    assert "not yet" in muon
    assert figure_of(found, view).levels[0].y == 0.2
    assert view.aimed(None).target is None


def test_numbers_and_bars() -> None:
    """A deviation has the decimals of its mean, more where it would be nothing."""
    assert spread_text(spread_of([0.25, 0.26, 0.27])) == "0.260 ±0.010"
    assert spread_text(spread_of([0.25, 0.2501])) == "0.250 ±7.1e-5"
    assert spread_text(spread_of([0.25])) == "0.250"
    assert spread_text(spread_of([])) == "–"
    assert spread_text(spread_of([math.nan, 1.0])) == "nan"
    assert [progress_bar(share, 4) for share in (0.0, 0.5, 0.6, 2.0)] == ["    ", "━━  ", "━━╸ ", "━━━━"]


def test_what_a_person_should_know_is_said() -> None:
    """Other tasks, a dead scheduler, vanished folders, a metric that a run does not have, remarks of the plan."""
    found = comparison(states=going_on, seeds=3, notes=("adam has no momentum",))
    reader = FakeReader(found)
    source = ComparisonSource(reader)
    source.is_caught_up = source.is_scheduled = True
    assert warnings(source, rows_of(found), VIEW) == ["adam has no momentum"]
    source.is_scheduled = False
    assert "tuitrain compare --resume optimizers" in warnings(source, rows_of(found), VIEW)[0]
    source.is_scheduled = True
    found.members["adam-s0"].task = "digits"
    found.members["sgd-s1"].state = "gone"
    for member in found.arms["muon"]:
        member.curves.evaluated.pop("eval/accuracy", None)
    view = replace(VIEW, metric="eval/accuracy")
    said = warnings(source, rows_of(found, view), view)
    assert said[0] == "runs of different tasks: mnist5k, digits; their losses are not comparable"
    assert said[1] == "no eval/accuracy: muon"
    assert said[2].startswith("gone: sgd-s1")


def test_the_header_counts_and_the_detail_tells() -> None:
    """As many words as fit."""
    found = comparison(states=going_on, seeds=3)
    found.members["muon-s1"].message = "loss is nan"
    source = ComparisonSource(FakeReader(found))
    for width in (40, 80, 200):
        assert header_line(source, width).cell_length <= max(width, 40)
        for row in Rows().listed(found, replace(VIEW, opened=frozenset({"muon"}))):
            assert detail_line(row, VIEW, width).cell_length <= width
    assert "1 running   1 waiting   6 finished   1 failed" in header_line(source, 200).plain
    failed = next(row for row in Rows().listed(found, VIEW.toggled_opened("muon")) if row.id == "muon-s1")
    assert detail_line(failed, VIEW, 200).plain.startswith("■ muon seed 1   failed   loss is nan   step 300 of 1 000")
    assert size_text(found) == "3 arms × 3 seeds"
    assert size_text(comparison(("a",), 1)) == "1 run"
    assert size_text(comparison(seeds=5, num_folds=5)) == "3 arms × 5 folds"


def test_the_verdict_in_a_line_and_as_a_sheet() -> None:
    """Sentence, every arm with mean, deviation, word and interval; kept until a value changes."""
    found = comparison()
    verdicts = Verdicts()
    ranking = verdicts.ranking(found, "eval/loss")
    assert ranking is verdicts.ranking(found, "eval/loss")
    assert verdict_line(ranking, is_done=True, width=100).plain == "verdict  sgd is better than every other arm."
    assert verdict_line(ranking, is_done=False, width=30).cell_length <= 30
    sheet = verdict_sheet(ranking, "eval/loss", is_lower_better=True, is_done=True).plain
    for words in ("lower is better", "sgd is better", "adam", "worse", "95 % intervals"):
        assert words in sheet
    fill(found.members["sgd-s0"], STEPS, floor=3.0)
    assert ranking is not verdicts.ranking(found, "eval/loss")
    assert verdicts.ranking(comparison(states=lambda arm, seed: ("waiting", 0)), "eval/loss") is None


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
    assert "arm 7" in text.split("  ")[0]
    assert 80 < len(text) <= 100


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


def test_runs_that_all_diverged_can_be_drawn() -> None:
    """Alarms in place of lines, nan in the table, and no crash on a log axis."""
    found = comparison(seeds=2, states=lambda arm, seed: ("failed", 0))
    for view in found.members.values():
        fill(view, 200, is_lost_at=0)
    for sight in (VIEW, VIEW.toggled_log()):
        lines = draw(figure_of(found, sight), 80, 20, Palette())
        assert len(lines) == 20
    assert any("×" in line for line in lines)
    table = compare_table(rows_of(found), VIEW, {}, 100, 6, 0)
    assert "nan" in table.lines[1].plain
    assert "diverged" in verdict_sheet(
        Verdicts().ranking(found, "eval/loss"), "eval/loss", is_lower_better=True, is_done=True
    ).plain  # fmt: skip
