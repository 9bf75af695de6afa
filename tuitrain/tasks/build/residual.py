"""Networks of any depth, with skips or as the plain twin without them: the same layers, the same initialisation."""

from __future__ import annotations

import math
from collections import OrderedDict

import torch
from torch import Tensor, nn

from tuitrain.tasks.build.layers import ACTIVATION_MODULES, AffineMap, dropout_module, norm_module


class Block(nn.Module):
    """Twice norm, activation, map, in the order of He et al. 2016 (arXiv 1603.05027); with a skip around it or not.

    Args:
        width: features, or channels.
        share: of the depth at which it stands, above 0 to 1: how much of the stochastic depth it gets.
    """

    def __init__(
        self, width: int, share: float, *, is_image: bool, has_skip: bool, activation: str, norm: str,
        dropout_kind: str, dropout: float, stochastic_depth: float,
    ) -> None:  # fmt: skip
        super().__init__()
        self.share = share
        self.has_skip = has_skip
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for number in (1, 2):
            if norm != "none":
                layers[f"norm_{number}"] = norm_module(norm, width, is_image=is_image)
            layers[f"act_{number}"] = ACTIVATION_MODULES[activation]()
            layers[f"{'conv' if is_image else 'lin'}_{number}"] = (
                nn.Conv2d(width, width, kernel_size=3, padding=1) if is_image else AffineMap(width, width)
            )
            if number == 1:
                layers["drop_1"] = dropout_module(dropout_kind, dropout, is_image=is_image)
        self.inside = nn.Sequential(layers)
        self.survival = _stochastic_depth(stochastic_depth * share) if has_skip else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """The shape stays."""
        inside: Tensor = self.inside(x)
        if not self.has_skip:
            return inside
        kept: Tensor = self.survival(inside)
        return x + kept

    def set_stochastic_depth(self, value: float) -> None:
        """Change how often the last block is skipped; this one is in proportion to its depth."""
        if self.has_skip:
            self.survival.p = value * self.share  # type: ignore[assignment]

    @torch.no_grad()
    def tame(self, num_blocks: int) -> None:
        """Start the last map 1/√blocks smaller, as GPT-2 does, so that the sum over all skips stays of one size."""
        last = list(self.inside)[-1]
        if self.has_skip and isinstance(last, nn.Linear | nn.Conv2d):
            last.weight.div_(math.sqrt(num_blocks))


def _stochastic_depth(p: float) -> nn.Module:
    """torchvision's: skips by sample in training, and scales up the rest by 1/(1 − p)."""
    from torchvision.ops import StochasticDepth

    module: nn.Module = StochasticDepth(p, mode="row")
    return module


def add_blocks(
    layers: OrderedDict[str, nn.Module], width: int, num_blocks: int, *, is_image: bool, has_skip: bool,
    activation: str, norm: str, dropout_kind: str, dropout: float, stochastic_depth: float,
) -> None:  # fmt: skip
    """Append blocks to the layers of a network."""
    for number in range(1, num_blocks + 1):
        layers[f"block_{number}"] = Block(
            width, number / num_blocks, is_image=is_image, has_skip=has_skip, activation=activation, norm=norm,
            dropout_kind=dropout_kind, dropout=dropout, stochastic_depth=stochastic_depth,
        )  # fmt: skip
