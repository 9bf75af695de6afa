"""Numbers of a run that change while it goes: hyper-parameters, regularizers, the batch size, the way to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import torch

from tuitrain.errors import RunFolderError, UsageError
from tuitrain.protocol.commands import CoolDown, SetBatchSize, SetEnd, SetHyperparameter, SetSeed
from tuitrain.protocol.events import (
    BatchSizeChanged,
    EndPlanned,
    HyperparameterChanged,
    LearningRatePlanned,
    Reseeded,
)
from tuitrain.protocol.plan import Schedule
from tuitrain.techniques import plan as plans
from tuitrain.techniques.averages import AVERAGES
from tuitrain.techniques.build.optimizers import OptimizerSet
from tuitrain.techniques.optimizers import split_betas
from tuitrain.techniques.regularizers import CLIP_NAME, REGULARIZERS
from tuitrain.training.averages import live_values, set_average
from tuitrain.training.checkpoint import save_checkpoint
from tuitrain.training.handover import Handover
from tuitrain.training.refusing import (
    RefusedError,
    check_batch_size,
    check_decay,
    check_end,
    check_groups,
    check_regularizer,
    check_value,
    edited,
    in_words,
)
from tuitrain.training.state import captured

if TYPE_CHECKING:
    from tuitrain.training.trainer import Trainer


def set_hyperparameter(trainer: Trainer, command: SetHyperparameter, cause: str) -> str:
    """Change a hyper-parameter of the optimizer, a regularizer, or an average of the weights."""
    updater, regularization = trainer.updater, trainer.regularization
    notes: list[str] = []
    if command.name in {"momentum", "beta1", "betas"} and plans.momentum(updater.plan, trainer.step) is not None:
        schedule = updater.schedule(trainer.step).name
        raise RefusedError(f"the {schedule} schedule writes it at every step.", hint="set_schedule first.")
    if command.value == "none" and command.name in {*REGULARIZERS, *AVERAGES}:
        command = msgspec.structs.replace(command, value=0)
    is_of_optimizer = command.name in updater.optimizer.hyperparameters or command.name == "betas"
    if command.name in AVERAGES:
        value, note = set_average(trainer, command)
        before = in_words(value)
        notes += [note] if note else []
    elif command.name in REGULARIZERS and not is_of_optimizer:
        before = in_words(regularization.values.get(command.name, 0))
        note = _regularize(trainer, command)
        notes += [note] if note else []
    else:
        check_groups(command.groups, {group.name for group in updater.optimizer.groups})
        before = _shown(updater.optimizer, command.name)
        check_value(updater.optimizer.name, command.name, command.value)
        notes = updater.optimizer.set_hyperparameter(command.name, command.value, command.groups)
        if updater.switch is not None:
            notes += _to_shadow(updater.switch.handover, command)
    after = in_words(command.value)
    trainer.run.publish(
        HyperparameterChanged(
            step=trainer.step, name=command.name, before=before, after=after, notes=tuple(notes),
            optimizer=updater.optimizer.state(updater.gradient_clip), regularizers=live_values(trainer), cause=cause,
        )
    )  # fmt: skip
    return f"{command.name} {before} → {after}"


def set_batch_size(trainer: Trainer, command: SetBatchSize, cause: str) -> str:
    """Give the batches another size; the rest of the epoch keeps its order."""
    batches, size = trainer.batches, command.batch_size
    num_train = len(trainer.task.train)
    check_batch_size(size, batches.batch_size, num_train, trainer.updater.optimizer.name)
    if size == 1 and trainer.task.has_batch_norm:
        raise RefusedError("batch norm has no variance to work with in a batch of 1.", hint="2 or more.")
    before = batches.batch_size
    batches.resize(size)
    trainer.run.publish(
        BatchSizeChanged(
            step=trainer.step, before=before, after=size, steps_per_epoch=batches.steps_per_epoch, cause=cause
        )
    )
    summary = f"batch size {before} → {size}"
    if command.rate == "keep":
        return summary
    factor = plans.batch_size_factor(command.rate, before, size)
    after = plans.scaled(trainer.updater.plan, trainer.step, factor)
    trainer.updater.plan = after
    trainer.automatic.rate_changed_by_hand(trainer.updater.schedule(trainer.step))
    rate = plans.learning_rate(after, next(iter(plans.segment_at(after, trainer.step).base)), trainer.step)
    what = f"×{factor:.3g} with the batch size: learning rate {rate:.2g}"
    trainer.run.publish(LearningRatePlanned(step=trainer.step, plan=after, summary=what, cause=cause))
    return f"{summary}, learning rate ×{factor:.3g}"


def cool_down(trainer: Trainer, command: CoolDown, cause: str) -> str:
    """Save the stable point, bring the rate down, and end there."""
    check_decay(trainer.updater.optimizer.name, command.shape)
    step = trainer.step
    num_steps = command.num_steps or plans.default_cool_down(step, trainer.total_steps)
    schedule = Schedule(name=command.shape, num_steps=num_steps)
    after = edited(lambda: plans.rescheduled(trainer.updater.plan, step, schedule, restart=False))
    if trainer.saver.folder is not None:
        try:
            saved = save_checkpoint(trainer.saver.folder, captured(trainer), tag="stable", cause=cause)
        except RunFolderError as error:
            raise RefusedError(
                f"the stable point could not be saved: {error.message}", hint="free some space."
            ) from error
        trainer.run.publish(saved)
    trainer.updater.plan = after
    trainer.total_steps = step + num_steps
    summary = f"cool-down: {command.shape} to 0 over {num_steps} steps"
    trainer.run.publish(LearningRatePlanned(step=step, plan=after, summary=summary, cause=cause))
    trainer.run.publish(EndPlanned(step=step, total_steps=trainer.total_steps, reason="cool-down", cause=cause))
    return summary


def set_end(trainer: Trainer, command: SetEnd, cause: str) -> str:
    """End at another step."""
    check_end(command.step, trainer.step)
    before, trainer.total_steps = trainer.total_steps, command.step
    trainer.run.publish(EndPlanned(step=trainer.step, total_steps=command.step, reason="asked", cause=cause))
    return f"ends at step {command.step}, not {before}"


def set_seed(trainer: Trainer, command: SetSeed, cause: str) -> str:
    """Draw from another seed from here on."""
    torch.manual_seed(command.seed)
    trainer.batches.reseed(command.seed)
    trainer.run.publish(Reseeded(step=trainer.step, seed=command.seed, cause=cause))
    return f"seed {command.seed} from here on"


def _regularize(trainer: Trainer, command: SetHyperparameter) -> str:
    name, value = command.name, command.value
    check_regularizer(name, value, command.groups, trainer.updater.optimizer.name)
    note = trainer.regularization.set(name, value)
    if name == "early_stopping":
        trainer.automatic.stopping_changed()
    if name == CLIP_NAME:
        trainer.updater.gradient_clip = trainer.regularization.strength(CLIP_NAME) or None
    return note


def _to_shadow(handover: Handover, command: SetHyperparameter) -> list[str]:
    """A change within a hand-over goes to both, where the new optimizer has such a thing."""
    shadow = handover.shadow
    if not split_betas({command.name: command.value}).keys() <= shadow.hyperparameters.keys():
        return []
    try:
        handover.set_hyperparameter(command.name, command.value, command.groups)
    except UsageError as error:
        return [f"{shadow.name} does not take it: {error.message}"]
    return []


def _shown(optimizer: OptimizerSet, name: str) -> str:
    if name == "betas" and "beta1" in optimizer.hyperparameters:
        second = optimizer.hyperparameters.get("beta2", 0.0)
        return f"[{in_words(optimizer.hyperparameters['beta1'])}, {in_words(second)}]"
    return in_words(optimizer.hyperparameters.get(name, "none"))
