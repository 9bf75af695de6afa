"""The hand-over: a switch of the optimizer that does not make the loss jump."""

from __future__ import annotations

import statistics
from typing import Any

import pytest
import torch

from tests.training.harness import asked, build, finish, told
from tests.training.switching import CONTEXTS, EVERY, PAIRS, measure
from tuitrain.errors import UsageError
from tuitrain.protocol.commands import SwitchOptimizer
from tuitrain.protocol.events import (
    CommandRefused,
    HandoverCancelled,
    LearningRatePlanned,
    OptimizerSwitched,
    UpdateMeasured,
)
from tuitrain.techniques.build.groups import parameter_groups
from tuitrain.techniques.build.optimizers import OptimizerSet, hidden_matrices
from tuitrain.techniques.optimizers import optimizer_spec
from tuitrain.training.handover import Mode, carried_over, handover_steps

QUICK_PAIRS = [
    ("adam", "momentum"), ("adam", "rmsprop"), ("momentum", "adamw"), ("momentum", "muon"), ("adagrad", "adadelta"),
    ("radam", "muon"), ("nesterov", "adagrad"), ("rmsprop", "nadam"),
]  # fmt: skip


def assert_the_bar_holds(before: str, after: str, context: str, seeds: int) -> None:
    """First update 0.5 to 2 times the one before, peak of the loss at most 1.25 times: medians over seeds."""
    torch.set_num_threads(1)
    mode: Mode = "cold" if optimizer_spec(EVERY[after][0]).takeover == "cold" else "match"
    outcomes = [measure(before, after, context, seed, mode) for seed in range(seeds)]
    ratio = statistics.median(outcome.ratio for outcome in outcomes)
    peak = statistics.median(outcome.peak for outcome in outcomes)
    assert 0.5 <= ratio <= 2.0
    assert peak <= 1.25


@pytest.mark.parametrize(("before", "after"), QUICK_PAIRS)
def test_the_first_update_keeps_its_size(before: str, after: str) -> None:
    """A sample of the bar: eight pairs at mid-cosine, three seeds."""
    assert_the_bar_holds(before, after, "mid-cosine", seeds=3)


@pytest.mark.slow
@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_the_bar_holds_for_every_ordered_pair(before: str, after: str, context: str) -> None:
    """The whole bar: 90 pairs at mid-cosine, in warmup and after a decay, five seeds."""
    assert_the_bar_holds(before, after, context, seeds=5)


def test_the_plan_is_matched_whatever_the_schedule_and_the_decays() -> None:
    """The matched rate goes into the base, so that shape and multiplier go on as they were."""
    moments = [
        {"at_step": 100, "do": "scale_learning_rate", "factor": 0.5},
        {"at_step": 150, "do": "switch_optimizer", "name": "sgd", "momentum": 0.9},
        {"at_step": 160, "do": "scale_learning_rate", "factor": 0.5},
    ]
    result = told("train.steps=400", "schedule.name=cosine", "schedule.warmup=50", moments=moments)
    switched = result.all(OptimizerSwitched)[0]
    assert switched.asked_step == 150
    assert switched.step == 150 + 25  # a tenth of the 250 steps left
    segment = next(fact for fact in result.all(LearningRatePlanned) if fact.step == switched.step).plan.segments[-1]
    assert segment.schedule.name == "cosine"
    assert segment.multiplier["all"] == pytest.approx(0.25)
    assert result.all(UpdateMeasured)[0].ratio == pytest.approx(1.0, abs=0.6)


def test_adam_to_muon_and_back_merges_the_parts() -> None:
    """One logical group, two inner optimizers, one again."""
    moments = [
        {"at_step": 60, "do": "switch_optimizer", "name": "muon"},
        {"at_step": 150, "do": "switch_optimizer", "name": "adam"},
    ]
    result = told("train.steps=400", "task.hidden=[64, 64]", moments=moments)
    to_muon, to_adam = result.all(OptimizerSwitched)
    assert [group.inner for group in to_muon.optimizer.groups] == ["", "adamw"]
    assert {group.name for group in to_muon.optimizer.groups} == {"all"}
    assert [group.name for group in to_adam.optimizer.groups] == ["all"]
    assert to_adam.optimizer.groups[0].num_tensors == 6
    assert all(0.4 < fact.ratio < 2.5 for fact in result.all(UpdateMeasured))


def test_groups_keep_their_names_and_the_biases_stay_free_of_decay() -> None:
    """A switch maps groups by name, and the one without decay has none afterwards."""
    overrides = ["optimizer.decay_only_weights=true", "regularize.weight_decay=0.1"]
    result = told("train.steps=200", *overrides, moments=[{"at_step": 50, "do": "switch_optimizer", "name": "sgd"}])
    groups = {group.name: group for group in result.all(OptimizerSwitched)[0].optimizer.groups}
    assert set(groups) == {"weights", "biases and norms"}
    assert groups["weights"].hyperparameters["weight_decay"] == 0.1
    assert groups["biases and norms"].hyperparameters["weight_decay"] == 0.0


def test_what_cannot_be_matched_is_said() -> None:
    """With a rate of 0 there is no update to match: the hand-over is dropped with the reason."""
    moments: list[dict[str, Any]] = [
        {"at_step": 30, "do": "scale_learning_rate", "factor": 1e-300},
        {"at_step": 31, "do": "scale_learning_rate", "factor": 1e-300},
        {"at_step": 32, "do": "switch_optimizer", "name": "sgd"},
    ]
    result = told("train.steps=100", moments=moments)
    assert "could not be matched" in result.all(HandoverCancelled)[0].reason
    assert not result.all(OptimizerSwitched)


def test_muon_without_hidden_matrices_is_refused() -> None:
    """Said at once, with what to do instead."""
    trainer = build("task.model=linear")
    with pytest.raises(UsageError, match="hidden 2-D weights"):
        OptimizerSet("muon", parameter_groups(trainer.task.model, decay_only_weights=False), {}, frozenset())
    assert hidden_matrices(trainer.task.model) == frozenset()


@pytest.mark.parametrize(
    ("name", "values", "remaining", "expected"),
    [
        ("adam", {}, 10_000, 50),
        ("adam", {"beta1": 0.5}, 10_000, 10),
        ("sgd", {}, 10_000, 5),
        ("sgd", {"momentum": 0.9}, 10_000, 50),
        ("sgd", {"momentum": 0.9}, 200, 20),
        ("adagrad", {}, 10_000, 50),
        ("rmsprop", {}, 10_000, 50),
        ("adam", {}, 12, 1),
        ("lion", {}, 10_000, 50),
        ("sam", {"momentum": 0.5}, 10_000, 10),
        ("asgd", {"alpha": 1.0}, 10_000, 1),
        ("schedule-free-adamw", {}, 10_000, 1),
        ("rprop", {}, 10_000, 1),
    ],
)
def test_the_length_of_a_handover(name: str, values: dict[str, Any], remaining: int, expected: int) -> None:
    """clamp(5/(1 − β1), 5, min(50, 10 % of the remaining steps))."""
    assert handover_steps(name, values, remaining) == expected


def test_only_what_means_the_same_carries_over() -> None:
    """Decoupled decay does not become L2, β1 becomes momentum, and each is said."""
    trainer = build("optimizer.name=adamw", "regularize.weight_decay=0.05")
    old = trainer.updater.optimizer
    values, notes = carried_over(old, optimizer_spec("sgd"), {})
    assert values == {"momentum": 0.9}
    assert len(notes) == 2
    values, _ = carried_over(old, optimizer_spec("muon"), {})
    assert values == {"weight_decay": 0.05}
    values, _ = carried_over(old, optimizer_spec("adam"), {"weight_decay": 0.01})
    assert values == {"weight_decay": 0.01}


@pytest.mark.parametrize("name", ["lbfgs", "schedule-free-adamw"])
def test_what_remembers_weights_is_refused_while_max_norm_moves_them(name: str) -> None:
    """As in a preset, and as the other way round."""
    trainer = build("regularize.max_norm=1", "task.num_train=100", "train.batch_size=full", "train.steps=5")
    asked(trainer, SwitchOptimizer(name=name))
    assert "max_norm would move" in finish(trainer).all(CommandRefused)[0].reason
