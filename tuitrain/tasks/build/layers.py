"""Small modules that torch lacks, and the choice among those that it has."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

ACTIVATION_MODULES: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "leaky-relu": nn.LeakyReLU,
    "identity": nn.Identity,
}
_NORM_GROUPS = 8


class AffineMap(nn.Linear):
    """An affine map whose weights can be dropped in training (DropConnect, Wan et al. 2013), a mask a batch.

    At test the whole weight acts: what is kept is scaled up in training, as dropout does it.
    """

    dropconnect = 0.0
    """Share of the weights dropped; may change at any time."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, in_features) → (n, out_features)."""
        weight = self.weight
        if self.dropconnect and self.training:
            weight = functional.dropout(weight, self.dropconnect)
        return functional.linear(x, weight, self.bias)


class GaussianDropout(nn.Module):
    """Multiplies by noise of mean 1 and variance p/(1 − p) (Srivastava et al. 2014, section 10)."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        if not self.training or not self.p:
            return x
        return x * (1.0 + math.sqrt(self.p / (1.0 - self.p)) * torch.randn_like(x))


class ChannelRMSNorm(nn.Module):
    """Divides by the root mean square over the channels at each place (Zhang & Sennrich 2019), with a gain."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self._eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, height, width)."""
        scale = torch.rsqrt(x.square().mean(dim=1, keepdim=True) + self._eps)
        return x * scale * self.weight[:, None, None]


def norm_module(name: str, features: int, *, is_image: bool) -> nn.Module:
    """A norm of the table for so many features or channels.

    Args:
        name: a name of `tasks.tables.NORMS`, not "none".
        features: of a vector, or channels of a picture.
        is_image: whether it stands after a convolution.
    """
    match name:
        case "batch":
            return nn.BatchNorm2d(features) if is_image else nn.BatchNorm1d(features)
        case "layer":
            return nn.GroupNorm(1, features) if is_image else nn.LayerNorm(features)
        case "group":
            return nn.GroupNorm(math.gcd(_NORM_GROUPS, features), features)
        case "instance":
            return nn.InstanceNorm2d(features, affine=True)
        case _:
            return ChannelRMSNorm(features) if is_image else nn.RMSNorm(features)


def dropout_module(kind: str, p: float, *, is_image: bool = False) -> nn.Module:
    """A dropout of the table. After a convolution only whole channels are worth dropping."""
    if is_image:
        return nn.Dropout2d(p)
    if kind == "alpha":
        return nn.AlphaDropout(p)
    return GaussianDropout(p) if kind == "gaussian" else nn.Dropout(p)


DROPOUTS = (nn.Dropout, nn.Dropout2d, nn.AlphaDropout, GaussianDropout)
