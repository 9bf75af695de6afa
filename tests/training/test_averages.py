"""Averages of the weights: against torch's own, part of the run's state, changed live, and never felt by the run."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from tests.faults.test_untouched_stream import digest
from tests.training.harness import Told, asked, build, finish, told, weights
from tests.training.test_state import assert_the_same, whole_and_resumed
from tuitrain.protocol.averaging import SnapshotTaken
from tuitrain.protocol.commands import SetHyperparameter
from tuitrain.protocol.events import CommandApplied, CommandRefused, EvalFinished, HyperparameterChanged, RunStarted
from tuitrain.tasks.build.data import Split
from tuitrain.training.averages import Weights, averages_of
from tuitrain.training.beside import Beside, all_shifts, measured_statistics
from tuitrain.training.state import captured
from tuitrain.training.trainer import Trainer

DELICATE = ("regularize.dropout=0.3", "task.norm=batch")
SGDR = ("schedule.name=sgdr", "schedule.cycle=10", "average.snapshots=2")
ALL = (
    "average.ema_decay=0.9", "average.swa_from=10", "average.swa_every=4", *SGDR, "eval.tta_shift=1",
    "eval.mc_dropout=2", *DELICATE, "eval.every_steps=9",
)  # fmt: skip


def change(name: str, value: object, at: int) -> dict[str, Any]:
    return {"at_step": at, "do": "set_hyperparameter", "name": name, "value": value}


def beside(result: Told, name: str) -> dict[int, float]:
    """Step → loss of a prediction."""
    metric = f"{name}/loss"
    return {fact.step: fact.metrics[metric] for fact in result.all(EvalFinished) if metric in fact.metrics}


def same(mine: Weights, theirs: nn.Module) -> bool:
    return all(torch.equal(mine[name], tensor) for name, tensor in theirs.state_dict().items())


def follow(trainer: Trainer, reference: AveragedModel, steps: range, every: int = 1) -> None:
    """Take steps, and tell a reference of every so manieth."""
    trainer.task.model.train()
    for step in range(1, steps.stop):
        trainer._take_step()
        if step in steps and (step - steps.start) % every == 0:
            reference.update_parameters(trainer.task.model)


@pytest.mark.parametrize("overrides", [(), ("optimizer.lookahead_steps=3",)], ids=["adam", "lookahead"])
def test_the_moving_average_is_that_of_torch(overrides: tuple[str, ...]) -> None:
    """Bit for bit, running statistics too, from the copy after the first step on; with Lookahead of what it leaves."""
    trainer = build(*DELICATE, "average.ema_decay=0.9", *overrides)
    reference = AveragedModel(
        trainer.task.model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True  # type: ignore[no-untyped-call]
    )  # fmt: skip
    follow(trainer, reference, range(1, 16))
    mine, theirs = averages_of(trainer).ema, reference.module.state_dict()
    is_mean = {name for name, tensor in mine.items() if tensor.is_floating_point()}
    assert all(torch.equal(mine[name], theirs[name]) for name in is_mean)
    assert not torch.equal(mine["lin_1.weight"], trainer.task.model.state_dict()["lin_1.weight"])


def test_the_plain_mean_is_that_of_torch_and_so_are_its_statistics() -> None:
    """Weights after steps 4, 7, 10, 13; batch norm measured on the training data as `update_bn` does it."""
    trainer = build("task.norm=batch", "average.swa_from=4", "average.swa_every=3", "task.num_train=2000")
    reference = AveragedModel(trainer.task.model)
    follow(trainer, reference, range(4, 16), every=3)
    before = digest_of(trainer.task.model)
    trainer.evaluate()
    assert digest_of(trainer.task.model) == before
    split = trainer.task.train
    update_bn([split.x[first : first + 1000] for first in range(0, len(split), 1000)], reference)
    averages = averages_of(trainer)
    assert averages.num_averaged == 4
    for name, tensor in reference.module.state_dict().items():
        torch.testing.assert_close(averages.swa[name], tensor, rtol=1e-5, atol=1e-6)


def test_a_smaller_last_batch_counts_less_in_those_statistics() -> None:
    """The mean that the first norm takes away is that of all samples, however they are cut."""
    model = nn.Sequential(nn.BatchNorm1d(3)).eval()
    split = Split(torch.randn(10, 3, generator=torch.Generator().manual_seed(0)), torch.zeros(10))
    for batch_size in (10, 8, 4, 3):
        found = measured_statistics(model, model.state_dict(), split, batch_size)
        used = split.x[: 10 if batch_size != 3 else 9]  # a single sample has no deviation, and is left out
        torch.testing.assert_close(found["0.running_mean"], used.mean(dim=0))


def digest_of(model: nn.Module) -> list[Any]:
    return [tensor.clone().tolist() for tensor in model.buffers()] + [module.training for module in model.modules()]


def test_an_average_is_evaluated_as_a_model_with_its_weights() -> None:
    """The loss of the moving average is that of a copy of the model which holds it."""
    result = told(*DELICATE, "average.ema_decay=0.8")
    task = result.trainer.task
    model = copy.deepcopy(task.model)
    model.load_state_dict(averages_of(result.trainer).ema)
    model.eval()
    with torch.no_grad():
        found = task.summed_metrics(model(task.validation.x), task.validation.y)
    assert beside(result, "ema")[40] == pytest.approx(float(found["loss"]) / len(task.validation), rel=1e-5)
    assert beside(result, "ema")[40] != result.all(EvalFinished)[-1].metrics["eval/loss"]


def test_all_of_it_together_is_never_felt_by_the_run() -> None:
    """Losses, weights and running statistics are those of a run without any of it, and the random state too."""
    plain = ("schedule.name=sgdr", "schedule.cycle=10", *DELICATE)
    alone, watched = told(*plain), told(*ALL)
    assert digest(watched) == digest(alone)
    assert {name for name in watched.all(EvalFinished)[-1].metrics if name.endswith("/accuracy")} == {
        f"{side}/accuracy" for side in ("train", "eval", "ema", "swa", "ensemble", "tta", "mc")
    }
    assert not [name for name in alone.all(EvalFinished)[-1].metrics if name.startswith(("ema", "swa", "ens", "mc"))]


def test_it_is_described_only_where_it_is() -> None:
    """Before any value arrives; the best of each is kept, an accuracy by its height."""
    described = {info.name: info.better for info in told(*ALL).all(RunStarted)[0].metrics}
    assert described["ema/loss"] == "lower"
    assert described["ensemble/accuracy"] == "higher"
    result = told("average.ema_decay=0.9", "eval.every_steps=10")
    names = {info.name.partition("/")[0] for info in result.all(RunStarted)[0].metrics}
    assert names == {"batch", "train", "eval", "ema", "weights"}
    values = [fact.metrics["ema/accuracy"] for fact in result.all(EvalFinished)[1:]]
    assert result.ended.best["ema/accuracy"] == max(values)


def test_a_snapshot_is_taken_at_the_end_of_each_cycle() -> None:
    """The newest are kept; their mean probability is what is evaluated."""
    result = told(*SGDR, "train.steps=35", "eval.every_steps=5")
    assert [(fact.step, fact.num_kept) for fact in result.all(SnapshotTaken)] == [(10, 1), (20, 2), (30, 2)]
    trainer = result.trainer
    task, members = trainer.task, averages_of(trainer).snapshots
    shares = []
    for member in members:
        model = copy.deepcopy(task.model)
        model.load_state_dict(member)
        with torch.no_grad():
            shares.append(model.eval()(task.validation.x).softmax(dim=1))
    mean = torch.stack(shares).mean(dim=0)
    picked = mean[torch.arange(len(mean)), task.validation.y]
    assert beside(result, "ensemble")[35] == pytest.approx(float(-picked.log().mean()), rel=1e-4)
    assert min(beside(result, "ensemble")) == 10
    accuracy = result.all(EvalFinished)[-1].metrics["ensemble/accuracy"]
    assert accuracy == pytest.approx(float((mean.argmax(dim=1) == task.validation.y).float().mean()))


def test_a_resumed_run_goes_on_with_its_averages() -> None:
    """Bit for bit, from a state as it comes back from a disk."""
    whole, resumed = whole_and_resumed(*ALL)
    assert_the_same(whole, resumed)
    for name in ("ema", "swa", "ensemble", "tta", "mc"):
        mine = beside(resumed, name)
        assert mine
        assert mine == {step: loss for step, loss in beside(whole, name).items() if step in mine}
    one, other = averages_of(whole.trainer), averages_of(resumed.trainer)
    assert all(torch.equal(one.ema[name], other.ema[name]) for name in one.ema)
    assert all(torch.equal(one.swa[name], other.swa[name]) for name in one.swa)
    assert len(one.snapshots) == len(other.snapshots) == 2


def test_going_back_takes_the_averages_along() -> None:
    """After an undo they are those of a run in which nothing was changed."""
    moments = [change("ema_decay", 0.5, 20), {"at_step": 25, "do": "undo"}]
    plain, undone = told(*ALL), told(*ALL, moments=moments)
    assert undone.all(HyperparameterChanged)
    one, other = captured(plain.trainer)["followers"]["averages"], captured(undone.trainer)["followers"]["averages"]
    assert one["values"] == other["values"]
    assert all(torch.equal(tensor, other["ema"][name]) for name, tensor in one["ema"].items())
    assert all(torch.equal(tensor, other["swa"][name]) for name, tensor in one["swa"].items())


def test_the_decay_is_changed_while_the_run_goes() -> None:
    """From the next step on; switched on it begins there, switched off it ends."""
    moments = [change("ema_decay", 0.0, 20), change("ema_decay", 0.5, 30)]
    result = told("average.ema_decay=0.9", "eval.every_steps=5", moments=moments)
    assert sorted(beside(result, "ema")) == [5, 10, 15, 20, 35, 40]
    first, second = result.all(HyperparameterChanged)
    assert (first.name, first.before, first.after, first.regularizers["ema_decay"]) == ("ema_decay", "0.9", "0", 0.0)
    assert "begins as a copy" in second.notes[0]
    assert result.losses == told().losses

    trainer = build("average.ema_decay=0.9", moments=[change("ema_decay", 0.5, 3)])
    taken: list[torch.Tensor] = []
    step_as_ever = trainer._take_step

    def take_step() -> None:
        step_as_ever()
        taken.append(weights(trainer)[0])

    trainer._take_step = take_step  # type: ignore[method-assign]
    finish(trainer)
    expected = taken[0].clone()
    for step, tensor in enumerate(taken[1:], start=2):
        expected.lerp_(tensor, 1.0 - (0.9 if step <= 3 else 0.5))
    assert torch.equal(averages_of(trainer).ema[next(iter(averages_of(trainer).ema))], expected)


def test_swa_begins_where_it_is_told_to_while_the_run_goes() -> None:
    """A share of the run or a step; anew when it is told again, and never beyond the end."""
    moments = [change("swa_every", 2, 5), change("swa_from", 0.5, 10), change("swa_from", 41, 12)]
    result = told("eval.every_steps=5", moments=moments)
    assert min(beside(result, "swa")) == 20
    assert averages_of(result.trainer).num_averaged == 11
    assert "beyond the end" in result.all(CommandRefused)[0].reason
    assert len(result.all(CommandApplied)) == 2
    assert told("average.swa_from=0.5", moments=[change("swa_from", "none", 30)]).trainer.updater.followers
    again = averages_of(told("average.swa_from=10", "average.swa_every=5", moments=[change("swa_from", 1, 29)]).trainer)
    assert again.num_averaged == 3  # after steps 30, 35 and 40


def test_snapshots_without_cycles_are_said_to_wait() -> None:
    """The note names the schedule; with one that has cycles they come."""
    moments = [
        change("snapshots", 3, 2),
        {"at_step": 5, "do": "set_schedule", "name": "sgdr", "cycle": 10, "restart": True},
    ]
    result = told(moments=moments)
    assert "constant schedule has no cycles" in result.all(HyperparameterChanged)[0].notes[0]
    assert [fact.step for fact in result.all(SnapshotTaken)] == [15, 25, 35]


def test_a_value_out_of_range_is_refused() -> None:
    """With its range, and the run goes on as it was; so is a group, as an average is of the whole model."""
    trainer = build()
    asked(trainer, SetHyperparameter(name="ema_decay", value=1.0), "0001")
    asked(trainer, SetHyperparameter(name="snapshots", value=21), "0002")
    asked(trainer, SetHyperparameter(name="ema_decay", value=0.9, groups=["all"]), "0003")
    reasons = [fact.reason for fact in finish(trainer).all(CommandRefused)]
    assert "0 ≤ ema_decay < 1" in reasons[0]
    assert "0 ≤ snapshots ≤ 20" in reasons[1]
    assert "whole model" in reasons[2]
    assert not averages_of(trainer).predictions


@pytest.mark.parametrize(
    "overrides",
    [
        ("optimizer.name=lbfgs", "train.batch_size=full", "task.num_train=200", "train.steps=5"),
        ("optimizer.name=schedule-free-sgd", "optimizer.lr=1.0"),
        ("optimizer.name=asgd", "optimizer.lr=0.1"),
        ("optimizer.name=sam", "optimizer.lr=0.1"),
    ],
    ids=["lbfgs", "schedule-free", "asgd", "sam"],
)
def test_every_kind_of_optimizer_is_averaged(overrides: tuple[str, ...]) -> None:
    """Of the weights that are trained; those that it evaluates by itself stay the raw ones."""
    plain, averaged = told(*overrides), told("average.ema_decay=0.5", "average.swa_from=2", *overrides)
    assert averaged.losses == plain.losses
    raw = [fact.metrics["eval/loss"] for fact in plain.all(EvalFinished)]
    assert [fact.metrics["eval/loss"] for fact in averaged.all(EvalFinished)] == raw
    assert beside(averaged, "ema")[averaged.ended.step] > 0.0


def test_an_average_that_is_not_finite_is_shown_as_such() -> None:
    """And nothing stops for it: the raw weights are fine."""
    trainer = build("average.ema_decay=0.9", "eval.every_steps=10")
    trainer.task.model.train()
    trainer._take_step()
    averages_of(trainer).ema["lin_1.weight"].fill_(float("nan"))
    result = finish(trainer)
    assert result.ended.reason == "finished"
    assert beside(result, "ema")[40] != beside(result, "ema")[40]
    assert "ema/loss" not in result.ended.best


def test_a_shift_repeats_the_edge() -> None:
    """All nine, against torch's replicating pad; digits alone would not show it, as their edges are empty."""
    x = torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    padded = nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
    expected = [padded[..., down : down + 5, right : right + 4] for down in range(3) for right in range(3)]
    found = list(all_shifts(x, 1))
    assert len(found) == 9
    assert all(any(torch.equal(one, other) for other in expected) for one in found)


def test_shifts_are_averaged_as_probabilities() -> None:
    """Nine pictures of each, the edge repeated; the mean of the shares of their classes."""
    result = told("eval.tta_shift=1")
    task = result.trainer.task
    x = task.validation.x
    padded = nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
    task.model.eval()
    with torch.no_grad():
        shares = [
            task.model(padded[..., down : down + 28, right : right + 28]).softmax(dim=1)
            for down in range(3)
            for right in range(3)
        ]
    mean = torch.stack(shares).mean(dim=0)
    expected = float((mean.argmax(dim=1) == task.validation.y).float().mean())
    assert result.all(EvalFinished)[-1].metrics["tta/accuracy"] == pytest.approx(expected)
    picked = mean[torch.arange(len(mean)), task.validation.y]
    assert beside(result, "tta")[40] == pytest.approx(float(-picked.log().mean()), rel=1e-4)


def test_dropout_is_on_in_the_passes_and_off_afterwards() -> None:
    """Two passes differ, many come near to their mean; every module is in the mode that it was in."""
    trainer = finish(build("regularize.dropout=0.5")).trainer
    model, averages = trainer.task.model.eval(), averages_of(trainer)
    x = trainer.task.validation.x[:50]

    def passes(number: int) -> torch.Tensor:
        made = Beside(trainer.task, averages, tta_shift=0, num_passes=number, batch_size=50)
        with torch.no_grad():
            return dict(made.predictors())["mc"](x).softmax(dim=1)

    assert not torch.equal(passes(1), passes(1))
    assert (passes(200) - passes(200)).abs().mean() < 0.3 * (passes(1) - passes(1)).abs().mean()
    assert not any(module.training for module in model.modules())
