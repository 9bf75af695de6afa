"""The cells of a column as numbers or names, and a sentence for each kind of cell that is neither."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from tuitrain.tasks.own_parts import counted, nonfinite_as_float32, number, shortened, written

Mark = Literal[".", ","]
_MARKS: tuple[Mark, ...] = (".", ",")

MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "?"})
"""What stands where a number is missing."""
MISSING_TEXT = MISSING - {"none"}  # a good name of a category
MOST_CATEGORIES = 50
_GROUPED = {
    ".": re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?"),
    ",": re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+(,\d*)?"),
}
_BOOLEANS = {"true": 1.0, "false": 0.0}
_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}([-/.]\d{1,2})?([T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}( .*)?|\d{1,2}:\d{2}(:\d{2})?.{0,6}"
    r"|(\d{1,2}[-. ]*)?(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?[-, ]*(\d{1,2},? )?\d{2,4}.*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Column:
    """A column of texts without blanks around them."""

    name: str
    cells: pa.Array
    place: Callable[[int], str]
    """Where the cell of a row is."""

    @cached_property
    def plain(self) -> NDArray[np.float64] | None:
        """The numbers, NaN where they are missing; None if there is anything else."""
        values = _cast(self.cells)
        if values is None:
            is_missing = compute.is_in(compute.utf8_lower(self.cells), pa.array(sorted(MISSING)))
            values = _cast(compute.if_else(is_missing, pa.scalar(None, pa.string()), self.cells))
        return values

    @cached_property
    def _encoded(self) -> pa.DictionaryArray:
        return self.cells.dictionary_encode()

    @cached_property
    def texts(self) -> list[str]:
        """The different texts."""
        found: list[str] = self._encoded.dictionary.to_pylist()
        return found

    @cached_property
    def codes(self) -> NDArray[np.int32]:
        """(n,) which of them stands in each row."""
        found: NDArray[np.int32] = self._encoded.indices.to_numpy()
        return found

    @cached_property
    def num_texts_by_mark(self) -> dict[Mark, int]:
        """How many different texts are numbers with each decimal mark."""
        return {mark: sum(_number_with(text, mark) is not None for text in self.texts) for mark in _MARKS}

    @cached_property
    def has_only_groups(self) -> bool:
        """Whether every point in it may divide thousands, and there is one."""
        if not compute.any(compute.match_substring(self.cells, ".")).as_py():
            return False
        return all(_GROUPED[","].fullmatch(text) for text in self.texts if "." in text)

    def numbers(self, mark: Mark) -> NDArray[np.float64]:
        """(n,) the numbers, NaN where a text is none."""
        values = [_number_with(text, mark) for text in self.texts]
        return np.array([np.nan if value is None else value for value in values], np.float64)[self.codes]

    @cached_property
    def is_boolean(self) -> bool:
        """Whether true and false are all that is there."""
        known = {text.lower() for text in self.texts} - MISSING
        return bool(known) and known <= _BOOLEANS.keys()

    def booleans(self) -> NDArray[np.float64]:
        """(n,) 1 for true and 0 for false, NaN where there is neither."""
        return np.array([_BOOLEANS.get(text.lower(), np.nan) for text in self.texts])[self.codes]

    def is_any_of(self, missing: frozenset[str]) -> NDArray[np.bool_]:
        """(n,) where one of some texts stands, in small or capital letters."""
        return np.array([text.lower() in missing for text in self.texts], dtype=np.bool_)[self.codes]

    def first(self, rows: NDArray[np.bool_]) -> tuple[str, str]:
        """Where the first of some cells is, and what stands there."""
        row = int(np.flatnonzero(rows)[0])
        return self.place(row), self.cells[row].as_py()

    def missing_problem(self, is_missing: NDArray[np.bool_], *, is_target: bool) -> str:
        """What is said of missing cells."""
        place, cell = self.first(is_missing)
        shown = f' ("{shortened(cell)}")' if cell else ""
        if is_missing.all():
            return f"Column {_quoted(self.name)} is empty. Try {self._way_out(is_target=is_target)}."
        mean = "" if is_target else ' or missing = "mean"'
        return (
            f"Column {_quoted(self.name)} has {counted(int(is_missing.sum()), 'missing value')}, the first in "
            f'{place}{shown}. Try missing = "drop"{mean} or {self._way_out(is_target=is_target)}.'
        )

    def infinite_problem(self, values: NDArray[np.float64], *, is_target: bool) -> Iterator[str]:
        """What is said of numbers that cannot be trained on, if there are some."""
        is_infinite = nonfinite_as_float32(values) & ~np.isnan(values)
        if is_infinite.any():
            place, cell = self.first(is_infinite)
            yield (
                f"Column {_quoted(self.name)} has {counted(int(is_infinite.sum()), 'number')} infinite or above "
                f'3.4e38, the first in {place}: "{shortened(cell)}". Try a finite number there, or '
                f"{self._way_out(is_target=is_target)}."
            )

    def text_problem(self, is_text: NDArray[np.bool_], separation: str, *, is_target: bool = False) -> str:
        """What is said of texts among numbers."""
        place, cell = self.first(is_text)
        sign, repaired = _repair(cell)
        facts = "; ".join(fact for fact in (sign, f"fields separated by {separation}" if separation else "") if fact)
        return (
            f"Column {_quoted(self.name)} has text where a number is needed in "
            f'{counted(int(is_text.sum()), "line")}, the first in {place}: "{shortened(cell)}"'
            f"{f' ({facts})' if facts else ''}. Try {repaired} there, or {self._way_out(is_target=is_target)}."
        )

    def names_problem(self, is_text: NDArray[np.bool_], separation: str) -> str:
        """What is said of a column of texts."""
        place, cell = self.first(is_text)
        what = f'"{shortened(cell)}" in {place}'
        num_texts = len({text for text in self.texts if text.lower() not in MISSING_TEXT})
        if self.is_of_dates(is_text):
            return f"Column {_quoted(self.name)} holds dates or times, {what}. Try {self._way_out()}."
        one_hot = 'encode = "one-hot" or ' if num_texts <= MOST_CATEGORIES else ""
        taken = f" (fields separated by {separation})" if separation else ""
        return (
            f"Column {_quoted(self.name)} holds {counted(num_texts, 'text')} where numbers are needed, {what}{taken}. "
            f"Try {one_hot}{self._way_out()}."
        )

    def is_repairable(self, is_text: NDArray[np.bool_]) -> bool:
        """Whether most of the cells that are no numbers are numbers with a sign too much, such as a percent sign."""
        found = {self.texts[code] for code in np.unique(self.codes[is_text]).tolist()}
        return sum(_is_number(_repair(text)[1]) for text in found) > len(found) / 2

    def is_of_dates(self, is_text: NDArray[np.bool_]) -> bool:
        """Whether most of the cells that are no numbers are dates or times."""
        found = {self.texts[code] for code in np.unique(self.codes[is_text]).tolist()}
        return sum(_DATE.fullmatch(text) is not None for text in found) > len(found) / 2

    def _way_out(self, *, is_target: bool = False) -> str:
        return "another target" if is_target else f"ignore = [{written(self.name)}]"


def _cast(cells: pa.Array) -> NDArray[np.float64] | None:
    try:
        values: NDArray[np.float64] = cells.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return None
    return values


def _number_with(text: str, mark: Mark) -> float | None:
    """A number with this decimal mark; the other one groups thousands."""
    if _GROUPED[mark].fullmatch(text):
        return number(text.replace("," if mark == "." else ".", "").replace(",", "."))
    if mark == ".":
        return number(text)
    return None if "." in text else number(text.replace(",", "."))


def _repair(cell: str) -> tuple[str, str]:
    """The sign that keeps a text from being a number, by its name, and what to try in its place."""
    if re.fullmatch(r"[-+]?\d*,\d+", cell):
        return "a decimal comma", f"{cell.replace(',', '.')} with a decimal point"
    strange = [sign for sign in cell if not sign.isalnum() and sign not in "+-.,"]
    if not strange:
        return "", "a number"
    plain = "".join("-" if sign == "\u2212" else "" if sign in strange else sign for sign in cell)
    named = f"{unicodedata.name(strange[0], 'a sign').lower()}, U+{ord(strange[0]):04X}"
    return named, plain if _is_number(plain) else "a number"


def _is_number(text: str) -> bool:
    return any(_number_with(text, mark) is not None for mark in _MARKS)


def _quoted(name: str) -> str:
    return f'"{shortened(name)}"'
