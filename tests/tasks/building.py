"""Tasks and models without a preset."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import torch
from torch import nn

from tuitrain.protocol.plan import Value
from tuitrain.tasks.build.models import ModelOptions, build_model
from tuitrain.tasks.build.task import Task, TaskOptions, build_task
from tuitrain.tasks.tables import dataset_spec
from tuitrain.techniques.build.augmentation import Augmentation
from tuitrain.techniques.build.losses import Criterion
from tuitrain.techniques.losses import DEFAULT_LOSSES

CPU = torch.device("cpu")
_OF_MODEL = {field.name for field in fields(ModelOptions)}


def make_task(dataset: str = "digits", model: str = "mlp", *, label_smoothing: float = 0.0, **options: Any) -> Task:
    """A task on the CPU with the usual loss; options of the model and of the task alike."""
    spec = dataset_spec(dataset)
    num_classes = spec.num_outputs if spec.kind == "classification" else 0
    criterion = Criterion(DEFAULT_LOSSES[spec.kind], {}, num_classes)
    criterion.label_smoothing = label_smoothing
    of_model = {name: value for name, value in options.items() if name in _OF_MODEL}
    of_task = {name: value for name, value in options.items() if name not in _OF_MODEL}
    strengths: dict[str, Value] = {}
    return build_task(
        TaskOptions(model=ModelOptions(name=model, **of_model), **of_task),
        spec,
        CPU,
        lambda _: criterion,
        Augmentation(strengths, num_classes),
    )


def make_model(dataset: str, model: str, seed: int = 0, **options: Any) -> nn.Module:
    """A model for a dataset, from a seed, initialised on 64 random samples."""
    spec = dataset_spec(dataset)
    torch.manual_seed(seed)
    batch = torch.randn(64, *spec.input_shape, generator=torch.Generator().manual_seed(1))
    return build_model(ModelOptions(name=model, **options), spec, spec.num_outputs, batch)
