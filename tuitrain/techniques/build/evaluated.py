"""The weights that a saved state is evaluated with: what an optimizer that averages by itself keeps beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from tuitrain.techniques.build.optimizers import average_in


@torch.no_grad()
def evaluated_parameters(optimizer: Mapping[str, Any], weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What stands in an evaluation in place of the weights that are trained (Defazio et al. 2024, eq. 5; ASGD's mean).

    Args:
        optimizer: state of an `OptimizerSet`.
        weights: name → tensor, as in the state dict of its model.

    Returns:
        Name → average, of those parameters that have one; empty where the optimizer keeps none, or none yet.
    """
    found: dict[str, Tensor] = {}
    for part in optimizer["parts"]:
        tensors = [weights[name].detach().clone() for name in part["parameters"]]
        averages = average_in(part["inner"], tensors, part["state"])
        found |= {name: tensor for name, tensor in zip(part["parameters"], averages, strict=True) if tensor is not None}
    return found
