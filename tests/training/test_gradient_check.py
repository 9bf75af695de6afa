"""The gradient check: right gradients pass, wrong ones are caught, and h has the best value that the lecture names."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.training.harness import build
from tests.training.test_measuring import answer
from tuitrain.protocol.commands import CheckGradients
from tuitrain.protocol.measured_words import advice, headline
from tuitrain.training.measuring.gradient_check import relative_error, verdict_of
from tuitrain.training.trainer import Trainer


def test_the_error_has_its_minimum_near_1e5() -> None:
    """The row of the design notes: 4.8e-5 at h = 1e-2, 1.2e-9 at 1e-5, 2.5e-6 at 1e-8, 6.3e-3 at 1e-11.

    As orders of magnitude: above, what is cut off (h²); below, what is rounded (1e-16 / h).
    """
    trainer = build("task.activation=tanh", "task.hidden=[64]", preset="lr-good")
    errors = {
        step_size: answer(trainer, CheckGradients(step_size=step_size, num_entries=20)).worst_error
        for step_size in (1e-2, 1e-5, 1e-8, 1e-11)
    }
    for step_size, noted in {1e-2: 4.8e-5, 1e-5: 1.2e-9, 1e-8: 2.5e-6, 1e-11: 6.3e-3}.items():
        assert abs(math.log10(errors[step_size] / noted)) < 1.5, errors


class WrongSquare(torch.autograd.Function):
    """x² whose derivative somebody wrote down as x."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        """x²."""
        context.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        """Half of what it should be."""
        (x,) = context.saved_tensors
        return gradients[0] * torch.as_tensor(x)


class Net(nn.Module):
    """One hidden layer, squared rightly or wrongly."""

    def __init__(self, *, is_right: bool) -> None:
        super().__init__()
        self.lin_1, self.lin_2 = nn.Linear(64, 16), nn.Linear(16, 10)
        self.is_right = is_right

    def forward(self, x: Tensor) -> Tensor:
        """Ten logits."""
        hidden = self.lin_1(x.flatten(1)) * 0.1
        squared = hidden * hidden if self.is_right else WrongSquare.apply(hidden)
        return torch.as_tensor(self.lin_2(squared))


@pytest.mark.parametrize("seed", range(6))
def test_a_smooth_net_with_small_gradients_is_right(seed: int) -> None:
    """The rounding of the differences is above 1e-7 of these gradients: that is no kink."""
    torch.manual_seed(seed)
    net = Net(is_right=True)
    net.lin_1.weight.data *= 0.2
    net.lin_1.bias.data *= 0.2
    found = answer(with_model(net), CheckGradients())
    assert found.worst_error > 1e-7
    assert (found.verdict, found.num_kinks) == ("right", 0), found
    assert "rounding" in headline(found)


def test_an_h_at_which_rounding_hides_everything_proves_nothing() -> None:
    """Below h = 1e-10 even right gradients stay doubtful, and the way out is a larger h."""
    found = answer(with_model(Net(is_right=True)), CheckGradients(step_size=1e-12))
    assert (found.verdict, found.num_kinks) == ("doubtful", 0)
    assert "larger step_size" in advice(found)


def with_model(model: nn.Module) -> Trainer:
    """A trainer of the digits with a model of one's own."""
    trainer = build(preset="lr-good")
    object.__setattr__(trainer.task, "model", model)
    trainer.updater.parameters[:] = list(model.parameters())
    return trainer


def test_a_wrong_backward_is_caught_where_it_is() -> None:
    """A factor of two is a relative error of a half; what lies behind it is right, and the right twin passes."""
    found = answer(with_model(Net(is_right=False)), CheckGradients())
    assert found.verdict == "wrong"
    assert found.worst_tensor.startswith("lin_1")
    by_name = {tensor.name: tensor.worst_error for tensor in found.tensors}
    assert by_name["lin_1.weight"] == pytest.approx(0.5, abs=1e-6)
    assert by_name["lin_2.weight"] < 1e-6
    assert answer(with_model(Net(is_right=True)), CheckGradients()).verdict == "right"


@pytest.mark.parametrize(
    ("preset", "overrides"),
    [
        ("mnist-mlp", ("regularize.dropout=0.5", "task.norm=batch")),
        ("small-cnn", ()),
        ("digits-focal", ("task.class_weights=balanced",)),
        ("wave-gaussian-nll", ()),
        ("deep-residual", ()),
        ("digits-bce", ()),
    ],
)
def test_our_own_models_and_losses_are_right(preset: str, overrides: tuple[str, ...]) -> None:
    """At most the error that kinks explain, with every tensor of the model in the table."""
    trainer = build(*overrides, preset=preset)
    found = answer(trainer, CheckGradients(num_entries=4))
    assert found.verdict in {"right", "kinks"}, (found.worst_tensor, found.worst_error)
    assert [tensor.name for tensor in found.tensors] == [name for name, _ in trainer.task.model.named_parameters()]


def test_penalties_are_checked_where_they_are_asked_for() -> None:
    """L1 and label smoothing change both sides alike."""
    trainer = build("regularize.l1=0.01", "regularize.label_smoothing=0.1", preset="lr-good")
    without, with_them = answer(trainer, CheckGradients()), answer(trainer, CheckGradients(with_penalties=True))
    assert without.verdict == with_them.verdict == "right"
    assert without.tensors[0].analytic != with_them.tensors[0].analytic
    assert any("with_penalties=true" in note for note in without.notes)


class Kink(nn.Module):
    """|w| at a place that h = 1e-3 jumps over."""

    def __init__(self) -> None:
        super().__init__()
        self.lin_1 = nn.Linear(64, 10)
        self.kink = nn.Parameter(torch.full((10,), 5e-4))

    def forward(self, x: Tensor) -> Tensor:
        """Ten logits."""
        return torch.as_tensor(self.lin_1(x.flatten(1))) + self.kink.abs()


def test_an_entry_at_a_kink_is_named_as_such() -> None:
    """It agrees at a smaller h, so its gradient is right."""
    found = answer(with_model(Kink()), CheckGradients(step_size=1e-3))
    assert found.num_kinks == 10
    assert found.verdict in {"right", "kinks"}


def test_the_formula_and_its_thresholds() -> None:
    """|a − n| / max(|a|, |n|); 0 of two zeros; what is no number is wrong."""
    assert relative_error(1.0, 2.0) == 0.5
    assert relative_error(0.0, 0.0) == 0.0
    assert [verdict_of(error) for error in (1e-8, 1e-5, 1e-3, 0.1, math.nan)] == [
        "right", "kinks", "doubtful", "wrong", "wrong",
    ]  # fmt: skip
