"""Frozen parameters do not move by one bit, whatever is at work, and what is unfrozen goes on exactly."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.training.harness import Told, asked, build, finish, told
from tuitrain.protocol.commands import Freeze, SetHyperparameter, SwitchOptimizer, Undo, Unfreeze
from tuitrain.protocol.events import (
    CommandApplied,
    CommandRefused,
    HandoverCancelled,
    OptimizerSwitched,
    RolledBack,
    RunStarted,
    SwitchPreviewed,
    TrainableChanged,
)
from tuitrain.techniques import plan as plans
from tuitrain.techniques.optimizers import OPTIMIZERS
from tuitrain.training.state import captured
from tuitrain.training.trainer import Trainer

SMALL = ("task.hidden=[16, 16]", "task.num_train=320", "train.batch_size=32", "train.steps=20")
FULL = ("train.batch_size=full", "task.num_train=300", "optimizer.max_iter=1")
TINY = ("task.dataset=moons", "task.num_train=300", "task.hidden=[4, 4]", "train.batch_size=full", "optimizer.lr=0.1")


def moment(step: int, do: str, *patterns: str, **further: Any) -> dict[str, Any]:
    """A moment that freezes or unfreezes."""
    return {"at_step": step, "do": do, "patterns": list(patterns), **further}


def states_at(trainer: Trainer, *steps: int) -> dict[int, dict[str, torch.Tensor]]:
    """All tensors of the model before some steps are taken; filled while it trains."""
    seen: dict[int, dict[str, torch.Tensor]] = {}
    take = trainer._take_step

    def step() -> None:
        if trainer.step in steps:
            seen[trainer.step] = {name: tensor.clone() for name, tensor in trainer.task.model.state_dict().items()}
        take()

    trainer._take_step = step  # type: ignore[method-assign]
    return seen


def moved(seen: dict[int, dict[str, torch.Tensor]], first: int, last: int) -> set[str]:
    """Names of the tensors that are not the same bit for bit."""
    return {name for name, tensor in seen[first].items() if not torch.equal(tensor, seen[last][name])}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_frozen_weights_do_not_move_with_any_optimizer(name: str) -> None:
    """Five steps of everything, ten with two layers frozen, under decay and noise on weights; then five of all."""
    spec = OPTIMIZERS[name]
    noisy = ("regularize.weight_noise=0.01",)
    more = TINY if spec.needs_hessian else FULL if spec.needs_closure else noisy
    overrides = [*SMALL, f"optimizer.name={name}", *more]
    if "weight_decay" in spec.by_name:
        overrides.append("regularize.weight_decay=0.1")
    if "momentum" in spec.by_name:
        overrides.append("optimizer.momentum=0.9")
    moments = [moment(5, "freeze", "lin_1", "lin_3.bias"), moment(15, "unfreeze", "lin_1", "lin_3.bias")]
    trainer = build(*overrides, moments=moments)
    seen = states_at(trainer, 5, 15, 19)
    assert finish(trainer).ended.reason == "finished"
    assert moved(seen, 5, 15) == {"lin_2.weight", "lin_2.bias", "lin_3.weight"}
    assert "lin_1.weight" in moved(seen, 15, 19)


def test_lookahead_leaves_frozen_weights_alone() -> None:
    """Though its slow weights are elsewhere when they are frozen between two of its steps."""
    trainer = build(*SMALL, "optimizer.lookahead_steps=5", moments=[moment(7, "freeze", "lin_1")])
    seen = states_at(trainer, 7, 19)
    finish(trainer)
    assert not moved(seen, 7, 19) & {"lin_1.weight", "lin_1.bias"}


@pytest.mark.parametrize(
    "override",
    [
        "optimizer.name=sam",
        "regularize.gradient_clip=0.01",
        "regularize.gradient_noise=0.1",
        "regularize.l1=0.01",
        "optimizer.layer_decay=0.5",
        "optimizer.decay_only_weights=true",
    ],
)
def test_frozen_from_the_start_is_never_trained(override: str) -> None:
    """Nor is it in a group of the optimizer; the run says so before its first step."""
    trainer = build(*SMALL, 'task.freeze=["all-but-head"]', override)
    seen = states_at(trainer, 0, 19)
    result = finish(trainer)
    assert moved(seen, 0, 19) == {"lin_3.weight", "lin_3.bias"}
    started = result.all(RunStarted)[0]
    assert started.frozen == ("lin_1.weight", "lin_1.bias", "lin_2.weight", "lin_2.bias")
    assert sum(group.num_parameters for group in started.optimizer.groups) == 170


def test_what_was_never_trained_begins_at_a_tenth_of_the_rate() -> None:
    """In a group of its own in the plan; a factor says another."""
    moments = [moment(5, "unfreeze", "lin_2"), moment(8, "unfreeze", "lin_1", factor=0.5)]
    result = told(*SMALL, 'task.freeze=["all-but-head"]', "optimizer.lr=0.01", moments=moments)
    updater = result.trainer.updater
    assert [group.name for group in updater.optimizer.groups] == ["all", "lin_2", "lin_1"]
    assert plans.learning_rates(updater.plan, 4) == {"all": 0.01}
    assert plans.learning_rates(updater.plan, 6) == pytest.approx({"all": 0.01, "lin_2": 0.001})
    assert plans.learning_rates(updater.plan, 9) == pytest.approx({"all": 0.01, "lin_2": 0.001, "lin_1": 0.005})


def test_unfrozen_weights_go_on_with_the_state_that_they_had() -> None:
    """Freezing and unfreezing at one step changes no bit of what follows."""
    plain = told(*SMALL, "optimizer.name=adam")
    there_and_back = told(
        *SMALL, "optimizer.name=adam", moments=[moment(7, "freeze", "lin_1"), moment(7, "unfreeze", "lin_1")]
    )
    assert plain.losses == there_and_back.losses


def test_a_frozen_batch_norm_keeps_its_statistics_unless_it_shall_not() -> None:
    """Both ways; evaluations in between do not set it back."""
    for mode, is_kept in (("eval", True), ("train", False)):
        moments = [moment(5, "freeze", "norm_1", batch_norm=mode)]
        trainer = build(*SMALL, "task.norm=batch", "eval.every_steps=3", moments=moments)
        seen = states_at(trainer, 5, 15)
        finish(trainer)
        assert ("norm_1.running_mean" in moved(seen, 5, 15)) is not is_kept
        assert "norm_1.weight" not in moved(seen, 5, 15)
        assert "norm_2.running_mean" in moved(seen, 5, 15)


@pytest.mark.parametrize("at", [3, 5, 8, 10, 14])
@pytest.mark.parametrize("name", ["adamw", "muon", "schedule-free-adamw"])
def test_a_run_goes_on_exactly_from_any_state(at: int, name: str) -> None:
    """Frozen at the start, unfrozen in stages, frozen again: bit for bit the same losses after a restart."""
    overrides = (*SMALL, f"optimizer.name={name}", "task.norm=batch", 'task.freeze=["lin_1", "norm_*"]')
    moments = [
        moment(5, "unfreeze", "lin_1"), moment(8, "freeze", "lin_3.bias"), moment(10, "unfreeze", "*", factor=0.5),
    ]  # fmt: skip
    trainer = build(*overrides, moments=moments)
    kept: list[dict[str, Any]] = []
    take = trainer._take_step

    def step() -> None:
        if trainer.step == at:
            kept.append(captured(trainer))
        take()

    trainer._take_step = step  # type: ignore[method-assign]
    whole = finish(trainer)
    again = finish(build(*overrides, moments=moments, state=kept[0]))
    assert again.losses == whole.losses[at:]


def test_an_undo_takes_unfreezing_back() -> None:
    """The layer is frozen again, its group is gone, and the fact tells it."""
    trainer = build(*SMALL, 'task.freeze=["lin_1"]')
    asked(trainer, Unfreeze(patterns=["lin_1"]), "0001")
    asked(trainer, Undo(), "0002")
    result = finish(trainer)
    assert result.all(RolledBack)[0].frozen == ("lin_1.weight", "lin_1.bias")
    assert [group.name for group in trainer.updater.optimizer.groups] == ["all"]
    assert trainer.updater.frozen.names == ("lin_1.weight", "lin_1.bias")


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (Freeze(patterns=["*"]), "nothing would be left to train"),
        (Freeze(patterns=["lin_9"]), 'No layer named "lin_9"'),
        (Freeze(patterns=["lin_1"]), "frozen already"),
        (Unfreeze(patterns=["lin_2"]), "not frozen"),
        (Freeze(patterns=[]), "patterns is empty"),
        (Unfreeze(patterns=["lin_1"], factor=0.0), "factor = 0 is not above 0"),
    ],
)
def test_what_cannot_be_frozen_is_refused(command: Freeze | Unfreeze, reason: str) -> None:
    """With the reason; the run goes on."""
    trainer = build(*SMALL, 'task.freeze=["lin_1"]')
    asked(trainer, command)
    result = finish(trainer)
    assert reason in result.all(CommandRefused)[0].reason
    assert not result.all(TrainableChanged)


@pytest.mark.parametrize("name", ["sgd", "adamw", "muon", "rmsprop"])
def test_an_optimizer_can_be_switched_while_layers_are_frozen(name: str) -> None:
    """Also where a whole group is: its rate is matched as those of the others."""
    overrides = (*SMALL, "train.steps=40", "optimizer.name=adam", "optimizer.layer_decay=0.5")
    moments = [
        moment(5, "freeze", "lin_1"),
        {"at_step": 10, "do": "preview_switch", "name": name},
        {"at_step": 10, "do": "switch_optimizer", "name": name},
    ]
    if name == "adamw":
        moments.append(moment(30, "unfreeze", "lin_1"))
    trainer = build(*overrides, moments=moments)
    seen = states_at(trainer, 5, 29)
    result = finish(trainer)
    assert result.all(OptimizerSwitched), result.all(HandoverCancelled)
    assert result.all(SwitchPreviewed)
    assert not moved(seen, 5, 29) & {"lin_1.weight", "lin_1.bias"}
    assert result.ended.reason == "finished"


def test_a_new_group_ends_a_hand_over() -> None:
    """As its shadow knows only the groups of before."""
    trainer = build(*SMALL, "train.steps=60", "optimizer.name=adam", 'task.freeze=["lin_1"]')
    asked(trainer, SwitchOptimizer(name="adamw"), "0001")
    asked(trainer, Unfreeze(patterns=["lin_1"]), "0002")
    result = finish(trainer)
    assert result.all(HandoverCancelled)[0].reason == "the parameter groups changed"
    assert len(result.all(CommandApplied)) == 2


def test_lbfgs_takes_what_is_unfrozen_into_its_one_group() -> None:
    """At the rate of all; it takes no other."""
    overrides = (*SMALL, *FULL, "optimizer.name=lbfgs", 'task.freeze=["lin_1"]')
    trainer = build(*overrides, moments=[moment(5, "unfreeze", "lin_1", factor=0.1), moment(6, "unfreeze", "lin_1")])
    seen = states_at(trainer, 0, 6, 19)
    result = finish(trainer)
    assert "takes one rate for all" in result.all(CommandRefused)[0].reason
    assert not moved(seen, 0, 6) & {"lin_1.weight"}
    assert "lin_1.weight" in moved(seen, 6, 19)


def test_a_gradient_that_is_not_finite_is_seen_though_the_first_layer_is_frozen() -> None:
    """The guard looks at the earliest layer that is trained."""
    trainer = build(*SMALL, moments=[moment(3, "freeze", "lin_1")])
    asked(trainer, SetHyperparameter(name="gradient_clip", value=1.0))
    finish(trainer)
    assert trainer.guard._canary.requires_grad


def test_freezing_is_told_with_what_remains() -> None:
    """The fact holds all that is frozen; parts of a layer go by their own names."""
    result: Told = told(*SMALL, moments=[moment(5, "freeze", "lin_1", "lin_2.bias")])
    fact = result.all(TrainableChanged)[0]
    assert fact.summary == "froze lin_1, lin_2.bias"
    assert fact.frozen == ("lin_1.weight", "lin_1.bias", "lin_2.bias")
    assert fact.optimizer.groups[0].num_frozen == 784 * 16 + 16 + 16
