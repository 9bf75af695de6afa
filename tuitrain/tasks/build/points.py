"""A point on a surface as a model: its coordinates are the only parameter, the value of the surface its output."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tuitrain.tasks.surfaces import SurfaceSpec, surface_spec


class PointOnSurface(nn.Module):
    """Gives f(point), whatever the input.

    Args:
        surface: a name of `tasks.surfaces.SURFACES`.
        start: its coordinates at step 0.
    """

    def __init__(self, surface: str, start: Sequence[float]) -> None:
        super().__init__()
        self.surface = surface_spec(surface)
        # float64, as the numbers of the lecture are: a race is told by 1e-4, and a float32 stalls in flat places.
        self.point = nn.Parameter(torch.tensor(list(start), dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """(n, 1): the value, once for each sample."""
        return value_at(self.surface, self.point).expand(len(x), 1)


def value_at(surface: SurfaceSpec, point: Tensor) -> Tensor:
    """The value of a surface at a point (dimension,), as a scalar that can be differentiated."""
    value: Tensor = surface.function(point.unbind(), torch)
    return value
