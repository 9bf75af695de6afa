"""Going back: to an earlier state of the run, or to the one before the last decision.

What is left stays in the record. A decision that may be regretted leaves its state in memory, and a risky one on the
disk as well, so that it can be undone after a crash too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuitrain.errors import RunFolderError
from tuitrain.protocol.commands import (
    DECIDING,
    CoolDown,
    Evaluate,
    Request,
    RollBack,
    ScaleLearningRate,
    SetBatchSize,
    SetLearningRate,
    SetSchedule,
    SkipBatches,
    Stop,
    SwitchOptimizer,
    Unfreeze,
)
from tuitrain.protocol.describe import sentence
from tuitrain.protocol.events import BatchesSkipped, HandoverStarted, LearningRatePlanned, RolledBack
from tuitrain.techniques import plan as plans
from tuitrain.training.automatic import BEST
from tuitrain.training.averages import live_values
from tuitrain.training.best import Best
from tuitrain.training.checkpoint import UNDO, CheckpointName, checkpoint_paths, load_checkpoint, name_of
from tuitrain.training.points import Point, is_history, is_small
from tuitrain.training.racing import tell_race
from tuitrain.training.refusing import RefusedError
from tuitrain.training.saving import LEFT, WAIT_SECONDS
from tuitrain.training.state import copied, put_back, put_random_states

if TYPE_CHECKING:
    from tuitrain.training.trainer import Trainer

_MEMORY = "memory"
_RAISE = 2.0
"""A learning rate raised by more than this is risky."""


def keep_for_undo(trainer: Trainer, request: Request) -> Point | None:
    """Keep the state before a decision of a person, or before a risky one of a preset or of the run itself.

    The best state, which a risky one may leave behind, is written first.
    """
    command = request.command
    if not isinstance(command, (*DECIDING, RollBack)) or isinstance(command, Evaluate | Stop):
        return None
    risky = is_risky(trainer, request)
    if risky:
        trainer.saver.save_best(trainer)
    if not risky and (request.actor == "auto" or not is_small(trainer)):
        return None
    point = Point.of(trainer, sentence(command))
    trainer.points.push(point)
    return point


def save_for_undo(trainer: Trainer, point: Point, cause: str) -> None:
    """Have the state before a risky decision written."""
    point.is_on_disk = trainer.saver.folder is not None
    trainer.saver.write({**point.state, "label": point.label}, UNDO, cause)


def is_risky(trainer: Trainer, request: Request) -> bool:
    """Whether a command may cost more than a moment if it was a mistake."""
    match request.command:
        case SwitchOptimizer() | SetBatchSize() | RollBack() | CoolDown() | Unfreeze():
            return True
        case SetSchedule() as command:
            return command.restart
        case ScaleLearningRate() as command:
            return command.factor > _RAISE
        case SetLearningRate() as command:
            now = next(iter(trainer.updater.rates(trainer.step).values()))
            return command.lr > _RAISE * now
        case _:
            return False


def roll_back(trainer: Trainer, command: RollBack, request: Request) -> str:
    """Go back to an earlier state, leave out batches, scale the rate."""
    if command.skip_batches and trainer.batches.is_full:
        raise RefusedError("every batch is all of the data: there is none to skip.", hint="it without skip_batches.")
    source, state = _find(trainer, command.to)
    shortfall = trainer.saver.best_words(trainer) if command.to == BEST else ""
    left = trainer.step
    skip, scale = command.skip_batches, command.scale_learning_rate
    _go_back(trainer, state, source, request.id, skip=skip, scale=scale, actor=request.actor)
    words = [f"from step {left} to step {trainer.step}"]
    if command.skip_batches:
        words.append(f"{command.skip_batches} batches left out")
    if command.scale_learning_rate != 1.0:
        words.append(f"learning rate ×{command.scale_learning_rate:g}")
    return "; ".join([", ".join(words), *([shortfall] if shortfall else [])])


def undo(trainer: Trainer, cause: str) -> str:
    """Return to the state before the last decision."""
    trainer.saver.save_best(trainer)
    point = trainer.points.pop()
    if point is not None:
        source, state, label = _MEMORY, copied(point.state), point.label
        if point.is_on_disk:
            trainer.saver.wait(WAIT_SECONDS)
            _forget(trainer, f"{CheckpointName(point.timeline, point.step, UNDO)}.pt")
    else:
        source, state = _from_disk(trainer, UNDO)
        label = str(state.get("label", ""))
        _forget(trainer, source)
    trainer.saver.save(trainer, tag=LEFT, cause=cause)
    left = trainer.step
    _go_back(trainer, state, source, cause, undone=label or "the last decision")
    return f"{label} is undone: from step {left} to step {trainer.step}"


def skip_batches(trainer: Trainer, num_batches: int, cause: str) -> str:
    """Leave out the next batches."""
    if trainer.batches.is_full:
        raise RefusedError("every batch is all of the data: there is none to skip.")
    trainer.batches.skip(num_batches)
    trainer.run.publish(BatchesSkipped(step=trainer.step, num_batches=num_batches, cause=cause))
    return f"{num_batches} batches left out"


def _go_back(
    trainer: Trainer, state: dict[str, Any], source: str, cause: str, *, undone: str = "", skip: int = 0,
    scale: float = 1.0, actor: str = "user",
) -> None:  # fmt: skip
    """Be at that state again, on a new timeline, and say so."""
    trainer.staging.flush()
    left, step = trainer.step, state["step"]
    put_back(trainer, state)
    put_random_states(state["random"])
    trainer.control.go_back(state["control"], keep_stop=actor == "auto")
    origin = state["timelines"]["current"]
    trainer.timelines.begin(origin, step)
    trainer.points.went_back(step)
    trainer.saver.went_back()
    trainer.layers.went_back(step)
    trainer.last_batch = None
    updater, batches = trainer.updater, trainer.batches
    if skip:
        batches.skip(skip)
        trainer.control.decide_upon(f"{cause}-skip", actor, step, SkipBatches(num_batches=skip))
    if scale != 1.0:
        updater.plan = plans.scaled(updater.plan, step, scale)
        trainer.control.decide_upon(f"{cause}-scale", actor, step, ScaleLearningRate(factor=scale))
    # Before it is told: whoever resumes this run finds either neither or both.
    trainer.saver.save(trainer, cause=cause)
    trainer.saver.wait(WAIT_SECONDS)
    trainer.run.recorder.go_back()
    trainer.run.publish(
        RolledBack(
            step=step, from_step=left, timeline=trainer.timelines.current, origin=origin, source=source,
            total_steps=trainer.total_steps, steps_per_epoch=batches.steps_per_epoch, batch_size=batches.batch_size,
            optimizer=updater.optimizer.state(updater.gradient_clip), regularizers=live_values(trainer),
            frozen=updater.frozen.names, decisions=tuple(trainer.control.decisions), undone=undone, cause=cause,
        )
    )  # fmt: skip
    if skip:
        trainer.run.publish(BatchesSkipped(step=step, num_batches=skip, cause=cause))
    summary = f"{updater.schedule(step).name} schedule" if scale == 1.0 else f"×{scale:g}"
    told = cause if scale != 1.0 else ""
    trainer.run.publish(LearningRatePlanned(step=step, plan=updater.plan, summary=summary, cause=told))
    tell_race(trainer)
    if updater.switch is not None:
        handover = updater.switch.handover
        trainer.run.publish(
            HandoverStarted(
                step=step, num_steps=handover.num_steps - handover.num_observed, from_name=updater.optimizer.name,
                to_name=updater.switch.to_name, cause=updater.switch.cause,
            )
        )  # fmt: skip


def _find(trainer: Trainer, to: int | str) -> tuple[str, dict[str, Any]]:
    """Where a state is kept, and the state, not shared with anything."""
    if isinstance(to, str) and to.isdigit():
        to = int(to)
    if isinstance(to, int):
        if not 0 <= to <= trainer.step:
            raise RefusedError(f"step {to} is not behind: the run is at step {trainer.step}.", hint=_kept(trainer))
        return _at_step(trainer, to)
    best = trainer.points.best(trainer) if to == BEST else None
    if best is not None and trainer.saver.kept_best(trainer) == Best.of(best.state):
        return _MEMORY, copied(best.state)
    return _from_disk(trainer, to)


def _at_step(trainer: Trainer, step: int) -> tuple[str, dict[str, Any]]:
    point = trainer.points.newest(step, trainer)
    for path, name in _saved(trainer):
        if name.step > step or not trainer.timelines.leads_here(name.timeline, name.step):
            continue
        if point is not None and point.step >= name.step:
            break
        try:
            state = load_checkpoint(path)
        except RunFolderError:
            continue  # damaged: the one before it
        if is_history(trainer, state):
            return f"checkpoints/{path.name}", state
    if point is None:
        raise RefusedError(f"no state is kept at or before step {step}.", hint=_kept(trainer))
    return _MEMORY, copied(point.state)


def _from_disk(trainer: Trainer, tag: str) -> tuple[str, dict[str, Any]]:
    tagged = [(path, name) for path, name in _saved(trainer) if name.tag == tag]
    if tag == BEST:  # of what is no more, or not yet, nothing is the best
        here = trainer.timelines.leads_here
        tagged = [(path, name) for path, name in tagged if name.step <= trainer.step and here(name.timeline, name.step)]
    elif tag != UNDO:  # of several with one name that of the run's history
        tagged.sort(key=lambda item: trainer.timelines.leads_here(item[1].timeline, item[1].step), reverse=True)
    if not tagged:
        what = "there is nothing to undo" if tag == UNDO else f'no checkpoint is tagged "{tag}"'
        what = (trainer.saver.best_words(trainer) if tag == BEST else "") or what
        raise RefusedError(f"{what}.", hint=_kept(trainer))
    path = tagged[0][0]
    try:
        return f"checkpoints/{path.name}", load_checkpoint(path)
    except RunFolderError as error:
        raise RefusedError(error.message, hint=_kept(trainer)) from error


def _saved(trainer: Trainer, *, waits: bool = True) -> list[tuple[Any, CheckpointName]]:
    if trainer.saver.folder is None:
        return []
    if waits:
        trainer.saver.wait(WAIT_SECONDS)
    paths = checkpoint_paths(trainer.saver.folder)
    return [(path, name) for path in paths if (name := name_of(path)) is not None]


def _forget(trainer: Trainer, source: str) -> None:
    if trainer.saver.folder is not None:
        (trainer.saver.folder / source.rpartition("/")[2]).unlink(missing_ok=True)


def _kept(trainer: Trainer) -> str:
    """What there is to go back to, in words."""
    saved = [name for _, name in _saved(trainer, waits=False)]
    steps = {name.step for name in saved if trainer.timelines.leads_here(name.timeline, name.step)}
    steps |= set(trainer.points.steps(trainer.timelines))
    tags = sorted({name.tag for name in saved if name.tag and name.tag != UNDO})
    words = ", ".join(f"to={item}" for item in [*sorted(steps)[-6:], *tags])
    return f"{words}." if words else "again later: nothing is kept yet."
