"""What each command does at the safe point. Returns what was done, in words; refuses by raising.

The meanings are those of the design notes on interventions: decays are products, a set rate keeps the shape unless
it shall hold, a schedule continues from the rate as it is unless it shall restart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, assert_never

from tuitrain.errors import TuitrainError
from tuitrain.protocol.commands import (
    OWN_ENDS,
    CheckGradients,
    Command,
    CoolDown,
    Evaluate,
    FindLearningRate,
    Freeze,
    MeasureGradientNoise,
    MeasureSharpness,
    MoveTo,
    Pause,
    PreviewSwitch,
    Request,
    Resume,
    RollBack,
    SaveCheckpoint,
    ScaleLearningRate,
    SetBatchSize,
    SetEnd,
    SetHyperparameter,
    SetLearningRate,
    SetPace,
    SetSchedule,
    SetSeed,
    SkipBatches,
    StepOnce,
    Stop,
    SwitchOptimizer,
    Undo,
    Unfreeze,
)
from tuitrain.protocol.events import LearningRatePlanned, PaceChanged
from tuitrain.protocol.plan import LearningRatePlan, Schedule
from tuitrain.techniques import plan as plans
from tuitrain.techniques.checking import check_command
from tuitrain.training import going_back
from tuitrain.training.freezing import freeze, unfreeze
from tuitrain.training.measuring.answering import measure
from tuitrain.training.racing import move_to
from tuitrain.training.refusing import (
    RefusedError,
    check_decay,
    check_follows_rate,
    check_groups,
    check_warmup,
    edited,
)
from tuitrain.training.saving import OWN_TAGS, WAIT_SECONDS
from tuitrain.training.switching import preview, switch_optimizer
from tuitrain.training.tuning import cool_down, set_batch_size, set_end, set_hyperparameter, set_seed

if TYPE_CHECKING:
    from tuitrain.training.trainer import Trainer


def apply_command(trainer: Trainer, request: Request) -> str:
    """Carry out one request at the safe point.

    Raises:
        TuitrainError: it cannot be carried out; says why and what to try.
    """
    command = check_command(request.command)
    is_risky = going_back.is_risky(trainer, request)
    before = going_back.keep_for_undo(trainer, request)
    try:
        summary = _carry_out(trainer, command, request)
    except TuitrainError:
        if before is not None:
            trainer.points.drop(before)
        raise
    trainer.alarms.note_command(command)
    if before is not None and is_risky:
        going_back.save_for_undo(trainer, before, request.id)
    return summary


def _carry_out(trainer: Trainer, command: Command, request: Request) -> str:
    match command:
        case Pause():
            return _pause(trainer, request)
        case Resume():
            return _resume(trainer, request.id)
        case StepOnce():
            trainer.control.resume(trainer.step, num_steps=command.num_steps, cause=request.id)
            return f"{command.num_steps} step{'s' if command.num_steps > 1 else ''}, then paused"
        case Stop():
            return _stop(trainer, command, request)
        case ScaleLearningRate():
            return _scale(trainer, command, request)
        case SetLearningRate():
            return _set_rate(trainer, command, request)
        case SetSchedule():
            return _set_schedule(trainer, command, request.id)
        case CoolDown():
            return cool_down(trainer, command, request.id)
        case SetBatchSize():
            return set_batch_size(trainer, command, request.id)
        case SetHyperparameter():
            return set_hyperparameter(trainer, command, request.id)
        case SwitchOptimizer():
            return switch_optimizer(trainer, command, request.id)
        case PreviewSwitch():
            return preview(trainer, command, request.id)
        case Evaluate():
            return _evaluate(trainer, request.id)
        case SaveCheckpoint():
            return _save(trainer, command, request.id)
        case RollBack():
            return going_back.roll_back(trainer, command, request)
        case Undo():
            return going_back.undo(trainer, request.id)
        case SkipBatches():
            return going_back.skip_batches(trainer, command.num_batches, request.id)
        case SetEnd():
            return set_end(trainer, command, request.id)
        case SetSeed():
            return set_seed(trainer, command, request.id)
        case MoveTo():
            return move_to(trainer, command, request.id)
        case Freeze():
            return freeze(trainer, command, request.id)
        case Unfreeze():
            return unfreeze(trainer, command, request.id)
        case SetPace():
            trainer.control.pace.max_steps_per_second = command.max_steps_per_second
            trainer.run.publish(
                PaceChanged(step=trainer.step, max_steps_per_second=command.max_steps_per_second, cause=request.id)
            )
            return _pace_text(command.max_steps_per_second)
        case FindLearningRate() | CheckGradients() | MeasureSharpness() | MeasureGradientNoise():
            return measure(trainer, command, request.id)
        case _:
            assert_never(command)


def _pause(trainer: Trainer, request: Request) -> str:
    if trainer.control.is_paused:
        raise RefusedError("it is paused already.", hint="resume, or step_once.")
    reason = trainer.alarms.acted_on if request.actor == "auto" else "asked"
    trainer.control.pause(trainer.step, reason, request.id)
    trainer.saver.save_best(trainer)  # it costs no time now
    return "paused"


def _resume(trainer: Trainer, cause: str) -> str:
    if not trainer.control.is_paused:
        raise RefusedError("it is not paused.")
    trainer.control.resume(trainer.step, cause=cause)
    return "running"


def _stop(trainer: Trainer, command: Stop, request: Request) -> str:
    if request.actor == "auto":
        # Of its own accord a run stops by a rule of its preset, which is an end like another, or by an alarm.
        is_alarm = not command.because.startswith(OWN_ENDS)
        trainer.control.end(command.because, is_failure=is_alarm)
        return "stopping: evaluate, save, end"
    trainer.control.stop(abort=command.abort)
    trainer.control.stopped_because = command.because or trainer.control.stopped_because
    return "aborting" if trainer.control.stopping == "abort" else "stopping: evaluate, save, end"


def _scale(trainer: Trainer, command: ScaleLearningRate, request: Request) -> str:
    check_follows_rate(trainer.updater.optimizer.name)
    before = trainer.updater.plan
    check_groups(command.groups, plans.segment_at(before, trainer.step).base)
    after = plans.scaled(before, trainer.step, command.factor, command.groups)
    _tell_plateau(trainer, request)
    return _replan(trainer, after, f"×{command.factor:g}", request.id, command.groups)


def _set_rate(trainer: Trainer, command: SetLearningRate, request: Request) -> str:
    check_follows_rate(trainer.updater.optimizer.name)
    after = edited(lambda: plans.set_to(trainer.updater.plan, trainer.step, command.lr, hold=command.hold))
    _tell_plateau(trainer, request)
    return _replan(trainer, after, "held constant" if command.hold else "set", request.id)


def _set_schedule(trainer: Trainer, command: SetSchedule, cause: str) -> str:
    check_decay(trainer.updater.optimizer.name, command.name)
    num_steps = command.num_steps or max(1, trainer.total_steps - trainer.step)
    check_warmup(command.warmup_steps, num_steps)
    schedule = Schedule(
        name=command.name,
        num_steps=num_steps,
        warmup_steps=command.warmup_steps,
        hyperparameters=command.hyperparameters,
    )
    after = edited(lambda: plans.rescheduled(trainer.updater.plan, trainer.step, schedule, restart=command.restart))
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


def _tell_plateau(trainer: Trainer, request: Request) -> None:
    """A rate changed by hand is a decay that the plateau's own count must know of."""
    if request.actor != "auto":
        trainer.automatic.rate_changed_by_hand(trainer.updater.schedule(trainer.step))


def _save(trainer: Trainer, command: SaveCheckpoint, cause: str) -> str:
    if trainer.saver.folder is None:
        raise RefusedError("this run has no folder to save to.")
    if command.tag in {*OWN_TAGS, "end"} or command.tag.isdigit() or not re.fullmatch(r"[a-z0-9-]{0,40}", command.tag):
        raise RefusedError(
            f'"{command.tag}" is no tag of its own.',
            hint="up to 40 lower-case letters, digits and dashes, not a number.",
        )
    if command.best and command.tag:
        raise RefusedError("the best state has a tag of its own.", hint="best without tag.")
    if command.best:
        return _save_best(trainer)
    trainer.saver.save(trainer, tag=command.tag, cause=cause)
    return f"saving step {trainer.step}" + (f" as {command.tag}" if command.tag else "")


def _save_best(trainer: Trainer) -> str:
    trainer.saver.save_best(trainer)
    trainer.saver.wait(WAIT_SECONDS)
    kept = trainer.saver.best_on_disk(trainer)
    if kept is None:
        words = trainer.saver.best_words(trainer) or "no best state is kept"
        raise RefusedError(f"{words}.", hint="save_checkpoint, which saves the state as it is.")
    return trainer.saver.best_words(trainer) or f"the best is step {kept.step} ({kept.loss:.4g})"


def _evaluate(trainer: Trainer, cause: str) -> str:
    found = trainer.evaluate(cause)
    return ", ".join(f"{name} {value:.4g}" for name, value in found.metrics.items())


def _pace_text(pace: float | None) -> str:
    return "as fast as it goes" if pace is None else f"at most {pace:g} steps a second while watched"
