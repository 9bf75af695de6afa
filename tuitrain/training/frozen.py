"""Which parameters stay as they are: without a gradient, so that no optimizer, decay or momentum moves them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class Frozen:
    """The frozen parameters of a model; what an optimizer knows of them is not touched.

    Args:
        model: whose parameters may be frozen.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._held: dict[str, RemovableHandle] = {}

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name → sizes of every parameter."""
        return {name: tuple(parameter.shape) for name, parameter in self._model.named_parameters()}

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that are frozen, in the order of the model."""
        return tuple(name for name, parameter in self._model.named_parameters() if not parameter.requires_grad)

    def freeze(self, names: Collection[str], *, holds_statistics: bool = True) -> list[str]:
        """Keep parameters as they are; gradients that are there are dropped.

        Args:
            names: of parameters.
            holds_statistics: whether batch norms that are frozen whole use and keep their running statistics.

        Returns:
            Names of the batch norms that do so from now on.
        """
        for name, parameter in self._model.named_parameters():
            if name in names:
                parameter.requires_grad_(False)
                parameter.grad = None
        if not holds_statistics:
            return []
        wanted = [
            name for name, module in self._model.named_modules()
            if name not in self._held and isinstance(module, _BATCH_NORMS) and _is_frozen(module)
            and any(f"{name}.{part}" in names for part, _ in module.named_parameters())
        ]  # fmt: skip
        self._hold(wanted)
        return wanted

    def unfreeze(self, names: Collection[str]) -> None:
        """Train parameters again; their batch norms take the statistics of the batch again."""
        for name, parameter in self._model.named_parameters():
            if name in names:
                parameter.requires_grad_(True)
        self._release([name for name in self._held if not _is_frozen(self._model.get_submodule(name))])

    def state_dict(self) -> dict[str, Any]:
        """What is frozen, as plain data."""
        return {"names": list(self.names), "held": sorted(self._held)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Freeze what was frozen, and nothing else."""
        wanted = set(state.get("names", ()))
        self._release(list(self._held))
        for name, parameter in self._model.named_parameters():
            parameter.requires_grad_(name not in wanted)
            parameter.grad = None
        self._hold(state.get("held", ()))

    def _release(self, names: Iterable[str]) -> None:
        for name in names:
            self._held.pop(name).remove()
            self._model.get_submodule(name).train(self._model.training)

    def _hold(self, names: Iterable[str]) -> None:
        for name in names:
            self._held[name] = self._model.get_submodule(name).register_forward_pre_hook(_use_running_statistics)


def _use_running_statistics(module: nn.Module, _inputs: tuple[torch.Tensor, ...]) -> None:
    """Before each pass, as whoever sets the mode of the whole model knows nothing of it."""
    module.training = False


def _is_frozen(module: nn.Module) -> bool:
    return not any(parameter.requires_grad for parameter in module.parameters(recurse=False))
