"""From a checked preset to a trainer that is ready for its first step."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tuitrain.errors import UsageError
from tuitrain.preset.combining import loss_name, loss_values, regularizer_problem, regularizer_values
from tuitrain.preset.dataset import dataset_of, is_own, own_data
from tuitrain.preset.racing import is_surface, racer_label, rivals_of, start_of, surface_of
from tuitrain.preset.schema import Preset
from tuitrain.protocol.describe import COMMANDS
from tuitrain.protocol.description import CommandInfo, LayerInfo
from tuitrain.protocol.events import (
    HandoverStarted,
    LayersMeasured,
    LearningRatePlanned,
    RunStarted,
    StageEntered,
    WeightsLoaded,
)
from tuitrain.protocol.plan import Schedule, Value
from tuitrain.tasks.build.data import Split
from tuitrain.tasks.build.models import ModelOptions
from tuitrain.tasks.build.points import PointOnSurface
from tuitrain.tasks.build.pretrained import pretrained_weights
from tuitrain.tasks.build.task import Task, TaskOptions, build_task
from tuitrain.tasks.tables import DatasetSpec, model_spec
from tuitrain.techniques.build.augmentation import Augmentation
from tuitrain.techniques.build.groups import parameter_groups
from tuitrain.techniques.build.lookahead import Lookahead
from tuitrain.techniques.build.losses import Criterion, balanced_weights
from tuitrain.techniques.build.max_norm import MaxNorm
from tuitrain.techniques.build.optimizers import OptimizerSet, hidden_matrices
from tuitrain.techniques.losses import loss_spec
from tuitrain.techniques.optimizer_spec import MOST_FOR_HESSIAN
from tuitrain.techniques.optimizers import OPTIMIZERS, optimizer_spec, split_betas
from tuitrain.techniques.plan import first_plan
from tuitrain.techniques.regularizers import CLIP_NAME, REGULARIZERS, strength_of
from tuitrain.techniques.schedules import schedule_spec
from tuitrain.training.alarms import Alarms
from tuitrain.training.automatic import Automatic
from tuitrain.training.averages import Averages, live_values
from tuitrain.training.batches import Batches
from tuitrain.training.beside import Beside
from tuitrain.training.control import Control
from tuitrain.training.dead_run import DeadRunWatch, stop_dead_run
from tuitrain.training.devices import choose_device, choose_threads
from tuitrain.training.evaluation import EvalCadence, Evaluator
from tuitrain.training.following import Follower
from tuitrain.training.gradients import Gradients
from tuitrain.training.layers import LayerProbe
from tuitrain.training.nonfinite import Action, NonfiniteGuard
from tuitrain.training.points import Points
from tuitrain.training.probes import GradientNormProbe
from tuitrain.training.racing import Race, race_of, tell_race
from tuitrain.training.regularizing import Regularization
from tuitrain.training.run import METRICS, Progress, Run
from tuitrain.training.saving import Saver
from tuitrain.training.staging import Staging
from tuitrain.training.state import restore
from tuitrain.training.trainer import Trainer
from tuitrain.training.transfer import Weights, begin_with, frozen_from
from tuitrain.training.updating import Updater
from tuitrain.training.verdicts import Verdicts

_DEFAULT_EPOCHS = 10.0
_NORM_SHARE = 0.6
"""Of the telemetry budget; the rest is for the layers."""


def build_trainer(
    preset: Preset,
    run: Run,
    control: Control,
    *,
    run_id: str = "",
    session: str = "",
    data_folder: Path = Path("data"),
    checkpoint_folder: Path | None = None,
    on_nonfinite: Action = "stop",
    state: Mapping[str, Any] | None = None,
    weights: Weights | None = None,
    versions: Mapping[str, str] | None = None,
) -> Trainer:
    """Build everything a preset names, and say `RunStarted`.

    Args:
        preset: checked.
        run: takes the facts.
        control: what the training thread is told at its safe points.
        run_id: of the folder.
        session: of this worker; commands meant for another are refused.
        data_folder: where torchvision keeps its files, unless the preset says.
        checkpoint_folder: where the last state is saved; None means nowhere.
        on_nonfinite: what to do at a NaN where the preset leaves it open.
        state: where to go on, as `state.captured` gave it; None begins at step 0.
        weights: those of an earlier run, where the preset names one and the run begins at step 0.
        versions: of what the run depends on, kept with its states.

    Raises:
        UsageError: the device is not there, or the optimizer cannot work on this model.
        DataError: the data cannot be loaded.
    """
    device = choose_device(preset.train.device)
    torch.manual_seed(preset.train.seed)
    run.publish(StageEntered(stage=f"loading {preset.task.dataset}"))
    dataset = dataset_of(preset)
    task = _task(preset, dataset, device, data_folder)
    if preset.train.bootstrap:
        run.publish(StageEntered(stage=f"bootstrap: {task.unique_share:.1%} of the training samples are in the sample"))
    loaded = _loaded(preset, task, weights, data_folder) if state is None else None
    frozen = frozen_from(task.model, preset.task)
    num_parameters = sum(parameter.numel() for parameter in task.model.parameters())
    threads = choose_threads(preset.train.torch_threads, num_parameters, device)
    torch.set_num_threads(threads)

    batch_size = len(task.train) if preset.train.batch_size == "full" else preset.train.batch_size
    batches = Batches(task, batch_size, preset.train.seed)
    total_steps = preset.train.steps or max(
        1, round((preset.train.epochs or _DEFAULT_EPOCHS) * batches.steps_per_epoch)
    )
    optimizer = _optimizer(preset, task)
    rate = preset.optimizer.lr or optimizer_spec(preset.optimizer.name).learning_rate
    plan = first_plan(
        _schedule(preset, total_steps, batches.steps_per_epoch),
        {group.name: rate * group.rate for group in optimizer.groups},
    )
    regularizers = regularizer_values(preset)
    clip = strength_of(regularizers, CLIP_NAME) or None
    averages = Averages(
        task.model, preset.average.model_dump(), total_steps=total_steps, steps_per_epoch=batches.steps_per_epoch,
        publish=run.publish,
    )  # fmt: skip
    regularization = Regularization(task, regularizers, _impossible(preset, dataset))
    # The averages come last: they take in the weights as the others leave them.
    followers = [*_followers(preset, task, run, regularization), averages]
    updater = Updater(optimizer, plan, clip, run.publish, followers, frozen)
    averages.follow(updater.schedule)
    beside = Beside(
        task, averages, tta_shift=preset.eval.tta_shift, num_passes=preset.eval.mc_dropout,
        batch_size=preset.eval.batch_size,
    )  # fmt: skip
    budget = preset.train.telemetry_budget
    alarms = Alarms(
        preset.alarms,
        total_steps,
        _verdicts(preset, dataset, total_steps),
        otherwise="pause" if on_nonfinite == "pause" else "stop",
    )

    def publish_look(fact: LayersMeasured) -> None:
        run.publish(fact)
        alarms.note_layers(fact)

    trainer = Trainer(
        run=run,
        task=task,
        batches=batches,
        updater=updater,
        gradients=Gradients(task, regularization, updater, are_zeroed=preset.train.zero_grad),
        regularization=regularization,
        evaluator=_evaluator(preset, task, batches.steps_per_epoch, total_steps, run.progress, beside),
        probe=GradientNormProbe(budget * _NORM_SHARE),
        layers=LayerProbe(task.model, budget * (1.0 - _NORM_SHARE), total_steps, publish_look),
        guard=NonfiniteGuard(task.model, device),
        staging=Staging(run.recorder, device, alarms.watchers),
        saver=Saver(
            checkpoint_folder,
            preset.checkpoint.every_minutes * 60.0,
            preset.checkpoint.keep_last,
            keep_best=preset.checkpoint.keep_best,
            publish=run.publish,
            stamp={"run": run_id, "preset": json.dumps(preset.to_data()), "versions": dict(versions or {})},
        ),
        control=control,
        total_steps=total_steps,
        on_nonfinite=preset.train.on_nonfinite or on_nonfinite,
        alarms=alarms,
        automatic=Automatic(restore_best=preset.checkpoint.restore_best, one_batch=preset.train.one_batch),
        points=Points(keep_best=preset.checkpoint.restore_best),
    )
    if not preset.train.automatic:
        control.decides_from = math.inf
    run.watch = DeadRunWatch(preset.alarms, run.progress, lambda why: stop_dead_run(control, run, session, why)).look
    if state is not None:
        restore(trainer, state)
    _describe(trainer, preset, run_id, session, device, threads, num_parameters, beside)
    if loaded is not None:
        run.publish(loaded)
    return trainer


def _task(preset: Preset, dataset: DatasetSpec, device: torch.device, data_folder: Path) -> Task:
    """Data, model, loss and augmentation as the preset names them."""
    section, strengths = preset.task, regularizer_values(preset)
    loss = loss_spec(loss_name(preset, dataset))
    num_classes = dataset.num_outputs if dataset.kind == "classification" else 0
    values = {spec.name: float(spec.default) for spec in loss.hyperparameters}  # type: ignore[arg-type]
    values.update(loss_values(preset))

    def criterion_for(train: Split) -> Criterion:
        weights: Tensor | None = None
        if section.class_weights == "balanced":
            weights = balanced_weights(train.y, num_classes)
        elif isinstance(section.class_weights, list):
            weights = torch.tensor(section.class_weights, device=device)
        criterion = Criterion(loss.name, values, num_classes, weights)
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
        own=own_data(section) if is_own(section) else None,
        bootstrap_seed=preset.train.seed if preset.train.bootstrap else None,
    )  # fmt: skip
    return build_task(options, dataset, device, criterion_for, Augmentation(strengths, num_classes))


def _loaded(preset: Preset, task: Task, weights: Weights | None, data_folder: Path) -> WeightsLoaded | None:
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


def _impossible(preset: Preset, dataset: DatasetSpec) -> dict[str, str]:
    """Regularizers that cannot act on this task, with why."""
    model, loss = model_spec(preset.task.model), loss_spec(loss_name(preset, dataset))
    hidden = len(preset.task.hidden)
    found = {
        name: regularizer_problem(spec, dataset=dataset, model=model, hidden=hidden, loss=loss)
        for name, spec in REGULARIZERS.items()
    }
    return {name: problem for name, problem in found.items() if problem}


def _followers(preset: Preset, task: Task, run: Run, regularization: Regularization) -> list[Follower]:
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


def _optimizer(preset: Preset, task: Task) -> OptimizerSet:
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


def _verdicts(preset: Preset, dataset: DatasetSpec, total_steps: int) -> Verdicts:
    """What reads the curves; it knows what a blind guess costs where all classes weigh the same."""
    is_equal, num_classes = preset.task.class_weights == "equal", dataset.num_outputs
    blind = {"cross-entropy": math.log(max(1, num_classes)), "bce": num_classes * math.log(2.0)}
    chance = blind.get(loss_name(preset, dataset), math.nan) if is_equal else math.nan
    is_standardised = preset.task.preprocess in {"standardize", "whiten"}
    return Verdicts(total_steps, chance, is_standardised=is_standardised)


def _schedule(preset: Preset, total_steps: int, steps_per_epoch: int) -> Schedule:
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


def _evaluator(
    preset: Preset, task: Task, steps_per_epoch: int, total_steps: int, progress: Progress, beside: Beside
) -> Evaluator:
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


def _optimizers(trainer: Trainer) -> tuple[str, ...]:
    """Names that the run can switch to."""
    has_matrices = bool(trainer.updater.optimizer.matrix_names)
    is_whole = trainer.batches.is_full and len(trainer.updater.optimizer.groups) == 1
    is_possible = {
        "muon": has_matrices, "lbfgs": is_whole,
        "newton": is_whole and sum(item.numel() for item in trainer.updater.parameters) <= MOST_FOR_HESSIAN,
    }  # fmt: skip
    return tuple(name for name in OPTIMIZERS if is_possible.get(name, True))


def _describe(
    trainer: Trainer,
    preset: Preset,
    run_id: str,
    session: str,
    device: torch.device,
    threads: int,
    num_parameters: int,
    beside: Beside,
) -> None:
    """Say `RunStarted` and the plan: what a screen needs before any value arrives."""
    task, updater = trainer.task, trainer.updater
    is_classified = task.kind == "classification"
    no_point = "" if race_of(trainer) is not None else "only a point on a surface can be moved"
    trainer.run.publish(
        RunStarted(
            run=run_id, session=session, title=preset.title, total_steps=trainer.total_steps,
            step=trainer.step, steps_per_epoch=trainer.batches.steps_per_epoch, batch_size=trainer.batches.batch_size,
            num_train=len(task.train),
            num_validation=len(task.validation), seed=preset.train.seed, device=str(device), torch_threads=threads,
            num_parameters=num_parameters, frozen=updater.frozen.names, loss=task.criterion.name,
            regularizers=live_values(trainer),
            metrics=beside.describe(
                tuple(info for info in METRICS if is_classified or "accuracy" not in info.name)
            ),
            layers=tuple(
                LayerInfo(name=name, shape=tuple(parameter.shape)) for name, parameter in task.model.named_parameters()
            ),
            optimizer=updater.optimizer.state(updater.gradient_clip),
            optimizers=_optimizers(trainer),
            commands=tuple(
                CommandInfo(name=name, refused_because=no_point if name == "move_to" else "") for name in COMMANDS
            ),
            max_steps_per_second=preset.train.max_steps_per_second,
        )
    )  # fmt: skip
    summary = f"{updater.schedule(trainer.step).name} schedule"
    trainer.run.publish(LearningRatePlanned(step=trainer.step, plan=updater.plan, summary=summary))
    tell_race(trainer)
    if updater.switch is not None:  # a state within a hand-over
        handover = updater.switch.handover
        trainer.run.publish(
            HandoverStarted(
                step=trainer.step, num_steps=handover.num_steps - handover.num_observed,
                from_name=updater.optimizer.name, to_name=updater.switch.to_name, cause=updater.switch.cause,
            )
        )  # fmt: skip
