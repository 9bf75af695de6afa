"""From a checked preset to a trainer that is ready for its first step."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from tuitrain.preset.schema import Preset
from tuitrain.protocol.describe import COMMANDS
from tuitrain.protocol.description import CommandInfo, LayerInfo
from tuitrain.protocol.events import LearningRatePlanned, RunStarted, StageEntered
from tuitrain.protocol.plan import Schedule, Value
from tuitrain.tasks.build.task import Task, TaskOptions, build_task
from tuitrain.techniques.build.optimizers import OptimizerSet, hidden_matrices, parameter_groups
from tuitrain.techniques.optimizers import OPTIMIZERS, optimizer_spec, split_betas
from tuitrain.techniques.plan import first_plan
from tuitrain.techniques.schedules import schedule_spec
from tuitrain.training.batches import Batches
from tuitrain.training.control import Control
from tuitrain.training.devices import choose_device, choose_threads
from tuitrain.training.evaluation import EvalCadence, Evaluator
from tuitrain.training.nonfinite import NonfiniteGuard
from tuitrain.training.probes import GradientNormProbe
from tuitrain.training.run import METRICS, Run
from tuitrain.training.staging import Staging
from tuitrain.training.trainer import Trainer
from tuitrain.training.updating import Updater

_DEFAULT_EPOCHS = 10.0


def build_trainer(
    preset: Preset,
    run: Run,
    control: Control,
    *,
    run_id: str = "",
    session: str = "",
    data_folder: Path = Path("data"),
    checkpoint_folder: Path | None = None,
    on_nonfinite: Literal["pause", "stop", "continue"] = "stop",
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

    Raises:
        UsageError: the device is not there, or the optimizer cannot work on this model.
        DataError: the data cannot be loaded.
    """
    device = choose_device(preset.train.device)
    torch.manual_seed(preset.train.seed)
    run.publish(StageEntered(stage=f"loading {preset.task.dataset}"))
    task = build_task(_task_options(preset, data_folder), device)
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
        _schedule(preset, total_steps, batches.steps_per_epoch), {group.name: rate for group in optimizer.groups}
    )
    trainer = Trainer(
        run=run,
        task=task,
        batches=batches,
        updater=Updater(optimizer, plan, preset.regularize.gradient_clip, run.publish),
        evaluator=_evaluator(preset, task, batches.steps_per_epoch, total_steps),
        probe=GradientNormProbe(preset.train.telemetry_budget),
        guard=NonfiniteGuard(task.model, device),
        staging=Staging(run.recorder, device),
        control=control,
        total_steps=total_steps,
        checkpoint_folder=checkpoint_folder,
        on_nonfinite=preset.train.on_nonfinite or on_nonfinite,
    )
    _describe(trainer, preset, run_id, session, device, threads, num_parameters, batch_size)
    return trainer


def _task_options(preset: Preset, data_folder: Path) -> TaskOptions:
    task, regularize = preset.task, preset.regularize
    return TaskOptions(
        dataset=task.dataset, model=task.model, hidden=tuple(task.hidden), channels=tuple(task.channels),
        activation=task.activation, init=task.init, batch_norm=task.batch_norm, preprocess=task.preprocess,
        num_train=task.num_train, data_seed=task.data_seed,
        data_folder=Path(task.data_folder) if task.data_folder else data_folder,
        dropout=regularize.dropout, label_smoothing=regularize.label_smoothing, shift=regularize.shift,
    )  # fmt: skip


def _optimizer(preset: Preset, task: Task) -> OptimizerSet:
    values: dict[str, Value] = split_betas(preset.optimizer.further)
    if preset.regularize.weight_decay is not None:
        values["weight_decay"] = preset.regularize.weight_decay
    groups = parameter_groups(task.model, decay_only_weights=preset.optimizer.decay_only_weights)
    return OptimizerSet(preset.optimizer.name, groups, values, hidden_matrices(task.model))


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


def _evaluator(preset: Preset, task: Task, steps_per_epoch: int, total_steps: int) -> Evaluator:
    section = preset.eval
    cadence = EvalCadence.of(
        every_steps=section.every_steps,
        every_epochs=section.every_epochs,
        every_seconds=section.every_seconds,
        steps_per_epoch=steps_per_epoch,
        total_steps=total_steps,
    )
    return Evaluator(task, cadence, section.batch_size, section.max_batches)


def _describe(
    trainer: Trainer,
    preset: Preset,
    run_id: str,
    session: str,
    device: torch.device,
    threads: int,
    num_parameters: int,
    batch_size: int,
) -> None:
    """Say `RunStarted` and the plan: what a screen needs before any value arrives."""
    task, updater = trainer.task, trainer.updater
    is_classified = task.kind == "classification"
    trainer.run.publish(
        RunStarted(
            run=run_id, session=session, title=preset.title, total_steps=trainer.total_steps,
            steps_per_epoch=trainer.batches.steps_per_epoch, batch_size=batch_size, num_train=len(task.train),
            num_validation=len(task.validation), seed=preset.train.seed, device=str(device), torch_threads=threads,
            num_parameters=num_parameters,
            metrics=tuple(info for info in METRICS if is_classified or "accuracy" not in info.name),
            layers=tuple(
                LayerInfo(name=name, shape=tuple(parameter.shape)) for name, parameter in task.model.named_parameters()
            ),
            optimizer=updater.optimizer.state(updater.gradient_clip),
            optimizers=tuple(OPTIMIZERS if updater.optimizer.matrix_names else (n for n in OPTIMIZERS if n != "muon")),
            commands=tuple(CommandInfo(name=name) for name in COMMANDS),
            max_steps_per_second=preset.train.max_steps_per_second,
        )
    )  # fmt: skip
    schedule = updater.plan.segments[0].schedule
    trainer.run.publish(LearningRatePlanned(step=0, plan=updater.plan, summary=f"{schedule.name} schedule"))
