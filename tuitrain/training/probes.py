"""The gradient norm, within a telemetry budget.

On a small MLP on CPU the norm costs 2 to 5 % of a step, so it is taken at every n-th step, n a power of two,
such that its share of step time stays under the budget. A change of n is an event.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor

_REVIEW_SECONDS = 1.0
_LARGEST_STRIDE = 1024
_SMOOTHING = 0.9


class GradientNormProbe:
    """Decides when the norm is taken, and takes it.

    Args:
        budget: share of step time that it may cost, 0 to 1; 0 means never.
    """

    def __init__(self, budget: float) -> None:
        self.stride = 1
        self._budget = budget
        self._cost_seconds = 0.0
        self._step_seconds = 0.0
        self._next_review = time.perf_counter() + _REVIEW_SECONDS

    @property
    def share(self) -> float:
        """Share of step time that the norm costs at the present stride."""
        return self._cost_seconds / self.stride / self._step_seconds if self._step_seconds else 0.0

    def is_due(self, step: int) -> bool:
        """Whether the norm of step `step` is to be taken."""
        return self._budget > 0.0 and step % self.stride == 0

    def measure(self, gradients: Sequence[Tensor]) -> Tensor:
        """The global L2 norm of the gradients, a scalar on their device."""
        began = time.perf_counter()
        norm = torch.nn.utils.get_total_norm(gradients)
        self._cost_seconds = _smoothed(self._cost_seconds, time.perf_counter() - began)
        return norm

    def note_step(self, step_seconds: float) -> int | None:
        """Take in how long a step took, pauses and evaluations left out; returns a new stride when it changes."""
        self._step_seconds = _smoothed(self._step_seconds, step_seconds)
        now = time.perf_counter()
        if now < self._next_review or self._budget <= 0.0 or not self._cost_seconds:
            return None
        self._next_review = now + _REVIEW_SECONDS
        wanted = self._cost_seconds / (self._budget * self._step_seconds)
        stride = self.stride
        while stride < wanted and stride < _LARGEST_STRIDE:
            stride *= 2
        # Going back needs a clear margin, or the cadence would flicker.
        while stride > 1 and stride / 2 > wanted * 1.5:
            stride //= 2
        if stride == self.stride:
            return None
        self.stride = stride
        return stride


def _smoothed(before: float, value: float) -> float:
    return value if not before else _SMOOTHING * before + (1.0 - _SMOOTHING) * value
