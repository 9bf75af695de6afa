"""The first line of a table: what separates the columns, which of them are features, and which is the target."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

from tuitrain.errors import nearest
from tuitrain.tasks.own_parts import OwnData, counted, shortened, shown

_SEPARATORS = (",", ";", "\t")


@dataclass(frozen=True)
class Columns:
    """Where things stand in a line."""

    names: tuple[str, ...]
    features: tuple[int, ...]
    """Positions, from 0; all that are not ignored where the target is not known."""
    target: int | None
    """None where the options name a target that is not there."""


def sniffed_separator(file: TextIO) -> str:
    """The separator that divides the first line into most fields; leaves the file at its beginning."""
    first = next((line for line in file if line.strip()), "")
    file.seek(0)

    def fields(separator: str) -> int:
        try:
            return len(next(csv.reader([first], delimiter=separator), []))
        except csv.Error:
            return 0

    return max(_SEPARATORS, key=fields)


def read_header(header: list[str], options: OwnData, problems: list[str]) -> Columns | None:
    """What the columns are; None where it is no header. A column without a name is called by its position."""
    if _is_sample(header):
        problems.append(
            f"Line 1 holds numbers, not column names: {shown(header)}. Try adding a line with a name for each column."
        )
        return None
    names = tuple(name.strip() or f"column {index}" for index, name in enumerate(header))
    if len(names) < 2:
        problems.append(
            f"There is one column only, {shown(names)}. Try separating columns by a comma, semicolon or tab."
        )
        return None
    problems += _name_problems(header, names, options)
    kept = [index for index, name in enumerate(names) if name not in options.ignore]
    if len(kept) < 2:
        problems.append(f"{counted(len(kept), 'column')} cannot be both feature and target. Try a shorter ignore.")
    target = _target(names, kept, options, problems)
    return Columns(names, tuple(index for index in kept if index != target), target)


def number(text: str) -> float | None:
    """The number that a cell holds; None for anything else, also for 1_000, which Python would take."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _is_sample(header: list[str]) -> bool:
    """A line of numbers alone, or with a decimal number in it, is a sample; 0, 1, 2, … are names given by pandas."""
    if [name.strip() for name in header] == [str(index) for index in range(len(header))]:
        return False
    numbers = [name for name in header if number(name) is not None]
    return len(numbers) == len(header) or any("." in name for name in numbers)


def _name_problems(header: list[str], names: tuple[str, ...], options: OwnData) -> Iterator[str]:
    for given, name in zip(header, names, strict=True):
        if not given.strip() and name not in options.ignore:
            yield (
                f"The {name} (counted from 0) has no name; often it numbers the lines, which teaches nothing. Try "
                f'ignore = ["{name}"], or give it a name.'
            )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        yield f"{counted(len(twice), 'column name')} given twice: {shown(twice)}. Try a different one for each."
    for name in options.ignore:
        if name not in names:
            yield f'ignore names "{shortened(name)}", which is no column. Try {_near(name, names)}.'


def _target(names: tuple[str, ...], kept: list[int], options: OwnData, problems: list[str]) -> int | None:
    wanted = options.target
    if wanted is None:
        return kept[-1] if kept else None
    if isinstance(wanted, int):
        if not -len(names) <= wanted < len(names):
            problems.append(f"target = {wanted} is no column: there are {len(names)}, counted from 0. Try target = -1.")
            return None
        index = wanted % len(names)
    elif wanted in names:
        index = names.index(wanted)
    else:
        problems.append(f'target = "{shortened(wanted)}" is no column. Try {_near(wanted, names)}.')
        return None
    if index not in kept:
        problems.append(f'The target "{shortened(names[index])}" is ignored too. Try taking it out of ignore.')
        return None
    return index


def _near(name: str, names: tuple[str, ...]) -> str:
    close = nearest(name, names)
    return f'"{shortened(close)}"' if close else f"one of {shown(names, 10)}"
