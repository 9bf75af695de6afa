"""A table of one's own: text with a header, numbers in the features, numbers or names in the target."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter
from typing import NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray

from tuitrain.tasks.input_columns import InputColumn
from tuitrain.tasks.own_header import Columns, number, read_header, sniffed_separator
from tuitrain.tasks.own_parts import (
    MOST_CLASSES_GUESSED,
    OwnData,
    Target,
    counted,
    nonfinite_as_float32,
    shortened,
)

_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
_MISSING_TARGET = _MISSING - {"none"}  # a good name of a class
_LINES_AT_ONCE = 2000
_DECIMAL_COMMA = re.compile(r"\s*[-+]?\d+,\d+\s*")


class Table(NamedTuple):
    """What a file holds, if its lines and its target can be read."""

    x: NDArray[np.float64]  # (n, features); without samples where a feature has mistakes
    target: Target
    target_name: str
    columns: tuple[InputColumn, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class _Tally:
    """Cells of one kind: how many, the line of the first and what stands there."""

    count: int = 0
    line: int = 0
    value: str = ""

    def add(self, line: int, value: str) -> None:
        if not self.count:
            self.line, self.value = line, value
        self.count += 1


@dataclass
class _Unusable:
    """Cells of one column that are no finite numbers."""

    missing: _Tally = field(default_factory=_Tally)
    text: _Tally = field(default_factory=_Tally)
    infinite: _Tally = field(default_factory=_Tally)

    def add(self, line: int, cell: str, missing: frozenset[str] = _MISSING) -> None:
        """Note the cell if it is one."""
        value = number(cell)
        if cell.strip().lower() in missing:
            self.missing.add(line, cell)
        elif value is None:
            self.text.add(line, cell)
        elif nonfinite_as_float32(np.array(value)):
            self.infinite.add(line, cell)

    def problems(self, name: str, way_out: str) -> Iterator[str]:
        """One sentence for each kind of them."""
        column = f'Column "{shortened(name)}"'
        if self.missing.count:
            yield (
                f"{column} has {counted(self.missing.count, 'missing value')}, the first in line {self.missing.line}. "
                f"Try filling in a number, or removing the line{way_out}."
            )
        if self.text.count:
            comma = " with a decimal point" if _DECIMAL_COMMA.fullmatch(self.text.value) else ""
            yield (
                f"{column} has text where a number is needed in {counted(self.text.count, 'line')}, the first in line "
                f'{self.text.line}: "{shortened(self.text.value)}". Try a number{comma} there{way_out}.'
            )
        if self.infinite.count:
            yield (
                f"{column} has {counted(self.infinite.count, 'number')} infinite or above 3.4e38, the first in line "
                f'{self.infinite.line}: "{shortened(self.infinite.value)}". Try a finite number there{way_out}.'
            )


@dataclass
class _Body:
    """What the lines below the header hold."""

    columns: Columns
    parts: list[NDArray[np.float64]] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    ragged: _Tally = field(default_factory=_Tally)
    unusable: dict[int, _Unusable] = field(default_factory=dict)

    def add(self, row: list[str], line: int) -> None:
        """One more line."""
        if len(row) != len(self.columns.names):
            self.ragged.add(line, str(len(row)))
            return
        self.rows.append(row)
        self.lines.append(line)
        if len(self.rows) == _LINES_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Turn the lines added since last time into numbers."""
        rows, self.rows = self.rows, []
        if not rows:
            return
        lines = self.lines[-len(rows) :]
        columns = self.columns
        if columns.target is not None:
            self.targets += map(itemgetter(columns.target), rows)
        pick = itemgetter(*columns.features)
        cells = list(chain.from_iterable(map(pick, rows)) if len(columns.features) > 1 else map(pick, rows))
        values = _numbers(cells)
        if values is not None:
            self.parts.append(values.reshape(len(rows), len(columns.features)))
            return
        for index in columns.features:
            column = [row[index] for row in rows]
            if _numbers(column) is None:
                unusable = self.unusable.setdefault(index, _Unusable())
                for line, cell in zip(lines, column, strict=True):
                    unusable.add(line, cell)


def read_csv(options: OwnData, problems: list[str]) -> Table | None:
    """The whole table; everything that is wrong with it goes to `problems`.

    A million lines of 10 columns, 111 MB, take about 5 s and 190 MB.
    """
    try:
        # A byte-order mark is no part of the first name.
        with options.path.open(encoding="utf-8-sig", newline="") as file:
            return _read(file, options, problems)
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        problems.append(f"Byte 0x{byte:02x} is no text in UTF-8. Try saving the table as CSV in UTF-8.")
    except OSError as error:
        problems.append(f"The file cannot be read: {error.strerror or error}. Try another path.")
    return None


def _read(file: TextIO, options: OwnData, problems: list[str]) -> Table | None:
    reader = csv.reader(file, delimiter=sniffed_separator(file), skipinitialspace=True, strict=True)
    body = None
    try:
        header = next((row for row in reader if row), None)
        if header is None:
            problems.append("The file is empty. Try one with a line of column names and a line for each sample.")
            return None
        columns = read_header(header, options, problems)
        if columns is None or not columns.features:
            return None
        body = _Body(columns)
        for row in reader:
            if row:
                body.add(row, reader.line_num)
    except csv.Error as error:
        problems.append(f"Line {reader.line_num} cannot be read: {error}. Try closing every quote.")
        if body is not None:
            _finished(body, options, problems, is_cut=True)
        return None
    return _finished(body, options, problems)


def _finished(body: _Body, options: OwnData, problems: list[str], *, is_cut: bool = False) -> Table | None:
    body.flush()
    columns = body.columns
    if body.ragged.count:
        problems.append(
            f"{counted(body.ragged.count, 'line')} with another number of fields than the {len(columns.names)} of the "
            f"header, the first is line {body.ragged.line} with {body.ragged.value}. Try quoting fields that hold the "
            "separator, and filling up the others."
        )
    elif not body.lines and not is_cut:
        problems.append("There is a header and no line below it. Try adding a line for each sample.")
    for index, unusable in sorted(body.unusable.items()):
        if columns.target is None:
            unusable.text = _Tally()  # it may be the target
        problems += unusable.problems(columns.names[index], f', or ignore = ["{shortened(columns.names[index])}"]')
    if columns.target is None or not body.lines:
        return None
    name = columns.names[columns.target]
    target = _target(body, name, options, problems)
    if target is None or body.ragged.count:
        return None  # what is left of the samples would raise questions of its own
    x = np.zeros((0, 0)) if body.unusable else np.concatenate(body.parts)
    inputs = tuple(InputColumn(name=columns.names[index]) for index in columns.features)
    ignored = [name for name in columns.names if name in options.ignore]
    return Table(x, target, name, inputs, (f"left out: {', '.join(map(shortened, ignored))}",) if ignored else ())


def _target(body: _Body, name: str, options: OwnData, problems: list[str]) -> Target | None:
    """Numbers if all are, else names; a column of numbers with a slip in it is not taken for names."""
    texts = [text.strip() for text in body.targets]
    unusable = _Unusable()
    values = _numbers(texts)
    if values is not None:
        return Target(np.array(list(map(float, texts))), None)
    for line, text in zip(body.lines, texts, strict=True):
        unusable.add(line, text, _MISSING_TARGET)
    numbers = {text for text in texts if number(text) is not None}
    is_slip = unusable.text.count < len(texts) / 2 and len(numbers) > MOST_CLASSES_GUESSED
    if unusable.text.count and options.target_kind != "regression" and not is_slip:
        unusable.text = unusable.infinite = _Tally()
        if unusable.missing.count:
            problems += unusable.problems(name, "")
            return None
        names = sorted(set(texts))
        codes = {text: code for code, text in enumerate(names)}
        return Target(np.array([codes[text] for text in texts], dtype=np.int64), tuple(names))
    problems += unusable.problems(name, ", or another target")
    return None


def _numbers(cells: list[str]) -> NDArray[np.float64] | None:
    """The cells as numbers; None if one of them is no finite number."""
    try:
        if "_" in "".join(cells):  # Python takes 1_000 for a number
            return None
        values = np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        return None
    return None if nonfinite_as_float32(values).any() else values
