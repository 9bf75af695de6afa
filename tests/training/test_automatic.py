"""Decisions of the run itself: torch's plateau, early stopping, and that both are commands like a person's."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.training.harness import told
from tuitrain.protocol.commands import ScaleLearningRate, Stop
from tuitrain.protocol.events import CommandApplied, CommandQueued, EvalFinished, LearningRatePlanned
from tuitrain.protocol.plan import Schedule
from tuitrain.training.automatic import WATCHED, Automatic
from tuitrain.training.run import LEARNING_RATE

FLAT = Schedule(name="constant", num_steps=100)
STILL = ("optimizer.name=sgd", "optimizer.lr=1e-12", "eval.every_steps=5", "train.steps=40")


def plateau(**values: Any) -> Schedule:
    return Schedule(name="plateau", num_steps=1000, hyperparameters=values)


def decays(automatic: Automatic, losses: list[float], schedule: Schedule, first: int = 1) -> list[int]:
    """Steps at which it decays."""
    found = []
    for step, loss in enumerate(losses, start=first):
        asked = automatic.decide(step, {WATCHED: loss}, schedule, 0)
        assert all(command == ScaleLearningRate(factor=0.5) for command in asked)
        found += [step] * len(asked)
    return found


@given(
    losses=st.lists(st.floats(0.0, 3.0) | st.sampled_from([math.nan, math.inf, 1.0, 0.9999]), max_size=60),
    patience=st.integers(0, 4),
    threshold=st.sampled_from([0.0, 1e-4, 0.1]),
    cooldown=st.integers(0, 3),
)
def test_a_plateau_decays_exactly_when_that_of_torch_does(
    losses: list[float], patience: int, threshold: float, cooldown: int
) -> None:
    """ReduceLROnPlateau on any losses that are not below zero, where its threshold counts in the wrong direction."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=patience, threshold=threshold, cooldown=cooldown, eps=0.0
    )
    expected = []
    for step, loss in enumerate(losses, start=1):
        before = optimizer.param_groups[0]["lr"]
        theirs.step(loss)
        if optimizer.param_groups[0]["lr"] != before:
            expected.append(step)
    schedule = plateau(factor=0.5, patience=float(patience), threshold=threshold, cooldown=float(cooldown))
    assert decays(Automatic(), losses, schedule) == expected


def test_without_numbers_a_plateau_has_those_of_its_table() -> None:
    """Five evaluations of patience, then a tenth."""
    automatic = Automatic()
    asked = [automatic.decide(step, {WATCHED: 1.0}, plateau(), 0) for step in range(1, 9)]
    assert [len(commands) for commands in asked] == [0, 0, 0, 0, 0, 0, 1, 0]
    assert asked[6] == [ScaleLearningRate(factor=0.1)]


@pytest.mark.parametrize("loss", [2.03, 1e-9, -1e-9, -2.03, -1e6])
def test_a_flat_loss_is_a_plateau_below_zero_as_well(loss: float) -> None:
    """As with torch's rule it is not (pytorch#47513): an improvement is a share of the size of the best loss."""
    schedule = plateau(factor=0.5, patience=2.0, threshold=1e-2)
    assert decays(Automatic(), [loss] * 9, schedule) == [4, 7]
    hardly, clearly = loss - 0.005 * abs(loss), loss - 0.02 * abs(loss)
    assert decays(Automatic(), [loss, hardly, loss, hardly], schedule) == [4]
    assert decays(Automatic(), [loss, loss, loss, clearly, clearly], schedule) == []


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_never_the_best(loss: float) -> None:
    """Neither of a plateau nor of early stopping: it counts as an evaluation that brought nothing."""
    automatic, schedule = Automatic(), plateau(factor=0.5, patience=0.0)
    asked = [automatic.decide(step, {WATCHED: value}, schedule, 2) for step, value in enumerate([loss, 1.0, loss, 0.9])]
    assert [len(commands) for commands in asked] == [0, 0, 1, 0]
    assert automatic.lowest == (3, 0.9)


def test_a_rate_changed_by_hand_begins_the_count_anew_and_waits() -> None:
    """Else its own decay would follow at once; the cooldown is that of the schedule."""
    for cooldown in (0, 3):
        schedule = plateau(factor=0.5, patience=2.0, cooldown=float(cooldown))
        automatic = Automatic()
        assert decays(automatic, [1.0] * 3, schedule) == []
        automatic.rate_changed_by_hand(schedule)
        assert decays(automatic, [1.0] * 10, schedule, first=4)[0] == 6 + cooldown
    automatic.rate_changed_by_hand(FLAT)  # nothing to do where no plateau rules
    assert decays(automatic, [1.0] * 10, FLAT) == []


def test_early_stopping_counts_evaluations_without_a_better_loss() -> None:
    """Strictly better; NaN is not; the reason names the best."""
    automatic = Automatic()
    losses = [2.0, 1.0, 1.0, 1.5, 0.5, math.nan, 0.5, 0.6]
    asked = [automatic.decide(10 * step, {WATCHED: loss}, FLAT, 3) for step, loss in enumerate(losses)]
    assert [len(commands) for commands in asked] == [0] * 7 + [1]
    stop = asked[-1][0]
    assert isinstance(stop, Stop)
    assert "best at step 40 (0.5), and no better in 3 evaluations" in stop.because
    assert automatic.lowest == (40, 0.5)


def test_a_plateau_in_a_run_is_recorded_as_commands_of_its_own() -> None:
    """Queued by the run itself, applied at the same step, and the plan and the rates have it."""
    result = told(*STILL, "schedule.name=plateau", "schedule.patience=1", "schedule.factor=0.5")
    queued = result.all(CommandQueued)
    assert [(fact.actor, fact.command, fact.step) for fact in queued] == [
        ("auto", f"auto-{number:06d}", step) for number, step in ((1, 15), (2, 25), (3, 35))
    ]
    assert all(fact.request == ScaleLearningRate(factor=0.5) for fact in queued)
    assert [(fact.command, fact.step) for fact in result.all(CommandApplied)] == [
        (fact.command, fact.step) for fact in queued
    ]
    planned = {fact.cause: fact for fact in result.all(LearningRatePlanned)}
    assert planned["auto-000002"].plan.segments[-1].multiplier == {"all": 0.25}
    rates = result.values[LEARNING_RATE]
    assert [rates[step] / 1e-12 for step in (15, 16, 26, 36, 40)] == pytest.approx([1.0, 0.5, 0.25, 0.125, 0.125])


def test_a_decay_by_hand_in_a_run_postpones_the_one_of_the_plateau() -> None:
    """Given as a moment; a schedule that is no plateau never decides."""
    moments = [{"at_step": 12, "do": "scale_learning_rate", "factor": 0.5}]
    automatic = [
        [fact.step for fact in told(*STILL, f"schedule.name={name}", *more, moments=moments).all(CommandQueued)
         if fact.actor == "auto"]
        for name, more in (("plateau", ["schedule.patience=1"]), ("constant", []))
    ]  # fmt: skip
    assert automatic == [[20, 30], []]


def test_early_stopping_ends_the_run_with_its_reason() -> None:
    """A command of the run itself, and its last word."""
    result = told(*STILL, "regularize.early_stopping=3")
    queued, applied = result.all(CommandQueued), result.all(CommandApplied)
    # At this rate the loss moves in its last digits, so that an evaluation may be a little better by chance.
    assert [(fact.actor, type(fact.request)) for fact in queued] == [("auto", Stop)]
    assert queued[0].step in {15, 20, 25}
    assert [fact.command for fact in applied] == [queued[0].command]
    assert (result.ended.reason, result.ended.step) == ("stopped", queued[0].step)
    assert result.ended.message.startswith("early stopping: eval/loss was best at step")


def test_early_stopping_begins_and_ends_while_the_run_goes() -> None:
    """Set live it counts from there on; set to 0 it never acts."""
    on = {"at_step": 22, "do": "set_hyperparameter", "name": "early_stopping", "value": 2}
    off = {"at_step": 23, "do": "set_hyperparameter", "name": "early_stopping", "value": 0}
    assert told(*STILL, moments=[on]).ended.step == 30
    assert told(*STILL, moments=[on, off]).ended.step == 40


def test_an_evaluation_that_was_asked_for_decides_nothing() -> None:
    """However often a person looks."""
    moments = [{"at_step": 7, "do": "evaluate"}] * 9
    result = told(*STILL, "schedule.name=plateau", "schedule.patience=5", "regularize.early_stopping=8",
                  moments=moments)  # fmt: skip
    assert len(result.all(EvalFinished)) == 9 + 9
    assert [fact for fact in result.all(CommandQueued) if fact.actor == "auto" and fact.step < 35] == []
