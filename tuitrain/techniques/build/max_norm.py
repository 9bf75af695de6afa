"""The max-norm constraint: no unit may have more than so much weight."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


class MaxNorm:
    """After each update, scales down every row of every weight whose norm is above c (Srivastava et al. 2014, 5.1).

    A row is what goes into one unit, of a convolution into one channel; biases and norms are left alone.

    Args:
        parameters: of the model.
        bound: gives c as it is now; 0 is off.
    """

    name = "max_norm"

    def __init__(self, parameters: Sequence[Tensor], bound: Callable[[], float]) -> None:
        self._weights = [parameter for parameter in parameters if parameter.ndim >= 2]
        self._bound = bound

    @torch.no_grad()
    def after_step(self, step: int) -> None:  # noqa: ARG002
        """Bring every row back onto the ball of radius c."""
        bound = self._bound()
        if bound:
            for weight in self._weights:
                if weight.requires_grad:  # what is frozen stays
                    weight.renorm_(2.0, 0, bound)

    def state_dict(self) -> dict[str, Any]:
        """Nothing: its bound is among the regularizers."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """There is nothing to take back."""
