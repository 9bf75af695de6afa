"""Measurements on demand: the run is as it was, bit for bit, and the refusals say what to try."""

from __future__ import annotations

import math
import threading
from typing import Any

import pytest
import torch
from torch import nn

from tests.training.harness import Told, asked, build, finish, told, weights
from tests.training.test_undisturbed import wait_until
from tuitrain.protocol.commands import (
    CheckGradients,
    Command,
    FindLearningRate,
    MeasureGradientNoise,
    MeasureSharpness,
    Pause,
    Resume,
)
from tuitrain.protocol.events import CommandApplied, CommandRefused, EvalFinished
from tuitrain.protocol.measured import LearningRateRangeTested, SharpnessMeasured
from tuitrain.training.measuring.curvature import sharpness
from tuitrain.training.refusing import RefusedError

# Dropout, batch norm, augmentation, momentum of the optimizer, noise on the weights, clipping: all that could show.
DELICATE = (
    "regularize.dropout=0.3", "task.norm=batch", "regularize.shift=2", "regularize.weight_noise=0.001",
    "regularize.gradient_clip=1.0", "train.steps=30",
)  # fmt: skip
ALL: tuple[Command, ...] = (
    FindLearningRate(), CheckGradients(num_entries=2), MeasureSharpness(num_products=4, num_samples=100),
    MeasureGradientNoise(num_batches=2, num_samples=200),
)  # fmt: skip


def reasons(result: Told) -> list[str]:
    """What was refused."""
    return [f"{fact.reason} {fact.hint}" for fact in result.all(CommandRefused)]


@pytest.mark.parametrize("do", [
    "find_learning_rate", "check_gradients", "measure_sharpness", "measure_gradient_noise",
])  # fmt: skip
def test_a_measurement_changes_nothing(do: str) -> None:
    """Before the first step and between two later ones; losses, evaluations and weights are those without it."""
    less = {"num_steps": 30} if do == "find_learning_rate" else {}
    result = told(*DELICATE, moments=[{"at_step": step, "do": do, **less} for step in (0, 17)])
    plain = told(*DELICATE)
    assert len(result.all(CommandApplied)) == 2
    assert result.losses == plain.losses
    assert [found.checksum for found in result.all(EvalFinished)] == [
        found.checksum for found in plain.all(EvalFinished)
    ]


def test_a_measurement_leaves_modes_gradients_and_buffers() -> None:
    """Nothing of it stays on the model either."""
    trainer = build(*DELICATE)
    trainer.task.model.train()
    trainer._take_step()
    buffers = [buffer.clone() for buffer in trainer.task.model.buffers()]
    before, state = weights(trainer), torch.get_rng_state()
    for number, command in enumerate(ALL):
        asked(trainer, command, str(number))
    trainer.control.at_safe_point(trainer.step, trainer._apply)
    facts = trainer.run.take_facts()
    assert not [fact for fact in facts if isinstance(fact, CommandRefused)]
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(before, weights(trainer), strict=True))
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(buffers, trainer.task.model.buffers(), strict=True))
    assert all(module.training for module in trainer.task.model.modules())
    assert all(parameter.grad is None for parameter in trainer.task.model.parameters())
    assert torch.equal(torch.get_rng_state(), state)
    assert trainer.control.decisions == []


def test_a_paused_run_can_be_measured() -> None:
    """It stays paused, and goes on as if nothing had been."""
    trainer = build(*DELICATE)
    results: list[Told] = []
    asked(trainer, Pause(), "0001")
    thread = threading.Thread(target=lambda: results.append(finish(trainer)))
    thread.start()
    wait_until(lambda: trainer.control.is_paused)
    for number, command in enumerate(ALL):
        asked(trainer, command, f"0002-{number}")
    asked(trainer, Resume(), "0003")
    thread.join(60)
    assert len(results[0].all(CommandApplied)) == 6
    assert results[0].losses == told(*DELICATE).losses


@pytest.mark.parametrize("command", ALL, ids=lambda command: type(command).__name__)
def test_the_same_question_has_the_same_answer(command: Command) -> None:
    """All randomness is from the seed of the question."""
    trainer = build()
    trainer.task.model.train()
    first, second = answer(trainer, command), answer(trainer, command)
    for name in ("losses", "worst_error", "sharpness", "cosines"):
        assert getattr(first, name, None) == getattr(second, name, None)


def answer(trainer: Any, command: Command) -> Any:
    """The fact that a command led to."""
    asked(trainer, command)
    trainer.control.at_safe_point(trainer.step, trainer._apply)
    facts = trainer.run.take_facts()
    refused = [fact.reason for fact in facts if isinstance(fact, CommandRefused)]
    assert not refused
    return next(fact for fact in facts if getattr(fact, "measure_seconds", None) is not None)


@pytest.mark.parametrize(
    ("overrides", "preset", "reason"),
    [
        ((), "digits-lbfgs", "searches for the length of each step"),
        ((), "digits-rprop", "does not follow the learning rate"),
        (("schedule.warmup=0",), "mnist-schedule-free-sgd", "weighs its average by the squared rate"),
    ],
)
def test_a_range_test_is_refused_where_it_tells_nothing(overrides: tuple[str, ...], preset: str, reason: str) -> None:
    """With what to try."""
    result = told(*overrides, "train.steps=2", preset=preset, moments=[{"at_step": 0, "do": "find_learning_rate"}])
    assert reason in reasons(result)[0]


def test_a_range_test_finds_a_rate_that_is_known_to_be_good() -> None:
    """Of the digits, SGD: lr-good has 0.1, lr-low 0.001 crawls, lr-explode diverges at 5; the edge lies between."""
    found = answer(build(preset="lr-good"), FindLearningRate())
    assert isinstance(found, LearningRateRangeTested)
    assert 0.01 < found.suggestion < 1.0
    assert found.suggestion < found.edge < 5.0
    assert found.stopped == "diverged"
    assert len(found.rates) == len(found.losses) == len(found.smoothed) < 100
    assert found.rates[0] == 1e-7


def test_a_range_test_that_meets_no_edge_says_so() -> None:
    """Up to a rate that is far too low there is neither a fall nor a rise."""
    found = answer(build(preset="lr-good"), FindLearningRate(low=1e-9, high=1e-6))
    assert found.stopped == "end"
    assert math.isnan(found.edge)
    assert math.isnan(found.suggestion)


def test_every_group_of_rates_is_swept_in_proportion() -> None:
    """A preset with a rate for each layer can be tested too."""
    found = answer(build(preset="mnist-layer-rates"), FindLearningRate(num_steps=40))
    assert found.suggestion > 0.0


class _Last(torch.autograd.Function):
    """x, and no derivative."""

    @staticmethod
    def forward(context: object, x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def backward(context: object, gradient: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("there is no further derivative")


class _Doubled(torch.autograd.Function):
    """2x, whose backward pass cannot be differentiated, as that of a fused attention."""

    @staticmethod
    def forward(context: object, x: torch.Tensor) -> torch.Tensor:
        return 2.0 * x

    @staticmethod
    def backward(context: object, gradient: torch.Tensor) -> torch.Tensor:
        last: torch.Tensor = _Last.apply(gradient)
        return 2.0 * last


class Once(nn.Module):
    """A model that has a first derivative and no second."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Ten logits."""
        logits: torch.Tensor = _Doubled.apply(self.head(x.flatten(1)))
        return logits


def test_a_model_without_second_derivatives_is_refused() -> None:
    """With the reason, and what would do."""
    trainer = build("train.steps=3", preset="lr-good")
    model = Once()
    object.__setattr__(trainer.task, "model", model)
    with pytest.raises(RefusedError, match="cannot be differentiated twice") as refused:
        sharpness(trainer.task, list(model.parameters()), num_products=3, num_samples=8, seed=0)
    assert refused.value.hint


def test_a_run_that_asks_for_it_ends_with_its_sharpness() -> None:
    """As a fact and among its last numbers; the steps are those of a run that does not ask."""
    overrides = ("train.steps=5", "regularize.dropout=0.3")
    result = told(*overrides, "eval.sharpness=true")
    found = result.all(SharpnessMeasured)[0]
    assert found.step == 5
    assert result.ended.last["sharpness"] == found.sharpness > 0.0
    assert "sharpness" not in result.ended.best
    plain = told(*overrides)
    assert "sharpness" not in plain.ended.last
    assert plain.losses == result.losses
    assert result.all(EvalFinished)[-1].checksum == plain.all(EvalFinished)[-1].checksum


def test_numbers_that_mean_nothing_are_refused() -> None:
    """Before anything is measured."""
    result = told(
        "train.steps=1",
        moments=[
            {"at_step": 0, "do": "measure_gradient_noise", "batch_sizes": [100000]},
        ],
    )
    assert "no batch is smaller" in reasons(result)[0]
