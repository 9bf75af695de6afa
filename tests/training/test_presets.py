"""The shipped presets reach the numbers that their texts promise."""

from __future__ import annotations

import pytest

from tests.training.harness import Told, finish, told
from tuitrain.preset import load_preset
from tuitrain.protocol.events import EvalFinished
from tuitrain.training.control import Control
from tuitrain.training.pace import Pace
from tuitrain.training.run import LOSS, Run
from tuitrain.training.setup import build_trainer


def whole(name: str, *overrides: str) -> Told:
    """A preset as shipped, trained to its end."""
    run = Run()
    trainer = build_trainer(load_preset(name, overrides), run, Control(run, "s", [], Pace(None, lambda: False)))
    return finish(trainer)


def test_mnist_mlp_overfits_as_in_the_textbook() -> None:
    """Target: train 0.008, validation 0.187 / 0.942 (0.937 to 0.950); at least 20 evaluations and one at step 0."""
    result = whole("mnist-mlp")
    assert result.ended.step == 620
    assert result.ended.last["train/loss"] < 0.02
    assert 0.15 < result.ended.last["eval/loss"] < 0.25
    assert 0.93 < result.ended.last["eval/accuracy"] < 0.96
    evaluated = [fact.step for fact in result.all(EvalFinished)]
    assert evaluated[0] == 0
    assert len(evaluated) > 20


def test_linreg_stops_at_its_floor() -> None:
    """Target: 1.115 by step 50; a rate of 1.1 diverges."""
    result = told("train.steps=50", preset="linreg")
    assert result.ended.last["train/loss"] == pytest.approx(1.115, abs=1e-3)
    assert told("train.steps=300", "optimizer.lr=1.1", preset="linreg").ended.reason == "failed"


def test_spiral_needs_a_hidden_layer() -> None:
    """Target: MLP 0.994, linear below 0.7."""
    assert whole("spiral-mlp").ended.last["eval/accuracy"] > 0.97
    assert whole("spiral-mlp", "task.model=linear").ended.last["eval/accuracy"] < 0.72


def test_the_lab_ranks_adam_momentum_sgd() -> None:
    """Target at step 1000: Adam < 0.03 < momentum < 0.08 < SGD."""
    rate = "optimizer.lr=1e-2"
    losses = {
        name: told("train.steps=1000", *overrides, rate, preset="lab-wave").ended.last["train/loss"]
        for name, overrides in {
            "adam": [],
            "momentum": ["optimizer.name=sgd", "optimizer.momentum=0.9"],
            "sgd": ["optimizer.name=sgd"],
        }.items()
    }
    assert losses["adam"] < 0.03 < losses["momentum"] < 0.08 < losses["sgd"]


def test_lr_explode_is_dead_without_a_nan() -> None:
    """Target: accuracy 0.1, peak in the hundreds or more."""
    result = whole("lr-explode")
    assert result.ended.reason == "finished"
    assert result.ended.last["eval/accuracy"] < 0.2
    assert max(result.values[LOSS].values()) > 100


def test_step_decay_drops_at_its_first_step() -> None:
    """Target: the mean of 100 batch losses falls by at least 15 % within 150 steps; validation 0.967."""
    result = whole("step-decay")
    losses = [result.values[LOSS][step] for step in range(1, 751)]
    before, after = sum(losses[275:375]) / 100, sum(losses[425:525]) / 100
    assert after < 0.85 * before
    assert result.ended.last["eval/accuracy"] > 0.955
