"""What is searched: `optimizer.lr=log:1e-5:1e-1` read and checked, points of a grid, and a preset at one of the points.

Everything that a trial could be refused for is found before the first begins: the preset is built at every corner of
the space, by the path that overrides on the command line take.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from tuitrain.board.trials import place_of
from tuitrain.errors import PresetError, UsageError, nearest
from tuitrain.preset import Preset, preset_with
from tuitrain.preset.reading import parse_value
from tuitrain.protocol.comparing import SearchedParameter
from tuitrain.protocol.plan import Value
from tuitrain.techniques.optimizers import OPTIMIZERS
from tuitrain.techniques.regularizers import REGULARIZERS
from tuitrain.techniques.schedules import SCHEDULES

FORMS = ("log", "lin", "uniform", "int", "logint")
_SHAPE = "optimizer.lr=log:1e-5:1e-1, task.activation=relu,tanh"
_MOST_CORNERS = 512
"""Beyond so many, corners are built for each two parameters at a time, the others as in the preset."""
_DIGITS = 4
"""Significant digits of a value that is tried: more tell nothing, and are hard to read."""
_NUMBER = re.compile(r"-?[0-9][0-9.e+-]*")


def parse_space(texts: Sequence[str], preset: Preset) -> tuple[SearchedParameter, ...]:
    """Read a space and make sure that the preset takes every corner of it.

    Args:
        texts: `key=log:LOW:HIGH`, `lin:` (or `uniform:`), `int:`, `logint:`, each with a number of grid points as a
            last part if need be; or `key=a,b,c`.
        preset: what the trials vary.

    Raises:
        PresetError: everything that is wrong with it.
    """
    if not texts:
        raise UsageError("A search needs a space.", hint=f"--space {_SHAPE.split(',', maxsplit=1)[0]}")
    found: dict[str, SearchedParameter] = {}
    problems: list[str] = []
    seen: set[str] = set()
    for text in texts:
        key, separator, rest = text.partition("=")
        key, rest = key.strip(), rest.strip()
        problem = "" if separator and key and rest else f'"{text}" is not of the form key=values. Try: {_SHAPE}'
        problem = problem or _key_problem(key)
        if not problem and key in seen:
            problem = f"{key} is given twice. Try: one of them."
        seen.add(key)
        if problem:
            problems.append(f"--space: {problem}")
            continue
        parsed = _parsed(key, rest)
        if isinstance(parsed, str):
            problems.append(f"--space {text}: {parsed}")
        else:
            found[key] = parsed
    problems += corner_problems(tuple(found.values()), preset)
    if problems:
        raise PresetError(problems)
    return tuple(found.values())


def corner_problems(space: Sequence[SearchedParameter], preset: Preset) -> list[str]:
    """What the preset refuses at the corners of a space, each once."""
    seen: dict[str, str] = {}
    for corner in _corners(space):
        try:
            preset_at(preset.to_data(), corner)
        except PresetError as error:
            for problem in error.problems:
                said = problem.replace("command line: ", "--space: ", 1)
                seen.setdefault(_NUMBER.sub("#", said), said)
    return list(seen.values())


def preset_at(data: Mapping[str, Any], parameters: Mapping[str, Value], place: str = "search") -> Preset:
    """A preset with other values for some keys, as overrides on the command line would give them.

    Args:
        data: of the preset, as `Preset.to_data` gave it.
        parameters: key → value.
        place: what errors begin with where they are not of these keys.

    Raises:
        PresetError: it refuses them.
    """
    return preset_with(data, [f"{key}={written(value)}" for key, value in parameters.items()], place)


def written(value: Value) -> str:
    """A value as a preset writes it; what `parse_value` reads.

    Whole numbers in a list are written as such: the plan of a search, which knows lists of floats alone, forgets it.
    """
    if isinstance(value, list):
        return json.dumps([int(item) if float(item).is_integer() else item for item in value])
    return json.dumps(value) if not isinstance(value, float) else repr(value)


def num_points_of(space: Sequence[SearchedParameter], num_trials: int) -> list[int]:
    """How many points of each dimension a grid has: those that were asked for, the rest shared out evenly.

    Args:
        space: at least one dimension.
        num_trials: that the grid may have at most; 0 where only the points that were asked for count.

    Raises:
        UsageError: the number is not finite, or there are more points than trials.
    """
    asked = [len(item.choices) or item.num_points for item in space]
    free = [index for index, count in enumerate(asked) if not count]
    product = math.prod(count for count in asked if count)
    if free and not num_trials:
        key = space[free[0]].key
        raise UsageError(
            f"A grid over {key} has no finite number of points.", hint=f"--space {key}=…:7 for seven, or --trials 9."
        )
    if free:
        each = int((num_trials / product) ** (1 / len(free)) + 1e-9)
        if each < 2:
            least = product * 2 ** len(free)
            raise UsageError(f"A grid of these {len(space)} needs {least} trials at least.", hint=f"--trials {least}")
        asked = [count or min(each, _num_values(item)) for count, item in zip(asked, space, strict=True)]
    total = math.prod(asked)
    if num_trials and total > num_trials:
        shape = " × ".join(map(str, asked))
        raise UsageError(
            f"The grid has {shape} = {total} points, and --trials is {num_trials}.", hint=f"--trials {total}"
        )
    return asked


def grid_values(parameter: SearchedParameter, num_points: int) -> list[Value]:
    """The points of one dimension, from low to high, evenly on its scale; one point is the middle of it."""
    if parameter.choices:
        return list(parameter.choices)
    shares = [index / (num_points - 1) for index in range(num_points)] if num_points > 1 else [0.5]
    return list(dict.fromkeys(value_at(parameter, share) for share in shares))


def value_at(parameter: SearchedParameter, share: float) -> Value:
    """The value at a share of the range, 0 at low and 1 at high, on its scale; rounded as it is tried."""
    low, high = place_of(parameter, parameter.low), place_of(parameter, parameter.high)
    place = low + share * (high - low)
    return as_tried(parameter, 10.0**place if parameter.is_log else place)


def as_tried(parameter: SearchedParameter, value: float) -> int | float:
    """A value rounded to what is tried, within the range."""
    within = min(max(value, parameter.low), parameter.high)
    if parameter.is_integer:
        return round(within)
    return min(max(float(f"{within:.{_DIGITS}g}"), parameter.low), parameter.high)


def share_of(parameter: SearchedParameter, value: Value) -> float:
    """Where a value lies in the range, on its scale: 0 at low, 1 at high; 0.5 for what has no range."""
    if parameter.choices or not isinstance(value, int | float) or parameter.low == parameter.high:
        return 0.5
    low, high = place_of(parameter, parameter.low), place_of(parameter, parameter.high)
    return (place_of(parameter, float(value)) - low) / (high - low)


def range_words(parameter: SearchedParameter) -> str:
    """The range in words: "1e-05 to 0.1, log"."""
    if parameter.choices:
        return ", ".join(choice if isinstance(choice, str) else written(choice) for choice in parameter.choices)
    return f"{parameter.low:g} to {parameter.high:g}{', log' if parameter.is_log else ''}"


def _key_problem(key: str) -> str:
    """Why a key cannot be searched; of keys that another optimizer or schedule has, the preset itself says it."""
    known = known_keys()
    if key in known:
        return ""
    close = _close_key(key)
    hint = f'Did you mean "{close}"?' if close else "Try: optimizer.lr, regularize.weight_decay, task.hidden."
    return f'"{key}" is not a key of a preset that can be searched. {hint}'


def full_key(name: str) -> str:
    """The key that is meant by a name without its section, or by a misspelt one: "lr" is "optimizer.lr"."""
    return _close_key(name) or "optimizer.lr"


def _close_key(key: str) -> str | None:
    known, name = known_keys(), key.rpartition(".")[2]
    return next((full for full in known if full.rpartition(".")[2] == name), None) or nearest(key, known)


def known_keys() -> list[str]:
    """Keys of presets, those of all optimizers, schedules and regularizers among them."""
    keys: list[str] = []
    for section, field in Preset.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            keys += [f"{section}.{name}" for name in kind.model_fields]
    keys += [f"optimizer.{item.name}" for spec in OPTIMIZERS.values() for item in spec.hyperparameters]
    keys += [f"schedule.{item.name}" for spec in SCHEDULES.values() for item in spec.hyperparameters]
    keys += [f"regularize.{name}" for name in REGULARIZERS]
    return list(dict.fromkeys(keys))


def _parsed(key: str, text: str) -> SearchedParameter | str:
    """A parameter, or what is wrong with it."""
    form, *parts = (part.strip() for part in text.split(":"))
    if form in FORMS:
        return _range(key, form, parts)
    if parts and "," not in text and not text.startswith(("[", '"')):
        close = nearest(form, FORMS)
        return f'"{form}" is no scale. {f"Did you mean {close}:" if close else f"Try: {_words(FORMS)}:"}'
    choices = tuple(parse_value(part) for part in split_at_commas(text) if part)
    if len(choices) < 2:
        return f"one value alone is not searched. Try: {key}={text} before --space, or log:LOW:HIGH."
    if not all(_is_value(choice) for choice in choices):
        return "choices are numbers, words, true or false, or lists of numbers. Try: [64],[128,64]."
    if len({written(choice) for choice in choices}) < len(choices):
        return "the same value is there twice. Try: each once."
    return SearchedParameter(key=key, choices=choices)


def _is_value(choice: object) -> bool:
    if isinstance(choice, list):
        return all(isinstance(item, int | float) and not isinstance(item, bool) for item in choice)
    return isinstance(choice, int | float | str)


def _range(key: str, form: str, parts: Sequence[str]) -> SearchedParameter | str:
    is_log, is_integer = form.startswith("log"), form.endswith("int")
    if len(parts) not in (2, 3):
        return f"{form} takes LOW:HIGH, or LOW:HIGH:POINTS. Try: {form}:{'1:10' if is_integer else '1e-5:1e-1'}"
    numbers = [parse_value(part) for part in parts]
    for part, number in zip(parts, numbers, strict=True):
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            return f'"{part}" is not a number. Try: {form}:{"1:10" if is_integer else "1e-5:1e-1"}'
    low, high = float(numbers[0]), float(numbers[1])
    if low > high:
        return f"low {low:g} is above high {high:g}. Try: {form}:{parts[1]}:{parts[0]}"
    if low == high:
        return f"low and high are both {low:g}. Try: {key}={parts[0]} before --space."
    if is_log and low <= 0.0:
        return f"low {low:g} has no logarithm. Try: a low above 0, or {form.replace('log', '') or 'lin'}:."
    if is_integer and not (low.is_integer() and high.is_integer()):
        return f"{form} goes from a whole number to a whole number. Try: {'log' if is_log else 'lin'}:"
    num_points = numbers[2] if len(numbers) == 3 else 0
    if len(numbers) == 3 and (not isinstance(num_points, int) or num_points < 2):
        return f"{parts[2]} points are no grid. Try: a whole number, 2 at least."
    return SearchedParameter(
        key=key, low=low, high=high, is_log=is_log, is_integer=is_integer, num_points=int(num_points)
    )


def split_at_commas(text: str) -> list[str]:
    """Values of a key: at commas that are in no list and no quotes, `[64],[128, 64]` is two."""
    parts, depth, is_quoted = [""], 0, False
    for letter in text:
        is_quoted ^= letter == '"'
        depth += (letter == "[") - (letter == "]") if not is_quoted else 0
        if letter == "," and not depth and not is_quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _corners(space: Sequence[SearchedParameter]) -> Iterator[dict[str, Value]]:
    ends = [_ends(item) for item in space]
    keys = [item.key for item in space]
    if math.prod(map(len, ends)) <= _MOST_CORNERS:
        yield from (dict(zip(keys, point, strict=True)) for point in itertools.product(*ends))
        return
    for one, other in itertools.combinations(range(len(space)), 2):
        first = {key: values[0] for key, values in zip(keys, ends, strict=True)}
        yield from (
            {**first, keys[one]: mine, keys[other]: theirs}
            for mine, theirs in itertools.product(ends[one], ends[other])
        )


def _ends(parameter: SearchedParameter) -> list[Value]:
    if parameter.choices:
        return list(parameter.choices)
    return [as_tried(parameter, parameter.low), as_tried(parameter, parameter.high)]


def _num_values(parameter: SearchedParameter) -> int:
    return int(parameter.high - parameter.low) + 1 if parameter.is_integer else 1 << 30


def _words(names: Iterable[str]) -> str:
    return ":, ".join(names)
