"""Whether what a branch shall do otherwise can be done there: told before anything is started, from the record alone.

The rules are those of the safe point, `training.refusing`. What only a trainer can know is refused there, and the
branch then ends as failed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tuitrain.errors import TuitrainError, UnknownNameError, UsageError
from tuitrain.preset import Preset
from tuitrain.protocol.commands import (
    Command,
    CoolDown,
    Decision,
    ScaleLearningRate,
    SetBatchSize,
    SetEnd,
    SetHyperparameter,
    SetLearningRate,
    SetSchedule,
    SwitchOptimizer,
)
from tuitrain.protocol.describe import command_name
from tuitrain.protocol.events import RunStarted
from tuitrain.techniques import plan as plans
from tuitrain.techniques.averages import AVERAGES
from tuitrain.techniques.checking import check_command
from tuitrain.techniques.optimizers import optimizer_spec
from tuitrain.techniques.regularizers import REGULARIZERS
from tuitrain.training.refusing import (
    RefusedError,
    check_batch_size,
    check_decay,
    check_end,
    check_follows_rate,
    check_full_batch,
    check_groups,
    check_regularizer,
    check_switchable,
    check_value,
    check_warmup,
)


def check_foreseen(
    started: RunStarted, preset: Preset, step: int, before: Iterable[Decision], commands: Iterable[Command]
) -> None:
    """Refuse what could not be carried out.

    Args:
        started: of the run that is branched.
        preset: of the same.
        step: where it is branched.
        before: what was decided on the way there.
        commands: what the branch does there, in order.

    Raises:
        UsageError: names the first command that could not be, and why.
    """
    run = _Foreseen(started, step, preset.optimizer.name, started.batch_size, started.total_steps)
    for decision in before:
        run.step = decision.step
        run.note(decision.command)
    run.step = step
    for command in commands:
        try:
            checked = check_command(command)
            run.check(checked)
        except TuitrainError as error:
            name = command_name(command)
            raise UsageError(f"{name} at step {step}: {error.message}", hint=error.hint) from error
        run.note(checked)


@dataclass
class _Foreseen:
    """What is known of a run at some step."""

    started: RunStarted
    step: int
    optimizer: str
    batch_size: int
    total_steps: int

    def note(self, command: Command) -> None:
        """Take in what is carried out."""
        match command:
            case SwitchOptimizer():
                self.optimizer = command.name
            case SetBatchSize():
                self.batch_size = command.batch_size
            case SetEnd():
                self.total_steps = command.step
            case CoolDown():
                self.total_steps = self.step + self._num_cool_down_steps(command)
            case _:
                pass

    def check(self, command: Command) -> None:
        """Refuse what could not be carried out; raises TuitrainError."""
        name = command_name(command)
        for info in self.started.commands:
            if info.name == name and info.refused_because:
                raise RefusedError(info.refused_because)
        remaining = self.total_steps - self.step
        match command:
            case SetEnd():
                check_end(command.step, self.step)
            case SetBatchSize():
                check_batch_size(command.batch_size, self.batch_size, self.started.num_train, self.optimizer)
            case SwitchOptimizer():
                check_full_batch(command.name, self.batch_size, self.started.num_train)
                # One that compares losses may have become possible with the batch size.
                is_possible = command.name in self.started.optimizers or optimizer_spec(command.name).needs_closure
                if not is_possible:
                    raise UnknownNameError("optimizer of this run", command.name, self.started.optimizers)
                check_switchable(remaining)
            case SetLearningRate():
                check_follows_rate(self.optimizer)
            case ScaleLearningRate():
                check_follows_rate(self.optimizer)
                self._check_groups(command.groups)
            case SetSchedule():
                check_decay(self.optimizer, command.name)
                check_warmup(command.warmup_steps, command.num_steps or max(1, remaining))
            case CoolDown():
                check_decay(self.optimizer, command.shape)
            case SetHyperparameter():
                self._check_hyperparameter(command)
            case _:
                pass

    def _check_hyperparameter(self, command: SetHyperparameter) -> None:
        known = optimizer_spec(self.optimizer).by_name
        if command.name in known or (command.name == "betas" and "beta1" in known):
            self._check_groups(command.groups)
            check_value(self.optimizer, command.name, command.value)
        elif command.name in REGULARIZERS:
            value = 0 if command.value == "none" else command.value
            check_regularizer(command.name, value, command.groups, self.optimizer)
            if value and self.started.regularizers and command.name not in self.started.regularizers:
                raise RefusedError(f"{command.name} cannot act on this run.")
        elif command.name not in AVERAGES:
            raise UnknownNameError(f"hyper-parameter of {self.optimizer}", command.name, known)

    def _check_groups(self, groups: Iterable[str] | None) -> None:
        check_groups(groups, [group.name for group in self.started.optimizer.groups])

    def _num_cool_down_steps(self, command: CoolDown) -> int:
        return command.num_steps or plans.default_cool_down(self.step, self.total_steps)
