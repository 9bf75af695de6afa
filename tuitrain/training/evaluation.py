"""Evaluation beside the run: eval mode, no gradients, random state kept; both sides of the gap alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from tuitrain.protocol.events import EvalFinished
from tuitrain.tasks.build.data import Split
from tuitrain.tasks.build.task import Task
from tuitrain.training.beside import Predictor
from tuitrain.training.checksum import weights_checksum
from tuitrain.training.untouched import evaluating, random_state_kept


@dataclass(frozen=True, kw_only=True)
class EvalCadence:
    """When to evaluate besides step 0 and the end. Exactly one of the two is set."""

    every_steps: int | None
    every_seconds: float | None

    @classmethod
    def of(
        cls,
        *,
        every_steps: int | None,
        every_epochs: float | None,
        every_seconds: float | None,
        steps_per_epoch: int,
        total_steps: int,
    ) -> EvalCadence:
        """From a preset's section; with nothing given, at least 20 points a run."""
        if every_seconds is not None:
            return cls(every_steps=None, every_seconds=every_seconds)
        if every_epochs is not None:
            every_steps = max(1, int(every_epochs * steps_per_epoch))
        return cls(every_steps=every_steps or max(1, total_steps // 20), every_seconds=None)


class Evaluator:
    """Evaluates a task.

    Args:
        task: model, data and metrics.
        cadence: when.
        batch_size: samples at once.
        max_batches: batches of validation samples; 0 means all. Of the training data as many samples are evaluated, at
            most all.
        note_batch: told after each of them.
        measures_sharpness: whether the end of the run asks for the sharpness as well.
        beside: gives name and function of each further prediction that there is, e.g. by an average of the weights.
    """

    def __init__(
        self, task: Task, cadence: EvalCadence, batch_size: int, max_batches: int,
        note_batch: Callable[[], None] = lambda: None,
        beside: Callable[[], Iterable[tuple[str, Predictor]]] = tuple, *, measures_sharpness: bool = False,
    ) -> None:  # fmt: skip
        self._task = task
        self._cadence = cadence
        self._batch_size = batch_size
        self._note_batch = note_batch
        self.measures_sharpness = measures_sharpness
        self._beside = beside
        self._validation = task.validation.drawn(batch_size * max_batches or len(task.validation))
        self._train = task.train_sample(len(self._validation))
        self._last_time = time.monotonic()
        self.last_step: int | None = None
        """Finished steps at the newest evaluation."""

    def is_due(self, step: int) -> bool:
        """Whether the cadence asks for an evaluation after `step` finished steps."""
        if self._cadence.every_seconds is not None:
            return time.monotonic() - self._last_time >= self._cadence.every_seconds
        return step % (self._cadence.every_steps or 1) == 0

    def is_fresh(self, step: int) -> bool:
        """Whether the model as it is has been evaluated."""
        return self.last_step == step

    def evaluate(self, step: int, cause: str = "", further: Mapping[str, float] | None = None) -> EvalFinished:
        """Evaluate now; the run is not changed.

        Args:
            step: finished steps.
            cause: id of the command, if somebody asked.
            further: metrics that were measured besides.
        """
        began = time.monotonic()
        task = self._task
        with torch.no_grad(), random_state_kept(task.validation.x.device), evaluating(task.model):
            sides = {
                "train": self._metrics(self._train, task.model),
                "eval": self._metrics(self._validation, task.model),
            }
            for name, predictor in self._beside():
                sides[name] = self._metrics(self._validation, predictor)
        metrics = {f"{side}/{name}": float(value) for side, values in sides.items() for name, value in values.items()}
        metrics.update(further or {})
        self._last_time = time.monotonic()
        self.last_step = step
        return EvalFinished(
            step=step,
            metrics=metrics,
            eval_seconds=self._last_time - began,
            num_samples=len(self._validation),
            num_train_samples=len(self._train),
            checksum=weights_checksum(task.model),
            cause=cause,
        )

    def _metrics(self, split: Split, predictor: Predictor) -> dict[str, Tensor]:
        """Means over the samples of a split, as scalars on the device."""
        sums: dict[str, Tensor] = {}
        for first in range(0, len(split), self._batch_size):
            x, y = split.x[first : first + self._batch_size], split.y[first : first + self._batch_size]
            for name, value in self._task.summed_metrics(predictor(x), y).items():
                sums[name] = sums[name] + value.double() if name in sums else value.double()
            self._note_batch()
        return {name: value / len(split) for name, value in sums.items()}
