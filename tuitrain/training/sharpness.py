"""Sharpness-aware minimisation: the gradient at the worst point nearby, used at the weights as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from tuitrain.training.untouched import buffers_kept


def ascend_and_return(
    model: nn.Module, parameters: Sequence[Tensor], rho: float, backward: Callable[[], Tensor]
) -> None:
    """Replace the gradients by those at w + ρ g/‖g‖ (Foret et al. 2021, arXiv 2010.01412, equation 2).

    The weights come back bit for bit, and so do the running statistics of norms.

    Args:
        model: whose buffers are kept.
        parameters: with their gradients.
        rho: how far away, above 0.
        backward: computes loss and gradients on the same batch once more.
    """
    moved = [parameter for parameter in parameters if parameter.grad is not None]
    with torch.no_grad():
        gradients = [parameter.grad for parameter in moved if parameter.grad is not None]
        before = [parameter.detach().clone() for parameter in moved]
        step = rho / (torch.nn.utils.get_total_norm(gradients) + 1e-12)
        torch._foreach_add_(moved, torch._foreach_mul(gradients, step))
    for parameter in parameters:
        parameter.grad = None
    with buffers_kept(model):
        backward()
    with torch.no_grad():
        torch._foreach_copy_(moved, before)
