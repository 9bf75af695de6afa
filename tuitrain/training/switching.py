"""Switching the optimizer: by hand-over, cold, or at a rate of its own; and what a switch would do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tuitrain.protocol.commands import PreviewSwitch, SwitchOptimizer
from tuitrain.protocol.events import HandoverStarted
from tuitrain.protocol.plan import Value
from tuitrain.techniques.build.optimizers import OptimizerSet
from tuitrain.techniques.optimizer_spec import MOST_FOR_HESSIAN, OptimizerSpec
from tuitrain.techniques.optimizers import optimizer_spec
from tuitrain.training.handover import Handover, carried_over, handover_steps, shadow_memory_bytes
from tuitrain.training.preview import preview_switch
from tuitrain.training.refusing import RefusedError, check_full_batch, check_switchable, edited
from tuitrain.training.updating import Switch, plan_with_rate

if TYPE_CHECKING:
    from tuitrain.training.trainer import Trainer

_OWN_RATE_RAMP = 50
"""Steps of re-warmup for an optimizer whose rate cannot be matched."""


def switch_optimizer(trainer: Trainer, command: SwitchOptimizer, cause: str) -> str:
    """Begin a hand-over to another optimizer, or put it to work at once."""
    updater, step = trainer.updater, trainer.step
    spec = optimizer_spec(command.name)
    _check_closure(trainer, spec)
    if "lookahead" in updater.followers and (spec.needs_closure or spec.name.startswith("schedule-free")):
        raise RefusedError(f"{spec.name} does not go with Lookahead, which moves its weights.")
    if trainer.regularization.strength("max_norm") and (spec.needs_closure or spec.name.startswith("schedule-free")):
        raise RefusedError(f"{spec.name} remembers weights that max_norm would move.", hint="max_norm=0 first.")
    values, notes = carried_over(updater.optimizer, spec, command.hyperparameters)
    remaining = trainer.total_steps - step
    check_switchable(remaining)
    unmatched = _unmatched(updater.optimizer.name, command.name)
    if unmatched:
        told = f"the step of {unmatched} is not proportional to its rate, so the updates could not be matched"
        return _switch_at_own_rate(trainer, command, spec, values, (*notes, told), cause)
    if command.lr is not None and command.handover == "cold":
        return _switch_at_once(trainer, command, command.lr, command.ramp_steps, values, notes, cause)
    if command.lr is not None:
        rate = command.lr
        edited(lambda: plan_with_rate(updater.plan, step, rate, command.ramp_steps))
    mode = "cold" if spec.takeover == "cold" else command.handover
    if mode != command.handover:
        notes = (*notes, f"{spec.name} starts with empty state: it cannot grow on another's path")
    num_steps = 1 if mode == "cold" else handover_steps(command.name, values, remaining)
    from_name = updater.optimizer.name
    handover = Handover(updater.optimizer, command.name, values, mode, num_steps)
    updater.begin(Switch(handover, command.name, step, cause, command.ramp_steps, command.lr, notes))
    trainer.run.publish(
        HandoverStarted(
            step=step, num_steps=num_steps, from_name=from_name, to_name=command.name,
            extra_memory_bytes=shadow_memory_bytes(updater.optimizer, spec), cause=cause,
        )
    )  # fmt: skip
    return f"{from_name} → {command.name}: switching in {num_steps} step{'s' if num_steps > 1 else ''}"


def _switch_at_own_rate(
    trainer: Trainer, command: SwitchOptimizer, spec: OptimizerSpec, values: dict[str, Value], notes: tuple[str, ...],
    cause: str,
) -> str:  # fmt: skip
    """What cannot be matched starts at its own rate, with a re-warmup where that helps."""
    rate = command.lr or spec.learning_rate
    ramp = command.ramp_steps or (_OWN_RATE_RAMP if spec.is_step_its_rate or spec.name == "adafactor" else 0)
    return _switch_at_once(trainer, command, rate, ramp, values, notes, cause)


def _unmatched(old: str, new: str) -> str:
    """Which of two optimizers takes steps that are not proportional to its rate, if one does."""
    if optimizer_spec(new).takeover == "rate":
        return new
    return "" if optimizer_spec(old).is_step_its_rate else old


def _switch_at_once(
    trainer: Trainer, command: SwitchOptimizer, rate: float, ramp_steps: int, values: dict[str, Value],
    notes: tuple[str, ...], cause: str,
) -> str:  # fmt: skip
    updater, step = trainer.updater, trainer.step
    old = updater.optimizer
    new = OptimizerSet(command.name, old.groups, values, old.matrix_names)
    plan = edited(lambda: plan_with_rate(updater.plan, step, rate, ramp_steps))
    updater.cancel(step, f"a switch to {command.name} was asked", cause)
    updater.take_over(
        new, plan, step, asked_step=step, handover="explicit", expected_ratio=math.nan, notes=notes, cause=cause
    )
    return f"{old.name} → {command.name} at {rate:.2g}, with empty state"


def _check_closure(trainer: Trainer, spec: OptimizerSpec) -> None:
    """Refuse an optimizer that compares losses where they are not of the same data, or left to chance."""
    if not trainer.gradients.are_zeroed and (spec.needs_closure or spec.name == "sam"):
        raise RefusedError(f"{spec.name} zeroes gradients itself, and here that is forgotten.", hint="adam.")
    if not spec.needs_closure:
        return
    check_full_batch(spec.name, trainer.batches.batch_size, len(trainer.task.train))
    if trainer.regularization.is_random or trainer.regularization.changes_gradients:
        raise RefusedError(
            f"{spec.name} goes with no dropout, noise, augmentation, L1 or clipping.", hint="0 for those."
        )
    num_parameters = sum(parameter.numel() for parameter in trainer.updater.parameters)
    if spec.needs_hessian and num_parameters > MOST_FOR_HESSIAN:
        raise RefusedError(
            f"{spec.name} takes a Hessian, of at most {MOST_FOR_HESSIAN} parameters, and here are {num_parameters}.",
            hint="lbfgs.",
        )
    if len(trainer.updater.optimizer.groups) > 1:
        raise RefusedError(f"{spec.name} takes all parameters as one group, and here are several.")


def preview(trainer: Trainer, command: PreviewSwitch, cause: str) -> str:
    """Say what a switch would do, without doing it."""
    if trainer.last_batch is None:
        raise RefusedError("not available yet: no step has been taken.", hint="step_once, then ask again.")
    rates = trainer.updater.rates(trainer.step)
    if not all(rate > 0.0 for rate in rates.values()):
        raise RefusedError("the learning rate is 0 here: there is no update to compare with.")
    for name in (trainer.updater.optimizer.name, command.name):
        if optimizer_spec(name).needs_closure:
            raise RefusedError(f"a step of {name} is a search of its own, which cannot be told from one gradient.")
    found = preview_switch(
        command, trainer.task, trainer.updater.optimizer, trainer.last_batch, rates,
        step=trainer.step, remaining=trainer.total_steps - trainer.step, cause=cause,
    )  # fmt: skip
    trainer.run.publish(found)
    if _unmatched(trainer.updater.optimizer.name, command.name):
        return f"{command.name} would start at its own rate, {optimizer_spec(command.name).learning_rate:g}"
    return f"first update ×{found.cold_ratio:.3g} if taken cold at this rate; hand-over keeps it at ×1"
