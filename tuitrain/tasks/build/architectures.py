"""The networks of torchvision, without pretrained weights, fitted to the pictures and to the number of outputs."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from tuitrain.errors import DataError
from tuitrain.tasks.build.layers import DROPOUTS
from tuitrain.tasks.tables import DatasetSpec, ModelSpec

_SMALL_PICTURE = 64
_OPTIONS = {"googlenet": {"aux_logits": False, "init_weights": True}}


def architecture(spec: ModelSpec, dataset: DatasetSpec, num_outputs: int, dropout: float) -> nn.Module:
    """A network of torchvision for a dataset, initialised as torchvision does, from torch's global random state.

    A ResNet gets the stem of He et al. 2016 for CIFAR where pictures are small. The others keep their layers, and
    pictures below their smallest side are scaled up in front of them, on the device.

    Args:
        spec: of the model.
        dataset: gives the shape of the pictures.
        num_outputs: values for a sample.
        dropout: of a network that has it by its paper.

    Raises:
        DataError: torchvision cannot be imported.
    """
    try:
        from torchvision.models import get_model  # 2.8 s to import: only for those who ask for it
    except (ImportError, RuntimeError) as error:
        raise DataError(f"torchvision cannot be imported: {error}", hint="tuitrain doctor.") from error
    model: nn.Module = get_model(
        spec.name.replace("-", "_"), weights=None, num_classes=num_outputs, **_OPTIONS.get(spec.name, {})
    )
    if not spec.smallest_side:
        return _with_fitted_stem(model, dataset)
    _fit_channels(model, dataset.input_shape[0])
    sides = [max(side, spec.smallest_side) for side in dataset.input_shape[1:]]
    _leave_out_copies(model, sides)
    for module in model.modules():
        if spec.dropout and isinstance(module, DROPOUTS):
            module.p = dropout
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if sides != list(dataset.input_shape[1:]):
        layers["scale_up"] = nn.Upsample((sides[0], sides[1]), mode="bilinear")
    layers["net"] = model
    return nn.Sequential(layers)


def _with_fitted_stem(model: nn.Module, dataset: DatasetSpec) -> nn.Module:
    """A ResNet; pictures of less than 64 pixels get the stem for CIFAR: 3×3, no stride, no pooling."""
    channels, height, width = dataset.input_shape
    stem = model.conv1
    if not isinstance(stem, nn.Conv2d):
        return model
    is_small = min(height, width) < _SMALL_PICTURE
    kernel, stride, padding = (3, 1, 1) if is_small else (7, 2, 3)
    fitted = nn.Conv2d(channels, stem.out_channels, kernel, stride=stride, padding=padding, bias=False)
    nn.init.kaiming_normal_(fitted.weight, mode="fan_out", nonlinearity="relu")
    model.conv1 = fitted
    if is_small:
        model.maxpool = nn.Identity()
    return model


def _fit_channels(model: nn.Module, channels: int) -> None:
    """Give the first convolution as many input channels as the pictures have."""
    name, first = next((name, module) for name, module in model.named_modules() if isinstance(module, nn.Conv2d))
    if first.in_channels == channels:
        return
    fitted = nn.Conv2d(
        channels, first.out_channels, (first.kernel_size[0], first.kernel_size[1]),
        stride=(first.stride[0], first.stride[1]), padding=first.padding,  # type: ignore[arg-type]
        bias=first.bias is not None,
    )  # fmt: skip
    nn.init.kaiming_normal_(fitted.weight, mode="fan_out", nonlinearity="relu")
    model.set_submodule(name, fitted)


@torch.no_grad()
def _leave_out_copies(model: nn.Module, sides: list[int]) -> None:
    """Of AlexNet and VGG, where one pixel is left: the next map takes that pixel itself, and not 36 or 49 copies of it.

    The functions that can be learned are the same, with a tenth to a half of the parameters.
    """
    pool, features, classifier = (getattr(model, name, None) for name in ("avgpool", "features", "classifier"))
    if not isinstance(pool, nn.AdaptiveAvgPool2d) or not isinstance(features, nn.Module):
        return
    if not isinstance(classifier, nn.Sequential):
        return
    first = next(module for module in features.modules() if isinstance(module, nn.Conv2d))
    features.eval()
    found = features(torch.zeros(1, first.in_channels, *sides))
    features.train()
    number, wide = next((n, module) for n, module in enumerate(classifier) if isinstance(module, nn.Linear))
    if found.shape[2] * found.shape[3] > 1 or wide.in_features == found.shape[1]:
        return
    model.avgpool = nn.Identity()
    narrow = nn.Linear(found.shape[1], wide.out_features)
    nn.init.kaiming_normal_(narrow.weight, nonlinearity="relu")
    nn.init.zeros_(narrow.bias)
    classifier[number] = narrow
