"""The commands that freeze and unfreeze: which parameters a run trains, and at which rate they begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitrain.protocol.commands import Freeze, Unfreeze
from tuitrain.protocol.events import LearningRatePlanned, TrainableChanged
from tuitrain.techniques import plan as plans
from tuitrain.techniques.build.groups import ParameterGroup
from tuitrain.techniques.build.regrouping import groups_with, regrouped
from tuitrain.techniques.freezing import FRESH_FACTOR, Shapes, in_words, matched
from tuitrain.training.refusing import RefusedError

if TYPE_CHECKING:
    from tuitrain.training.trainer import Trainer

_LONGEST_NAME = 24
"""Of a group, so that the side panel can show it."""


def freeze(trainer: Trainer, command: Freeze, cause: str) -> str:
    """Keep parameters as they are from the next step on."""
    updater = trainer.updater
    frozen, shapes = updater.frozen, updater.frozen.shapes
    meant = matched(command.patterns, shapes)
    changed = tuple(name for name in meant if name not in set(frozen.names))
    if not changed:
        raise RefusedError(f"{in_words(meant, shapes)}: frozen already.")
    if not set(shapes) - set(frozen.names) - set(changed):
        raise RefusedError("nothing would be left to train.", hint='patterns=["all-but-head"].')
    held = frozen.freeze(changed, holds_statistics=command.batch_norm == "eval")
    notes = [f"{', '.join(held)}: running statistics are used and kept"] if held else []
    if updater.optimizer.needs_closure:
        updater.optimizer = regrouped(updater.optimizer, updater.optimizer.groups)
        notes.append(f"the history of {updater.optimizer.name} was dropped: it is of all parameters together")
    return _tell(trainer, changed, is_frozen=True, notes=notes, cause=cause)


def unfreeze(trainer: Trainer, command: Unfreeze, cause: str) -> str:
    """Train frozen parameters; those that no optimizer had, or that get a rate of their own, are a new group."""
    updater, step = trainer.updater, trainer.step
    shapes = updater.frozen.shapes
    meant = matched(command.patterns, shapes)
    changed = tuple(name for name in meant if name in set(updater.frozen.names))
    if not changed:
        raise RefusedError(f"{in_words(meant, shapes)}: not frozen.")
    optimizer = updater.optimizer
    had = {name for group in optimizer.groups for name, _ in group.parameters}
    moved = [name for name in changed if command.factor is not None or name not in had]
    notes: list[str] = []
    if optimizer.needs_closure:
        if command.factor not in {None, 1.0}:
            raise RefusedError(f"{optimizer.name} takes one rate for all.", hint="it without factor.")
        updater.frozen.unfreeze(changed)
        _join(trainer, [name for name in changed if name not in had])
        notes.append(f"the history of {optimizer.name} was dropped: it is of all parameters together")
    else:
        updater.frozen.unfreeze(changed)
        if moved:
            factor = FRESH_FACTOR if command.factor is None else command.factor
            notes.append(_move(trainer, moved, factor, _group_name(moved, command, shapes), cause))
    summary = _tell(trainer, changed, is_frozen=False, notes=notes, cause=cause)
    if moved and not optimizer.needs_closure:
        rate = plans.learning_rate(updater.plan, updater.optimizer.groups[-1].name, step)
        told = f"{updater.optimizer.groups[-1].name}: begins at {rate:.2g}"
        trainer.run.publish(LearningRatePlanned(step=step, plan=updater.plan, summary=told, cause=cause))
    return summary


def _group_name(names: list[str], command: Unfreeze, shapes: Shapes) -> str:
    """The layers, where they are few, else the patterns as they were asked; without a comma, as groups are listed."""
    layers = in_words(names, shapes).replace(", ", "+")
    return layers if len(layers) <= _LONGEST_NAME else "+".join(command.patterns)


def _join(trainer: Trainer, names: list[str]) -> None:
    """Put further parameters into the one group of an optimizer that takes all together."""
    updater = trainer.updater
    first = updater.optimizer.groups[0]
    tensors = dict(trainer.task.model.named_parameters())
    wanted = {*(name for name, _ in first.parameters), *names}
    members = tuple((name, tensor) for name, tensor in tensors.items() if name in wanted)
    group = ParameterGroup(first.name, members, first.has_decay, first.rate)
    updater.optimizer = regrouped(updater.optimizer, [group])


def _move(trainer: Trainer, names: list[str], factor: float, group_name: str, cause: str) -> str:
    """Make a group of parameters, with a rate of its own; returns what a person should know."""
    updater, step = trainer.updater, trainer.step
    updater.cancel(step, "the parameter groups changed", cause)
    updater.forget_measurement()
    tensors = dict(trainer.task.model.named_parameters())
    groups, new = groups_with(updater.optimizer.groups, {name: tensors[name] for name in names}, group_name)
    updater.optimizer = regrouped(updater.optimizer, groups)
    kept = [group.name for group in groups if group.name not in new]
    updater.plan = plans.with_groups(updater.plan, step, kept, dict.fromkeys(new, factor))
    return f"learning rate ×{factor:g} of that of the first group"


def _tell(trainer: Trainer, changed: tuple[str, ...], *, is_frozen: bool, notes: list[str], cause: str) -> str:
    updater = trainer.updater
    trainer.guard.watch_trained()
    summary = f"{'froze' if is_frozen else 'unfroze'} {in_words(changed, updater.frozen.shapes)}"
    trainer.run.publish(
        TrainableChanged(
            step=trainer.step, changed=changed, is_frozen=is_frozen, frozen=updater.frozen.names, summary=summary,
            optimizer=updater.optimizer.state(updater.gradient_clip), notes=tuple(notes), cause=cause,
        )
    )  # fmt: skip
    return summary
