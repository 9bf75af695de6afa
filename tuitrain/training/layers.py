"""A look at every layer, now and then: gradients, weights, updates and activations, within the telemetry budget.

Hooks are there only for the forward pass that is looked at; all other steps run as if this did not exist.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tuitrain.protocol.events import LayersMeasured
from tuitrain.tasks.build.sequences import RecurrentLayer

_QUANTITIES = (
    "gradient_norm", "weight_norm", "update_ratio", "activation_mean", "activation_std", "dead", "saturated",
)  # fmt: skip
_MOST_LOOKS = 2000
_LONGEST_STEP_SECONDS = 1.0
_SMOOTHING = 0.8
_FLAT_FROM = 0.99
"""A tanh beyond it, or a sigmoid as near to its ends, counts as saturated: its slope is below 2 %."""

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, RecurrentLayer)
_ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid)


@dataclass
class _Seen:
    """One layer in the forward pass that is looked at."""

    name: str
    module: nn.Module
    activations: Tensor  # (4,): mean, deviation, dead, saturated
    is_activated: bool = False
    before: Tensor | None = None
    """The weight before the update."""
    gradient_norm: Tensor | None = None
    """Of the weight, before clipping and before the optimizer writes into it."""


class LayerProbe:
    """Decides when the layers are looked at, and looks.

    Args:
        model: on its device.
        budget: share of the time of a step that looking may take, 0 to 1; 0 means never.
        total_steps: planned; a run is looked at two thousand times at most.
        publish: takes the result.
    """

    def __init__(
        self, model: nn.Module, budget: float, total_steps: int, publish: Callable[[LayersMeasured], None]
    ) -> None:
        self._modules = [(name, module) for name, module in model.named_modules() if isinstance(module, _LAYERS)]
        self._activations = [module for module in model.modules() if isinstance(module, _ACTIVATIONS)]
        self._budget = budget
        self._least_stride = max(1, total_steps // _MOST_LOOKS)
        self._publish = publish
        self._next = 1
        self._seen: list[_Seen] = []
        self._arriving: list[tuple[int, tuple[str, ...], Tensor, torch.Event]] = []
        self._cost_seconds = 0.0
        self._spent = 0.0
        self._step_seconds = 0.0
        self._last_end = time.perf_counter()

    @property
    def share(self) -> float:
        """Share of the time of a step that looking takes, averaged over the steps between."""
        stride = max(1, self._stride())
        return self._cost_seconds / stride / self._step_seconds if self._step_seconds else 0.0

    def is_due(self, step: int) -> bool:
        """Whether step `step` is to be looked at."""
        return self._budget > 0.0 and step >= self._next and bool(self._modules)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look at the activations of one forward pass."""
        began = time.perf_counter()
        self._seen = []
        handles = [module.register_forward_hook(self._on_layer(name)) for name, module in self._modules]
        handles += [module.register_forward_hook(self._on_activation) for module in self._activations]
        self._spent = time.perf_counter() - began
        try:
            yield
        finally:
            began = time.perf_counter()
            for handle in handles:
                handle.remove()
            self._spent += time.perf_counter() - began

    @torch.no_grad()
    def before_update(self) -> None:
        """Measure the gradients, and keep the weights of the layers seen, to measure how far they move."""
        began = time.perf_counter()
        for seen in self._seen:
            weight = _weight(seen)
            seen.before = weight.detach().clone() if weight.requires_grad else None  # frozen: no update to measure
            gradient = seen.module.weight.grad
            if gradient is not None:
                seen.gradient_norm = torch.linalg.vector_norm(gradient.float())
        self._spent += time.perf_counter() - began

    @torch.no_grad()
    def after_update(self, step: int) -> None:
        """Measure the update of step `step`. Says it all at once, or when the device has it ready."""
        began = time.perf_counter()
        if self._seen:
            names = tuple(seen.name for seen in self._seen)
            rows = torch.stack([torch.cat([_weight_values(seen), seen.activations]) for seen in self._seen])
            self._seen = []
            self._deliver(step, names, rows)
        self._spent += time.perf_counter() - began
        self._cost_seconds = self._spent if not self._cost_seconds else _mix(self._cost_seconds, self._spent)
        self._next = step + self._stride()

    def went_back(self, step: int) -> None:
        """The run is at an earlier step, or at a later one that it had left."""
        self._next = min(self._next, step + 1)

    def poll(self) -> None:
        """Note the end of a step, and say what has arrived from an accelerator. Never waits."""
        now = time.perf_counter()
        between = min(now - self._last_end, _LONGEST_STEP_SECONDS)  # a pause is no step
        self._step_seconds = between if not self._step_seconds else _mix(self._step_seconds, between)
        self._last_end = now
        while self._arriving and self._arriving[0][3].query():
            step, names, rows, _ = self._arriving.pop(0)
            self._say(step, names, rows)

    def _stride(self) -> int:
        if not self._cost_seconds or not self._step_seconds:
            return self._least_stride
        return max(self._least_stride, math.ceil(self._cost_seconds / (self._budget * self._step_seconds)))

    def _deliver(self, step: int, names: tuple[str, ...], rows: Tensor) -> None:
        if rows.device.type == "cpu":
            self._say(step, names, rows)
            return
        host = torch.empty(rows.shape, pin_memory=rows.device.type == "cuda")
        host.copy_(rows, non_blocking=True)
        event = torch.Event(rows.device.type)
        event.record()
        self._arriving.append((step, names, host, event))

    def _say(self, step: int, names: tuple[str, ...], rows: Tensor) -> None:
        columns: list[list[float]] = rows.t().tolist()
        values = dict(zip(_QUANTITIES, columns, strict=True))
        self._publish(LayersMeasured(step=step, names=names, values={name: _short(v) for name, v in values.items()}))

    def _on_layer(self, name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(module: nn.Module, _inputs: object, output: object) -> None:
            began = time.perf_counter()
            if isinstance(output, Tensor) and all(seen.module is not module for seen in self._seen):
                self._seen.append(_Seen(name, module, _statistics(None, output)))
            self._spent += time.perf_counter() - began

        return hook

    def _on_activation(self, module: nn.Module, _inputs: object, output: object) -> None:
        """What a layer gives is what comes out of the first activation after it."""
        began = time.perf_counter()
        if self._seen and not self._seen[-1].is_activated and isinstance(output, Tensor):
            self._seen[-1].activations = _statistics(module, output)
            self._seen[-1].is_activated = True
        self._spent += time.perf_counter() - began


@torch.no_grad()
def _statistics(activation: nn.Module | None, output: Tensor) -> Tensor:
    """(4,): mean, deviation, share of dead units, share of saturated activations; NaN where it has no meaning."""
    out = output.detach().float()
    nothing = torch.full((), math.nan, device=out.device)
    dead = saturated = nothing
    if isinstance(activation, nn.ReLU | nn.GELU | nn.SiLU):
        units = 2 if out.ndim == 3 else 1  # of a text the second axis is time
        places = [dim for dim in range(out.ndim) if dim != units]
        dead = (out.amax(dim=places) <= 0.0).float().mean() if out.ndim > 1 else nothing
    elif isinstance(activation, nn.Tanh):
        saturated = (out.abs() > _FLAT_FROM).float().mean()
    elif isinstance(activation, nn.Sigmoid):
        saturated = ((out - 0.5).abs() > _FLAT_FROM - 0.5).float().mean()
    return torch.stack([out.mean(), out.std(correction=0), dead, saturated])


def _weight(seen: _Seen) -> Tensor:
    weight = seen.module.weight
    assert isinstance(weight, Tensor)
    return weight


def _weight_values(seen: _Seen) -> Tensor:
    """(3,): norm of the gradient, norm of the weight, size of the update relative to it."""
    weight = _weight(seen).detach().float()
    nothing = torch.full((), math.nan, device=weight.device)
    norm = torch.linalg.vector_norm(weight)
    gradient_norm = nothing if seen.gradient_norm is None else seen.gradient_norm
    moved = nothing if seen.before is None else torch.linalg.vector_norm(weight - seen.before.float()) / norm
    return torch.stack([gradient_norm, norm, moved])


def _short(values: list[float]) -> list[float]:
    """Four digits are enough for a table, and a long run has many of them."""
    return [float(f"{value:.4g}") for value in values]


def _mix(before: float, value: float) -> float:
    return _SMOOTHING * before + (1.0 - _SMOOTHING) * value
