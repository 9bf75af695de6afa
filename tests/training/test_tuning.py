"""The batch size, the cool-down and the end of a run, changed while it goes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from tests.training.harness import build, finish, told
from tests.training.test_undisturbed import run_then_ask
from tuitrain.errors import PresetError
from tuitrain.protocol.commands import CoolDown, SetBatchSize, Stop
from tuitrain.protocol.events import (
    BatchSizeChanged,
    CheckpointSaved,
    CommandApplied,
    CommandRefused,
    EndPlanned,
    LearningRatePlanned,
    OptimizerSwitched,
)
from tuitrain.training.batches import Batches
from tuitrain.training.checkpoint import load_checkpoint
from tuitrain.training.run import LEARNING_RATE


def batches_of(count: int, batch_size: int, seed: int = 0) -> Batches:
    """Batches of samples that are their own numbers."""
    numbers = torch.arange(count)
    split = SimpleNamespace(x=numbers, y=numbers)
    split_with_length = type("Numbered", (SimpleNamespace,), {"__len__": lambda _: count})(x=split.x, y=split.y)
    task = SimpleNamespace(train=split_with_length, augmentation=lambda x, y, _generator: (x, y))
    return Batches(cast("Any", task), batch_size, seed)


def drawn(batches: Batches, count: int) -> list[list[int]]:
    return [batches.next()[0].tolist() for _ in range(count)]


def permutations(count: int, number: int, seed: int = 0) -> list[list[int]]:
    """The orders of the epochs."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randperm(count, generator=generator).tolist() for _ in range(number)]


# ---- batch size


@pytest.mark.parametrize("size", [1, 3, 7, 20, 30])
def test_the_rest_of_the_epoch_keeps_its_order(size: int) -> None:
    """Sample by sample; the next epoch has the order that it would have had."""
    batches = batches_of(100, 10)
    first, second = permutations(100, 2)
    seen = [number for batch in drawn(batches, 4) for number in batch]
    batches.resize(size)
    whole = 60 // size
    seen += [number for batch in drawn(batches, whole) for number in batch]
    assert seen == first[: 40 + whole * size]
    assert drawn(batches, 1) == [second[:size]]
    assert batches.steps_per_epoch == 100 // size


def test_a_batch_larger_than_what_is_left_begins_the_next_epoch() -> None:
    """No sample comes twice in a batch."""
    batches = batches_of(20, 5)
    drawn(batches, 3)
    batches.resize(6)
    assert drawn(batches, 1) == [permutations(20, 2)[1][:6]]


def test_all_data_are_taken_as_they_lie_and_smaller_batches_then_begin_an_epoch() -> None:
    """Full batches draw no order."""
    batches = batches_of(12, 12)
    assert drawn(batches, 2) == [list(range(12))] * 2
    batches.resize(4)
    order = permutations(12, 1)[0]
    assert drawn(batches, 3) == [order[0:4], order[4:8], order[8:12]]
    batches.resize(12)
    assert batches.is_full
    assert drawn(batches, 1) == [list(range(12))]


@pytest.mark.parametrize(("rule", "factor"), [("keep", 1.0), ("linear", 4.0), ("sqrt", 2.0)])
def test_the_rate_follows_the_batch_size_by_its_rule(rule: str, factor: float) -> None:
    """16 → 64 at step 10: batches of 64 from step 11, the rate once and for good; what was said is what is done."""
    moment = {"at_step": 10, "do": "set_batch_size", "batch_size": 64, "rate": rule}
    trainer = build("train.batch_size=16", "train.steps=20", moments=[moment])
    sizes: list[int] = []
    draw = trainer.batches.next

    def noting() -> tuple[Tensor, Tensor]:
        batch = draw()
        sizes.append(len(batch[0]))
        return batch

    trainer.batches.next = noting  # type: ignore[method-assign]
    result = finish(trainer)
    assert sizes == [16] * 10 + [64] * 10
    changed = result.all(BatchSizeChanged)[0]
    assert (changed.step, changed.before, changed.after, changed.steps_per_epoch) == (10, 16, 64, 62)
    rates = result.values[LEARNING_RATE]
    assert [rates[10], rates[11], rates[20]] == pytest.approx([1e-3, factor * 1e-3, factor * 1e-3], rel=1e-6)
    assert len(result.all(LearningRatePlanned)) == (1 if rule == "keep" else 2)


@pytest.mark.parametrize(
    ("overrides", "size", "said"),
    [
        ((), 4001, "more than the 4000 samples"),
        ((), 64, "is 64 already"),
        (("task.norm=batch",), 1, "no variance"),
        (("train.batch_size=full", "optimizer.name=lbfgs", "task.num_train=100"), 10, "all data at once"),
        (("task.num_train=100",), 101, "more than the 100 samples"),
    ],
)
def test_a_batch_size_that_cannot_be_is_refused(overrides: tuple[str, ...], size: int, said: str) -> None:
    """And the run goes on as it was."""
    overrides = (*overrides, "train.steps=3", "task.hidden=[8]")
    result = told(*overrides, moments=[{"at_step": 1, "do": "set_batch_size", "batch_size": size}])
    assert said in result.all(CommandRefused)[0].reason
    assert result.losses == told(*overrides).losses


def test_a_batch_of_one_is_fine_without_batch_norm_and_none_is_not() -> None:
    """0 is refused before it is sent."""
    assert not told("train.steps=3", moments=[{"at_step": 1, "do": "set_batch_size", "batch_size": 1}]).all(
        CommandRefused
    )
    with pytest.raises(PresetError, match="batch_size = 0 is not above 0"):
        told(moments=[{"at_step": 1, "do": "set_batch_size", "batch_size": 0}])
    trainer = build("train.steps=3")
    run_then_ask(trainer, 1, SetBatchSize(batch_size=-2))
    assert "above 0" in finish(trainer).all(CommandRefused)[0].reason


# ---- cool-down and end


@pytest.mark.parametrize("shape", ["minus-sqrt", "linear", "cosine"])
@pytest.mark.parametrize("num_steps", [None, 15, 200])
def test_a_cool_down_saves_the_stable_point_and_ends_at_a_rate_of_zero(
    tmp_path: Path, shape: str, num_steps: int | None
) -> None:
    """A fifth of the steps so far unless it is said, continuous, and the run ends there, sooner or later."""
    moment: dict[str, Any] = {"at_step": 100, "do": "cool_down", "shape": shape}
    if num_steps is not None:
        moment["num_steps"] = num_steps
    length = num_steps or 20
    result = finish(build("train.steps=150", "task.hidden=[8]", moments=[moment], checkpoint_folder=tmp_path))
    assert (result.ended.reason, result.ended.step) == ("finished", 100 + length)
    ended = result.all(EndPlanned)[0]
    assert (ended.step, ended.total_steps, ended.reason) == (100, 100 + length, "cool-down")
    stable, undo, last = sorted(result.all(CheckpointSaved), key=lambda saved: (saved.step, saved.path))
    assert undo.path.endswith("-undo.pt")
    assert (stable.step, stable.cause) == (100, "moment-0001")
    assert stable.path.endswith("step-00000100-stable.pt")
    assert load_checkpoint(tmp_path / Path(stable.path).name)["step"] == 100
    assert last.step == 100 + length
    rates = [result.values[LEARNING_RATE][step] for step in range(101, 101 + length)]
    assert rates[0] == pytest.approx(1e-3, rel=1e-6)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.1e-3
    assert result.trainer.updater.rates(100 + length)["all"] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("at", "total", "length"), [(5, 100, 10), (100, 105, 5), (200, 400, 40)])
def test_a_cool_down_is_neither_too_short_nor_longer_than_what_is_left(at: int, total: int, length: int) -> None:
    """At least ten steps, at most those that remain."""
    moment = {"at_step": at, "do": "cool_down"}
    result = told(f"train.steps={total}", "train.batch_size=8", "task.hidden=[8]", moments=[moment])
    assert result.ended.step == at + length
    assert not result.all(CheckpointSaved)  # nowhere to save


def test_a_cool_down_after_a_decay_begins_at_the_decayed_rate() -> None:
    """The manual factors stay."""
    moments: list[dict[str, Any]] = [
        {"at_step": 10, "do": "scale_learning_rate", "factor": 0.5}, {"at_step": 20, "do": "cool_down"},
    ]  # fmt: skip
    rates = told(moments=moments).values[LEARNING_RATE]
    assert rates[21] == pytest.approx(0.5e-3, rel=1e-6)
    assert max(rates) == 30


def test_a_cool_down_that_cannot_be_saved_or_starts_at_zero_is_refused(tmp_path: Path) -> None:
    """The run goes on as planned."""
    trainer = build("train.steps=20", checkpoint_folder=tmp_path / "nowhere")
    run_then_ask(trainer, 5, CoolDown())
    result = finish(trainer)
    assert "stable point could not be saved" in result.all(CommandRefused)[0].reason
    assert result.ended.step == 20
    over = told("schedule.name=linear", moments=[
        {"at_step": 10, "do": "set_schedule", "name": "linear", "num_steps": 5}, {"at_step": 20, "do": "cool_down"},
    ])  # fmt: skip
    assert "0 here" in over.all(CommandRefused)[0].reason
    assert over.ended.step == 40


def test_a_plateau_does_not_interfere_with_a_cool_down() -> None:
    """Its schedule is over."""
    result = told(
        "schedule.name=plateau", "schedule.patience=0", "eval.every_steps=2", "optimizer.lr=1e-9",
        "optimizer.name=sgd", moments=[{"at_step": 1, "do": "cool_down", "num_steps": 20}],
    )  # fmt: skip
    assert {fact.command for fact in result.all(CommandApplied)} == {"moment-0001"}


def test_a_handover_goes_on_within_a_cool_down() -> None:
    """The new optimizer takes over at the rate that is left."""
    moments: list[dict[str, Any]] = [
        {"at_step": 40, "do": "switch_optimizer", "name": "adamw"},
        {"at_step": 42, "do": "cool_down", "num_steps": 40},
    ]
    result = told("train.steps=200", moments=moments)
    assert result.all(OptimizerSwitched)
    assert result.ended.step == 82
    assert result.trainer.updater.rates(82)["all"] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("command", "message"), [(Stop(because="seen enough"), "seen enough"), (Stop(), "")])
def test_why_a_run_stopped_is_its_last_word(command: Stop, message: str) -> None:
    """Where the run itself decided; a person's stop needs no reason."""
    trainer = build()
    run_then_ask(trainer, 6, command)
    ended = finish(trainer).ended
    assert (ended.reason, ended.step, ended.message) == ("stopped", 6, message)


def test_none_switches_weight_decay_off_as_it_does_every_regularizer() -> None:
    """Also where it belongs to the optimizer."""
    moment = {"at_step": 5, "do": "set_hyperparameter", "name": "weight_decay", "value": "none"}
    result = told("optimizer.name=adamw", moments=[moment])
    assert not result.all(CommandRefused)
    assert result.trainer.updater.optimizer.hyperparameters["weight_decay"] == 0.0


def test_a_run_that_somebody_stops_decides_nothing_more() -> None:
    """Its last evaluation would else leave a decay that is asked and refused."""
    result = told(
        "schedule.name=plateau", "schedule.patience=0", "eval.every_steps=5", "optimizer.name=sgd",
        "optimizer.lr=1e-30", moments=[{"at_step": 7, "do": "stop"}],
    )  # fmt: skip
    assert result.ended.step == 7
    assert not result.all(CommandRefused)


@pytest.mark.parametrize(
    "asked",
    [
        {"do": "scale_learning_rate", "factor": 0.1}, {"do": "set_learning_rate", "lr": 0.1},
        {"do": "set_schedule", "name": "cosine"}, {"do": "cool_down"},
    ],
)  # fmt: skip
def test_what_rprop_would_not_follow_is_refused(asked: dict[str, Any]) -> None:
    """Its rate is only its first step: a decay would be told, and do nothing."""
    result = told("optimizer.name=rprop", moments=[{"at_step": 3, **asked}])
    assert "does not follow the learning rate" in result.all(CommandRefused)[0].reason
    assert result.ended.step == 40
