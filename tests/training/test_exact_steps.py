"""Every command acts in the step after the one at which it was applied, exactly as a plain loop would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.training.harness import build, finish, told
from tuitrain.protocol.events import CommandApplied, LearningRatePlanned, OptimizerSwitched, Paused
from tuitrain.training.run import LEARNING_RATE

STEPS, AT = 40, 25
Hook = Callable[[int, torch.optim.Optimizer, nn.Module], torch.optim.Optimizer | None]


def reference(
    hook: Hook, *, name: str = "adam", clip_after: int | None = None
) -> tuple[list[float], list[torch.Tensor]]:
    """The same training as a plain torch loop; `hook` is called before each step with the finished steps."""
    trainer = build()
    model, task = trainer.task.model, trainer.task
    model.train()
    optimizer: torch.optim.Optimizer = (
        torch.optim.Adam(model.parameters(), lr=1e-3)
        if name == "adam"
        else torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    )
    losses = []
    for step in range(STEPS):
        optimizer = hook(step, optimizer, model) or optimizer
        x, y = trainer.batches.next()
        loss = functional.cross_entropy(task.model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        if clip_after is not None and step >= clip_after:
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
    return losses, [parameter.detach().clone() for parameter in model.parameters()]


def set_group(step_at: int, **options: Any) -> Hook:
    """Write options into the parameter group before step `step_at` + 1."""

    def hook(step: int, optimizer: torch.optim.Optimizer, _model: nn.Module) -> None:
        if step == step_at:
            optimizer.param_groups[0].update(options)

    return hook


def same(result: Any, losses: list[float], expected: list[torch.Tensor]) -> None:
    """Bit for bit."""
    assert result.losses == losses
    parameters = list(result.trainer.task.model.parameters())
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(parameters, expected, strict=True))


def moment(do: str, **arguments: Any) -> dict[str, Any]:
    return {"at_step": AT, "do": do, **arguments}


def test_without_commands_the_loop_is_the_plain_loop() -> None:
    """Telemetry, evaluation and the plan change nothing: the losses and weights are those of eight lines of torch."""
    losses, expected = reference(lambda *_: None)
    same(told(), losses, expected)


def test_a_decay_first_acts_in_the_step_after() -> None:
    """Applied at step 25 it changes the update of step 26, not of 25."""
    losses, expected = reference(set_group(AT, lr=1e-3 * 0.1))
    result = told(moments=[moment("scale_learning_rate", factor=0.1)])
    same(result, losses, expected)
    assert [fact.step for fact in result.all(CommandApplied)] == [AT]
    assert result.values[LEARNING_RATE][AT] == pytest.approx(1e-3, rel=1e-6)
    assert result.values[LEARNING_RATE][AT + 1] == pytest.approx(1e-4, rel=1e-6)


def test_three_decays_of_one_step_are_a_product() -> None:
    """Nothing is coalesced."""
    result = told(moments=[moment("scale_learning_rate", factor=0.5)] * 3)
    assert len(result.all(CommandApplied)) == 3
    assert result.values[LEARNING_RATE][AT + 1] == pytest.approx(1e-3 / 8, rel=1e-6)


def test_a_set_rate_is_the_rate_of_the_next_step() -> None:
    """Under a constant schedule the whole rest of the run has it."""
    losses, expected = reference(set_group(AT, lr=3e-4))
    result = told(moments=[moment("set_learning_rate", lr=3e-4)])
    assert result.losses == pytest.approx(losses, rel=1e-5)
    assert all(
        torch.allclose(mine, theirs, atol=1e-6)
        for mine, theirs in zip(result.trainer.task.model.parameters(), expected, strict=True)
    )


@pytest.mark.parametrize(
    ("name", "value", "options"),
    [
        ("beta1", 0.5, {"betas": (0.5, 0.999)}),
        ("betas", [0.8, 0.99], {"betas": (0.8, 0.99)}),
        ("weight_decay", 0.1, {"weight_decay": 0.1}),
    ],
)
def test_a_hyperparameter_of_adam_changes_at_its_step(name: str, value: object, options: dict[str, Any]) -> None:
    """As if the parameter group had been written by hand; the state is kept."""
    losses, expected = reference(set_group(AT, **options))
    same(told(moments=[moment("set_hyperparameter", name=name, value=value)]), losses, expected)


def test_momentum_changes_at_its_step() -> None:
    """SGD goes on with the velocity it has."""
    losses, expected = reference(set_group(AT, momentum=0.5), name="sgd")
    overrides = ["optimizer.name=sgd", "optimizer.lr=0.05", "optimizer.momentum=0.9"]
    same(told(*overrides, moments=[moment("set_hyperparameter", name="momentum", value=0.5)]), losses, expected)


def test_gradient_clipping_begins_at_its_step() -> None:
    """The global norm is clipped from the next step on, and torch's own clipping gives the same weights."""
    losses, expected = reference(lambda *_: None, clip_after=AT)
    same(told(moments=[moment("set_hyperparameter", name="gradient_clip", value=0.5)]), losses, expected)


def test_a_cold_switch_at_a_given_rate_is_a_new_optimizer() -> None:
    """Empty state, the given rate, from the next step on."""

    def switch(step: int, _optimizer: torch.optim.Optimizer, model: nn.Module) -> torch.optim.Optimizer | None:
        return torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9) if step == AT else None

    losses, expected = reference(switch)
    result = told(moments=[moment("switch_optimizer", name="sgd", momentum=0.9, handover="cold", lr=0.02)])
    assert result.losses == pytest.approx(losses, rel=1e-5)
    assert all(
        torch.allclose(mine, theirs, atol=1e-6)
        for mine, theirs in zip(result.trainer.task.model.parameters(), expected, strict=True)
    )
    switched = result.all(OptimizerSwitched)
    assert [(fact.step, fact.to_name, fact.handover) for fact in switched] == [(AT, "sgd", "explicit")]


def test_a_schedule_continues_from_the_rate_as_it_is() -> None:
    """The first step under the new schedule has the rate of the old one; the last one is near 0."""
    result = told(moments=[moment("scale_learning_rate", factor=0.5), moment("set_schedule", name="linear")])
    rates = result.values[LEARNING_RATE]
    assert rates[AT + 1] == pytest.approx(5e-4, rel=1e-6)
    assert rates[STEPS] == pytest.approx(5e-4 / (STEPS - AT), rel=1e-5)
    assert len(result.all(LearningRatePlanned)) == 3


def test_moments_of_one_step_apply_in_the_order_of_the_file() -> None:
    """A pause that comes first is answered first; the commands after it work while paused."""
    trainer = build(moments=[moment("pause"), moment("scale_learning_rate", factor=0.1), moment("resume")])
    result = finish(trainer)
    assert [fact.command for fact in result.all(CommandApplied)] == ["moment-0001", "moment-0002", "moment-0003"]
    assert [fact.step for fact in result.all(Paused)] == [AT]
    assert result.ended.step == STEPS
