"""A task: model and data on one device, with what is minimised and what is done to a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from tuitrain.tasks.build.data import Dataset, Split, load_dataset
from tuitrain.tasks.build.models import ModelOptions, build_model
from tuitrain.tasks.folding import Fold
from tuitrain.tasks.own import OwnData
from tuitrain.tasks.preprocessing import Fitted
from tuitrain.tasks.tables import DatasetSpec
from tuitrain.tasks.understood import Understood

_BATCH_FOR_INIT = 256


class Criterion(Protocol):
    """What is minimised, e.g. `techniques.build.losses.Criterion`."""

    name: str
    label_smoothing: float

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean loss of a batch as it is minimised."""

    def weight_of(self, targets: Tensor) -> Tensor:
        """What a batch counts in a mean of training losses over several."""

    def told_loss(self, loss: Tensor, outputs: Tensor, targets: Tensor) -> Tensor:
        """A training loss in the unit of the targets."""

    def summed_metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Metrics summed over the samples of a batch, as they are evaluated."""

    def metrics_by_sample(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """The same, (n,) each."""


class Augmentation(Protocol):
    """What is done to a batch, e.g. `techniques.build.augmentation.Augmentation`."""

    values: dict[str, float]

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The batch as it is trained on."""


@dataclass(frozen=True, kw_only=True)
class TaskOptions:
    """What a preset says about its task, as plain values; the meaning is in `preset.schema`."""

    model: ModelOptions
    outputs_per_target: int = 1
    """Of the loss: 2 where the model also gives a variance."""
    preprocess: str = "standardize"
    num_train: int | None = None
    label_noise: float = 0.0
    data_seed: int = 0
    data_folder: Path = Path("data")
    bootstrap_seed: int | None = None
    """Of the sample with replacement that is trained on; None trains on the data themselves."""
    own: OwnData | None = None
    """Where one's own data are; None for a dataset of the table."""
    fold: Fold | None = None
    """Which part of all samples is validated on; None takes the usual split."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """Everything that is trained, and on what."""

    kind: Literal["classification", "regression", "surface"]
    model: nn.Module
    train: Split
    validation: Split
    criterion: Criterion
    augmentation: Augmentation
    data_seed: int = 0
    understood: Understood
    fitted: Fitted | None = None
    """What was done to inputs and targets; the weights mean nothing without it."""
    unique_share: float = 1.0
    """Distinct samples over samples of the training data; below 1 for a bootstrap sample."""

    @property
    def has_batch_norm(self) -> bool:
        """Whether a batch is normalised by its own statistics."""
        return any(isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) for module in self.model.modules())

    def train_sample(self, count: int) -> Split:
        """`count` of the training samples, at most all, for what looks at a part of them: the same each time.

        The first ones would be no fair part: neighbours may be of one class, one writer or one page.
        """
        return self.train.drawn(count, self.data_seed)

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean loss of a batch as it is minimised."""
        return self.criterion.training_loss(outputs, targets)

    def parts_of(self, samples: Split, size: int) -> Iterator[tuple[Tensor, Tensor, float]]:
        """Batches of samples that do not fit into memory at once, each with its share of their mean training loss."""
        total = float(self.criterion.weight_of(samples.y))
        for first in range(0, len(samples), size):
            x, y = samples.x[first : first + size], samples.y[first : first + size]
            yield x, y, float(self.criterion.weight_of(y)) / max(total, 1e-12)

    def summed_metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Metrics summed over the samples of a batch, as they are evaluated: loss, and accuracy of classes."""
        return self.criterion.summed_metrics(outputs, targets)


def build_task(
    options: TaskOptions,
    spec: DatasetSpec,
    device: torch.device,
    criterion_for: Callable[[Dataset], Criterion],
    augmentation: Augmentation,
    before: Fitted | None = None,
) -> Task:
    """Load the data and build the model; the model takes its weights from torch's global random state.

    Args:
        options: what the preset says.
        spec: of the dataset.
        device: where model and data shall live.
        criterion_for: makes the loss; gets the data, for the weights of classes and the unit of the targets.
        augmentation: what is done to batches.
        before: what was fitted when the weights were trained; None fits to the data.

    Raises:
        DataError: the data cannot be loaded.
    """
    data = load_dataset(
        spec,
        preprocess=options.preprocess,
        num_train=options.num_train,
        label_noise=options.label_noise,
        data_seed=options.data_seed,
        data_folder=options.data_folder,
        device=device,
        own=options.own,
        fold=options.fold,
        before=before,
    )
    drawn = None
    if options.bootstrap_seed is not None:
        drawn = bootstrap(len(data.train), options.bootstrap_seed)
        data = replace(data, train=data.train.chosen(drawn))
    first = data.train.x[:_BATCH_FOR_INIT]
    model = build_model(options.model, spec, spec.num_outputs * options.outputs_per_target, first.cpu()).to(device)
    return Task(
        kind=spec.kind,
        model=model,
        train=data.train,
        validation=data.validation,
        criterion=criterion_for(data),
        augmentation=augmentation,
        data_seed=options.data_seed,
        understood=data.understood,
        fitted=data.fitted,
        unique_share=1.0 if drawn is None else len(set(drawn.tolist())) / len(drawn),
    )


def bootstrap(count: int, seed: int) -> Tensor:
    """Which of `count` samples are drawn, (count,) with replacement; the seed is of this draw alone.

    Of many samples 1 − 1/e = 63.2 % are drawn at least once (Efron 1979).
    """
    return torch.randint(0, count, (count,), generator=torch.Generator().manual_seed(seed))
