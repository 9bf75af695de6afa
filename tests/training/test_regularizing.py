"""Each regularizer live: in the very next step, exactly as its formula says, or refused with a reason."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import nn

from tests.training.harness import build, finish, told, weights
from tuitrain.preset import load_preset
from tuitrain.protocol.events import CommandRefused, HyperparameterChanged, RunStarted
from tuitrain.techniques.regularizers import REGULARIZERS, resolved_regularizers
from tuitrain.training.regularizing import Regularization

AT = 10
RESIDUAL = ("task.model=residual-mlp", "task.hidden=[16]", "task.depth=4")
QUICK = (*RESIDUAL, "train.steps=16", "train.batch_size=32")

# Regularizer → value, and whether it shows in the loss of the very next step or in its update alone.
LIVE: dict[str, tuple[float, str]] = {
    "weight_decay": (0.5, "update"), "l1": (0.01, "update"), "dropout": (0.5, "loss"), "dropconnect": (0.5, "loss"),
    "stochastic_depth": (0.9, "loss"), "input_noise": (0.5, "loss"), "weight_noise": (0.1, "loss"),
    "gradient_noise": (0.1, "update"), "gradient_clip": (0.01, "update"), "gradient_clip_value": (1e-4, "update"),
    "label_smoothing": (0.2, "loss"), "mixup": (0.5, "loss"), "cutmix": (1.0, "loss"), "cutout": (6, "loss"),
    "flip": (1.0, "loss"), "shift": (2, "loss"), "crop": (0.4, "loss"), "scale": (0.3, "loss"), "rotate": (30, "loss"),
    "color_jitter": (0.5, "loss"), "trivial_augment": (1.0, "loss"), "max_norm": (0.5, "update"),
}  # fmt: skip


def change(name: str, value: object, at: int = AT) -> dict[str, Any]:
    return {"at_step": at, "do": "set_hyperparameter", "name": name, "value": value}


def regularization(model: nn.Module, **values: float) -> Regularization:
    """Of a model alone."""
    task = cast("Any", SimpleNamespace(model=model))
    return Regularization(task, resolved_regularizers(values), {})


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4), nn.Linear(4, 3))


def with_gradients(model: nn.Module) -> nn.Module:
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3))
    return model


def gradients(model: nn.Module) -> list[torch.Tensor]:
    return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


def test_every_regularizer_of_the_table_is_changed_live_below() -> None:
    """All but early stopping, which is of the run."""
    assert set(LIVE) | {"early_stopping"} == set(REGULARIZERS)
    assert all(spec.summary and spec.hyperparameter.help for spec in REGULARIZERS.values())


@pytest.mark.parametrize("name", list(LIVE))
def test_a_regularizer_acts_in_the_next_step_and_not_before(name: str) -> None:
    """Applied at step 10: the loss, or at least the update, of step 11 is the first with it; then off again."""
    value, where = LIVE[name]
    plain, changed = told(*QUICK), told(*QUICK, moments=[change(name, value), change(name, 0, AT + 3)])
    first = AT if where == "loss" else AT + 1
    assert changed.losses[:first] == plain.losses[:first]
    assert changed.losses[first] != plain.losses[first]
    on, off = changed.all(HyperparameterChanged)
    assert (on.step, on.name, off.step) == (AT, name, AT + 3)
    assert not changed.all(CommandRefused)
    if name != "weight_decay":
        assert on.regularizers[name] == value
        assert off.regularizers[name] == 0
    assert (name == "gradient_clip") == (on.optimizer.gradient_clip == value)
    assert off.optimizer.gradient_clip is None
    assert all(math.isfinite(loss) for loss in changed.losses)


@pytest.mark.parametrize("name", ["dropout", "gradient_clip", "mixup", "label_smoothing"])
def test_none_switches_off_as_0_does(name: str) -> None:
    """Both at the start leave the run as it is without it."""
    value, _ = LIVE[name]
    off = told(*QUICK, f"regularize.{name}={value}", moments=[change(name, "none", 0)])
    assert off.losses == told(*QUICK).losses


@pytest.mark.parametrize("name", [name for name in LIVE if name not in {"weight_decay", "mixup", "cutmix"}])
def test_from_the_preset_or_live_at_the_start_is_the_same(name: str) -> None:
    """One place that knows the strengths."""
    value, _ = LIVE[name]
    assert told(*QUICK, f"regularize.{name}={value}").losses == told(*QUICK, moments=[change(name, value, 0)]).losses


@pytest.mark.parametrize(
    ("overrides", "name", "value", "said"),
    [
        (("task.model=linear",), "dropout", 0.5, "works on hidden layers"),
        (("task.model=linear",), "dropconnect", 0.5, "works on hidden layers"),
        (("task.model=cnn", "task.hidden=[]"), "dropconnect", 0.5, "hidden affine maps"),
        (("task.model=plain-cnn", "task.depth=2"), "dropconnect", 0.5, "hidden affine maps"),
        (("task.model=mlp",), "stochastic_depth", 0.5, "residual blocks"),
        (("task.model=plain-mlp", "task.depth=2"), "stochastic_depth", 0.5, "residual blocks"),
        (("task.dataset=spiral",), "shift", 2, "works on images"),
        (("task.dataset=spiral",), "cutmix", 1.0, "works on images"),
        (("task.dataset=lab-wave",), "mixup", 1.0, "needs classes"),
        (("task.dataset=lab-wave",), "label_smoothing", 0.1, "needs classes"),
        (("task.loss=focal",), "label_smoothing", 0.1, "no meaning for the focal loss"),
        (("optimizer.name=rprop",), "weight_decay", 0.1, "no weight decay"),
    ],
)
def test_what_cannot_act_is_refused_with_its_reason(
    overrides: tuple[str, ...], name: str, value: float, said: str
) -> None:
    """Live, and told at the start by leaving it out; 0 is fine everywhere but for what the optimizer lacks."""
    overrides = (*overrides, "train.steps=4", "train.batch_size=16")
    result = told(*overrides, moments=[change(name, value, 1)])
    assert said in result.all(CommandRefused)[0].reason
    assert not result.all(HyperparameterChanged)
    if name != "weight_decay":
        assert name not in result.all(RunStarted)[0].regularizers
        assert not told(*overrides, moments=[change(name, 0, 1)]).all(CommandRefused)


def test_a_regularizer_of_the_model_takes_no_groups() -> None:
    """It acts on the whole model."""
    moment = {**change("dropout", 0.5), "groups": ["all"]}
    assert "whole model" in told(moments=[moment]).all(CommandRefused)[0].reason


def test_noise_on_weights_goes_away_bit_for_bit() -> None:
    """Also when what runs inside fails; biases and norms have none."""
    model = network()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1e-4)  # taking the noise off again would not give these back
    noisy = regularization(model, weight_noise=0.3)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    seen: list[float] = []
    for fails in (False, True):
        try:
            with noisy.noise_on_weights():
                for parameter, old in zip(model.parameters(), before, strict=True):
                    assert torch.equal(parameter, old) == (parameter.ndim < 2)
                    if parameter.ndim >= 2:
                        seen += (parameter.detach() - old).flatten().tolist()
                if fails:
                    raise RuntimeError
        except RuntimeError:
            assert fails
        assert all(torch.equal(one, two) for one, two in zip(model.parameters(), before, strict=True))
    assert torch.tensor(seen).std().item() == pytest.approx(0.3, rel=0.25)


def test_l1_is_the_gradient_of_its_penalty() -> None:
    """By autograd; a weight of exactly 0 is left there."""
    model, other = with_gradients(network()), with_gradients(network())
    with torch.no_grad():
        for one in (model, other):
            one[0].weight[0, 0] = 0.0  # type: ignore[index]
    regularization(model, l1=0.07).on_gradients(list(model.parameters()))
    penalty = 0.07 * sum(parameter.abs().sum() for parameter in other.parameters() if parameter.ndim >= 2)
    cast("torch.Tensor", penalty).backward()  # type: ignore[no-untyped-call]
    for one_gradient, two in zip(gradients(model), gradients(other), strict=True):
        torch.testing.assert_close(one_gradient, two)


def test_clipping_by_value_is_that_of_torch() -> None:
    """Every entry of every gradient."""
    model, other = with_gradients(network()), with_gradients(network())
    regularization(model, gradient_clip_value=0.4).on_gradients(list(model.parameters()))
    torch.nn.utils.clip_grad_value_(other.parameters(), 0.4)
    assert all(torch.equal(one, two) for one, two in zip(gradients(model), gradients(other), strict=True))
    assert max(gradient.abs().max().item() for gradient in gradients(model)) == pytest.approx(0.4)


def test_noise_on_gradients_has_its_deviation_and_is_cut_too() -> None:
    """Noise comes before the cut; without any the gradients are left alone."""
    model = nn.Linear(100, 100)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    regularization(model).on_gradients(list(model.parameters()))
    assert not any(gradient.any() for gradient in gradients(model))
    regularization(model, gradient_noise=0.2).on_gradients(list(model.parameters()))
    assert gradients(model)[0].std().item() == pytest.approx(0.2, rel=0.05)
    regularization(model, gradient_noise=0.2, gradient_clip_value=0.1).on_gradients(list(model.parameters()))
    assert max(gradient.abs().max().item() for gradient in gradients(model)) == pytest.approx(0.1)


def test_l1_in_a_run_is_a_penalty_in_the_loss_of_a_plain_loop() -> None:
    """Weights after twenty steps; the loss that is shown stays that without it."""
    result = told("regularize.l1=0.01", "train.steps=20", "optimizer.name=sgd", "optimizer.lr=0.1")
    reference = build("train.steps=20")
    model = reference.task.model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(20):
        x, y = reference.batches.next()
        loss = nn.functional.cross_entropy(model(x), y)
        penalty = 0.01 * sum(parameter.abs().sum() for parameter in model.parameters() if parameter.ndim >= 2)
        optimizer.zero_grad()
        torch.autograd.backward(loss + penalty)
        optimizer.step()
        losses.append(loss.item())
    assert result.losses == pytest.approx(losses, rel=1e-4)
    for one, two in zip(weights(result.trainer), model.parameters(), strict=True):
        torch.testing.assert_close(one, two.detach(), atol=1e-4, rtol=1e-3)


def test_the_weights_are_measured_at_every_evaluation() -> None:
    """Their norm, and the share of them that is near zero, without biases."""
    trainer = build("train.steps=5", "regularize.l1=0.1", "optimizer.lr=0.01")
    last = finish(trainer).ended.last
    flat = torch.cat([weight.flatten() for weight in weights(trainer) if weight.ndim >= 2])
    assert last["weights/norm"] == pytest.approx(flat.norm().item(), rel=1e-5)
    assert last["weights/near_zero"] == pytest.approx((flat.abs() < 1e-3).float().mean().item(), rel=1e-5)


@pytest.mark.parametrize("loss", ["mse", "l1", "huber"])
def test_outliers_pull_the_squared_error_and_leave_the_absolute_one(loss: str) -> None:
    """The line y = 2x + 1 with one point in ten moved up by 20: least squares goes up by two, the others do not."""
    result = told(
        "task.dataset=line-outliers", "task.preprocess=raw", f"task.loss={loss}", "train.batch_size=full",
        "train.steps=400", "optimizer.name=sgd", "optimizer.lr=0.05", "schedule.name=linear", preset="linreg",
    )  # fmt: skip
    slope, intercept = (float(weight) for weight in weights(result.trainer))
    if loss == "mse":
        data = result.trainer.task.train
        design = torch.cat([data.x, torch.ones_like(data.x)], dim=1)
        best = torch.linalg.lstsq(design, data.y).solution.flatten().tolist()
        assert [slope, intercept] == pytest.approx(best, abs=0.01)
        assert intercept == pytest.approx(3.0, abs=0.5)
    else:
        assert slope == pytest.approx(2.0, abs=0.1)
        assert intercept == pytest.approx(1.0, abs=0.2)
        assert result.ended.last["eval/mse"] < 0.15


def test_a_preset_gives_every_regularizer_its_strength() -> None:
    """What is named; the rest is off, and weight decay is the optimizer's own."""
    values = load_preset("mnist-mlp", ["regularize.dropout=0.25", "regularize.cutout=3"]).regularize.values
    assert values["dropout"] == 0.25
    assert values["cutout"] == 3
    assert all(value == 0 for name, value in values.items() if name not in {"dropout", "cutout"})
    assert "weight_decay" not in values
