"""Whether a command names things that exist, checked without torch and before it is sent."""

from __future__ import annotations

from tuitrain.errors import CommandError, UnknownNameError
from tuitrain.protocol.commands import Command, PreviewSwitch, SetHyperparameter, SetSchedule, SwitchOptimizer
from tuitrain.protocol.describe import check_ranges
from tuitrain.techniques.hyperparameter import problems_with
from tuitrain.techniques.optimizers import OPTIMIZERS, optimizer_spec, split_betas
from tuitrain.techniques.schedules import schedule_spec

CLIP_NAME = "gradient_clip"


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
    return command


def known_hyperparameters() -> tuple[str, ...]:
    """Every name that set_hyperparameter may take for some optimizer."""
    names = {name for spec in OPTIMIZERS.values() for name in spec.by_name}
    return (*sorted(names), "betas", CLIP_NAME)


def _checked_optimizer(command: SwitchOptimizer | PreviewSwitch) -> dict[str, float | int | bool | str | list[float]]:
    spec = optimizer_spec(command.name)
    given = split_betas(command.hyperparameters)
    _raise_first(problems_with(command.name, spec.hyperparameters, given))
    if given.get("nesterov") is True and command.name == "sgd" and not given.get("momentum"):
        raise CommandError("sgd: nesterov = true needs momentum.", hint="momentum=0.9.")
    return {name: spec.by_name[name].converted(value) for name, value in given.items()}


def _check_hyperparameter(command: SetHyperparameter) -> None:
    known = known_hyperparameters()
    if command.name in {"lr", "learning_rate"}:
        raise CommandError("The learning rate is not set this way.", hint="set_learning_rate lr=….")
    if command.name not in known:
        raise UnknownNameError("hyper-parameter", command.name, known)
    if command.name == CLIP_NAME:
        is_number = isinstance(command.value, int | float) and not isinstance(command.value, bool)
        if command.value != "none" and not (is_number and float(command.value) > 0):  # type: ignore[arg-type]
            raise CommandError(
                f"{CLIP_NAME} = {command.value} is not above 0.", hint='1.0, or "none" to switch it off.'
            )


def _raise_first(problems: list[tuple[str, str]]) -> None:
    if problems:
        name, text = problems[0]
        raise CommandError(f"{name}: {text}" if text[0].isalpha() else f"{name} = {text}")
