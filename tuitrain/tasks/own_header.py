"""The first line of a table: whether it names the columns, which of them are features, and which is the target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tuitrain.errors import nearest
from tuitrain.tasks.own_lines import Cells
from tuitrain.tasks.own_parts import OwnData, counted, number, shortened, shown, written

_LOOKED_AT = 50


@dataclass(frozen=True)
class Columns:
    """Where things stand in a line."""

    names: tuple[str, ...]
    features: tuple[int, ...]
    """Positions, from 0; all that are not ignored where the target is not known."""
    target: int | None
    """None where the options name a target that is not there."""


def read_header(cells: Cells, options: OwnData, problems: list[str]) -> Columns | None:
    """What the columns are; None where that is not known."""
    header = cells.first
    if len(header) < 2:
        taken = f" where fields are separated by {cells.separation}" if cells.separation else ""
        problems.append(
            f"There is one column only{taken}, {shown(header)}. Try separating columns by a comma, semicolon or tab."
        )
        return None
    reason = "" if cells.has_names or options.header is not None else _sample_reason(cells)
    if reason:
        problems.append(
            f"The first line, {shown(header)}, may be a sample and not the names of the columns: {reason} (fields "
            f"separated by {cells.separation}). Try header = false if it is a sample, or header = true if it is not."
        )
        return None
    if options.header is False and not cells.has_names:
        header = [f"column {index}" for index in range(len(header))]
    names = tuple(name.strip() or f"column {index}" for index, name in enumerate(header))
    problems += _name_problems(header, names, options)
    kept = [index for index, name in enumerate(names) if name not in options.ignore]
    if len(kept) < 2:
        problems.append(f"{counted(len(kept), 'column')} cannot be both feature and target. Try a shorter ignore.")
    target = _target(names, kept, options, problems)
    return Columns(names, tuple(index for index in kept if index != target), target)


def _sample_reason(cells: Cells) -> str:
    """Why the first line may be a sample; empty where it is none."""
    header = [cell.strip() for cell in cells.first]
    numbers = [cell for cell in header if number(cell) is not None]
    is_counted = numbers == [str(index) for index in range(len(numbers))]
    if is_counted and (len(numbers) == len(header) or len(numbers) >= 3):
        return ""  # names that pandas gives to the columns of an array
    if len(numbers) == len(header):
        return "all of it are numbers"
    if any("." in cell for cell in numbers):
        return f'it holds numbers such as "{next(cell for cell in numbers if "." in cell)}"'
    below = [column[:_LOOKED_AT].to_pylist() for column in cells.columns]
    are_numbers = [any(column) and all(number(cell) is not None for cell in column if cell) for column in below]
    above_numbers = [cell for cell, is_number in zip(header, are_numbers, strict=True) if is_number]
    if numbers and all(number(cell) is not None for cell in above_numbers):
        return "it holds a number wherever the lines below do"
    for cell, column, is_number in zip(header, cells.columns, are_numbers, strict=True):
        if cell and not is_number and cell in column.unique().to_pylist():
            return f'"{cell}" is in the same column below, too'
    return ""


def _name_problems(header: list[str], names: tuple[str, ...], options: OwnData) -> Iterator[str]:
    for given, name in zip(header, names, strict=True):
        if not given.strip() and name not in options.ignore:
            yield (
                f"The {name} (counted from 0) has no name; often it numbers the lines, which teaches nothing. Try "
                f"ignore = [{written(name)}], or give it a name."
            )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        yield f"{counted(len(twice), 'column name')} given twice: {shown(twice)}. Try a different one for each."
    for name in options.ignore:
        if name not in names:
            yield f'ignore names "{shortened(name)}", which is no column. Try {_near("", name, names)}.'


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
        problems.append(f'target = "{shortened(wanted)}" is no column. Try {_near("target = ", wanted, names)}.')
        return None
    if index not in kept:
        problems.append(f'The target "{shortened(names[index])}" is ignored too. Try taking it out of ignore.')
        return None
    return index


def _near(key: str, name: str, names: tuple[str, ...]) -> str:
    close = nearest(name, names)
    return f"{key}{written(close)}" if close else f"one of {shown(names, 10)}"
