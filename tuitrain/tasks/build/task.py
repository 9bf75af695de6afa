"""A task: model, data and losses, ready to be trained on one device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from tuitrain.tasks.build.data import Split, load_dataset
from tuitrain.tasks.build.models import build_model
from tuitrain.tasks.tables import dataset_spec


@dataclass(frozen=True, kw_only=True)
class TaskOptions:
    """What a preset says about its task, as plain values; the meaning is in `preset.schema`."""

    dataset: str
    model: str
    hidden: tuple[int, ...] = (256,)
    channels: tuple[int, ...] = (8, 16)
    activation: str = "relu"
    init: str = "he"
    batch_norm: bool = False
    preprocess: str = "standardize"
    num_train: int | None = None
    data_seed: int = 0
    data_folder: Path = Path("data")
    dropout: float = 0.0
    label_smoothing: float = 0.0
    shift: int = 0


@dataclass(frozen=True, kw_only=True)
class Task:
    """Everything that is trained, and on what."""

    kind: Literal["classification", "regression"]
    model: nn.Module
    train: Split
    validation: Split
    train_subset: Split
    """A fixed part of the training data, as large as the validation data: the train side of the gap."""
    label_smoothing: float
    shift: int

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean loss of a batch as it is minimised: with label smoothing."""
        if self.kind == "regression":
            return functional.mse_loss(outputs, targets)
        return functional.cross_entropy(outputs, targets, label_smoothing=self.label_smoothing)

    def summed_metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Metrics summed over the samples of a batch, as they are evaluated: plain loss, and accuracy of classes."""
        if self.kind == "regression":
            mean = functional.mse_loss(outputs, targets)
            return {"loss": mean * targets.shape[0]}
        loss = functional.cross_entropy(outputs, targets, reduction="sum")
        return {"loss": loss, "accuracy": (outputs.argmax(dim=1) == targets).sum()}

    def augmented(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """The batch as it is trained on.

        Args:
            x: (n, channels, height, width) float32.
            generator: source of the random shifts, on the CPU.
        """
        return shifted(x, self.shift, generator) if self.shift else x


def build_task(options: TaskOptions, device: torch.device) -> Task:
    """Load the data and build the model; the model takes its weights from torch's global random state.

    Raises:
        DataError: the data cannot be loaded.
    """
    spec = dataset_spec(options.dataset)
    data = load_dataset(
        spec,
        preprocess=options.preprocess,
        num_train=options.num_train,
        data_seed=options.data_seed,
        data_folder=options.data_folder,
        device=device,
    )
    model = build_model(
        options.model,
        spec,
        hidden=options.hidden,
        channels=options.channels,
        activation=options.activation,
        init=options.init,
        batch_norm=options.batch_norm,
        dropout=options.dropout,
    ).to(device)
    num_validation = min(len(data.validation), len(data.train))
    return Task(
        kind=spec.kind,
        model=model,
        train=data.train,
        validation=data.validation,
        train_subset=data.train.head(num_validation),
        label_smoothing=options.label_smoothing,
        shift=options.shift,
    )


def shifted(x: Tensor, limit: int, generator: torch.Generator) -> Tensor:
    """Move each image by up to `limit` pixels in each direction; what comes in from outside repeats its edge.

    Args:
        x: (n, channels, height, width).
        limit: at least 1.
        generator: on the CPU.
    """
    count, _, height, width = x.shape
    offsets = torch.randint(0, 2 * limit + 1, (2, count), generator=generator).to(x.device)
    padded = functional.pad(x, (limit, limit, limit, limit), mode="replicate")
    rows = offsets[0][:, None] + torch.arange(height, device=x.device)  # (n, height)
    columns = offsets[1][:, None] + torch.arange(width, device=x.device)  # (n, width)
    samples = torch.arange(count, device=x.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[samples, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
