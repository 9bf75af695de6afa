"""The shadow of a hand-over: it looks at the run, keeps what it learns, and touches nothing until it takes over."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.training.harness import build, finish, told
from tests.training.test_switching import assert_the_bar_holds
from tests.training.test_trouble import poisoned
from tests.training.test_undisturbed import DELICATE, run_then_ask
from tuitrain.errors import UsageError
from tuitrain.protocol.commands import SwitchOptimizer
from tuitrain.protocol.events import (
    AlarmRaised,
    HandoverCancelled,
    HandoverStarted,
    OptimizerSwitched,
    SwitchPreviewed,
    UpdateMeasured,
)
from tuitrain.techniques.optimizers import OPTIMIZERS, optimizer_spec
from tuitrain.training.handover import Handover, carried_over, shadow_memory_bytes

AT = 10


def takeover(name: str) -> str:
    """How it follows another."""
    return optimizer_spec(name).takeover


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "adam" and takeover(name) != "rate"])
def test_until_it_takes_over_the_run_is_the_run_without_it(name: str) -> None:
    """Weights, gradients, statistics and random state untouched: the losses up to the swap are the same bit for bit."""
    overrides = ["train.steps=90", "train.batch_size=32", "task.hidden=[16, 16]", *DELICATE]
    result = told(*overrides, moments=[{"at_step": AT, "do": "switch_optimizer", "name": name}])
    started, switched = result.all(HandoverStarted)[0], result.all(OptimizerSwitched)[0]
    assert switched.step == AT + started.num_steps
    assert (switched.asked_step, switched.cause) == (AT, "moment-0001")
    plain = told(*overrides)
    # The loss of a step is measured before its update, so the first to differ is two steps after the swap.
    assert result.losses[: switched.step + 1] == plain.losses[: switched.step + 1]
    assert result.losses[switched.step + 2 :] != plain.losses[switched.step + 2 :]


@pytest.mark.parametrize("context", ["warmup", "after a decay"])
@pytest.mark.parametrize(("before", "after"), [("adam", "momentum"), ("momentum", "adamw")])
def test_the_first_update_keeps_its_size_whatever_the_plan(before: str, after: str, context: str) -> None:
    """Two pairs of the bar where shape and multipliers are not 1, three seeds; the whole table is marked slow."""
    assert_the_bar_holds(before, after, context, seeds=3)


def test_the_velocity_that_sgd_takes_over_is_that_of_the_gradients_it_saw() -> None:
    """Σ μ^k g over the shadowed steps, computed by hand."""
    trainer = build("train.steps=200")
    run_then_ask(trainer, AT, SwitchOptimizer(name="sgd", hyperparameters={"momentum": 0.9}))
    trainer.control.at_safe_point(trainer.step, trainer._apply)
    bias = trainer.task.model.get_parameter("lin_2.bias")
    velocity = torch.zeros_like(bias)

    def add(gradient: torch.Tensor) -> None:
        velocity.mul_(0.9).add_(gradient)

    bias.register_post_accumulate_grad_hook(  # type: ignore[no-untyped-call]
        lambda parameter: add(parameter.grad)
    )
    while trainer.updater.switch is not None:
        trainer._take_step()
    assert trainer.updater.optimizer.name == "sgd"
    buffer = trainer.updater.optimizer.parts[0].optimizer.state[bias]["momentum_buffer"]
    assert torch.allclose(buffer, velocity, atol=1e-7)


def test_a_cold_switch_is_matched_on_one_step_and_has_no_state() -> None:
    """The step that it was matched on is not remembered."""
    result = told(moments=[{"at_step": AT, "do": "switch_optimizer", "name": "rmsprop", "handover": "cold"}])
    assert [fact.num_steps for fact in result.all(HandoverStarted)] == [1]
    switched = result.all(OptimizerSwitched)[0]
    assert (switched.step, switched.handover) == (AT + 1, "cold")
    state = next(iter(result.trainer.updater.optimizer.parts[0].optimizer.state.values()))
    assert state["step"] == 40 - switched.step
    assert result.all(UpdateMeasured)[0].ratio == pytest.approx(1.0, abs=0.5)


def test_a_bad_batch_within_a_handover_is_not_observed() -> None:
    """It takes one step longer, and no NaN comes with the new optimizer."""
    trainer = poisoned(12, on_nonfinite="continue", moments=[{"at_step": AT, "do": "switch_optimizer", "name": "sgd"}])
    result = finish(trainer)
    assert result.all(HandoverStarted)[0].num_steps == 3
    assert result.all(OptimizerSwitched)[0].step == AT + 3 + 1
    assert all(torch.isfinite(parameter).all() for parameter in trainer.task.model.parameters())


def test_an_alarm_is_raised_once_for_each_stretch() -> None:
    """Three bad batches in a row are one alarm, a later one is another; the steps are those that were bad."""
    trainer = build(on_nonfinite="continue")
    draw, drawn = trainer.batches.next, 0

    def draw_poisoned() -> tuple[torch.Tensor, torch.Tensor]:
        nonlocal drawn
        drawn += 1
        x, y = draw()
        return (x * float("nan") if drawn in {8, 9, 10, 20} else x), y

    trainer.batches.next = draw_poisoned  # type: ignore[method-assign]
    result = finish(trainer)
    assert [fact.step for fact in result.all(AlarmRaised)] == [8, 20]
    assert (result.ended.reason, result.ended.step) == ("finished", 40)


def test_groups_with_two_inner_optimizers_merge_again_by_name() -> None:
    """Weights and biases apart: muon splits the weights, adam has two parts again with their names."""
    moments: list[dict[str, Any]] = [
        {"at_step": 20, "do": "switch_optimizer", "name": "muon"},
        {"at_step": 60, "do": "switch_optimizer", "name": "adam"},
    ]
    overrides = ["train.steps=150", "task.hidden=[16, 16]", "optimizer.decay_only_weights=true"]
    to_muon, to_adam = told(*overrides, moments=moments).all(OptimizerSwitched)
    assert [(group.name, group.inner) for group in to_muon.optimizer.groups] == [
        ("weights", ""),
        ("weights", "adamw"),
        ("biases and norms", "adamw"),
    ]
    assert [(group.name, group.num_tensors) for group in to_adam.optimizer.groups] == [
        ("weights", 3),
        ("biases and norms", 3),
    ]


def test_what_a_preview_says_is_what_a_cold_switch_does() -> None:
    """The rate it proposes keeps the first update at its size."""
    result = told(moments=[{"at_step": 20, "do": "preview_switch", "name": "rmsprop"}])
    preview = result.all(SwitchPreviewed)[0]
    rate = preview.learning_rates["all"]
    moment = {"at_step": 20, "do": "switch_optimizer", "name": "rmsprop", "handover": "cold"}
    cold = told(moments=[moment]).trainer.updater.rates(40)["all"]
    assert rate == pytest.approx(cold, rel=0.3)
    assert preview.from_name == "adam"
    assert preview.extra_memory_bytes == 203_530 * 4 * 3


def test_the_memory_of_a_shadow_is_weights_gradients_and_state() -> None:
    """In bytes, by the table."""
    optimizer = build().updater.optimizer
    assert shadow_memory_bytes(optimizer, optimizer_spec("adamw")) == 203_530 * 4 * 4


def test_a_switch_that_cannot_be_built_leaves_the_one_under_way() -> None:
    """muon on a model without hidden matrices is refused, and the hand-over to sgd goes on."""
    moments: list[dict[str, Any]] = [
        {"at_step": 5, "do": "switch_optimizer", "name": "sgd"},
        {"at_step": 6, "do": "switch_optimizer", "name": "muon"},
    ]
    result = told("train.steps=100", "task.model=linear", moments=moments)
    assert [fact.to_name for fact in result.all(OptimizerSwitched)] == ["sgd"]
    assert not result.all(HandoverCancelled)
    trainer = build("task.model=linear")
    with pytest.raises(UsageError):
        Handover(trainer.updater.optimizer, "muon", {}, "match", 5)


def test_weight_decay_of_another_kind_is_said_with_its_default() -> None:
    """From decoupled to L2 nothing is carried silently; what was given stands and is not mentioned."""
    old = build("optimizer.name=adamw", "regularize.weight_decay=0.05").updater.optimizer
    values, notes = carried_over(old, optimizer_spec("rmsprop"), {})
    assert "weight_decay" not in values
    assert "weight decay is 0, the default of rmsprop" in notes[0]
    values, notes = carried_over(old, optimizer_spec("rmsprop"), {"weight_decay": 0.2})
    assert (values, notes) == ({"weight_decay": 0.2}, ())
