"""Optimizers that torch lacks. Each is its paper's algorithm, tensor by tensor, with all state per parameter.

`averaged` gives the weights that shall be evaluated in place of those that are trained, where the two differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.optim import Optimizer

Closure = Callable[[], Tensor]


class _Own(Optimizer):
    """A loop over parameters that have a gradient."""

    options: ClassVar[dict[str, Any]] = {}

    def __init__(self, params: Iterable[Tensor]) -> None:
        super().__init__(params, dict(self.options))

    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        del closure
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group, self.state[parameter])

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        raise NotImplementedError


class UncorrectedAdam(_Own):
    """Adam (Kingma & Ba 2015) without bias correction: w ← w − lr · m / (√v + eps)."""

    options: ClassVar[dict[str, Any]] = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        if not state:
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        beta1, beta2 = group["betas"]
        if group["weight_decay"]:
            gradient = gradient.add(parameter, alpha=group["weight_decay"])
        state["exp_avg"].lerp_(gradient, 1.0 - beta1)
        state["exp_avg_sq"].mul_(beta2).addcmul_(gradient, gradient, value=1.0 - beta2)
        parameter.addcdiv_(state["exp_avg"], state["exp_avg_sq"].sqrt().add_(group["eps"]), value=-group["lr"])


class Lion(_Own):
    """Lion (Chen et al. 2023, algorithm 2): w ← w − lr · (sign(β1 m + (1−β1) g) + λ w); m ← β2 m + (1−β2) g."""

    options: ClassVar[dict[str, Any]] = {"lr": 1e-4, "betas": (0.9, 0.99), "weight_decay": 0.0}

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        if not state:
            state["exp_avg"] = torch.zeros_like(parameter)
        beta1, beta2 = group["betas"]
        parameter.mul_(1.0 - group["lr"] * group["weight_decay"])
        direction = torch.lerp(gradient, state["exp_avg"], beta1).sign_()
        parameter.add_(direction, alpha=-group["lr"])
        state["exp_avg"].lerp_(gradient, 1.0 - beta2)


class Muon(_Own):
    """Muon (Jordan et al. 2024) with updates the size of AdamW's (Liu et al. 2025).

    w ← w − lr · (0.2 √max(n, m) O + λ w), for a weight of n × m.
    O is the momentum with its singular values pushed to about 1 by Newton–Schulz iterations. torch's class does them
    in bfloat16, which some CPUs only emulate (0.9 s a step for two matrices, seen); here they are in float32 there.
    """

    options: ClassVar[dict[str, Any]] = {
        "lr": 1e-3, "momentum": 0.95, "nesterov": True, "weight_decay": 0.1, "ns_steps": 5,
    }  # fmt: skip

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        momentum = state["momentum_buffer"].lerp_(gradient, 1.0 - group["momentum"])
        update = gradient.lerp(momentum, group["momentum"]) if group["nesterov"] else momentum
        direction = orthogonalised(update, group["ns_steps"]).to(parameter.dtype)
        parameter.mul_(1.0 - group["lr"] * group["weight_decay"])
        parameter.add_(direction, alpha=-group["lr"] * 0.2 * math.sqrt(max(parameter.shape)))


def orthogonalised(matrix: Tensor, num_steps: int) -> Tensor:
    """A matrix with the same singular vectors and singular values between about 0.7 and 1.2.

    Args:
        matrix: (n, m).
        num_steps: Newton–Schulz iterations of the fifth order, with Jordan's coefficients.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.bfloat16() if matrix.device.type == "cuda" else matrix.float()
    is_tall = x.shape[0] > x.shape[1]
    x = x.t() if is_tall else x
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(num_steps):
        gram = x @ x.t()
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.t() if is_tall else x


class _ScheduleFree(_Own):
    """What both schedule-free methods share (Defazio et al. 2024, algorithm 1 with weights lr²).

    The parameter is y, where gradients are taken; z is the fast point; x = y + (1 − 1/β)(z − y) is the average.
    """

    def _start(self, parameter: Tensor, state: dict[str, Any]) -> None:
        state["z"] = parameter.detach().clone(memory_format=torch.preserve_format)
        state["step"], state["weight_sum"], state["lr_max"] = 0, 0.0, 0.0

    def _move(self, parameter: Tensor, direction: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        rate, beta = group["lr"], group["betas"][0]
        state["step"] += 1
        state["lr_max"] = max(rate, state["lr_max"])
        weight = state["lr_max"] ** 2
        state["weight_sum"] += weight
        share = weight / state["weight_sum"] if state["weight_sum"] else 0.0
        parameter.lerp_(state["z"], share)
        parameter.add_(direction, alpha=rate * (beta * (1.0 - share) - 1.0))
        state["z"].sub_(direction, alpha=rate)

    def averaged(self, parameter: Tensor) -> Tensor | None:
        """x of a parameter; None before its first step."""
        state = self.state.get(parameter)
        if not state:
            return None
        beta = self.param_groups[0]["betas"][0]
        # With β = 0 gradients are taken at z itself, and the average cannot be told from it.
        return parameter.detach().lerp(state["z"], 1.0 - 1.0 / beta) if beta else None


class ScheduleFreeSGD(_ScheduleFree):
    """Schedule-free SGD; β in place of momentum, the weight decay at y."""

    options: ClassVar[dict[str, Any]] = {"lr": 1.0, "betas": (0.9, 0.0), "weight_decay": 0.0}

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        if not state:
            self._start(parameter, state)
        if group["weight_decay"]:
            gradient = gradient.add(parameter, alpha=group["weight_decay"])
        self._move(parameter, gradient, group, state)


class ScheduleFreeAdamW(_ScheduleFree):
    """Schedule-free AdamW; v is bias-corrected, the weight decay at y."""

    options: ClassVar[dict[str, Any]] = {"lr": 2.5e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        if not state:
            self._start(parameter, state)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        beta2 = group["betas"][1]
        state["exp_avg_sq"].mul_(beta2).addcmul_(gradient, gradient, value=1.0 - beta2)
        correction = math.sqrt(1.0 - beta2 ** (state["step"] + 1))
        direction = gradient / (state["exp_avg_sq"].sqrt().div_(correction).add_(group["eps"]))
        if group["weight_decay"]:
            direction.add_(parameter, alpha=group["weight_decay"])
        self._move(parameter, direction, group, state)


class Newton(Optimizer):
    """Newton's method: w ← w − lr · H⁻¹ g, with the Hessian H of all parameters (Nocedal & Wright 2006, equation 3.38).

    Where H has no inverse, as at an inflection, its pseudo-inverse: no step in a direction without curvature.
    """

    def __init__(self, params: Iterable[Tensor]) -> None:
        super().__init__(params, {"lr": 1.0})

    def step(self, closure: Closure | None = None) -> None:  # type: ignore[override]
        """Update all parameters that are trained together.

        Args:
            closure: gives the loss with its graph, so that it can be differentiated twice.
        """
        assert closure is not None
        (group,) = self.param_groups
        parameters: list[Tensor] = [tensor for tensor in group["params"] if tensor.requires_grad]  # the rest is frozen
        with torch.enable_grad():
            gradients = torch.autograd.grad(closure(), parameters, create_graph=True)
            slope = torch.cat([gradient.flatten() for gradient in gradients])
            rows = [self._row(entry, parameters) for entry in slope]
        with torch.no_grad():
            direction = torch.linalg.pinv(torch.stack(rows), hermitian=True) @ slope
            for parameter, part in zip(
                parameters, direction.split([parameter.numel() for parameter in parameters]), strict=True
            ):
                parameter.add_(part.view_as(parameter), alpha=-group["lr"])

    @staticmethod
    def _row(entry: Tensor, parameters: list[Tensor]) -> Tensor:
        """One row of the Hessian, (n,): the derivatives of one entry of the gradient."""
        if not entry.requires_grad:  # linear in all of them
            return torch.zeros(sum(parameter.numel() for parameter in parameters), dtype=entry.dtype).to(entry)
        found = torch.autograd.grad(entry, parameters, retain_graph=True, materialize_grads=True)
        return torch.cat([part.flatten() for part in found])


class AveragedSGD(torch.optim.ASGD):
    """torch's ASGD, whose rate follows the plan at once, and whose average is what is evaluated."""

    def write_rate(self, rate: float) -> None:
        """Its step uses a decayed rate that torch computes one step ahead; compute it again from the new one."""
        group = self.param_groups[0]
        group["lr"] = rate
        for state in self.state.values():
            step = float(state["step"])
            state["eta"].fill_(rate / (1.0 + group["lambd"] * rate * step) ** group["alpha"])

    def averaged(self, parameter: Tensor) -> Tensor | None:
        """The average of a parameter, from the step t0 on."""
        state = self.state.get(parameter)
        if not state or float(state["step"]) <= self.param_groups[0]["t0"]:
            return None
        average: Tensor = state["ax"]
        return average
