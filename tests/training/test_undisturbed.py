"""Watching, evaluating, pausing and previewing leave the run as it is, bit for bit."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import torch

from tests.training.harness import asked, build, finish, told, weights
from tuitrain.protocol.commands import (
    Evaluate,
    Pause,
    PreviewSwitch,
    Resume,
    ScaleLearningRate,
    StepOnce,
    Stop,
    SwitchOptimizer,
)
from tuitrain.protocol.events import (
    CheckpointSaved,
    CommandApplied,
    CommandRefused,
    EvalFinished,
    HandoverCancelled,
    HandoverStarted,
    OptimizerSwitched,
    Paused,
    SwitchPreviewed,
    UpdateMeasured,
)
from tuitrain.tasks.build import data
from tuitrain.training.checkpoint import load_checkpoint
from tuitrain.training.trainer import Trainer

# Dropout and batch norm: the two ways in which a forward pass too many would show.
DELICATE = ("regularize.dropout=0.3", "task.norm=batch")


def test_the_same_seed_gives_the_same_stream() -> None:
    """And another seed another one."""
    first, second, other = told(*DELICATE), told(*DELICATE), told(*DELICATE, "train.seed=1")
    assert first.losses == second.losses
    assert first.losses != other.losses


@pytest.mark.parametrize(
    "overrides",
    [
        ("eval.every_steps=1",),
        ("eval.every_steps=1", "eval.max_batches=2", "eval.batch_size=7"),
        ("train.telemetry_budget=0.0",),
        ("train.telemetry_budget=1.0",),
    ],
    ids=["evaluating at every step", "evaluating a part", "no probes", "all probes"],
)
def test_looking_changes_nothing(overrides: tuple[str, ...]) -> None:
    """The losses are those of a run that nobody looked at."""
    assert told(*DELICATE, *overrides).losses == told(*DELICATE).losses


@pytest.mark.parametrize("preset", ["mnist-mlp", "char-lstm", "autoencoder", "lr-good"])
def test_which_samples_are_evaluated_changes_nothing(preset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither their number nor their draw: losses and weights are the same, bit for bit."""
    few = ("train.steps=6", "eval.every_steps=2", "eval.batch_size=9", "task.num_train=300")
    plain = told(*few, "eval.max_batches=1", preset=preset)
    monkeypatch.setattr(data, "_STREAM", 99)
    for batches in (1, 2):
        other = told(*few, f"eval.max_batches={batches}", preset=preset)
        assert other.losses == plain.losses
        mine, theirs = plain.all(EvalFinished)[-1], other.all(EvalFinished)[-1]
        assert mine.checksum == theirs.checksum
        assert mine.metrics["train/loss"] != theirs.metrics["train/loss"]


@pytest.mark.parametrize("do", [{"do": "evaluate"}, {"do": "preview_switch", "name": "muon"}])
def test_asking_changes_nothing(do: dict[str, Any]) -> None:
    """Evaluate-now and a preview between two steps leave random state, statistics and gradients alone."""
    result = told(*DELICATE, moments=[{"at_step": 17, **do}])
    assert result.all(CommandApplied)
    assert result.losses == told(*DELICATE).losses


def test_a_preview_measures_both_optimizers_and_moves_no_weight() -> None:
    """Adam's RMSprop trap shows: taken cold at the same rate its first update is several times larger."""
    trainer = build()
    trainer.task.model.train()
    for _ in range(20):
        trainer._take_step()
    before = weights(trainer)
    asked(trainer, PreviewSwitch(name="rmsprop"))
    trainer.control.at_safe_point(trainer.step, trainer._apply)
    preview = next(fact for fact in trainer.run.take_facts() if isinstance(fact, SwitchPreviewed))
    assert preview.cold_ratio > 4.0
    assert preview.learning_rates["all"] == pytest.approx(1e-3 / preview.cold_ratio, rel=1e-3)
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(before, weights(trainer), strict=True))
    assert all(parameter.grad is None for parameter in trainer.task.model.parameters())


def test_a_preview_before_the_first_step_is_refused() -> None:
    """There are no gradients yet."""
    result = told(moments=[{"at_step": 0, "do": "preview_switch", "name": "sgd"}])
    assert "not available yet" in result.all(CommandRefused)[0].reason


def test_pausing_and_stepping_change_nothing() -> None:
    """Commands work while paused, step-once takes exactly its steps, and the stream is that of an unpaused run."""
    trainer = build(*DELICATE)
    results: list[Any] = []
    asked(trainer, Pause(), "0001")
    thread = threading.Thread(target=lambda: results.append(finish(trainer)))
    thread.start()
    wait_until(lambda: trainer.control.is_paused)
    assert trainer.step == 0
    asked(trainer, StepOnce(num_steps=3), "0002")
    wait_until(lambda: trainer.step == 3 and trainer.control.is_paused)
    asked(trainer, Evaluate(), "0003")
    asked(trainer, Pause(), "0004")
    asked(trainer, Resume(), "0005")
    thread.join(60)
    result = results[0]
    assert [fact.step for fact in result.all(Paused)] == [0, 3]
    assert [fact.command for fact in result.all(CommandRefused)] == ["0004"]
    assert [fact.step for fact in result.all(EvalFinished)] == [0, 3, 40]
    assert result.losses == told(*DELICATE).losses


def test_each_command_gets_exactly_one_reply_and_another_session_none_of_ours() -> None:
    """In the order of their arrival; what was meant for a dead session is refused, never applied."""
    trainer = build()
    asked(trainer, ScaleLearningRate(factor=0.5), "0001")
    asked(trainer, ScaleLearningRate(factor=0.5), "0002", session="an older one")
    asked(trainer, ScaleLearningRate(factor=0.5), "0003")
    result = finish(trainer)
    assert [fact.command for fact in result.all(CommandApplied)] == ["0001", "0003"]
    assert [fact.command for fact in result.all(CommandRefused)] == ["0002"]
    assert next(iter(trainer.updater.rates(40).values())) == pytest.approx(1e-3 / 4)


def test_stop_evaluates_and_saves_what_can_be_loaded(tmp_path: Any) -> None:
    """The checkpoint holds weights, optimizer and plan of the step at which it stopped."""
    trainer = build(checkpoint_folder=tmp_path)
    run_then_ask(trainer, 12, Stop())
    result = finish(trainer)
    assert (result.ended.reason, result.ended.step) == ("stopped", 12)
    assert result.all(EvalFinished)[-1].step == 12
    saved = result.all(CheckpointSaved)[0]
    content = load_checkpoint(tmp_path / saved.path.split("/")[-1])
    assert content["step"] == 12
    model: Any = content["model"]
    assert torch.equal(model["lin_1.weight"], trainer.task.model.state_dict()["lin_1.weight"])


def test_an_abort_neither_evaluates_nor_saves(tmp_path: Any) -> None:
    """Two stops before the next safe point are an abort."""
    trainer = build(checkpoint_folder=tmp_path)
    run_then_ask(trainer, 12, Stop(), Stop(abort=True))
    result = finish(trainer)
    assert result.ended.reason == "aborted"
    assert len(result.all(EvalFinished)) == 1  # the one before the first safe point
    assert not list(tmp_path.iterdir())


def test_a_second_switch_or_the_end_drops_a_handover() -> None:
    """The one under way is said to be dropped; the old optimizer goes on until the new one takes over."""
    moments = [
        {"at_step": 5, "do": "switch_optimizer", "name": "sgd", "momentum": 0.9},
        {"at_step": 7, "do": "switch_optimizer", "name": "adamw"},
        {"at_step": 60, "do": "switch_optimizer", "name": "sgd"},
        {"at_step": 61, "do": "stop"},
    ]
    result = told("train.steps=200", moments=moments)
    assert [(fact.step, fact.to_name) for fact in result.all(HandoverStarted)] == [
        (5, "sgd"),
        (7, "adamw"),
        (60, "sgd"),
    ]
    assert [fact.to_name for fact in result.all(HandoverCancelled)] == ["sgd", "sgd"]
    assert [fact.to_name for fact in result.all(OptimizerSwitched)] == ["adamw"]
    assert result.all(UpdateMeasured)[0].ratio == pytest.approx(1.0, abs=0.5)


def test_a_handover_does_not_advance_while_paused() -> None:
    """It needs gradients: step-once advances it, waiting does not."""
    trainer = build("train.steps=400")
    run_then_ask(trainer, 10, SwitchOptimizer(name="sgd", hyperparameters={"momentum": 0.9}), Pause())
    thread = threading.Thread(target=lambda: finish(trainer), daemon=True)
    thread.start()
    wait_until(lambda: trainer.control.is_paused)
    assert trainer.updater.switch is not None
    assert trainer.updater.switch.handover.num_observed == 0
    asked(trainer, StepOnce(num_steps=2), "0008")
    wait_until(lambda: trainer.step == 12 and trainer.control.is_paused)
    assert trainer.updater.switch.handover.num_observed == 2
    asked(trainer, Stop(abort=True), "0009")
    thread.join(60)


def run_then_ask(trainer: Trainer, steps: int, *commands: Any) -> None:
    """Take some steps by hand, then leave commands for the first safe point."""
    trainer.task.model.train()
    for _ in range(steps):
        trainer._take_step()
    for number, command in enumerate(commands):
        asked(trainer, command, f"{number + 1:04d}")


def wait_until(condition: Any, seconds: float = 30.0) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.002)
