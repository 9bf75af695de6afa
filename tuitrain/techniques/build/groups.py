"""The logical parameter groups of a model: what decays and what does not, and a rate for each layer."""

from __future__ import annotations

from dataclasses import dataclass

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
    model: nn.Module, *, decay_only_weights: bool = False, layer_decay: float = 1.0
) -> list[ParameterGroup]:
    """The logical groups of a model, those with the full rate first.

    Args:
        model: only parameters that require gradients are taken.
        decay_only_weights: biases and norms make groups of their own, without weight decay.
        layer_decay: factor on the rate of each layer per layer above it (Clark et al. 2020, ELECTRA, section 3.1);
            1 makes no groups of layers.
    """
    named = tuple((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)
    layers = [("", named)] if layer_decay == 1.0 else _layers(named)
    groups: list[ParameterGroup] = []
    for depth, (layer, members) in enumerate(reversed(layers)):
        rate = layer_decay**depth
        if not decay_only_weights:
            groups.append(ParameterGroup(layer or "all", members, rate=rate))
            continue
        weights = tuple(item for item in members if item[1].ndim >= 2)
        others = tuple(item for item in members if item[1].ndim < 2)
        prefix = f"{layer} " if layer else ""
        groups.append(ParameterGroup(f"{prefix}weights", weights, rate=rate))
        groups.append(ParameterGroup(f"{prefix}biases and norms", others, has_decay=False, rate=rate))
    return [group for group in groups if group.parameters]


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
