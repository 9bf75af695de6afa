"""What a run says of itself before its first step: `RunStarted`, its plan, a hand-over under way."""

from __future__ import annotations

import torch

from tuitrain.preset.schema import Preset
from tuitrain.protocol.describe import COMMANDS
from tuitrain.protocol.description import CommandInfo, LayerInfo
from tuitrain.protocol.events import (
    HandoverStarted,
    LearningRatePlanned,
    RunStarted,
)
from tuitrain.techniques.optimizer_spec import MOST_FOR_HESSIAN
from tuitrain.techniques.optimizers import OPTIMIZERS
from tuitrain.training.averages import live_values
from tuitrain.training.beside import Beside
from tuitrain.training.racing import race_of, tell_race
from tuitrain.training.run import METRICS
from tuitrain.training.trainer import Trainer


def possible_optimizers(trainer: Trainer) -> tuple[str, ...]:
    """Names that the run can switch to."""
    has_matrices = bool(trainer.updater.optimizer.matrix_names)
    is_whole = trainer.batches.is_full and len(trainer.updater.optimizer.groups) == 1
    is_possible = {
        "muon": has_matrices, "lbfgs": is_whole,
        "newton": is_whole and sum(item.numel() for item in trainer.updater.parameters) <= MOST_FOR_HESSIAN,
    }  # fmt: skip
    return tuple(name for name in OPTIMIZERS if is_possible.get(name, True))


def describe_run(
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
                tuple(
                    info
                    for info in METRICS
                    if (is_classified or "accuracy" not in info.name)
                    and (preset.eval.sharpness or info.name != "sharpness")
                )
            ),
            layers=tuple(
                LayerInfo(name=name, shape=tuple(parameter.shape)) for name, parameter in task.model.named_parameters()
            ),
            optimizer=updater.optimizer.state(updater.gradient_clip),
            optimizers=possible_optimizers(trainer),
            commands=tuple(
                CommandInfo(name=name, refused_because=no_point if name == "move_to" else "") for name in COMMANDS
            ),
            max_steps_per_second=preset.train.max_steps_per_second, data=task.understood.sentence,
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
