"""What each command does at the safe point. Returns what was done, in words; refuses by raising.

The meanings are those of the design notes on interventions: decays are products, a set rate keeps the shape unless
it shall hold, a schedule continues from the rate as it is unless it shall restart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, assert_never

from tuitrain.errors import TuitrainError, UnknownNameError, UsageError
from tuitrain.protocol.commands import (
    Evaluate,
    Pause,
    PreviewSwitch,
    Request,
    Resume,
    ScaleLearningRate,
    SetHyperparameter,
    SetLearningRate,
    SetPace,
    SetSchedule,
    StepOnce,
    Stop,
    SwitchOptimizer,
)
from tuitrain.protocol.events import (
    HandoverStarted,
    HyperparameterChanged,
    LearningRatePlanned,
    PaceChanged,
)
from tuitrain.protocol.plan import LearningRatePlan, Schedule, Value
from tuitrain.techniques import plan as plans
from tuitrain.techniques.build.optimizers import OptimizerSet
from tuitrain.techniques.checking import CLIP_NAME, check_command
from tuitrain.techniques.optimizers import optimizer_spec, split_betas
from tuitrain.training.handover import Handover, carried_over, handover_steps, shadow_memory_bytes
from tuitrain.training.preview import preview_switch
from tuitrain.training.updating import Switch, plan_with_rate

if TYPE_CHECKING:
    from tuitrain.training.trainer import Trainer


class RefusedError(TuitrainError):
    """The command cannot be carried out now; the message says why."""


def apply_command(trainer: Trainer, request: Request) -> str:
    """Carry out one request at the safe point.

    Raises:
        TuitrainError: it cannot be carried out; says why and what to try.
    """
    command = check_command(request.command)
    match command:
        case Pause():
            return _pause(trainer, request.id)
        case Resume():
            return _resume(trainer, request.id)
        case StepOnce():
            trainer.control.resume(trainer.step, num_steps=command.num_steps, cause=request.id)
            return f"{command.num_steps} step{'s' if command.num_steps > 1 else ''}, then paused"
        case Stop():
            return _stop(trainer, command)
        case ScaleLearningRate():
            return _scale(trainer, command, request.id)
        case SetLearningRate():
            return _set_rate(trainer, command, request.id)
        case SetSchedule():
            return _set_schedule(trainer, command, request.id)
        case SetHyperparameter():
            return _set_hyperparameter(trainer, command, request.id)
        case SwitchOptimizer():
            return _switch(trainer, command, request.id)
        case PreviewSwitch():
            return _preview(trainer, command, request.id)
        case Evaluate():
            return _evaluate(trainer, request.id)
        case SetPace():
            trainer.control.pace.max_steps_per_second = command.max_steps_per_second
            trainer.run.publish(
                PaceChanged(step=trainer.step, max_steps_per_second=command.max_steps_per_second, cause=request.id)
            )
            return _pace_text(command.max_steps_per_second)
        case _:
            assert_never(command)


def _pause(trainer: Trainer, cause: str) -> str:
    if trainer.control.is_paused:
        raise RefusedError("it is paused already.", hint="resume, or step_once.")
    trainer.control.pause(trainer.step, "asked", cause)
    return "paused"


def _resume(trainer: Trainer, cause: str) -> str:
    if not trainer.control.is_paused:
        raise RefusedError("it is not paused.")
    trainer.control.resume(trainer.step, cause=cause)
    return "running"


def _stop(trainer: Trainer, command: Stop) -> str:
    trainer.updater.cancel(trainer.step, "the run stops")
    trainer.control.stop(abort=command.abort)
    return "aborting" if trainer.control.stopping == "abort" else "stopping: evaluate, save, end"


def _scale(trainer: Trainer, command: ScaleLearningRate, cause: str) -> str:
    before = trainer.updater.plan
    _check_groups(command.groups, plans.segment_at(before, trainer.step).base)
    after = plans.scaled(before, trainer.step, command.factor, command.groups)
    return _replan(trainer, after, f"×{command.factor:g}", cause, command.groups)


def _set_rate(trainer: Trainer, command: SetLearningRate, cause: str) -> str:
    after = _edited(lambda: plans.set_to(trainer.updater.plan, trainer.step, command.lr, hold=command.hold))
    return _replan(trainer, after, "held constant" if command.hold else "set", cause)


def _set_schedule(trainer: Trainer, command: SetSchedule, cause: str) -> str:
    num_steps = command.num_steps or max(1, trainer.total_steps - trainer.step)
    if command.warmup_steps >= num_steps:
        raise RefusedError(
            f"a warmup of {command.warmup_steps} steps leaves nothing of {num_steps}.", hint="a shorter one."
        )
    schedule = Schedule(
        name=command.name,
        num_steps=num_steps,
        warmup_steps=command.warmup_steps,
        hyperparameters=command.hyperparameters,
    )
    after = _edited(lambda: plans.rescheduled(trainer.updater.plan, trainer.step, schedule, restart=command.restart))
    return _replan(trainer, after, f"{command.name} over {num_steps} steps", cause)


def _replan(
    trainer: Trainer, after: LearningRatePlan, what: str, cause: str, groups: Iterable[str] | None = None
) -> str:
    group = next(iter(groups or plans.segment_at(after, trainer.step).base))
    old = plans.learning_rate(trainer.updater.plan, group, trainer.step)
    new = plans.learning_rate(after, group, trainer.step)
    summary = f"{what}: learning rate {old:.2g} → {new:.2g}"
    trainer.updater.plan = after
    trainer.run.publish(LearningRatePlanned(step=trainer.step, plan=after, summary=summary, cause=cause))
    return summary


def _set_hyperparameter(trainer: Trainer, command: SetHyperparameter, cause: str) -> str:
    updater = trainer.updater
    notes: list[str] = []
    if command.name == CLIP_NAME:
        before = "none" if updater.gradient_clip is None else f"{updater.gradient_clip:g}"
        updater.gradient_clip = None if command.value == "none" else float(command.value)  # type: ignore[arg-type]
    else:
        _check_groups(command.groups, {group.name for group in updater.optimizer.groups})
        before = _shown(updater.optimizer, command.name)
        _check_value(updater.optimizer.name, command.name, command.value)
        notes = updater.optimizer.set_hyperparameter(command.name, command.value, command.groups)
        if updater.switch is not None:
            notes += _to_shadow(updater.switch.handover, command)
    after = _text(command.value)
    trainer.run.publish(
        HyperparameterChanged(
            step=trainer.step, name=command.name, before=before, after=after, notes=tuple(notes),
            optimizer=updater.optimizer.state(updater.gradient_clip), cause=cause,
        )
    )  # fmt: skip
    return f"{command.name} {before} → {after}"


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


def _switch(trainer: Trainer, command: SwitchOptimizer, cause: str) -> str:
    updater, step = trainer.updater, trainer.step
    spec = optimizer_spec(command.name)
    values, notes = carried_over(updater.optimizer, spec, command.hyperparameters)
    remaining = trainer.total_steps - step
    if remaining < 2:
        raise RefusedError("the run is at its end.")
    if command.lr is not None and command.handover == "cold":
        return _switch_at_once(trainer, command, values, notes, cause)
    if command.lr is not None:
        rate = command.lr
        _edited(lambda: plan_with_rate(updater.plan, step, rate, command.ramp_steps))
    num_steps = 1 if command.handover == "cold" else handover_steps(command.name, values, remaining)
    from_name = updater.optimizer.name
    handover = Handover(updater.optimizer, command.name, values, command.handover, num_steps)
    updater.begin(Switch(handover, command.name, step, cause, command.ramp_steps, command.lr, notes))
    trainer.run.publish(
        HandoverStarted(
            step=step, num_steps=num_steps, from_name=from_name, to_name=command.name,
            extra_memory_bytes=shadow_memory_bytes(updater.optimizer, spec), cause=cause,
        )
    )  # fmt: skip
    return f"{from_name} → {command.name}: switching in {num_steps} step{'s' if num_steps > 1 else ''}"


def _switch_at_once(
    trainer: Trainer, command: SwitchOptimizer, values: dict[str, Value], notes: tuple[str, ...], cause: str
) -> str:
    updater, step = trainer.updater, trainer.step
    rate = command.lr or 0.0
    old = updater.optimizer
    new = OptimizerSet(command.name, old.groups, values, old.matrix_names)
    plan = _edited(lambda: plan_with_rate(updater.plan, step, rate, command.ramp_steps))
    updater.cancel(step, f"a switch to {command.name} was asked", cause)
    switch = Switch(
        Handover(old, command.name, values, "cold", 1), command.name, step, cause, command.ramp_steps, rate, notes
    )
    updater.take_over(new, plan, switch, step, "explicit", float("nan"))
    return f"{old.name} → {command.name} at {rate:.2g}, with empty state"


def _preview(trainer: Trainer, command: PreviewSwitch, cause: str) -> str:
    if trainer.last_batch is None:
        raise RefusedError("not available yet: no step has been taken.", hint="step_once, then ask again.")
    rates = trainer.updater.rates(trainer.step)
    if not all(rate > 0.0 for rate in rates.values()):
        raise RefusedError("the learning rate is 0 here: there is no update to compare with.")
    preview = preview_switch(
        command, trainer.task, trainer.updater.optimizer, trainer.last_batch, rates,
        step=trainer.step, remaining=trainer.total_steps - trainer.step, cause=cause,
    )  # fmt: skip
    trainer.run.publish(preview)
    return f"first update ×{preview.cold_ratio:.3g} if taken cold at this rate; hand-over keeps it at ×1"


def _evaluate(trainer: Trainer, cause: str) -> str:
    found = trainer.evaluate(cause)
    return ", ".join(f"{name} {value:.4g}" for name, value in found.metrics.items())


def _edited(edit: Callable[[], LearningRatePlan]) -> LearningRatePlan:
    try:
        return edit()
    except plans.PlanEditError as error:
        raise RefusedError(str(error)) from None


def _check_groups(asked: Iterable[str] | None, known: Iterable[str]) -> None:
    for name in asked or ():
        if name not in set(known):
            raise UnknownNameError("parameter group", name, known)


def _check_value(optimizer: str, name: str, value: Value) -> None:
    spec = optimizer_spec(optimizer).by_name
    if name in spec and (problem := spec[name].problem_with(value)):
        raise RefusedError(f"{name} = {_text(value)} {problem}.")
    if name == "betas":
        for key, item in zip(("beta1", "beta2"), value if isinstance(value, list) else (), strict=False):
            _check_value(optimizer, key, item)


def _shown(optimizer: OptimizerSet, name: str) -> str:
    if name == "betas" and "beta1" in optimizer.hyperparameters:
        return f"[{_text(optimizer.hyperparameters['beta1'])}, {_text(optimizer.hyperparameters['beta2'])}]"
    return _text(optimizer.hyperparameters.get(name, "none"))


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _pace_text(pace: float | None) -> str:
    return "as fast as it goes" if pace is None else f"at most {pace:g} steps a second while watched"
