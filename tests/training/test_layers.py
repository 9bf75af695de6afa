"""The look at every layer: its numbers are right, and nobody who trains notices it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.training.harness import build, finish, told
from tuitrain.protocol.events import LayersMeasured
from tuitrain.training.layers import LayerProbe

ALWAYS = "train.telemetry_budget=1.0"


def first_look(*overrides: str) -> tuple[Any, LayersMeasured]:
    """The trainer before its first step, and what was measured at that step."""
    trainer = build(*overrides, ALWAYS)
    trainer.task.model.train()
    twin = build(*overrides, ALWAYS)
    twin.task.model.train()
    twin._take_step()
    return trainer, next(fact for fact in twin.run.take_facts() if isinstance(fact, LayersMeasured))


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "gelu", "identity"])
def test_what_is_measured_is_what_torch_computes_directly(activation: str) -> None:
    """Norms, the size of the update, and the activations after their function, layer by layer."""
    trainer, seen = first_look("task.hidden=[32, 16]", f"task.activation={activation}", "train.batch_size=32")
    model = trainer.task.model
    x, y = trainer.batches.next()
    outputs: dict[str, Tensor] = {}
    value = x
    for name, module in model.named_children():
        value = module(value)
        outputs[name] = value
    functional.cross_entropy(value, y).backward()  # type: ignore[no-untyped-call]
    before = {name: model.get_parameter(f"{name}.weight").detach().clone() for name in seen.names}
    gradients = {name: model.get_parameter(f"{name}.weight").grad.norm().item() for name in seen.names}
    torch.optim.Adam(model.parameters(), lr=1e-3).step()
    assert seen.names == ("lin_1", "lin_2", "lin_3")
    assert seen.step == 1
    for place, name in enumerate(seen.names):
        after = model.get_parameter(f"{name}.weight").detach()
        acted = outputs["act_" + name[-1]] if name != "lin_3" else outputs[name]
        expected = {
            "gradient_norm": gradients[name],
            "weight_norm": after.norm().item(),
            "update_ratio": ((after - before[name]).norm() / after.norm()).item(),
            "activation_mean": acted.mean().item(),
            "activation_std": acted.std(correction=0).item(),
            "dead": math.nan,
            "saturated": math.nan,
        }
        if name != "lin_3" and activation in {"relu", "gelu"}:
            expected["dead"] = (acted <= 0).all(0).float().mean().item()
        if name != "lin_3" and activation in {"tanh", "sigmoid"}:
            ends = acted.abs() if activation == "tanh" else (2 * acted - 1).abs()
            flat = 0.99 if activation == "tanh" else 0.98
            expected["saturated"] = (ends > flat).float().mean().item()
        for quantity, number in expected.items():
            assert seen.values[quantity][place] == pytest.approx(number, rel=2e-3, abs=1e-6, nan_ok=True), quantity


def test_dead_units_and_flat_ends_are_counted() -> None:
    """Units that a large negative bias switches off; a tanh pushed to its ends; a whole channel of a picture."""
    said: list[LayersMeasured] = []
    picture, vector = nn.Conv2d(1, 4, 3), nn.Linear(16, 10)
    model = nn.Sequential(picture, nn.ReLU(), nn.Flatten(), vector, nn.Tanh())
    assert picture.bias is not None
    with torch.no_grad():
        picture.bias.copy_(torch.tensor([-1e3, 1e3, -1e3, 1e3]))
        vector.weight.zero_()
        vector.bias.copy_(torch.tensor([10.0] * 3 + [0.1] * 7))
    probe = LayerProbe(model, 1.0, 10, said.append)
    with probe.watching():
        model(torch.randn(5, 1, 4, 4))
    probe.before_update()
    probe.after_update(1)
    assert said[0].values["dead"][0] == 0.5
    assert said[0].values["saturated"][1] == pytest.approx(0.3)
    assert said[0].values["update_ratio"][0] == 0.0
    assert math.isnan(said[0].values["gradient_norm"][0])


def test_the_gradient_is_that_before_clipping() -> None:
    """As the global norm is."""
    plain, clipped = (first_look(*overrides)[1] for overrides in ((), ("regularize.gradient_clip=1e-4",)))
    assert clipped.values["gradient_norm"] == plain.values["gradient_norm"]
    assert min(clipped.values["gradient_norm"]) > 1e-3


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        (("task.model=cnn", "task.hidden=[16]"), ("conv_1", "conv_2", "lin_1", "lin_2")),
        (
            ("task.model=residual-mlp", "task.hidden=[16]", "task.depth=4", "regularize.stochastic_depth=0.5"),
            ("lin_0", "block_1.inside.lin_1", "block_1.inside.lin_2", "block_2.inside.lin_1", "block_2.inside.lin_2",
             "lin_last"),
        ),
        (
            ("task.model=residual-cnn", "task.channels=[4]", "task.depth=2", "task.norm=batch"),
            ("conv_0", "block_1.inside.conv_1", "block_1.inside.conv_2", "lin_last"),
        ),
        (("optimizer.name=sam",), ("lin_1", "lin_2")),
        (("regularize.dropconnect=0.5", "regularize.weight_noise=0.01"), ("lin_1", "lin_2")),
    ],
)  # fmt: skip
def test_layers_are_named_from_input_to_output_in_every_model(
    overrides: tuple[str, ...], names: tuple[str, ...]
) -> None:
    """Each once, with finite numbers."""
    seen = first_look(*overrides, "train.batch_size=16")[1]
    assert seen.names == names
    for quantity, values in seen.values.items():
        assert len(values) == len(names)
        if quantity not in {"dead", "saturated"}:
            assert all(math.isfinite(value) for value in values)


class Forked(nn.Module):
    """Goes one of two ways, and twice through its first layer."""

    def __init__(self) -> None:
        super().__init__()
        self.twice, self.taken, self.never = nn.Linear(4, 4), nn.Linear(4, 2), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.taken(self.twice(torch.relu(self.twice(x))))
        return out


def test_a_layer_that_was_not_run_is_left_out_and_one_that_ran_twice_is_there_once() -> None:
    """And no hook stays behind, also after a forward pass that fails."""
    said: list[LayersMeasured] = []
    model = Forked()
    probe = LayerProbe(model, 1.0, 10, said.append)
    with probe.watching():
        model(torch.randn(3, 4)).sum().backward()
    probe.before_update()
    probe.after_update(1)
    assert said[0].names == ("twice", "taken")
    with pytest.raises(RuntimeError), probe.watching():
        model(torch.randn(3, 5))
    assert not any(module._forward_hooks for module in model.modules())


def test_what_a_layer_gives_is_what_the_first_function_after_it_gives() -> None:
    """Not the second, wherever there are two."""
    said: list[LayersMeasured] = []
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.ReLU())
    probe = LayerProbe(model, 1.0, 10, said.append)
    x = torch.randn(16, 4)
    with probe.watching():
        model(x)
    probe.after_update(1)
    assert said[0].values["activation_std"] == pytest.approx(
        [torch.tanh(model[0](x)).std(correction=0).item()], rel=1e-3
    )
    assert math.isnan(said[0].values["dead"][0])


@pytest.mark.parametrize("model", ["mlp", "cnn", "residual-mlp"])
def test_looking_at_every_step_or_never_is_one_stream(model: str) -> None:
    """With dropout and batch norm, where one forward pass too many would show; without a budget nothing is said."""
    overrides = (f"task.model={model}", "task.hidden=[16]", "task.depth=2", "task.norm=batch", "regularize.dropout=0.3",
                 "train.batch_size=16", "train.steps=15")  # fmt: skip
    never, always = told(*overrides, "train.telemetry_budget=0.0"), told(*overrides, ALWAYS)
    assert never.losses == always.losses
    assert not never.all(LayersMeasured)
    assert len(always.all(LayersMeasured)) > 3
    assert not any(module._forward_hooks for module in always.trainer.task.model.modules())


def test_looking_stays_within_its_budget() -> None:
    """Its own clock says so: less than the budget, on average over the steps between two looks."""
    trainer = build("train.steps=300", "train.telemetry_budget=0.05")
    result = finish(trainer)
    looks = [fact.step for fact in result.all(LayersMeasured)]
    assert looks[0] == 1
    assert 2 <= len(looks) < 200
    assert trainer.layers.share <= 0.4 * 0.05 + 1e-9


def test_a_long_run_is_looked_at_two_thousand_times_at_most() -> None:
    """However cheap looking is."""
    probe = LayerProbe(nn.Linear(1, 1), 1.0, 100_000, lambda _: None)
    assert probe.is_due(1)
    probe.after_update(1)
    assert not probe.is_due(50)
    assert probe.is_due(51)


def test_a_model_without_layers_is_never_looked_at() -> None:
    """Nothing to say."""
    assert not LayerProbe(nn.Flatten(), 1.0, 10, lambda _: None).is_due(1)
