"""How a CNN makes its pictures smaller."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tuitrain.tasks.tables import pooled_side


class FractionalMaxPool(nn.Module):
    """The largest of each of random regions of 2×2, which shrink a side by √2 (Graham 2014, arXiv 1412.6071).

    In training the regions are drawn anew for each sample, the same for all its channels; in eval mode they are always
    the same ones, in the middle of what is drawn, so that a model has one loss. (torch's own module draws in both, and
    for each channel, which shifts them against each other.)
    """

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, height, width) → (n, channels, height/√2, width/√2), cut off."""
        shape = (x.shape[0], 1, 2)
        draws = torch.rand(shape, dtype=x.dtype, device=x.device) if self.training else x.new_full(shape, 0.5)
        sides = [pooled_side(side, "fractional") for side in x.shape[2:]]
        draws = draws.expand(-1, x.shape[1], -1)
        pooled: Tensor = functional.fractional_max_pool2d(x, 2, output_size=sides, _random_samples=draws)
        return pooled


def pooling_module(name: str) -> nn.Module:
    """A pooling of `tasks.tables.POOLINGS`."""
    if name == "fractional":
        return FractionalMaxPool()
    return nn.AvgPool2d(2) if name == "average" else nn.MaxPool2d(2)
