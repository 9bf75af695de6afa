"""Outputs and targets of a regression on one's own data: standardized as they are trained on, or in their own unit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tuitrain.tasks.preprocessing import Preprocessing


@dataclass(frozen=True)
class TargetUnit:
    """The unit of the targets."""

    mean: Tensor  # (num_targets,) float64
    deviation: Tensor  # likewise

    @classmethod
    def of(cls, targets: Preprocessing) -> TargetUnit:
        """From what was fitted to the targets."""
        return cls(torch.from_numpy(targets.shift), torch.from_numpy(targets.scale))

    def is_as(self, other: TargetUnit) -> bool:
        """Whether numbers mean the same in both."""
        return torch.equal(self.mean, other.mean) and torch.equal(self.deviation, other.deviation)

    def told(self, numbers: Tensor) -> Tensor:
        """Standardized targets or outputs, (n, num_targets), in their own unit; log variances may follow them."""
        values, log_variances = self._halves(numbers)
        return torch.cat([values * self.deviation + self.mean, log_variances + 2.0 * self.deviation.log()], dim=1)

    def standardized(self, numbers: Tensor) -> Tensor:
        """What `told` gave, as it is trained on."""
        values, log_variances = self._halves(numbers)
        parts = [(values - self.mean) / self.deviation, log_variances - 2.0 * self.deviation.log()]
        return torch.cat(parts, dim=1).float()

    def _halves(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        count = len(self.mean)
        return numbers[:, :count].double(), numbers[:, count:].double().reshape(len(numbers), -1)
