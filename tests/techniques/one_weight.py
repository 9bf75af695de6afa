"""Optimizers on a single weight, and on a small model with given gradients."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from tuitrain.protocol.plan import Value
from tuitrain.techniques.build.groups import ParameterGroup, parameter_groups
from tuitrain.techniques.build.optimizers import OptimizerSet, hidden_matrices


def model() -> nn.Sequential:
    """6-8-8-3 with tanh: of its three weights the first two are hidden."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3))


def give_gradients(tensors: Iterable[Tensor], seed: int) -> None:
    """The same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    for tensor in tensors:
        tensor.grad = torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)


def ours(
    name: str, network: nn.Module, values: dict[str, Value] | None = None, *, decay_only_weights: bool = False
) -> OptimizerSet:
    """An optimizer of the table on all parameters."""
    groups = parameter_groups(network, decay_only_weights=decay_only_weights)
    return OptimizerSet(name, groups, values or {}, hidden_matrices(network))


def one_weight(name: str, lr: float, **values: Value) -> tuple[Tensor, OptimizerSet]:
    """An optimizer of the table on a single weight of 0."""
    weight = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = OptimizerSet(name, [ParameterGroup("all", (("w", weight),))], values)
    optimizer.write_rates({"all": lr})
    return weight, optimizer


def moves(weight: Tensor, optimizer: OptimizerSet, num_steps: int) -> list[float]:
    """How far each step moves the weight under a constant gradient."""
    found = []
    for _ in range(num_steps):
        before = weight.item()
        weight.grad = torch.full_like(weight, 0.3)
        optimizer.step()
        found.append(abs(weight.item() - before))
    return found
