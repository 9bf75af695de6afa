"""A run that goes on from its state takes the very steps that it would have taken."""

from __future__ import annotations

import io
import random
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.harness import Told, build, finish, weights
from tuitrain.techniques.optimizers import OPTIMIZERS
from tuitrain.training.state import captured, put_random_states, random_states

AT = 20
SMALL = ("task.hidden=[16, 12]", "task.num_train=400", "train.batch_size=16", "eval.every_steps=7")

# Of few parameters, for a Hessian of all of them.
TINY = ("task.dataset=moons", "task.hidden=[4, 4]", "train.batch_size=full", "optimizer.lr=0.1")


def stored(state: dict[str, Any]) -> dict[str, Any]:
    """As it comes back from a disk, where nothing in it can run code."""
    content = io.BytesIO()
    torch.save(state, content)
    content.seek(0)
    loaded: dict[str, Any] = torch.load(content, map_location="cpu", weights_only=True)
    return loaded


def whole_and_resumed(*overrides: str, **options: Any) -> tuple[Told, Told]:
    """A run of 40 steps, and one that goes on from its state after 20."""
    first = build(*overrides, **options)
    states: list[dict[str, Any]] = []
    step_as_ever = first._take_step

    def take_step() -> None:
        if first.step == AT:
            states.append(stored(captured(first)))
        step_as_ever()

    first._take_step = take_step  # type: ignore[method-assign]
    whole = finish(first)
    torch.manual_seed(12345)  # another process has other random states
    random.seed(1)
    return whole, finish(build(*overrides, state=states[0], **options))


def assert_the_same(whole: Told, resumed: Told) -> None:
    """Every value of every step after the state, every evaluation, and the weights, bit for bit."""
    for metric, values in resumed.values.items():
        assert min(values) > AT
        if metric != "batch/gradient_norm":  # sampled as time allows
            assert values == {step: value for step, value in whole.values[metric].items() if step > AT}
    pairs = zip(weights(whole.trainer), weights(resumed.trainer), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert whole.ended.step == resumed.ended.step
    assert whole.ended.best == resumed.ended.best


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_goes_on_as_if_nothing_had_been(name: str) -> None:
    """With its state, and with everything that draws at random where it goes with that."""
    noisy = ("regularize.dropout=0.3", "regularize.shift=1", "regularize.mixup=0.2", "regularize.weight_noise=0.01")
    more = {"lbfgs": ("train.batch_size=full",), "newton": TINY}.get(name, noisy)
    assert_the_same(*whole_and_resumed(*SMALL, f"optimizer.name={name}", *more))


@pytest.mark.parametrize(
    "overrides",
    [
        ("schedule.name=one-cycle",),
        ("schedule.name=plateau", "schedule.patience=0", "schedule.threshold=0.5", "optimizer.lr=0.05"),
        ("optimizer.lookahead_steps=3",),
        ("task.norm=batch", "regularize.gradient_clip=0.5", "regularize.l1=1e-4", "regularize.gradient_noise=0.01"),
        ("task.model=residual-mlp", "regularize.stochastic_depth=0.5", "optimizer.layer_decay=0.9"),
        ("optimizer.decay_only_weights=true", "regularize.early_stopping=50", "regularize.cutmix=1.0"),
    ],
)
def test_everything_else_that_has_a_memory_goes_on_too(overrides: tuple[str, ...]) -> None:
    """Momentum of a schedule, counts of a plateau, slow weights, running statistics, groups."""
    assert_the_same(*whole_and_resumed(*SMALL, *overrides))


@pytest.mark.parametrize(
    "moments",
    [
        [{"at_step": 10, "do": "switch_optimizer", "name": "sgd", "momentum": 0.9}],
        [{"at_step": 19, "do": "switch_optimizer", "name": "lion"}, {"at_step": 30, "do": "evaluate"}],
        [{"at_step": 5, "do": "scale_learning_rate", "factor": 0.5},
         {"at_step": 20, "do": "set_batch_size", "batch_size": 8},
         {"at_step": 25, "do": "set_hyperparameter", "name": "dropout", "value": 0.5}],
        [{"at_step": 12, "do": "cool_down", "num_steps": 20}],
    ],
)  # fmt: skip
def test_decisions_before_around_and_after_it_count_once(moments: list[dict[str, Any]]) -> None:
    """A hand-over under way, a smaller batch within an epoch, a moved end."""
    assert_the_same(*whole_and_resumed(*SMALL, moments=moments))


def test_a_state_is_not_changed_by_what_comes_after_it() -> None:
    """Copies, no views: training goes on while it is written."""
    trainer = build(*SMALL, "train.steps=3")
    state = captured(trainer)
    before = {name: value.clone() for name, value in state["model"].items()}
    finish(trainer)
    assert all(torch.equal(state["model"][name], value) for name, value in before.items())


def test_random_states_come_back() -> None:
    """Of Python, numpy and torch."""
    state = stored({"random": random_states()})["random"]
    drawn = (random.random(), np.random.rand(), torch.rand(3).tolist())
    put_random_states(state)
    assert (random.random(), np.random.rand(), torch.rand(3).tolist()) == drawn
