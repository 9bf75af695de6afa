"""Models by name. Layers are called lin_1, conv_1, … so that a person finds them in every list."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from tuitrain.tasks.build.architectures import architecture
from tuitrain.tasks.build.initialization import initialise
from tuitrain.tasks.build.layers import ACTIVATION_MODULES, DROPOUTS, AffineMap, dropout_module, norm_module
from tuitrain.tasks.build.points import PointOnSurface
from tuitrain.tasks.build.pooling import pooling_module
from tuitrain.tasks.build.residual import Block, add_blocks
from tuitrain.tasks.build.sequences import char_transformer, lstm
from tuitrain.tasks.tables import DatasetSpec, model_spec, pooled_side

_LARGE_PICTURE = 16


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """What a preset says about its model."""

    name: str
    """A name of `tasks.tables.MODELS`."""
    hidden: tuple[int, ...] = (256,)
    """Widths of the affine hidden layers; in a CNN those between the convolutions and the outputs; of a network of
    any depth and of a Transformer the first is its width; those of an LSTM are its layers."""
    channels: tuple[int, ...] = (8, 16)
    """Channels of a CNN's convolutions; of a residual CNN the first is its width."""
    depth: int = 8
    """Hidden layers of a network of any depth, an even number; blocks of a Transformer."""
    heads: int = 4
    """Of a Transformer."""
    pooling: str = "max"
    activation: str = "relu"
    init: str = "he"
    init_std: float = 0.01
    norm: str = "none"
    dropout_kind: str = "standard"
    dropout: float = 0.0
    dropconnect: float = 0.0
    stochastic_depth: float = 0.0
    surface: str = ""
    """Of a point on a surface: the function, a name of `tasks.surfaces.SURFACES`."""
    start: tuple[float, ...] = ()
    """Its coordinates at step 0."""


def build_model(options: ModelOptions, dataset: DatasetSpec, num_outputs: int, batch: Tensor) -> nn.Module:
    """A model for a dataset, initialised from torch's global random state.

    Args:
        options: what the preset says.
        dataset: gives the shape of the input.
        num_outputs: values that it gives for a sample.
        batch: (n, *input_shape) of the training data, for initialisations that look at it.
    """
    spec = model_spec(options.name)
    if spec.name == "surface":
        return PointOnSurface(options.surface, options.start)
    if spec.source == "torchvision":
        return architecture(spec, dataset, num_outputs, options.dropout)
    if options.name == "lstm":
        return lstm(num_outputs, options.hidden, options.dropout_kind, options.dropout)
    if options.name == "char-transformer":
        return char_transformer(
            num_outputs, dataset.input_shape[0], options.hidden, options.depth, options.heads,
            options.dropout_kind, options.dropout,
        )  # fmt: skip
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if spec.is_deep:
        _add_deep(layers, options, dataset, num_outputs)
    elif options.name == "cnn":
        features = _add_convolutions(layers, options, dataset)
        if not options.hidden:
            layers["drop_1"] = dropout_module(options.dropout_kind, options.dropout)
        _add_affine(layers, features, options.hidden, num_outputs, options)
    else:
        layers["flatten"] = nn.Flatten()
        widths = () if options.name == "linear" else options.hidden
        _add_affine(layers, math.prod(dataset.input_shape), widths, num_outputs, options)
    model = nn.Sequential(layers)
    set_stochastic(model, "dropconnect", options.dropconnect)
    initialise(model, options.init, options.init_std, batch)
    blocks = [module for module in model if isinstance(module, Block)]
    for block in blocks:
        block.tame(len(blocks))
    return model


def set_stochastic(model: nn.Module, name: str, value: float) -> int:
    """Change how much is dropped, in every module that drops it.

    Args:
        model: built here.
        name: "dropout", "dropconnect" or "stochastic_depth".
        value: 0 to below 1.

    Returns:
        The number of modules changed.
    """
    changed = 0
    for module in model.modules():
        if name == "dropout" and isinstance(module, DROPOUTS):
            module.p = value
        elif name == "dropconnect" and isinstance(module, AffineMap):
            module.dropconnect = value
        elif name == "stochastic_depth" and isinstance(module, Block) and module.has_skip:
            module.set_stochastic_depth(value)
        else:
            continue
        changed += 1
    return changed


def _add_affine(
    layers: OrderedDict[str, nn.Module], width: int, hidden: Sequence[int], num_outputs: int, options: ModelOptions
) -> None:
    """Append hidden layers of the given widths and the last affine map."""
    activation = "identity" if options.name == "deep-linear" else options.activation
    for number, next_width in enumerate(hidden, start=1):
        layers[f"lin_{number}"] = AffineMap(width, next_width)
        if options.norm not in {"none", "instance"}:  # a vector has no places to take an instance norm over
            layers[f"norm_{number}"] = norm_module(options.norm, next_width, is_image=False)
        layers[f"act_{number}"] = ACTIVATION_MODULES[activation]()
        layers[f"drop_{number}"] = dropout_module(options.dropout_kind, options.dropout)
        width = next_width
    layers[f"lin_{len(hidden) + 1}"] = nn.Linear(width, num_outputs)


def _add_convolutions(layers: OrderedDict[str, nn.Module], options: ModelOptions, dataset: DatasetSpec) -> int:
    """Append 3×3 convolutions, each followed by 2×2 pooling while the picture is at least 2 pixels wide.

    Returns:
        The number of features after them, flattened.
    """
    depth, height, width = dataset.input_shape
    for number, next_depth in enumerate(options.channels, start=1):
        layers[f"conv_{number}"] = nn.Conv2d(depth, next_depth, kernel_size=3, padding=1)
        if options.norm != "none":
            layers[f"conv_norm_{number}"] = norm_module(options.norm, next_depth, is_image=True)
        layers[f"conv_act_{number}"] = ACTIVATION_MODULES[options.activation]()
        if options.dropout_kind == "spatial":
            layers[f"conv_drop_{number}"] = dropout_module("spatial", options.dropout, is_image=True)
        if min(height, width) >= 2:
            layers[f"pool_{number}"] = pooling_module(options.pooling)
            height, width = pooled_side(height, options.pooling), pooled_side(width, options.pooling)
        depth = next_depth
    layers["flatten"] = nn.Flatten()
    return depth * height * width


def _add_deep(
    layers: OrderedDict[str, nn.Module], options: ModelOptions, dataset: DatasetSpec, num_outputs: int
) -> None:
    """A first map to the width of the network, blocks of two maps, a last map."""
    is_image = options.name.endswith("cnn")
    if is_image:
        width = options.channels[0]
        stride = 2 if min(dataset.input_shape[1:]) >= _LARGE_PICTURE else 1  # a quarter of the work
        layers["conv_0"] = nn.Conv2d(dataset.input_shape[0], width, kernel_size=3, stride=stride, padding=1)
    else:
        width = options.hidden[0]
        layers["flatten"] = nn.Flatten()
        layers["lin_0"] = AffineMap(math.prod(dataset.input_shape), width)
    add_blocks(
        layers, width, max(1, options.depth // 2), is_image=is_image, has_skip=options.name.startswith("residual"),
        activation=options.activation, norm=options.norm, dropout_kind=options.dropout_kind, dropout=options.dropout,
        stochastic_depth=options.stochastic_depth,
    )  # fmt: skip
    layers["act_last"] = ACTIVATION_MODULES[options.activation]()
    if is_image:
        layers["pool"] = nn.AdaptiveAvgPool2d(4 if min(dataset.input_shape[1:]) >= 4 else 1)
        layers["flatten"] = nn.Flatten()
        width *= 16 if min(dataset.input_shape[1:]) >= 4 else 1
    layers["lin_last"] = nn.Linear(width, num_outputs)
