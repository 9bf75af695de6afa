"""Models by name. Layers are called lin_1, conv_1, … so that a person finds them in every list."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from tuitrain.tasks.tables import DatasetSpec

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "leaky-relu": nn.LeakyReLU,
    "identity": nn.Identity,
}


def build_model(
    name: str,
    dataset: DatasetSpec,
    *,
    hidden: Sequence[int],
    channels: Sequence[int],
    activation: str,
    init: str,
    batch_norm: bool,
    dropout: float,
) -> nn.Module:
    """A model for a dataset, initialised from torch's global random state.

    Args:
        name: a name of `tasks.tables.MODELS`.
        dataset: gives the shape of the input and the number of outputs.
        hidden: widths of the affine hidden layers; in a CNN those between the convolutions and the outputs.
        channels: channels of a CNN's convolutions.
        activation: a name of `tasks.tables.ACTIVATIONS`.
        init: "he", "xavier" or "torch" (torch's own default).
        batch_norm: whether each hidden layer is normalised before its activation.
        dropout: share of hidden activations dropped in training, 0 to below 1.
    """
    if name == "cnn":
        model = _cnn(dataset, channels, hidden, activation, batch_norm=batch_norm, dropout=dropout)
    else:
        widths = () if name == "linear" else tuple(hidden)
        model = _mlp(dataset, widths, activation, batch_norm=batch_norm, dropout=dropout)
    _initialise(model, init)
    return model


def _mlp(
    dataset: DatasetSpec, hidden: Sequence[int], activation: str, *, batch_norm: bool, dropout: float
) -> nn.Module:
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    width = math.prod(dataset.input_shape)
    _add_affine(layers, width, hidden, dataset.num_outputs, activation, batch_norm=batch_norm, dropout=dropout)
    return nn.Sequential(layers)


def _cnn(
    dataset: DatasetSpec,
    channels: Sequence[int],
    hidden: Sequence[int],
    activation: str,
    *,
    batch_norm: bool,
    dropout: float,
) -> nn.Module:
    """Each 3×3 convolution is followed by 2×2 max pooling while the picture is at least 2 pixels wide."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    depth, height, width = dataset.input_shape
    for number, next_depth in enumerate(channels, start=1):
        layers[f"conv_{number}"] = nn.Conv2d(depth, next_depth, kernel_size=3, padding=1)
        if batch_norm:
            layers[f"conv_norm_{number}"] = nn.BatchNorm2d(next_depth)
        layers[f"conv_act_{number}"] = _ACTIVATIONS[activation]()
        if min(height, width) >= 2:
            layers[f"pool_{number}"] = nn.MaxPool2d(2)
            height, width = height // 2, width // 2
        depth = next_depth
    layers["flatten"] = nn.Flatten()
    features = depth * height * width
    _add_affine(layers, features, hidden, dataset.num_outputs, activation, batch_norm=batch_norm, dropout=dropout)
    return nn.Sequential(layers)


def _add_affine(
    layers: OrderedDict[str, nn.Module],
    width: int,
    hidden: Sequence[int],
    num_outputs: int,
    activation: str,
    *,
    batch_norm: bool,
    dropout: float,
) -> None:
    """Append hidden layers of the given widths and the last affine map."""
    for number, next_width in enumerate(hidden, start=1):
        layers[f"lin_{number}"] = nn.Linear(width, next_width)
        if batch_norm:
            layers[f"norm_{number}"] = nn.BatchNorm1d(next_width)
        layers[f"act_{number}"] = _ACTIVATIONS[activation]()
        if dropout:
            layers[f"drop_{number}"] = nn.Dropout(dropout)
        width = next_width
    layers[f"lin_{len(hidden) + 1}"] = nn.Linear(width, num_outputs)


def _initialise(model: nn.Module, init: str) -> None:
    """He et al. 2015 (kaiming) or Glorot & Bengio 2010 (xavier), normal, biases zero."""
    if init == "torch":
        return
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            if init == "he":
                nn.init.kaiming_normal_(module.weight)
            else:
                nn.init.xavier_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
