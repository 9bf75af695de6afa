"""Names and shapes of the parameters of our own models, told without torch, as `tasks.build.models` builds them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tuitrain.tasks.tables import DatasetSpec, model_spec, pooled_side

_Shapes = dict[str, tuple[int, ...]]


def parameter_shapes(
    model: str, dataset: DatasetSpec, num_outputs: int, *, hidden: Sequence[int], channels: Sequence[int], depth: int,
    norm: str, pooling: str = "max",
) -> _Shapes | None:  # fmt: skip
    """Name → shape of every parameter, in the order of the model; None where only torch can tell, as of a text model.

    Args:
        model: a name of `tasks.tables.MODELS`.
        dataset: gives the shape of the input.
        num_outputs: values that the model gives for a sample.
        hidden: widths of the affine hidden layers.
        channels: of the convolutions.
        depth: hidden layers of a network of any depth.
        norm: a name of `tasks.tables.NORMS`.
        pooling: a name of `tasks.tables.POOLINGS`.
    """
    spec = model_spec(model)
    if spec.source != "own" or spec.needs_text:
        return None
    shapes: _Shapes = {}
    features = math.prod(dataset.input_shape)
    if spec.is_deep:
        _deep(shapes, model, dataset, num_outputs, hidden[:1], channels[:1], depth, norm)
        return shapes
    if model == "cnn":
        features = _convolutions(shapes, dataset, channels, norm, pooling)
    widths = () if model == "linear" else tuple(hidden)
    for number, width in enumerate(widths, start=1):
        _affine(shapes, f"lin_{number}", features, width)
        if norm not in {"none", "instance"}:
            _norm(shapes, f"norm_{number}", width, norm)
        features = width
    _affine(shapes, f"lin_{len(widths) + 1}", features, num_outputs)
    return shapes


def _convolutions(shapes: _Shapes, dataset: DatasetSpec, channels: Sequence[int], norm: str, pooling: str) -> int:
    before, height, width = dataset.input_shape
    for number, after in enumerate(channels, start=1):
        _convolution(shapes, f"conv_{number}", before, after)
        _norm(shapes, f"conv_norm_{number}", after, norm)
        if min(height, width) >= 2:
            height, width = pooled_side(height, pooling), pooled_side(width, pooling)
        before = after
    return before * height * width


def _deep(
    shapes: _Shapes, model: str, dataset: DatasetSpec, num_outputs: int, hidden: Sequence[int],
    channels: Sequence[int], depth: int, norm: str,
) -> None:  # fmt: skip
    is_image = model.endswith("cnn")
    width = (channels if is_image else hidden)[0]
    if is_image:
        _convolution(shapes, "conv_0", dataset.input_shape[0], width)
    else:
        _affine(shapes, "lin_0", math.prod(dataset.input_shape), width)
    for block in range(1, max(1, depth // 2) + 1):
        for number in (1, 2):
            inside = f"block_{block}.inside"
            _norm(shapes, f"{inside}.norm_{number}", width, norm)
            if is_image:
                _convolution(shapes, f"{inside}.conv_{number}", width, width)
            else:
                _affine(shapes, f"{inside}.lin_{number}", width, width)
    places = 16 if is_image and min(dataset.input_shape[1:]) >= 4 else 1
    _affine(shapes, "lin_last", width * places, num_outputs)


def _affine(shapes: _Shapes, name: str, before: int, after: int) -> None:
    shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (after, before), (after,)


def _convolution(shapes: _Shapes, name: str, before: int, after: int) -> None:
    shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (after, before, 3, 3), (after,)


def _norm(shapes: _Shapes, name: str, features: int, norm: str) -> None:
    if norm == "none":
        return
    shapes[f"{name}.weight"] = (features,)
    if norm != "rms":
        shapes[f"{name}.bias"] = (features,)
