"""How weights begin. Biases begin at 0."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

_LSUV_ROUNDS = 10
_LSUV_TOLERANCE = 0.1

Layer = nn.Linear | nn.Conv2d


def initialise(model: nn.Module, init: str, std: float, batch: Tensor) -> None:
    """Give every affine map and convolution its first weights, from torch's global random state.

    Args:
        model: on any device.
        init: a name of `tasks.tables.INITIALIZATIONS`. "torch" leaves torch's own.
        std: of "normal".
        batch: (n, *input_shape) of the training data, which "lsuv" looks at.
    """
    if init == "torch":
        return
    fillers: dict[str, Callable[[Tensor], Tensor]] = {
        "he": nn.init.kaiming_normal_,  # He et al. 2015
        "xavier": nn.init.xavier_normal_,  # Glorot & Bengio 2010
        "orthogonal": nn.init.orthogonal_,  # Saxe et al. 2014
        "lsuv": nn.init.orthogonal_,
        "normal": lambda weight: nn.init.normal_(weight, std=std),
    }
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            fillers[init](module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    if init == "lsuv":
        _unit_variance(model, batch)


@torch.no_grad()
def _unit_variance(model: nn.Module, batch: Tensor) -> None:
    """Scale each layer until its output on a batch has variance 1 (Mishkin & Matas 2016, arXiv 1511.06422)."""
    was_training = model.training
    model.eval()
    for layer in (module for module in model.modules() if isinstance(module, nn.Linear | nn.Conv2d)):
        seen: list[float] = []
        handle = layer.register_forward_hook(lambda _m, _i, output, seen=seen: seen.append(float(output.std())))
        for _ in range(_LSUV_ROUNDS):
            seen.clear()
            model(batch)
            if not seen or seen[0] <= 0.0 or abs(seen[0] ** 2 - 1.0) < _LSUV_TOLERANCE:
                break
            layer.weight.div_(seen[0])
        handle.remove()
    model.train(was_training)
