"""Lookahead: slow weights that follow the fast ones of any optimizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


class Lookahead:
    """Every k steps slow ← slow + α (fast − slow), fast ← slow (Zhang et al. 2019, arXiv 1907.08610, algorithm 1).

    Args:
        parameters: the fast weights; of those that are frozen neither moves.
        num_steps: k, at least 1.
        alpha: 0 to 1; 1 leaves the fast weights as they are.
    """

    name = "lookahead"

    def __init__(self, parameters: Sequence[Tensor], num_steps: int, alpha: float) -> None:
        self._fast = list(parameters)
        self._slow = [parameter.detach().clone() for parameter in self._fast]
        self._num_steps = num_steps
        self._alpha = alpha
        self._count = 0

    @torch.no_grad()
    def after_step(self, step: int) -> None:  # noqa: ARG002
        """Count a step of the inner optimizer; at the k-th, let the slow weights follow."""
        self._count += 1
        if self._count % self._num_steps:
            return
        for slow, fast in zip(self._slow, self._fast, strict=True):
            if not fast.requires_grad:
                continue
            slow.lerp_(fast, self._alpha)
            fast.copy_(slow)

    def state_dict(self) -> dict[str, Any]:
        """The slow weights and the count."""
        return {"slow": list(self._slow), "count": self._count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take them back."""
        for slow, saved in zip(self._slow, state["slow"], strict=True):
            slow.copy_(saved)
        self._count = state["count"]
