"""What a preset names, built: data and model, optimizer, schedule, evaluator, and what follows the weights."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from tuitrain.errors import UsageError
from tuitrain.preset.combining import loss_name, loss_values, regularizer_problem, regularizer_values
from tuitrain.preset.dataset import fold_of, is_own, own_data
from tuitrain.preset.racing import is_surface, racer_label, rivals_of, start_of, surface_of
from tuitrain.preset.schema import Preset
from tuitrain.protocol.events import (
    WeightsLoaded,
)
from tuitrain.protocol.plan import Schedule, Value
from tuitrain.tasks.build.data import Dataset
from tuitrain.tasks.build.models import ModelOptions
from tuitrain.tasks.build.points import PointOnSurface
from tuitrain.tasks.build.pretrained import pretrained_weights
from tuitrain.tasks.build.task import Task, TaskOptions, build_task
from tuitrain.tasks.preprocessing import Fitted
from tuitrain.tasks.tables import DatasetSpec, model_spec
from tuitrain.techniques.build.augmentation import Augmentation
from tuitrain.techniques.build.groups import parameter_groups
from tuitrain.techniques.build.lookahead import Lookahead
from tuitrain.techniques.build.losses import Criterion, balanced_weights
from tuitrain.techniques.build.max_norm import MaxNorm
from tuitrain.techniques.build.optimizers import OptimizerSet, hidden_matrices
from tuitrain.techniques.losses import loss_spec
from tuitrain.techniques.optimizers import split_betas
from tuitrain.techniques.regularizers import REGULARIZERS, strength_of
from tuitrain.techniques.schedules import schedule_spec
from tuitrain.training.beside import Beside
from tuitrain.training.evaluation import EvalCadence, Evaluator
from tuitrain.training.following import Follower
from tuitrain.training.racing import Race
from tuitrain.training.regularizing import Regularization
from tuitrain.training.run import Progress, Run
from tuitrain.training.transfer import Weights, begin_with
from tuitrain.training.verdicts import Verdicts


def build_task_of(
    preset: Preset, dataset: DatasetSpec, device: torch.device, data_folder: Path, before: Fitted | None = None
) -> Task:
    """Data, model, loss and augmentation as the preset names them; `before` as of `build_task`."""
    section, strengths = preset.task, regularizer_values(preset)
    loss = loss_spec(loss_name(preset, dataset))
    num_classes = dataset.num_outputs if dataset.kind == "classification" else 0
    values = {spec.name: float(spec.default) for spec in loss.hyperparameters}  # type: ignore[arg-type]
    values.update(loss_values(preset))

    def criterion_for(data: Dataset) -> Criterion:
        weights: Tensor | None = None
        if section.class_weights == "balanced":
            weights = balanced_weights(data.train.y, num_classes)
        elif isinstance(section.class_weights, list):
            weights = torch.tensor(section.class_weights, device=device)
        deviation: Tensor | None = None
        if data.fitted is not None and data.fitted.targets is not None:
            deviation = torch.from_numpy(data.fitted.targets.scale).float().to(device)
        criterion = Criterion(loss.name, values, num_classes, weights, deviation)
        criterion.label_smoothing = strength_of(strengths, "label_smoothing")
        return criterion

    point = {"surface": surface_of(preset).name, "start": start_of(preset)} if is_surface(preset) else {}
    options = TaskOptions(
        model=ModelOptions(
            name=section.model, hidden=tuple(section.hidden), channels=tuple(section.channels), depth=section.depth,
            heads=section.heads, pooling=section.pooling, activation=section.activation, init=section.init,
            init_std=section.init_std, norm=section.norm,
            dropout_kind=section.dropout_kind, dropout=strength_of(strengths, "dropout"),
            dropconnect=strength_of(strengths, "dropconnect"),
            stochastic_depth=strength_of(strengths, "stochastic_depth"), **point,  # type: ignore[arg-type]
        ),
        outputs_per_target=loss.outputs_per_target, preprocess=section.preprocess, num_train=section.num_train,
        label_noise=section.label_noise, data_seed=section.data_seed,
        data_folder=Path(section.data_folder) if section.data_folder else data_folder,
        own=own_data(preset) if is_own(section) else None, fold=fold_of(section),
        bootstrap_seed=preset.train.seed if preset.train.bootstrap else None,
    )  # fmt: skip
    return build_task(options, dataset, device, criterion_for, Augmentation(strengths, num_classes), before)


def fold_in_words(preset: Preset, task: Task) -> str:
    """Which part of a cross-validation a run is, and how its samples are divided."""
    sizes = f"{len(task.train)} samples are trained on, and {len(task.validation)} others validated on"
    return f"fold {preset.task.fold} of {preset.task.folds}: {sizes}"


def loaded_weights(preset: Preset, task: Task, weights: Weights | None, data_folder: Path) -> WeightsLoaded | None:
    """Put weights of before into the model, where the preset wants it."""
    section = preset.task
    if section.pretrained:
        folder = (Path(section.data_folder) if section.data_folder else data_folder) / "weights"
        name, tensors = pretrained_weights(section.model, folder)
        weights = Weights("torchvision", name, "", tensors)
    elif not section.from_run:
        return None
    if weights is None:
        raise UsageError(f"The weights of {section.from_run} are not at hand.", hint="a new run.")
    return begin_with(task.model, weights, new_head=section.new_head)


def impossible_regularizers(preset: Preset, dataset: DatasetSpec) -> dict[str, str]:
    """Regularizers that cannot act on this task, with why."""
    model, loss = model_spec(preset.task.model), loss_spec(loss_name(preset, dataset))
    hidden = len(preset.task.hidden)
    found = {
        name: regularizer_problem(spec, dataset=dataset, model=model, hidden=hidden, loss=loss)
        for name, spec in REGULARIZERS.items()
    }
    return {name: problem for name, problem in found.items() if problem}


def followers_of(preset: Preset, task: Task, run: Run, regularization: Regularization) -> list[Follower]:
    """What the preset wants told after every update, in the order in which they act."""
    section = preset.optimizer
    parameters = list(task.model.parameters())
    followers: list[Follower] = [MaxNorm(parameters, lambda: regularization.strength("max_norm"))]
    if section.lookahead_steps:
        followers.append(Lookahead(parameters, section.lookahead_steps, section.lookahead_alpha))
    if isinstance(task.model, PointOnSurface):
        label, record = racer_label(section.name, section.further), run.recorder.append
        rivals = rivals_of(preset)
        followers.append(Race(task.model, label, rivals, record, run.publish, regularization.add_same_noise))
    return followers


def optimizer_of(preset: Preset, task: Task) -> OptimizerSet:
    """The optimizer over all groups of parameters that are trained."""
    section = preset.optimizer
    values: dict[str, Value] = split_betas(section.further)
    decay = preset.regularize.values.get("weight_decay")
    if decay is not None:
        values["weight_decay"] = decay
    groups = parameter_groups(
        task.model,
        decay_only_weights=section.decay_only_weights,
        layer_decay=section.layer_decay,
        head_rate=section.head_rate,
    )
    return OptimizerSet(section.name, groups, values, hidden_matrices(task.model))


def verdicts_of(preset: Preset, dataset: DatasetSpec, total_steps: int) -> Verdicts:
    """What reads the curves; it knows what a blind guess costs where all classes weigh the same."""
    is_equal, num_classes = preset.task.class_weights == "equal", dataset.num_outputs
    blind = {"cross-entropy": math.log(max(1, num_classes)), "bce": num_classes * math.log(2.0)}
    chance = blind.get(loss_name(preset, dataset), math.nan) if is_equal else math.nan
    is_standardised = preset.task.preprocess in {"standardize", "whiten"}
    is_fitted = dataset.kind != "surface"
    return Verdicts(total_steps, chance, is_standardised=is_standardised, is_fitted=is_fitted)


def schedule_of(preset: Preset, total_steps: int, steps_per_epoch: int) -> Schedule:
    """The preset's schedule with everything counted in steps."""
    section = preset.schedule
    spec = schedule_spec(section.name)
    unit = steps_per_epoch if section.unit == "epochs" else 1
    values: dict[str, float | list[float]] = {}
    for name, value in section.further.items():
        if name in spec.durations:
            values[name] = [item * unit for item in value] if isinstance(value, list) else value * unit
        elif name in spec.rates:
            values[name] = value ** (1.0 / unit)
        else:
            values[name] = value
    return Schedule(
        name=section.name, num_steps=total_steps, warmup_steps=round(section.warmup * unit), hyperparameters=values
    )


def evaluator_of(
    preset: Preset, task: Task, steps_per_epoch: int, total_steps: int, progress: Progress, beside: Beside
) -> Evaluator:
    """What evaluates, how often, and which predictions beside that of the weights as they are."""
    section = preset.eval
    cadence = EvalCadence.of(
        every_steps=section.every_steps,
        every_epochs=section.every_epochs,
        every_seconds=section.every_seconds,
        steps_per_epoch=steps_per_epoch,
        total_steps=total_steps,
    )
    return Evaluator(
        task, cadence, section.batch_size, section.max_batches, progress.note_batch, beside.predictors,
        measures_sharpness=section.sharpness,
    )  # fmt: skip
