"""What the compare screen shows beside its chart, without a screen: rows, table, words, verdict."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from msgspec.structs import replace as struct_replace

from tests.ui.comparisons import STEPS, FakeReader, comparison, fill
from tests.ui.test_compare_figure import VIEW, figure_of, going_on
from tuitrain.board.comparison import Comparison
from tuitrain.board.curves import Curves
from tuitrain.ui import text
from tuitrain.ui.compare_actions import COMPARE_ACTIONS
from tuitrain.ui.compare_rows import Row, Rows, sort_there, sorts_there, spread_of
from tuitrain.ui.compare_table import compare_table, progress_bar, spread_text
from tuitrain.ui.compare_verdict import Verdicts, verdict_lines, verdict_sheet
from tuitrain.ui.compare_view import SORTS, CompareView
from tuitrain.ui.compare_words import detail_line, header_line, size_text, warnings
from tuitrain.ui.comparison_source import ComparisonSource
from tuitrain.ui.screens.stopping import stop_choices
from tuitrain.ui.widgets.palette import Palette
from tuitrain.ui.widgets.plotting import draw


def rows_of(found: Comparison, view: CompareView = VIEW) -> list[Row]:
    """All arms."""
    return Rows().arms(found, view)


def test_sixty_four_arms_are_told_apart() -> None:
    """No two share both colour and marker; where there are no colours, no two of eight share the marker."""
    rows = rows_of(comparison([f"arm {index}" for index in range(64)], 1, lambda arm, seed: ("waiting", 0)))
    assert len({(row.role, row.marker) for row in rows}) == 64
    assert len({row.marker for row in rows[:8]}) == 8


def test_keys_are_all_different() -> None:
    """Of the screen."""
    keys = [key for action in COMPARE_ACTIONS for key in action.key.split(",")]
    assert len(keys) == len(set(keys))


def test_a_mean_is_over_what_is_done_with() -> None:
    """A seed that is half done, or failed half done, pulls no mean up; while none is done, all count."""
    row = rows_of(comparison(states=going_on, seeds=3))[1]
    done = [facts.last for facts in row.facts[:2]]
    assert row.last is not None
    assert row.last.num == 2
    assert row.last.mean == pytest.approx(np.mean([value for value in done if value is not None]))
    found = comparison(("a", "b"), 3, lambda arm, seed: ("finished", STEPS) if seed else ("failed", 300))
    mean = np.mean([*found.final_values("eval/loss")["a"].values()])
    assert next(row.last.mean for row in rows_of(found) if row.last is not None) == pytest.approx(mean)  # the verdict's
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


def test_what_can_be_stopped() -> None:
    """A member, its arm, all; what is done with is not asked, and no choice is there twice."""
    found = comparison(seeds=2, states=lambda arm, seed: ("running", 400) if arm < 2 else ("finished", STEPS))
    rows = {row.id: row for row in Rows().listed(found, VIEW.toggled_opened("sgd"))}
    members = list(found.members.values())
    assert [choice.words for choice in stop_choices(rows["sgd-s0"], members)] == [
        "stop seed 0", "stop sgd (2 at work)", "stop the whole comparison (4 at work)"
    ]  # fmt: skip
    assert stop_choices(rows["sgd"], members)[0].keys == ("sgd-s0", "sgd-s1")
    assert [choice.is_all for choice in stop_choices(rows["muon"], members)] == [True]
    assert stop_choices(rows["muon"], list(rows["muon"].members)) == []
    alone = comparison(["sgd"], seeds=2, states=lambda arm, seed: ("running", 400))
    row = Rows().listed(alone, VIEW.toggled_opened("sgd"))[1]
    assert [choice.is_all for choice in stop_choices(row, list(alone.members.values()))] == [False, False, True]


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
    found, is_ranked = comparison(), threading.Event()
    verdicts = Verdicts(is_ranked.set)
    assert verdicts.ranking(found, "eval/loss") is None  # a thread is at it
    assert is_ranked.wait(60.0)
    ranking = verdicts.ranking(found, "eval/loss")
    assert ranking is verdicts.ranking(found, "eval/loss")
    assert verdict_lines(ranking, is_done=True, width=100).plain == "verdict  sgd is better than every other arm."
    narrow = verdict_lines(ranking, is_done=False, width=40).plain.split("\n")
    assert narrow == ["verdict  so far: sgd is better than", "         every other arm."]
    narrowest = verdict_lines(ranking, is_done=False, width=20).plain.split("\n")
    assert [len(line) <= 20 for line in narrowest] == [True, True]
    assert narrowest[1].endswith("…")
    sheet = verdict_sheet(ranking, "eval/loss", is_lower_better=True, is_done=True).plain
    for words in ("lower is better", "sgd is better", "adam", "worse", "95 % intervals"):
        assert words in sheet
    is_ranked.clear()
    fill(found.members["sgd-s0"], STEPS, floor=3.0)
    assert ranking is verdicts.ranking(found, "eval/loss")  # stands until the next one is there
    assert is_ranked.wait(60.0)
    assert ranking is not verdicts.ranking(found, "eval/loss")
    assert verdicts.ranking(comparison(states=lambda arm, seed: ("waiting", 0)), "eval/loss") is None


def test_a_sheet_in_a_small_terminal_breaks_no_row() -> None:
    """The difference has a line of its own there; an arm without a value is said to have none yet."""
    found = comparison(seeds=3, states=lambda arm, seed: ("waiting", 0) if arm == 1 else ("finished", STEPS))
    for view in found.members.values():
        if view.member.arm == "adam":
            view.curves = Curves()
    ranking = found.ranking("eval/loss")
    sheet = verdict_sheet(ranking, "eval/loss", is_lower_better=True, is_done=False, room=66).plain.splitlines()
    rows = [line for line in sheet if line.startswith("  ")]
    assert max(map(len, rows)) <= 66
    assert "adam has no value yet" in ranking.sentence
    assert any("adam" in name and "no value yet" in line for name, line in pairwise(rows))
    assert "0 seeds" not in "".join(sheet)
    none = verdict_sheet(None, "batch/learning_rate", is_lower_better=True, is_done=False, is_aim=False).plain
    assert none.endswith("neither less nor more of it is better.")


NAMES = ("optimizer.name=adam, optimizer.lr=0.001, train.batch_size=64, adam", "sgd")


@pytest.mark.parametrize("room", [40, 47, 65, 101, 140])
@pytest.mark.parametrize("arms", [NAMES, ("a", "b")])
def test_every_row_of_the_sheet_is_indented_and_keeps_both_ends_of_a_name(room: int, arms: Sequence[str]) -> None:
    """And fits; that it cannot be told is said in two words, as the seeds have a column."""
    found = comparison(arms, seeds=2)
    fill(found.members[f"{arms[1]}-s1"], STEPS, floor=3.0)
    ranking = found.ranking("eval/loss")
    sheet = verdict_sheet(ranking, "eval/loss", room, is_lower_better=True, is_done=True).plain
    rows = sheet.split("\n\n")[2].split("\n")
    assert all(len(line) <= room and line.startswith("  ") for line in rows)
    assert all(any(arm[:12] in line and arm[-6:] in line for line in rows) for arm in arms)
    assert any("verdict" in line for line in rows)
    assert any("cannot tell" in line for line in rows)
    assert not any("seeds" in line for line in rows)


def test_what_is_no_aim_has_no_best() -> None:
    """Of a learning rate less is not better: last is told, best is not, and rows sorted by best go by last."""
    found = comparison(seeds=2)
    for place, member in enumerate(found.members.values()):
        member.curves.add_values("batch/learning_rate", 1, 1, np.full(STEPS, 0.1 / (1 + place // 2)))
    view = replace(VIEW, metric="batch/learning_rate", sort="best")
    row = rows_of(found, view)[0]
    assert row.last is not None
    assert (row.best, row.best_step, row.best_seconds) == (None, None, None)
    assert "best" not in detail_line(row, view, 200).plain
    assert rows_of(found, VIEW)[0].best is not None
    assert sort_there(found, view) == "last"
    assert [row.id for row in rows_of(found, replace(view, sort="last"))] == ["muon", "adam", "sgd"]
    assert sort_there(found, replace(view, sort="after")) == "order"
    assert sort_there(found, replace(VIEW, sort="best")) == "best"


def test_rows_are_sorted_by_what_the_heads_say_and_by_what_is_there() -> None:
    """Each sort has its arrow at the column of its name; without a target none is by the time to it."""
    found = comparison(seeds=2)
    seen, view = [], VIEW
    for _ in range(20):
        view = view.next_sort(sorts_there(found, view))
        seen.append(view.sort)
        head = compare_table(rows_of(found, view), view, {}, 200, 6, 0).lines[0].plain
        assert (f"{view.sort}▾" in head) == (view.sort != "order")
        assert len(head) == len(compare_table(rows_of(found, view), VIEW, {}, 200, 6, 0).lines[0].plain)
    assert {*seen} == {*SORTS} - {"to target"}
    aimed = VIEW.aimed(0.3)
    assert sorts_there(found, aimed) == SORTS
    target = replace(aimed, sort="to target")
    assert "to target▾" in compare_table(rows_of(found, target), target, {}, 80, 6, 0).lines[0].plain
    assert sort_there(found, replace(VIEW, sort="to target")) == "order"


def test_what_is_cut_of_a_name_is_its_middle() -> None:
    """Both ends are told."""
    assert text.cut("optimizer.lr=0.01", 9) == "opti…0.01"
    assert [text.cut("abcdef", width) for width in (1, 2, 3, 5, 6)] == ["…", "a…", "a…f", "ab…ef", "abcdef"]


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
    sheet = verdict_sheet(found.ranking("eval/loss"), "eval/loss", is_lower_better=True, is_done=True)
    assert "diverged" in sheet.plain
