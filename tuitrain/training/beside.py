"""What is predicted beside the weights as they are: by averages, by snapshots together, over shifts, with dropout on.

Each is a function of the inputs that leaves model, random state and statistics alone when it is called within an
evaluation; none of them goes back into the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call

from tuitrain.protocol.description import MetricInfo
from tuitrain.tasks.build.data import Split
from tuitrain.tasks.build.layers import DROPOUTS
from tuitrain.tasks.build.task import Task
from tuitrain.techniques.averages import PREDICTIONS
from tuitrain.techniques.build.ensembling import mean_prediction
from tuitrain.training.averages import Averages, Weights

Predictor = Callable[[Tensor], Tensor]
"""Inputs (n, *input_shape) → outputs (n, num_outputs), as the model gives them."""

_MOST_CALIBRATED = 4096
"""Training samples on which the statistics of batch norm are measured."""
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class Beside:
    """The further predictions of a run.

    Args:
        task: its model makes them.
        averages: of its weights.
        tta_shift: pixels of test-time augmentation; 0 is none.
        num_passes: of MC dropout; 0 is none.
        batch_size: samples at once.
    """

    def __init__(self, task: Task, averages: Averages, *, tta_shift: int, num_passes: int, batch_size: int) -> None:
        self._task = task
        self._averages = averages
        self._tta_shift = tta_shift
        self._num_passes = num_passes
        self._batch_size = batch_size

    def describe(self, metrics: tuple[MetricInfo, ...]) -> tuple[MetricInfo, ...]:
        """Those metrics that there are in this run: without further predictions that are off."""
        on = {*self._averages.predictions, *(["tta"] if self._tta_shift else []), *(["mc"] if self._num_passes else [])}
        return tuple(info for info in metrics if info.name.partition("/")[0] not in PREDICTIONS.keys() - on)

    def predictors(self) -> Iterator[tuple[str, Predictor]]:
        """Name and function of each that there is now; within an evaluation: eval mode, no gradients."""
        averages, model, loss = self._averages, self._task.model, self._task.criterion.name
        if averages.ema:
            yield "ema", of_weights(model, averages.ema)
        if averages.swa:
            self._calibrate()
            yield "swa", of_weights(model, averages.swa)
        if averages.snapshots:
            members = [of_weights(model, weights) for weights in averages.snapshots]
            yield "ensemble", lambda x: mean_prediction([member(x) for member in members], loss)
        if self._tta_shift:
            yield "tta", lambda x: mean_prediction([model(moved) for moved in all_shifts(x, self._tta_shift)], loss)
        if self._num_passes:
            yield "mc", self._with_dropout

    def _with_dropout(self, x: Tensor) -> Tensor:
        with dropping(self._task.model):
            return mean_prediction([self._task.model(x) for _ in range(self._num_passes)], self._task.criterion.name)

    def _calibrate(self) -> None:
        """Measure the statistics of batch norm for the mean of the weights, once for each mean."""
        averages = self._averages
        if self._task.has_batch_norm and averages.calibrated_at != averages.num_averaged:
            split = self._task.train_sample(_MOST_CALIBRATED)
            averages.calibrated(measured_statistics(self._task.model, averages.swa, split, self._batch_size))


def all_shifts(x: Tensor, limit: int) -> Iterator[Tensor]:
    """The pictures moved by each of the (2 · limit + 1)² shifts; what comes in from outside repeats the edge.

    Args:
        x: (n, channels, height, width).
        limit: pixels, at least 1.
    """
    height, width = x.shape[-2:]
    rows, columns = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
    for down in range(-limit, limit + 1):
        moved = x[..., (rows + down).clamp(0, height - 1), :]
        for right in range(-limit, limit + 1):
            yield moved[..., (columns + right).clamp(0, width - 1)]


@contextmanager
def dropping(model: nn.Module) -> Iterator[None]:
    """Dropout as in training inside, and all else as it is; each module's own mode afterwards."""
    modes = [(module, module.training) for module in model.modules() if isinstance(module, DROPOUTS)]
    for module, _ in modes:
        module.training = True
    try:
        yield
    finally:
        for module, was_training in modes:
            module.training = was_training


@torch.no_grad()
def measured_statistics(model: nn.Module, weights: Mapping[str, Tensor], split: Split, batch_size: int) -> Weights:
    """The running statistics of batch norm for other weights: means over the batches of a split, by their samples.

    As torch's `update_bn`, but with dropout off, as it is when they are used, and a smaller last batch counts less.
    The model's own are not touched.

    Args:
        model: in eval mode.
        weights: name → tensor of its state dict.
        split: what is fed through, in its order.
        batch_size: samples at once; the last batch may be smaller, but a single sample is left out.
    """
    norms = {name: module for name, module in model.named_modules() if isinstance(module, _BATCH_NORMS)}
    kept = [(module, module.training, module.momentum) for module in norms.values()]
    own = {name for name, _ in model.named_buffers() if name.rpartition(".")[0] in norms}
    tensors = {name: tensor.clone() if name in own else tensor for name, tensor in weights.items()}
    for name in own:
        tensors[name].fill_(1 if name.endswith("running_var") else 0)
    try:
        for module in norms.values():
            module.training = True
        for first in range(0, len(split), batch_size):
            x = split.x[first : first + batch_size]
            if len(x) > 1:
                for module in norms.values():
                    module.momentum = len(x) / (first + len(x))  # so that each sample counts alike
                functional_call(model, tensors, (x,))
    finally:
        for module, was_training, momentum in kept:
            module.training, module.momentum = was_training, momentum
    return {name: tensors[name] for name in own}


def of_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> Predictor:
    """The model with other weights; its own are not touched."""

    def predict(x: Tensor) -> Tensor:
        outputs: Tensor = functional_call(model, dict(weights), (x,))
        return outputs

    return predict
