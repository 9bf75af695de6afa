"""Sharpness and gradient noise against what is known exactly."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from tests.training.harness import build, told
from tests.training.test_measuring import answer
from tuitrain.protocol.commands import MeasureGradientNoise, MeasureSharpness
from tuitrain.protocol.description import GroupState, OptimizerState
from tuitrain.protocol.measured import SharpnessMeasured
from tuitrain.protocol.plan import Value
from tuitrain.tasks.build.data import Split
from tuitrain.training.measuring import curvature
from tuitrain.training.measuring import noise_scale as noise_scale_module
from tuitrain.training.measuring.curvature import largest_eigenvalue, sharpness, stable_rate
from tuitrain.training.measuring.noise_scale import gradient_noise, noise_scale


@pytest.mark.parametrize("eigenvalues", [(5.0, 2.0, -1.0, 0.1), (1.0, -8.0, 0.5), (-1.0, -3.0)])
def test_the_largest_eigenvalue_of_a_quadratic_is_found(eigenvalues: tuple[float, ...]) -> None:
    """The largest one, also where another is larger in size, or all are negative."""
    generator = torch.Generator().manual_seed(3)
    rotation, _ = torch.linalg.qr(torch.randn(len(eigenvalues), len(eigenvalues), generator=generator).double())
    matrix = rotation @ torch.diag(torch.tensor(eigenvalues).double()) @ rotation.T

    def product(vector: list[Tensor]) -> list[Tensor]:
        return [matrix @ vector[0]]

    found = largest_eigenvalue(product, [torch.zeros(len(eigenvalues)).double()], 200, 0)
    assert found.has_converged
    assert found.value == pytest.approx(max(eigenvalues), rel=1e-2)


def test_the_sharpness_of_an_mlp_is_that_of_its_hessian() -> None:
    """Against all eigenvalues of torch.autograd.functional.hessian; in eval mode, so dropout is off."""
    trainer = build("task.hidden=[6]", "task.activation=tanh", "regularize.dropout=0.5", preset="spiral-mlp")
    task = trainer.task
    found = sharpness(task, list(task.model.parameters()), num_products=300, num_samples=50, seed=0)
    samples = task.train_sample(50)
    model = task.model.eval()
    named = {name: tensor.detach() for name, tensor in model.named_parameters()}
    flat = torch.cat([tensor.flatten() for tensor in named.values()])

    def loss(vector: Tensor) -> Tensor:
        parts = torch.split(vector, [tensor.numel() for tensor in named.values()])
        weights = {name: part.view(named[name].shape) for name, part in zip(named, parts, strict=True)}
        return task.training_loss(functional_call(model, weights, (samples.x,)), samples.y)

    hessian: Any = torch.autograd.functional.hessian(loss, flat)  # type: ignore[no-untyped-call]
    assert found.value == pytest.approx(float(torch.linalg.eigvalsh(hessian)[-1]), rel=1e-2)


def test_linear_regression_has_the_curvature_of_its_data() -> None:
    """λ of 2 XᵀX / n, and the rate above which linreg-diverges diverges lies at 2/λ."""
    trainer = build(preset="linreg", moments=[])
    found = answer(trainer, MeasureSharpness(num_products=200))
    x = torch.cat([trainer.task.train.x, torch.ones(len(trainer.task.train), 1)], dim=1).double()
    exact = float(torch.linalg.eigvalsh(2.0 * x.T @ x / len(x))[-1])
    assert found.sharpness == pytest.approx(exact, rel=1e-3)
    assert found.stable_rate == pytest.approx(2.0 / exact, rel=1e-3)


def test_the_stable_rate_is_that_of_the_optimizer() -> None:
    """2/λ, moved by momentum; unknown where the optimizer scales each weight, and where nothing curves upwards."""

    def state(name: str, **values: Value) -> OptimizerState:
        return OptimizerState(
            name=name, groups=(GroupState(name="all", num_tensors=1, num_parameters=1, hyperparameters=values),)
        )

    assert stable_rate(4.0, state("sgd", momentum=0.0, nesterov=False)) == 0.5
    assert stable_rate(4.0, state("sgd", momentum=0.9, nesterov=False)) == pytest.approx(0.95)
    assert stable_rate(4.0, state("sgd", momentum=0.9, nesterov=True)) == pytest.approx(0.95 / 2.8)
    assert math.isnan(stable_rate(4.0, state("adam")))
    assert math.isnan(stable_rate(-1.0, state("sgd")))


def test_larger_batches_point_more_along_the_full_gradient() -> None:
    """The direction of the design notes' row: .05/.12/.18/.36/.65 for 1/8/32/128/512, at weights that are trained."""
    trainer = build("train.steps=300", preset="mnist-mlp")
    trainer.task.model.train()
    for _ in range(250):
        trainer._take_step()
    found = answer(trainer, MeasureGradientNoise(batch_sizes=[512, 1, 8, 32, 128]))
    assert found.batch_sizes == [1, 8, 32, 128, 512]
    assert found.cosines == sorted(found.cosines)
    assert found.cosines[0] < 0.15
    assert 0.4 < found.cosines[-1] < 1.0
    fresh = answer(build(), MeasureGradientNoise())
    assert fresh.noise_scale < found.noise_scale  # it grows as the loss falls (McCandlish et al. 2018, figure 4)


class Mean(nn.Module):
    """One weight; its gradient under half the squared error is w − x, sample by sample."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """The weight, for every sample."""
        return self.weight.expand(len(x), 1)


def test_the_noise_scale_of_a_known_noise_is_found() -> None:
    """Targets of mean 1 and deviation 4: the gradient of (w − y)² is −2 (y − w), so tr Σ / |G|² = 16."""
    generator = torch.Generator().manual_seed(0)
    y = 1.0 + 4.0 * torch.randn(4000, 1, generator=generator)
    trainer = build(preset="linreg")
    task = dataclasses.replace(trainer.task, model=Mean(), train=Split(torch.zeros(4000, 1), y))
    found = gradient_noise(task, list(task.model.parameters()), [8], num_batches=2000, num_samples=4000, seed=0)
    signal, trace = found.split(8)
    assert trace == pytest.approx(64.0, rel=0.1)
    assert noise_scale(signal, trace) == pytest.approx(16.0, rel=0.2)
    assert noise_scale(-0.1, 1.0) == math.inf


@pytest.mark.parametrize("weights", ["equal", "balanced", [1.0, 0.0, 0.0, 5.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]])
def test_samples_that_are_taken_in_parts_count_as_if_they_were_taken_at_once(
    weights: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A smaller last part counts less, and one of rare classes by their weights."""
    task = build("task.num_train=50", "task.hidden=[8]", f"task.class_weights={weights}", preset="lr-good").task
    parameters = list(task.model.parameters())

    def measured() -> tuple[float, float]:
        top = sharpness(task, parameters, num_products=8, num_samples=50, seed=0).value
        return top, gradient_noise(task, parameters, [45], num_batches=1, num_samples=50, seed=0).full_norm

    whole = measured()
    monkeypatch.setattr(curvature, "_SAMPLES_AT_ONCE", 13)
    monkeypatch.setattr(noise_scale_module, "_SAMPLES_AT_ONCE", 13)
    assert measured() == pytest.approx(whole, rel=1e-4)


@pytest.mark.parametrize("preset", ["char-transformer", "char-lstm"])
def test_attention_and_recurrence_are_differentiated_twice(preset: str) -> None:
    """Their fused kernels have no second derivative: plain ones take their place while it is measured."""
    small = ("train.steps=60", "train.batch_size=4", "eval.max_batches=1", "eval.batch_size=8")
    moments = [
        {"at_step": 1, "do": "measure_sharpness", "num_products": 5, "num_samples": 8},
        {"at_step": 2, "do": "stop"},
    ]
    found = told(*small, preset=preset, moments=moments).all(SharpnessMeasured)
    assert math.isfinite(found[0].sharpness)
