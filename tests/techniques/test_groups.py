"""The parameter groups: a rate for each layer, and what does not decay."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.tasks.building import make_model
from tuitrain.techniques.build.groups import parameter_groups
from tuitrain.techniques.build.optimizers import OptimizerSet

NETWORK = nn.Sequential(
    nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 2)
)


def test_each_layer_has_the_rate_of_the_one_above_times_the_decay() -> None:
    """The last layer first, with the full rate; a norm belongs to the weight before it."""
    groups = parameter_groups(NETWORK, layer_decay=0.5)
    assert [(group.name, group.rate) for group in groups] == [("5", 1.0), ("3", 0.5), ("0", 0.25)]
    names = [[name for name, _ in group.parameters] for group in groups]
    assert names == [
        ["5.weight", "5.bias"],
        ["3.weight", "3.bias", "4.weight", "4.bias"],
        ["0.weight", "0.bias", "1.weight", "1.bias"],
    ]


def test_layers_and_decay_are_split_together() -> None:
    """Two groups a layer, the second without weight decay, both at the rate of the layer."""
    groups = parameter_groups(NETWORK, decay_only_weights=True, layer_decay=0.1)
    assert [(group.name, group.has_decay, group.rate) for group in groups] == [
        ("5 weights", True, 1.0), ("5 biases and norms", False, 1.0), ("3 weights", True, 0.1),
        ("3 biases and norms", False, 0.1), ("0 weights", True, pytest.approx(0.01)),
        ("0 biases and norms", False, pytest.approx(0.01)),
    ]  # fmt: skip


@pytest.mark.parametrize("model", ["mlp", "cnn", "residual-mlp", "residual-cnn", "resnet18"])
@pytest.mark.parametrize("decay_only_weights", [False, True])
def test_groups_hold_every_parameter_once(model: str, decay_only_weights: bool) -> None:
    """Whatever the model; none is empty, and no two have one name."""
    network = make_model("mnist-5k", model, norm="none" if model == "resnet18" else "batch")
    groups = parameter_groups(network, decay_only_weights=decay_only_weights, layer_decay=0.9)
    found = [name for group in groups for name, _ in group.parameters]
    assert sorted(found) == sorted(name for name, _ in network.named_parameters())
    assert all(group.parameters for group in groups)
    assert len({group.name for group in groups}) == len(groups)


def test_what_is_frozen_is_in_no_group() -> None:
    """Only what requires gradients is trained."""
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    network[0].requires_grad_(False)
    assert [name for group in parameter_groups(network) for name, _ in group.parameters] == ["1.weight", "1.bias"]


def test_biases_and_norms_do_not_decay() -> None:
    """With a gradient of 0 only the weights shrink, by 1 − lr · weight_decay."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3), nn.Linear(3, 2))
    groups = parameter_groups(network, decay_only_weights=True)
    optimizer = OptimizerSet("adamw", groups, {"weight_decay": 0.5})
    optimizer.write_rates({group.name: 0.1 for group in groups})
    before = {name: tensor.detach().clone() for name, tensor in network.named_parameters()}
    for tensor in network.parameters():
        tensor.grad = torch.zeros_like(tensor)
    optimizer.step()
    for name, tensor in network.named_parameters():
        factor = 0.95 if tensor.ndim >= 2 else 1.0
        assert torch.allclose(tensor, before[name] * factor)


def test_a_rate_for_each_layer_moves_each_by_its_own() -> None:
    """Under SGD and equal gradients, in proportion to the rates."""
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    groups = parameter_groups(network, layer_decay=0.5)
    optimizer = OptimizerSet("sgd", groups, {})
    optimizer.write_rates({group.name: 0.1 * group.rate for group in groups})
    before = [tensor.detach().clone() for tensor in network.parameters()]
    for tensor in network.parameters():
        tensor.grad = torch.ones_like(tensor)
    optimizer.step()
    moved = [(old - new.detach()).mean().item() for old, new in zip(before, network.parameters(), strict=True)]
    assert moved == pytest.approx([0.025, 0.025, 0.05, 0.05, 0.1, 0.1])
