"""Whether a command names things that exist, checked without torch and before it is sent."""

from __future__ import annotations

from tuitrain.errors import CommandError, UnknownNameError
from tuitrain.protocol.commands import (
    Command,
    FindLearningRate,
    Freeze,
    MeasureGradientNoise,
    PreviewSwitch,
    SetHyperparameter,
    SetSchedule,
    SwitchOptimizer,
    Unfreeze,
)
from tuitrain.protocol.describe import check_ranges
from tuitrain.techniques.averages import AVERAGES
from tuitrain.techniques.hyperparameter import problems_with
from tuitrain.techniques.optimizers import OPTIMIZERS, optimizer_spec, split_betas
from tuitrain.techniques.regularizers import REGULARIZERS
from tuitrain.techniques.schedules import schedule_spec

_FEWEST_RATES = 10


def check_command(command: Command) -> Command:
    """The command, with `betas` split, if all its names and hyper-parameters exist.

    Raises:
        CommandError: an unknown hyper-parameter or a value out of range.
        UnknownNameError: an unknown optimizer or schedule.
    """
    check_ranges(command)
    if isinstance(command, SwitchOptimizer):
        return SwitchOptimizer(
            name=command.name, handover=command.handover, lr=command.lr, ramp_steps=command.ramp_steps,
            hyperparameters=_checked_optimizer(command),
        )  # fmt: skip
    if isinstance(command, PreviewSwitch):
        return PreviewSwitch(name=command.name, hyperparameters=_checked_optimizer(command))
    if isinstance(command, SetSchedule):
        spec = schedule_spec(command.name)
        _raise_first(problems_with(command.name, spec.hyperparameters, command.hyperparameters))
    if isinstance(command, SetHyperparameter):
        _check_hyperparameter(command)
    if isinstance(command, FindLearningRate | MeasureGradientNoise):
        _check_measurement(command)
    if isinstance(command, Freeze | Unfreeze) and not any(pattern.strip() for pattern in command.patterns):
        raise CommandError("patterns is empty.", hint='patterns=["conv_*"], or patterns=all-but-head.')
    return command


def known_hyperparameters() -> tuple[str, ...]:
    """Every name that set_hyperparameter may take in some run: of an optimizer, a regularizer, or the averages."""
    names = {name for spec in OPTIMIZERS.values() for name in spec.by_name}
    live = {name for name, spec in REGULARIZERS.items() if spec.is_live}
    return (*sorted(names | live | set(AVERAGES)), "betas")


def _checked_optimizer(command: SwitchOptimizer | PreviewSwitch) -> dict[str, float | int | bool | str | list[float]]:
    spec = optimizer_spec(command.name)
    given = split_betas(command.hyperparameters)
    _raise_first(problems_with(command.name, spec.hyperparameters, given))
    if given.get("nesterov") is True and command.name == "sgd" and not given.get("momentum"):
        raise CommandError("sgd: nesterov = true needs momentum.", hint="momentum=0.9.")
    return {name: spec.by_name[name].converted(value) for name, value in given.items()}


def _check_measurement(command: FindLearningRate | MeasureGradientNoise) -> None:
    if isinstance(command, MeasureGradientNoise):
        if any(size < 1 for size in command.batch_sizes or ()):
            raise CommandError("batch_sizes are not all above 0.", hint="batch_sizes=[1, 8, 32].")
        if command.num_batches < 2:
            raise CommandError(f"num_batches = {command.num_batches} tells no mean.", hint="num_batches=20.")
        return
    if not command.low < command.high:
        raise CommandError(f"low = {command.low:g} is not below high = {command.high:g}.", hint="low=1e-7 high=10.")
    if command.num_steps < _FEWEST_RATES:
        raise CommandError(f"num_steps = {command.num_steps} tells no curve.", hint="num_steps=100.")


def _check_hyperparameter(command: SetHyperparameter) -> None:
    known = known_hyperparameters()
    if command.name in {"lr", "learning_rate"}:
        raise CommandError("The learning rate is not set this way.", hint="set_learning_rate lr=….")
    if command.name not in known:
        raise UnknownNameError("hyper-parameter", command.name, known)
    spec = REGULARIZERS.get(command.name) or AVERAGES.get(command.name)
    if spec is None or command.value == "none":
        return
    problem = spec.hyperparameter.problem_with(command.value)
    if problem:
        raise CommandError(f"{command.name} = {command.value} {problem}.", hint="0 to switch it off.")


def _raise_first(problems: list[tuple[str, str]]) -> None:
    if problems:
        name, text = problems[0]
        raise CommandError(f"{name}: {text}" if text[0].isalpha() else f"{name} = {text}")
