"""What is added to a comparison that is there when more seeds are asked for."""

from __future__ import annotations

import pytest

from tuitrain.board.comparison import Comparison
from tuitrain.comparing.more_seeds import further_members
from tuitrain.errors import UsageError
from tuitrain.protocol.comparing import ComparisonPlan, Member, SearchedParameter, SearchPlan


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
