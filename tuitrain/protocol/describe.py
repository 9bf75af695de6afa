"""What the commands are, for people: their names, arguments and help, and how text becomes a command.

The screens, `tuitrain ask` and the moments of a preset all come through `parse_command`.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Mapping

import msgspec

from tuitrain.errors import CommandError, nearest
from tuitrain.protocol.commands import Command
from tuitrain.protocol.plan import Value

COMMANDS: dict[str, type[Command]] = {str(member.__struct_config__.tag): member for member in Command.__args__}
"""Name on the command line → class."""

_POSITIVE = (
    "factor", "lr", "num_steps", "batch_size", "max_steps_per_second", "num_batches", "scale_learning_rate",
    "low", "high", "step_size", "num_entries", "num_samples", "num_products",
)  # fmt: skip
_MOST = 10**12
"""Of whole numbers: more steps are a slip of the finger, and beyond 2^63 no record could hold them."""
_MOST_SEED = 2**63 - 1
_SLOWEST = 0.001
"""Steps a second: one in a quarter of an hour; far below it no timer can wait."""
_NOT_NEGATIVE = ("warmup_steps", "ramp_steps", "skip_batches", "seed")


def parse_command(name: str, arguments: Mapping[str, object]) -> Command:
    """Make a command from its name and arguments, as a preset's moment or `tuitrain ask` gives them.

    Arguments that are no field of the command go to its `hyperparameters`, where it has any: they are
    checked against the tables by `techniques.checking`.

    Raises:
        CommandError: no such command or argument, with the nearest known one, or a value of the wrong kind.
    """
    folded = name.replace("-", "_")
    if folded not in COMMANDS:
        close = nearest(folded, COMMANDS)
        raise CommandError(
            f'No command named "{name}".', hint=f'"{close}".' if close else f"one of {', '.join(COMMANDS)}."
        )
    return _build(folded, COMMANDS[folded], arguments)


def check_ranges(command: Command) -> None:
    """Refuse numbers that have no meaning, such as a rate of -1: a request may come from anywhere.

    Raises:
        CommandError: names the argument and its bound.
    """
    _check_range(command_name(command), {key: getattr(command, key) for key in command.__struct_fields__})


def command_name(command: Command) -> str:
    """The name of a command as it is written, e.g. "scale_learning_rate"."""
    return str(command.__struct_config__.tag)


def command_help(name: str) -> str:
    """The first sentence of a command's docstring."""
    return (COMMANDS[name].__doc__ or "").split("\n", maxsplit=1)[0]


def command_arguments(name: str) -> list[tuple[str, str]]:
    """Pairs of (argument, type in words) of a command."""
    return [(field.name, _in_words(field.type)) for field in msgspec.structs.fields(COMMANDS[name])]


def sentence(command: Command) -> str:
    """What was asked, in words for a log: "scale_learning_rate factor=0.1"."""
    parts = [command_name(command)]
    for field in msgspec.structs.fields(command):
        value = getattr(command, field.name)
        if field.name == "hyperparameters":
            parts += [f"{key}={_plain(item)}" for key, item in value.items()]
        elif field.required or value != field.default:
            parts.append(f"{field.name}={_plain(value)}")
    return " ".join(parts)


def _build(name: str, kind: type[Command], arguments: Mapping[str, object]) -> Command:
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    arguments = {key: _listed(value, fields.get(key)) for key, value in arguments.items()}
    known = {key: value for key, value in arguments.items() if key in fields and key != "hyperparameters"}
    rest = {key: value for key, value in arguments.items() if key not in known}
    if rest and "hyperparameters" not in fields:
        unknown = next(iter(rest))
        close = nearest(unknown, fields)
        hint = f'"{close}".' if close else f"{', '.join(fields)}." if fields else "it without arguments."
        raise CommandError(f'{name} has no argument "{unknown}".', hint=hint)
    missing = [field.name for field in fields.values() if field.required and field.name not in known]
    if missing:
        raise CommandError(f"{name} needs {missing[0]}.", hint=f"{name} {missing[0]}=…")
    _check_range(name, known)
    if rest:
        known["hyperparameters"] = rest
    try:
        return msgspec.convert({"command": name, **known}, kind, strict=True)
    except msgspec.ValidationError as error:
        raise CommandError(f"{name}: {_readable(str(error), fields, known)}") from None


def _listed(value: object, field: msgspec.structs.FieldInfo | None) -> object:
    """One name, or several with commas between, where a list of names is meant."""
    if field is None or not isinstance(value, str) or _in_words(field.type) != "a list of names":
        return value
    return [name.strip() for name in value.split(",")]


def _check_range(name: str, known: Mapping[str, object]) -> None:
    for key in (*_POSITIVE, *_NOT_NEGATIVE):
        value = known.get(key)
        if not isinstance(value, int | float) or isinstance(value, bool):
            continue
        is_wrong = value < 0 if key in _NOT_NEGATIVE else not value > 0
        if is_wrong or not math.isfinite(value):
            bound = "0 or more" if key in _NOT_NEGATIVE else "above 0"
            raise CommandError(f"{name}: {key} = {value:g} is not {bound}.")
    for key, value in known.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, int) and abs(item) > (_MOST_SEED if key == "seed" else _MOST):
                raise CommandError(f"{name}: {key} = {item} is too large.")
            if isinstance(item, float) and not math.isfinite(item):
                raise CommandError(f"{name}: {key} = {item:g} is not a finite number.")
    pace = known.get("max_steps_per_second")
    if isinstance(pace, int | float) and 0 < pace < _SLOWEST:
        raise CommandError(f"{name}: max_steps_per_second = {pace:g} is below {_SLOWEST}.", hint="pause.")


def _readable(text: str, fields: Mapping[str, msgspec.structs.FieldInfo], known: Mapping[str, object]) -> str:
    """As msgspec says "Expected `float`, got `str` - at `$.factor`"; we say "factor = "fast" is not a number."."""
    for key, field in fields.items():
        if f"$.{key}" in text:
            value = known.get(key)
            shown = f'"{value}"' if isinstance(value, str) else value
            return f"{key} = {shown} is not {_in_words(field.type)}."
    return text


def _in_words(annotation: object) -> str:
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        options = [arg for arg in typing.get_args(annotation) if arg is not types.NoneType]
        if set(options) == set(typing.get_args(Value)):
            return "a value"
        return " or ".join(_in_words(option) for option in options)
    if typing.get_origin(annotation) is typing.Literal:
        return " or ".join(f'"{choice}"' for choice in typing.get_args(annotation))
    if typing.get_origin(annotation) is list:
        return "a list of names" if typing.get_args(annotation) == (str,) else "a list of numbers"
    if typing.get_origin(annotation) is dict:
        return "further name=value pairs"
    words = {float: "a number", int: "a whole number", bool: "true or false", str: "a name"}
    return words.get(typing.cast("type", annotation), str(annotation))


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(_plain(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
