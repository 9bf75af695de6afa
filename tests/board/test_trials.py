"""The fold of a search: which trial is the best, what was best when, and which parameter matters."""

from __future__ import annotations

import math

import pytest

from tuitrain.board.comparison import Comparison
from tuitrain.board.trials import Trials, num_coarse, number_of, trials_of
from tuitrain.protocol.comparing import ComparisonPlan, Member, MemberState, SearchedParameter, SearchPlan
from tuitrain.protocol.events import AlarmRaised, EvalFinished, RunEnded

RATE = SearchedParameter(key="optimizer.lr", low=1e-4, high=1.0, is_log=True)
WORD = SearchedParameter(key="task.activation", choices=("relu", "tanh"))


def searched(
    *trials: tuple[MemberState, float | None, float], method: str = "random", metric: str = "eval/loss"
) -> Trials:
    """Trials with state, value and rate; the choice alternates."""
    plan = SearchPlan(space=(RATE, WORD), method=method, num_trials=max(3, len(trials)))  # type: ignore[arg-type]
    found = Comparison(ComparisonPlan(name="s", created=0.0, metric=metric, search=plan))
    for index, (state, value, rate) in enumerate(trials):
        member = Member(
            key=f"trial-{index + 1:03}", arm=f"trial {index + 1}",
            parameters={"optimizer.lr": rate, "task.activation": ("relu", "tanh")[index % 2]},
        )  # fmt: skip
        found._add_member(member)
        view = found.members[member.key]
        view.state = state
        if value is not None:
            view.curves.evaluated[metric] = [(0, 9.0), (10, value)]
    return trials_of(found)


def test_the_best_is_one_that_went_to_its_end_with_a_number() -> None:
    """Not the one that still runs, was pruned, or diverged, however low; the first of equals."""
    found = searched(
        ("running", 0.1, 0.1), ("pruned", 0.2, 0.1), ("finished", math.nan, 0.1), ("finished", 0.4, 0.1),
        ("finished", 0.4, 0.2), ("failed", None, 0.1),
    )  # fmt: skip
    assert found.best is not None
    assert found.best.number == 4
    assert [trial.word for trial in found.trials][2] == "diverged"
    assert found.num_done == 5
    assert [trial.number for trial in found.sorted()][:2] == [4, 5]


def test_a_trial_that_numbers_that_are_none_ended_diverged() -> None:
    """Whatever it was worth at its last evaluation: TPE is told infinity, and so is a person."""
    plan = ComparisonPlan(name="s", created=0.0, metric="eval/accuracy", search=SearchPlan(
        space=(RATE,), method="random", num_trials=1,
    ))  # fmt: skip
    made = Comparison(plan)
    made._add_member(Member(key="trial-001", arm="trial 1", parameters={"optimizer.lr": 1.0}))
    view = made.members["trial-001"]
    view.state = "failed"
    view.curves.add(EvalFinished(step=10, metrics={"eval/accuracy": 0.9}, eval_seconds=0.0, num_samples=1))
    view.curves.add(AlarmRaised(step=11, kind="nonfinite_gradient", message="", value=math.nan, action="stop"))
    view.curves.add(RunEnded(step=11, reason="failed", last={"eval/accuracy": 0.9}))
    (trial,) = trials_of(made).trials
    assert (trial.word, trial.counts, math.isfinite(trial.value or 0.0)) == ("diverged", False, False)


def test_of_an_accuracy_more_is_better() -> None:
    """The direction is that of the metric."""
    found = searched(("finished", 0.8, 0.1), ("finished", 0.9, 0.1), metric="eval/accuracy")
    assert found.best is not None
    assert found.best.number == 2
    assert found.best_so_far() == [(1, 0.8), (2, 0.9)]


def test_coarse_trials_are_not_measured_against_fine_ones() -> None:
    """The short ones come first; once a fine one is done the best is fine, and the best so far begins anew."""
    found = searched(("finished", 0.1, 0.1), ("finished", 0.3, 0.1), ("finished", 0.5, 0.1), method="coarse-to-fine")
    assert num_coarse(found.plan) == 2
    assert found.best is not None
    assert found.best.number == 3
    assert found.best_so_far() == [(1, 0.1), (3, 0.5)]


def test_the_parameter_that_decides_explains_the_order() -> None:
    """A bowl over the logarithm of the rate explains nearly all of it; a choice that does not matter hardly any."""
    places = [-4.0, -3.5, -3.0, -2.5, -2.0, -1.5, -1.0, -0.5]
    found = searched(*(("finished", (place + 2.3) ** 2, 10.0**place) for place in places))
    shares = found.shares()
    assert shares["optimizer.lr"] > 0.9
    assert shares["task.activation"] < 0.3
    assert searched(("finished", 1.0, 0.1)).shares() == {}


def test_a_key_tells_the_number() -> None:
    """From 1, however many there are; a comparison that is no search has no trials."""
    assert number_of("trial-007") == 7
    assert number_of("trial-1234") == 1234
    with pytest.raises(ValueError, match="is no search"):
        trials_of(Comparison(ComparisonPlan(name="s", created=0.0)))


@pytest.mark.parametrize("key", ["brand-new", "", "trial-", "trial-²", "trial-" + "9" * 5000])
def test_a_key_of_a_strange_plan_is_no_number(key: str) -> None:
    """A journal may be anybody's: its search opens all the same."""
    assert number_of(key) == 0


def test_trials_of_equal_value_tell_nothing_of_a_parameter() -> None:
    """Accuracies are often the same: that a grid went up with the rate is no effect of the rate."""
    found = searched(*(("finished", 0.97, 10.0 ** (-4 + index / 4)) for index in range(16)))
    assert found.shares() == {"optimizer.lr": 0.0, "task.activation": 0.0}
