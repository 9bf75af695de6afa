"""A table as text: what separates its fields, which lines are none of it, and its cells by column."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
from pyarrow import compute
from pyarrow import csv as arrow_csv

from tuitrain.tasks.own_file import UnreadableError
from tuitrain.tasks.own_parts import counted, number, shown, written

_SEPARATORS = {"\t": "tabs", ";": '";"', "|": '"|"', ",": '","', " ": "blanks"}
"""Where two divide all lines alike, the first is right: a comma stands in numbers and names, a tab in neither."""
_LOOKED_AT = 50
csv.field_size_limit(2**31 - 1)
_NAMED_SEPARATOR = re.compile(r'"?sep=([!#-/:-@[-`{-~\t ])"?[ \t]*\r?\n', re.IGNORECASE)
"""The first line that Excel writes and reads."""
_BLANKS = re.compile(r'("[^"\n]*")|[ \t]+')
_OUTER_BLANKS = re.compile(r"^[ \t]+|[ \t]+(?=\r?$)", re.MULTILINE)
_BLANK_LINE = re.compile(r"\n[ \t]+\r?(?=\n|$)")


@dataclass(frozen=True, kw_only=True)
class Cells:
    """The cells of a table as text, without blanks around it, and where they are in the file."""

    first: list[str]
    """The first line: names of columns, or a sample."""
    columns: list[pa.Array]
    """One for each field of the first line, of what stands below it; "" where nothing stands."""
    place: Callable[[int, int], str]
    """Of a cell, by its row and its column, from 0: "line 7"; the first line is row −1."""
    separation: str = ""
    """What separates fields, e.g. "tabs"; empty where nothing does."""
    has_names: bool = False
    """Whether the first line cannot be a sample."""


def cells_of_table(table: pa.Table, ignored: tuple[str, ...], problems: list[str]) -> Cells:
    """The cells of a table with types of its own, each number written out exactly."""
    columns = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        cells = column.combine_chunks()
        try:
            if pa.types.is_dictionary(cells.type):
                cells = cells.cast(cells.type.value_type)
            columns.append(_trimmed(cells.cast(pa.string()).fill_null("")))
        except pa.ArrowException:
            columns.append(pa.array(["0"] * len(cells), pa.string()))  # never looked at
            if name not in ignored:
                what = f"Column {shown([name])} holds {cells.type}, neither numbers nor texts."
                problems.append(f"{what} Try ignore = [{written(name)}].")
    names = list(table.column_names)
    return Cells(first=names, columns=columns, place=lambda row, _: f"row {row + 1}", has_names=True)


def cells_of_text(text: str, notes: list[str], problems: list[str]) -> Cells:
    """The cells of lines of fields, or of records of JSON.

    Raises:
        UnreadableError: no table.
    """
    if "\n" not in text:
        text = text.replace("\r", "\n")  # as old Macs ended lines
    if re.match(r"\s*(\[\s*)?\{", text[:1000]):
        return _cells_of_records(text, notes)
    named = _NAMED_SEPARATOR.match(text)
    if named is not None:
        text = "\n" + text[named.end() :]  # lines keep their numbers
    if not text.strip():
        raise UnreadableError("The file is empty. Try one with a line of column names and a line for each sample.")
    separator = named[1] if named else _separator(text)
    text = _without_comments(text, separator, notes)
    separation = _SEPARATORS.get(separator, f'"{separator}"')
    if separator == " ":
        text, separator = _BLANKS.sub(lambda found: found[1] or "\t", _OUTER_BLANKS.sub("", text)), "\t"
    elif f'{separator} "' in text:  # pyarrow takes a quote after a blank for a letter
        gap = _outside_quotes(rf'(?<={re.escape(separator)}) +(?=")', separator)
        text = gap.sub(lambda found: found["quoted"] or "", text)
    text = _BLANK_LINE.sub("\n", text)
    if separator != ",":
        notes.append(f"fields separated by {separation}")
    return _cells_of_lines(text, separator, separation, problems)


def _cells_of_records(text: str, notes: list[str]) -> Cells:
    """JSON lines, or one list of records; what a record lacks is missing."""
    places, records = [], []
    try:
        if text.lstrip().startswith("["):
            notes.append("JSON")
            records = json.loads(text)
            places = [f"record {index + 1}" for index in range(len(records))]
        else:
            notes.append("JSON lines")
            for index, line in enumerate(text.split("\n")):
                if line.strip():
                    places.append(f"line {index + 1}")
                    records.append(json.loads(line))
    except (ValueError, RecursionError) as error:
        raise UnreadableError(
            f"JSON that cannot be read in {places[-1] if places else 'its list'}: {error}. Try one "
            'record {"name": value, …} in each line.'
        ) from error
    names = list(dict.fromkeys(name for record in records for name in record if isinstance(record, dict)))
    if not all(isinstance(record, dict) for record in records):
        raise UnreadableError('JSON, and not of records alone. Try {"name": value, …} in each line.')
    columns = [_trimmed(pa.array([_written(record.get(name)) for record in records], pa.string())) for name in names]
    return Cells(first=names, columns=columns, place=lambda row, _: places[row], has_names=True)


def _written(value: Any) -> str:
    if value is None:
        return ""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else json.dumps(value)


def _separator(text: str) -> str:
    """The separator that divides the first lines into several fields most alike."""
    lines = (line for line in io.StringIO(text) if line.strip() and not line.lstrip().startswith("#"))
    sample = "".join(islice(lines, _LOOKED_AT))

    def agreement(separator: str) -> float:
        """Share of the lines that have as many fields as most of them, if these are several."""
        widths = Counter(len(row) for row in _fields(sample, separator))
        width, count = max(widths.items(), key=lambda item: (item[1], item[0]), default=(1, 0))
        return count / widths.total() if width > 1 else 0.0

    shares = {separator: agreement(separator) for separator in _SEPARATORS}
    if any(share >= 0.5 for separator, share in shares.items() if separator != " "):
        del shares[" "]  # names and texts have blanks
    best = max(shares, key=lambda separator: shares[separator])
    return best if shares[best] else ","


def _without_comments(text: str, separator: str, notes: list[str]) -> str:
    """The text with empty lines in place of those that begin with #, unless that is how most lines begin.

    The last one above the first sample is the header if it has as many fields: numpy writes it so, and a column may be
    called #.
    """
    if not re.match(r"\s*#", text) and not re.search(r"\n[ \t]*#", text):
        return text
    comments = [found for found in _outside_quotes(r"^[ \t]*#.*$", separator).finditer(text) if not found["quoted"]]
    first = re.search(r"^[ \t]*[^#\s].*$", text, re.MULTILINE)
    if not comments or first is None or len(comments) > text.count("\n") / 2:
        return text
    cells, header = next(_fields(first[0], separator), []), ""
    above = [found for found in comments if found.start() < first.start()]
    if above and len(cells) > 1:
        names = next(_fields(above[-1][0].strip(), separator))
        if len(names) == len(cells) and names[0].strip() == "#":
            header = above[-1][0]
        elif len(names) == len(cells) and any(number(cell) is not None for cell in cells):
            header = above[-1][0].lstrip(" \t#")
    parts, end = [], 0
    for found in comments:
        parts += [text[end : found.start()], header if above and found is above[-1] else ""]
        end = found.end()
    num_left_out = len(comments) - bool(header)
    if num_left_out:
        notes.append(f"{counted(num_left_out, 'line')} beginning with # left out")
    return "".join([*parts, text[end:]])


def _outside_quotes(pattern: str, separator: str) -> re.Pattern[str]:
    """A pattern that is not looked for within quotes: those are matches of their own, called quoted."""
    return re.compile(rf'(?P<quoted>(?<![^{re.escape(separator)}\n])"(?:[^"]|"")*")|{pattern}', re.MULTILINE)


def _fields(text: str, separator: str, *, is_strict: bool = False) -> Iterator[list[str]]:
    """The fields of each line that has some."""
    return filter(None, _reader(text, separator, is_strict=is_strict))


def _reader(text: str, separator: str, *, is_strict: bool = False) -> Any:
    lines = io.StringIO(text, newline="")
    return csv.reader(lines, delimiter=separator, skipinitialspace=separator != "\t", strict=is_strict)


def _cells_of_lines(text: str, separator: str, separation: str, problems: list[str]) -> Cells:
    reader = _reader(text, separator)
    first = next(row for row in reader if row)
    raw = "".join(text.split("\n", reader.line_num)[reader.line_num :]).encode("utf-8", "replace")
    widths = Counter(len(row) for row in islice(filter(None, reader), _LOOKED_AT))
    width = widths.most_common(1)[0][0] if widths else len(first)
    while len(first) > width and not first[-1].strip():
        first.pop()  # a separator at the end of the first line alone
    num_named = len(first)
    if num_named not in widths:
        first += [""] * (width - num_named)

    ragged = []

    def left_out(row: Any) -> str:
        ragged.append(row)
        return "skip"

    names = [str(index) for index in range(len(first))]
    try:
        table = arrow_csv.read_csv(
            io.BytesIO(raw or b"\n"),
            # All at once: a line may not be longer than a block.
            arrow_csv.ReadOptions(column_names=names, use_threads=False, block_size=max(len(raw) + 1, 1024)),
            arrow_csv.ParseOptions(delimiter=separator, newlines_in_values=True, invalid_row_handler=left_out),
            arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
        )
    except pa.ArrowInvalid as error:
        raise UnreadableError(f"The lines cannot be read: {error}. Try a plain text of lines.") from error
    columns = [_trimmed(column.combine_chunks()) for column in table.columns]
    while len(columns) > 1 and not first[-1].strip() and columns[-1].unique().to_pylist() in ([], [""]):
        first.pop()  # a separator at the end of each line
        columns.pop()

    def lines(*, is_whole: bool) -> Iterator[tuple[int, list[str]]]:
        """Those below the first one that have some fields, with or without as many as there are columns."""
        below = islice(_numbered(text, separator), 1, None)
        return (found for found in below if (len(found[1]) == len(names)) == is_whole)

    def place(row: int, column: int) -> str:
        found = _numbered(text, separator) if row < 0 else islice(lines(is_whole=True), row, None)
        line, fields = next(found, (0, []))
        return f"line {line + ''.join(fields[:column]).count(chr(10))}"

    open_quote = _quote_problem(text, separator)
    if open_quote:
        problems.append(open_quote)
    elif ragged or len(first) > num_named:
        line, fields = next(lines(is_whole=not ragged), (0, []))
        problem = (
            f"{counted(len(ragged) or len(table), 'line')} with another number of fields than the {num_named} of the "
            f"first, {shown(first[:num_named])}, where fields are separated by {separation}: line {line} has "
            f"{len(fields)}, {shown(fields)}. Try quoting fields that hold the separator, and filling up the others."
        )
        if len(first) > num_named:
            raise UnreadableError(problem)  # whose names they are is not known
        problems.append(problem)
    return Cells(first=first, columns=columns, place=place, separation=separation)


def _numbered(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The fields of each line that has some, and its number as an editor counts it."""
    reader, line = _reader(text, separator), 1
    for fields in reader:
        if fields:
            yield line, fields
        line = reader.line_num + 1


def _quote_problem(text: str, separator: str) -> str:
    """What is wrong with the quotes; pyarrow would take all that follows for one cell."""
    if '"' not in text:
        return ""
    reader = _reader(text, separator, is_strict=True)
    try:
        for _ in reader:
            pass
    except csv.Error as error:
        return f"Line {reader.line_num} cannot be read: {error}. Try closing every quote."
    return ""


def _trimmed(cells: pa.Array) -> pa.Array:
    return compute.utf8_trim_whitespace(cells)
