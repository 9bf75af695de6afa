"""What is added to a comparison that is there when more seeds are asked for."""

from __future__ import annotations

import msgspec
import pytest

from tests.comparing.test_report_from_comparison import at, ended
from tuitrain.board.comparison import Comparison
from tuitrain.comparing.more_seeds import further_members
from tuitrain.comparing.outcome import more_seeds_words, outcome_lines
from tuitrain.errors import UsageError
from tuitrain.protocol.comparing import ComparisonPlan, Member, SearchedParameter, SearchPlan
from tuitrain.ui.compare_verdict import verdict_sheet


def comparison(*members: Member, search: SearchPlan | None = None) -> Comparison:
    return Comparison(ComparisonPlan(name="c", created=0.0, members=members, search=search))


def member(arm: str, seed: int, fold: int = 0, run: str = "") -> Member:
    preset: dict[str, object] = {"train": {"seed": seed, "steps": 7}, "task": {"fold": fold}}
    return Member(
        key=f"{arm}-{seed}-{fold}", arm=arm, seed=seed, fold=fold, preset=preset, run=run, varied={"optimizer.lr": 0.1}
    )


def test_every_arm_comes_to_as_many_seeds_from_its_first() -> None:
    """What is there stays; an arm that has fewer gets more of them; a run that was there already stays alone."""
    found = further_members(
        comparison(member("a", 5), member("a", 6), member("b", 5), member("mine", 0, run="/runs/x")), 3
    )
    assert [(each.arm, each.seed) for each in found] == [("a", 7), ("b", 6), ("b", 7)]
    assert found[0].preset == {"train": {"seed": 7, "steps": 7}, "task": {"fold": 0}}
    assert found[0].varied == {"optimizer.lr": 0.1}
    assert [each.key for each in found] == ["a-s7", "b-s6", "b-s7"]


def test_a_new_seed_has_every_fold_and_the_folds_stay_as_they_are() -> None:
    """A fold is of the data, not of the seed."""
    found = further_members(comparison(member("a", 0, 1), member("a", 0, 2)), 2)
    assert [(each.seed, each.fold, each.preset["task"]) for each in found] == [(1, 1, {"fold": 1}), (1, 2, {"fold": 2})]


def test_as_many_as_there_are_adds_nothing() -> None:
    """Nor do fewer take any away."""
    assert further_members(comparison(member("a", 0), member("a", 1)), 2) == []
    assert further_members(comparison(member("a", 0), member("a", 1)), 1) == []


def test_a_search_and_runs_that_were_there_alone_are_refused() -> None:
    """With what to do instead; and so are too many."""
    search = SearchPlan(space=(SearchedParameter(key="optimizer.lr"),), method="random", num_trials=3)
    with pytest.raises(UsageError, match=r"best\.toml --seeds 4"):
        further_members(comparison(member("a", 0), search=search), 4)
    with pytest.raises(UsageError, match="their presets, with --seeds"):
        further_members(comparison(member("a", 0, run="/runs/x")), 4)
    with pytest.raises(UsageError, match="more than the 10000"):
        further_members(comparison(member("a", 0)), 10_001)


@pytest.mark.parametrize(("num_seeds", "proposed"), [(1, 3), (2, 4), (5, 10)])
def test_a_verdict_that_cannot_tell_proposes_more_seeds(num_seeds: int, proposed: int) -> None:
    """Twice as many, at least three; on the sheet of the screen as well."""
    losses = [0.1 + 0.01 * seed for seed in range(num_seeds)]
    made = ended(a=at(*losses), b=at(*losses[::-1]))
    ranking = made.ranking("eval/loss")
    assert "cannot tell" in ranking.standings[1].word
    words = more_seeds_words(made, ranking)
    assert words == f"tuitrain compare --resume c --seeds {proposed}"
    assert outcome_lines(made, "eval/loss")[-1] == f"More seeds tell more: {words}"
    sheet = verdict_sheet(ranking, "eval/loss", is_lower_better=True, is_done=True, more=words).plain
    assert sheet.endswith(f"More seeds tell more: {words}")


def test_more_seeds_are_not_proposed_where_they_would_not_help() -> None:
    """One is better; it goes on; runs that were there already cannot be repeated."""
    told = ended(a=at(0.1, 0.11, 0.12), b=at(0.5, 0.51, 0.52))
    assert more_seeds_words(told, told.ranking("eval/loss")) == ""
    running = ended("running", a=at(0.1), b=at(0.1))
    assert more_seeds_words(running, running.ranking("eval/loss")) == ""
    old = comparison(member("a", 0, run="/runs/x"), member("b", 0, run="/runs/y"))
    for view in old.members.values():
        view.state, view.curves = "finished", at(0.1)[0]
    assert more_seeds_words(old, old.ranking("eval/loss")) == ""


def test_arms_that_are_seeds_and_folds_get_no_further_ones() -> None:
    """Seeds of a fold have its data; and seed 2 of the arm of seed 0 would be the arm of seed 2."""
    made = ended(a=at(0.1), b=at(0.1))
    made.plan = msgspec.structs.replace(made.plan, num_folds=5)
    assert more_seeds_words(made, made.ranking("eval/loss")) == ""
    arms = [Member(key=f"s{seed}", arm=f"seed {seed}", seed=seed, varied={"train.seed": seed}) for seed in range(2)]
    made = comparison(*arms)
    for view in made.members.values():
        view.state, view.curves = "finished", at(0.1)[0]
    assert more_seeds_words(made, made.ranking("eval/loss")) == ""
    with pytest.raises(UsageError, match="its arms are the seeds"):
        further_members(made, 3)


def test_what_was_stopped_half_way_is_gone_on_with_first() -> None:
    """More seeds are another matter."""
    made = ended(a=at(0.1, 0.2), b=at(0.1, 0.2))
    made.members["b-s1"].state = "waiting"
    assert more_seeds_words(made, made.ranking("eval/loss")) == ""
