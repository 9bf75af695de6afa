"""What is asked at the safe point: hostile numbers, commands that meet, a switch under way, and the end."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch

from tests.training.harness import asked, build, finish, told, weights
from tests.training.test_undisturbed import run_then_ask, wait_until
from tuitrain.protocol.commands import (
    Command,
    Evaluate,
    Pause,
    Resume,
    ScaleLearningRate,
    SetHyperparameter,
    SetLearningRate,
    SetPace,
    SetSchedule,
    StepOnce,
    Stop,
    SwitchOptimizer,
)
from tuitrain.protocol.describe import sentence
from tuitrain.protocol.events import (
    CommandApplied,
    CommandQueued,
    CommandRefused,
    HandoverCancelled,
    HyperparameterChanged,
    LearningRatePlanned,
    OptimizerSwitched,
    PaceChanged,
    Paused,
    UpdateMeasured,
)
from tuitrain.training.run import LEARNING_RATE

HOSTILE: list[tuple[Command, str]] = [
    (ScaleLearningRate(factor=-1.0), "above 0"),
    (ScaleLearningRate(factor=float("nan")), "above 0"),
    (SetLearningRate(lr=float("inf")), "above 0"),
    (SetPace(max_steps_per_second=0.0), "above 0"),
    (StepOnce(num_steps=0), "above 0"),
    (SetSchedule(name="cosine", warmup_steps=-5), "0 or more"),
    (SetSchedule(name="cosine", num_steps=5, warmup_steps=5), "leaves nothing"),
    (SetSchedule(name="nosuch"), "No schedule named"),
    (SwitchOptimizer(name="sgd", ramp_steps=-3), "0 or more"),
    (SwitchOptimizer(name="nosuch"), "No optimizer named"),
    (ScaleLearningRate(factor=0.5, groups=["head"]), "No parameter group named"),
    (SetHyperparameter(name="momentum", value=0.5), "adam has no momentum"),
    (SetHyperparameter(name="beta1", value=1.5), "is not in"),
    (SetHyperparameter(name="betas", value=[0.9, 1.0]), "is not in"),
    (SetHyperparameter(name="betas", value=[0.9]), "adam has no betas"),
    (SetHyperparameter(name="eps", value="small"), "not a number"),
    (SetHyperparameter(name="beta1", value=0.5, groups=["head"]), "No parameter group named"),
    (Resume(), "not paused"),
]


@pytest.mark.parametrize(("command", "said"), HOSTILE, ids=[sentence(command) for command, _ in HOSTILE])
def test_a_request_that_cannot_be_is_refused_and_leaves_the_run_as_it_is(command: Command, said: str) -> None:
    """However it came into the folder: one reply, its reason, and the losses of a run without it."""
    trainer = build("train.steps=6")
    run_then_ask(trainer, 2, command)
    result = finish(trainer)
    replies = [fact for fact in result.facts if isinstance(fact, CommandApplied | CommandRefused)]
    assert len(replies) == 1
    assert isinstance(replies[0], CommandRefused)
    assert said in replies[0].reason
    assert result.losses == told("train.steps=6").losses


def test_moments_come_before_commands_and_each_is_queued_before_it_is_answered() -> None:
    """At one step; the commands then in the order of their arrival."""
    trainer = build(
        "train.steps=8",
        moments=[{"at_step": 3, "do": "scale_learning_rate", "factor": 0.5}, {"at_step": 3, "do": "evaluate"}],
    )
    run_then_ask(trainer, 3, SetLearningRate(lr=0.01), ScaleLearningRate(factor=0.5))
    result = finish(trainer)
    told_of = [fact.command for fact in result.all(CommandApplied)]
    assert told_of == ["moment-0001", "moment-0002", "0001", "0002"]
    assert {fact.command for fact in result.all(CommandQueued)} == set(told_of)
    order = [fact.command for fact in result.facts if isinstance(fact, CommandQueued | CommandApplied)]
    assert all(order.index(command) < len(order) - 1 - order[::-1].index(command) for command in told_of)
    assert result.values[LEARNING_RATE][4] == pytest.approx(0.005, rel=1e-6)


def test_stop_ends_a_paused_run_and_what_still_waits_gets_its_answer() -> None:
    """The commands behind the stop are answered too; those after the end are refused."""
    trainer = build()
    run_then_ask(trainer, 5, Pause())
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(finish(trainer)))
    thread.start()
    wait_until(lambda: trainer.control.is_paused)
    asked(trainer, Stop(), "0008")
    asked(trainer, Evaluate(), "0009")
    thread.join(60)
    result = results[0]
    assert (result.ended.reason, result.ended.step) == ("stopped", 5)
    replies = [fact.command for fact in result.facts if isinstance(fact, CommandApplied | CommandRefused)]
    assert sorted(replies) == ["0001", "0008", "0009"]


def test_what_arrives_after_the_last_step_is_refused_with_the_end() -> None:
    """No command stays without a final reply."""
    trainer = build("train.steps=3")
    run_then_ask(trainer, 3, ScaleLearningRate(factor=0.5))
    result = finish(trainer)
    assert [(fact.command, fact.reason) for fact in result.all(CommandRefused)] == [("0001", "the run has ended")]


def test_stop_from_another_thread_wakes_a_paused_run() -> None:
    """As a signal does."""
    trainer = build()
    run_then_ask(trainer, 2, Pause())
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(finish(trainer)))
    thread.start()
    wait_until(lambda: trainer.control.is_paused)
    trainer.control.stop()
    thread.join(60)
    assert results[0].ended.reason == "stopped"


def test_a_step_once_within_a_step_once_begins_to_count_anew() -> None:
    """Two of three and of one step pause once, after the last asked number."""
    trainer = build("train.steps=12")
    run_then_ask(trainer, 2, StepOnce(num_steps=3), StepOnce(num_steps=1))
    thread = threading.Thread(target=lambda: finish(trainer))
    thread.start()
    wait_until(lambda: trainer.control.is_paused)
    assert trainer.step == 3
    asked(trainer, Stop(abort=True), "0009")
    thread.join(60)


def test_the_pace_is_said_and_never_changes_the_numbers() -> None:
    """Nobody watches here, so it does not even slow the run down."""
    result = told(moments=[{"at_step": 3, "do": "set_pace", "max_steps_per_second": 0.5}])
    assert [fact.max_steps_per_second for fact in result.all(PaceChanged)] == [0.5]
    assert result.losses == told().losses


def test_a_change_within_a_handover_goes_to_both() -> None:
    """Also when it is written as betas: the new optimizer takes over with them."""
    moments: list[dict[str, Any]] = [
        {"at_step": 5, "do": "switch_optimizer", "name": "nadam"},
        {"at_step": 7, "do": "set_hyperparameter", "name": "betas", "value": [0.5, 0.9]},
    ]
    switched = told("train.steps=200", moments=moments).all(OptimizerSwitched)[0]
    assert switched.optimizer.groups[0].hyperparameters["beta1"] == 0.5
    assert switched.optimizer.groups[0].hyperparameters["beta2"] == 0.9


def test_a_change_for_one_group_within_a_handover_stays_with_that_group() -> None:
    """The one that takes over has it for the weights alone."""
    moments: list[dict[str, Any]] = [
        {"at_step": 5, "do": "switch_optimizer", "name": "nadam"},
        {"at_step": 7, "do": "set_hyperparameter", "name": "beta1", "value": 0.5, "groups": ["weights"]},
    ]
    result = told("train.steps=200", "optimizer.decay_only_weights=true", moments=moments)
    groups = {group.name: group.hyperparameters for group in result.all(OptimizerSwitched)[0].optimizer.groups}
    assert (groups["weights"]["beta1"], groups["biases and norms"]["beta1"]) == (0.5, 0.9)


def test_what_only_the_old_optimizer_takes_is_applied_there_and_said() -> None:
    """muon may look ahead, an SGD without momentum may not: the change is not half refused."""
    moments: list[dict[str, Any]] = [
        {"at_step": 5, "do": "set_hyperparameter", "name": "nesterov", "value": False},
        {"at_step": 6, "do": "switch_optimizer", "name": "sgd"},
        {"at_step": 7, "do": "set_hyperparameter", "name": "nesterov", "value": True},
    ]
    result = told("train.steps=100", "optimizer.name=muon", "task.hidden=[16, 16]", moments=moments)
    assert not result.all(CommandRefused)
    assert "sgd does not take it" in result.all(HyperparameterChanged)[-1].notes[0]
    assert result.all(OptimizerSwitched)


def test_a_handover_to_an_explicit_rate_that_ends_at_a_rate_of_zero_is_dropped_not_a_crash() -> None:
    """The schedule reaches 0 while the new optimizer still shadows."""
    moments: list[dict[str, Any]] = [
        {"at_step": 10, "do": "set_schedule", "name": "linear", "num_steps": 15},
        {"at_step": 22, "do": "switch_optimizer", "name": "sgd", "lr": 0.01},
    ]
    result = told("train.steps=100", moments=moments)
    assert result.ended.reason == "finished"
    assert "at 0 here" in result.all(HandoverCancelled)[0].reason
    assert not result.all(OptimizerSwitched)


def test_each_update_is_measured_for_the_switch_that_caused_it() -> None:
    """Also where the next switch begins right after the first took over."""
    moments: list[dict[str, Any]] = [
        {"at_step": 10, "do": "switch_optimizer", "name": "rmsprop", "handover": "cold"},
        {"at_step": 11, "do": "switch_optimizer", "name": "adamw"},
    ]
    result = told("train.steps=300", moments=moments)
    first, second = result.all(OptimizerSwitched)
    measured = [(fact.step, fact.cause) for fact in result.all(UpdateMeasured)]
    assert measured == [(first.step + 1, first.cause), (second.step + 1, second.cause)]


def test_a_decay_after_a_switch_with_a_ramp_does_not_begin_the_ramp_again() -> None:
    """The rates that are trained with, not only those of the plan."""
    moments: list[dict[str, Any]] = [
        {"at_step": 5, "do": "switch_optimizer", "name": "sgd", "handover": "cold", "lr": 0.1, "ramp_steps": 4},
        {"at_step": 20, "do": "scale_learning_rate", "factor": 0.5},
    ]
    result = told(moments=moments)
    rates = [result.values[LEARNING_RATE][step] for step in range(6, 31)]
    assert rates[:5] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1], rel=1e-6)
    assert rates[5:15] == pytest.approx([0.1] * 10, rel=1e-6)
    assert rates[15:] == pytest.approx([0.05] * 10, rel=1e-6)
    assert len(result.all(LearningRatePlanned)) == 3


def test_a_run_at_its_end_refuses_a_switch() -> None:
    """One step is no time to hand over."""
    result = told("train.steps=10", moments=[{"at_step": 9, "do": "switch_optimizer", "name": "sgd"}])
    assert result.all(CommandRefused)[0].reason == "the run is at its end."
    assert not result.all(Paused)


def test_a_stop_within_a_handover_keeps_the_old_optimizer() -> None:
    """The weights are those of a run that was never asked to switch."""
    moments: list[dict[str, Any]] = [
        {"at_step": 10, "do": "switch_optimizer", "name": "sgd"},
        {"at_step": 12, "do": "stop"},
    ]
    result, plain = told("train.steps=200", moments=moments), told("train.steps=12")
    assert result.all(HandoverCancelled)[0].reason == "the run stops"
    pairs = zip(weights(result.trainer), weights(plain.trainer), strict=True)
    assert all(torch.equal(mine, theirs) for mine, theirs in pairs)
