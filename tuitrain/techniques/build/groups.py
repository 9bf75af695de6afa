"""The logical parameter groups of a model: what decays and what does not, and a rate for each layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

Named = tuple[str, Tensor]


@dataclass(frozen=True)
class ParameterGroup:
    """A logical parameter group: what the plan, the person and the recording know by one name."""

    name: str
    parameters: tuple[Named, ...]
    has_decay: bool = True
    """False keeps weight decay off, as for biases and norms."""
    rate: float = 1.0
    """Its learning rate relative to that of the run, as with layer-wise rates."""


def parameter_groups(
    model: nn.Module, *, decay_only_weights: bool = False, layer_decay: float = 1.0, head_rate: float = 1.0
) -> list[ParameterGroup]:
    """The logical groups of a model, that with the rate of the run first.

    Args:
        model: only parameters that require gradients are taken.
        decay_only_weights: biases and norms make groups of their own, without weight decay.
        layer_decay: factor on the rate of each layer per layer above it (Clark et al. 2020, ELECTRA, section 3.1);
            1 makes no groups of layers.
        head_rate: factor on the rate of the last layer; 1 makes no group of it.
    """
    named = tuple((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)
    groups: list[ParameterGroup] = []
    for layer, members, rate in _rated(named, layer_decay, head_rate):
        if not decay_only_weights:
            groups.append(ParameterGroup(layer or "all", members, rate=rate))
            continue
        weights = tuple(item for item in members if item[1].ndim >= 2)
        others = tuple(item for item in members if item[1].ndim < 2)
        prefix = f"{layer} " if layer else ""
        groups.append(ParameterGroup(f"{prefix}weights", weights, rate=rate))
        groups.append(ParameterGroup(f"{prefix}biases and norms", others, has_decay=False, rate=rate))
    return [group for group in groups if group.parameters]


def group_data(group: ParameterGroup) -> dict[str, Any]:
    """A group as plain data."""
    names = [name for name, _ in group.parameters]
    return {"name": group.name, "parameters": names, "has_decay": group.has_decay, "rate": group.rate}


def groups_from(data: Iterable[Mapping[str, Any]], tensors: Mapping[str, Tensor]) -> list[ParameterGroup]:
    """Groups as `group_data` described them, over tensors by name."""
    return [
        ParameterGroup(
            group["name"], tuple((name, tensors[name]) for name in group["parameters"]), group["has_decay"],
            group["rate"],
        )
        for group in data
    ]  # fmt: skip


def _rated(
    named: tuple[Named, ...], layer_decay: float, head_rate: float
) -> list[tuple[str, tuple[Named, ...], float]]:
    """Parameters with a name for them and a factor on their rate."""
    if layer_decay == head_rate == 1.0:
        return [("", named, 1.0)]
    layers = _layers(named)
    if layer_decay == 1.0:
        head, body = layers[-1], tuple(item for _, members in layers[:-1] for item in members)
        return [*([("body", body, 1.0)] if body else []), (head[0], head[1], head_rate)]
    rates = [head_rate if depth == 0 else layer_decay**depth for depth in range(len(layers))]
    return [(layer, members, rate) for (layer, members), rate in zip(reversed(layers), rates, strict=True)]


def _layers(named: tuple[Named, ...]) -> list[tuple[str, tuple[Named, ...]]]:
    """Parameters by layer, from input to output; a norm belongs to the weight before it."""
    layers: list[tuple[str, list[Named]]] = []
    for name, parameter in named:
        owner = name.rpartition(".")[0]
        is_new = parameter.ndim >= 2 and (not layers or layers[-1][0] != owner)
        if is_new or not layers:
            layers.append((owner, []))
        layers[-1][1].append((name, parameter))
    return [(name, tuple(members)) for name, members in layers]
