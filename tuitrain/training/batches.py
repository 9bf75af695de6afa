"""The order of the training data: a permutation an epoch; order and augmentation have generators of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from tuitrain.tasks.build.task import Task


class Batches:
    """Endless augmented batches of a task's training data; an incomplete last batch of an epoch is left out.

    Args:
        task: gives the data, on its device, and how it is augmented.
        batch_size: at most the number of samples.
        seed: of the permutations and of the augmentation.
    """

    def __init__(self, task: Task, batch_size: int, seed: int) -> None:
        self._task = task
        self._split = task.train
        self.batch_size = batch_size
        """At most the number of samples; changed by `resize` alone."""
        self._generator = torch.Generator().manual_seed(seed)
        self._augmentation = torch.Generator().manual_seed(seed + 1)
        self._order: Tensor | None = None
        self._cursor = 0

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch, at least 1."""
        return max(1, len(self._split) // self.batch_size)

    @property
    def is_full(self) -> bool:
        """Whether a batch is all of the data, in their own order."""
        return self.batch_size == len(self._split)

    def resize(self, batch_size: int) -> None:
        """Give the batches another size from the next one on; what is left of the epoch keeps its order."""
        self.batch_size = batch_size

    def skip(self, num_batches: int) -> None:
        """Leave out the next batches; full ones have no next."""
        for _ in range(num_batches if not self.is_full else 0):
            self._advance()

    def reseed(self, seed: int) -> None:
        """Draw order and augmentation from another seed; the rest of the epoch is shuffled anew."""
        self._generator.manual_seed(seed)
        self._augmentation.manual_seed(seed + 1)
        if self._order is not None:
            rest = self._order[self._cursor :]
            shuffled = rest[torch.randperm(len(rest), generator=self._generator).to(rest.device)]
            self._order = torch.cat([self._order[: self._cursor], shuffled])

    def state_dict(self) -> dict[str, object]:
        """Where it stands: the order of this epoch, the place in it, and both generators."""
        return {
            "batch_size": self.batch_size,
            "order": None if self._order is None else self._order.to("cpu", copy=True),
            "cursor": self._cursor,
            "generator": self._generator.get_state(),
            "augmentation": self._augmentation.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.batch_size, self._cursor = state["batch_size"], state["cursor"]
        order = state["order"]
        self._order = None if order is None else order.to(self._split.x.device)
        self._generator.set_state(state["generator"])
        self._augmentation.set_state(state["augmentation"])

    def next(self) -> tuple[Tensor, Tensor]:
        """The next batch: inputs (batch_size, *input_shape) and targets, as they are trained on."""
        if self.is_full:
            self._order = None  # a smaller batch later begins a new epoch
            return self._task.augmentation(self._split.x, self._split.y, self._augmentation)
        chosen = self._advance()
        return self._task.augmentation(self._split.x[chosen], self._split.y[chosen], self._augmentation)

    def _advance(self) -> Tensor:
        """The samples of the next batch."""
        if self._order is None or self._cursor + self.batch_size > len(self._split):
            order = torch.randperm(len(self._split), generator=self._generator)
            self._order, self._cursor = order.to(self._split.x.device), 0
        chosen = self._order[self._cursor : self._cursor + self.batch_size]
        self._cursor += self.batch_size
        return chosen
