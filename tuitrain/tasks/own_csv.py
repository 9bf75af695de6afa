"""A table of one's own: columns of numbers, truth values or names as features, and one of them as the target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from tuitrain.tasks.input_columns import InputColumn
from tuitrain.tasks.own_cells import MISSING, MISSING_TEXT, MOST_CATEGORIES, Column, Mark
from tuitrain.tasks.own_file import UnreadableError, read_file
from tuitrain.tasks.own_header import read_header
from tuitrain.tasks.own_lines import Cells, cells_of_table, cells_of_text
from tuitrain.tasks.own_parts import MOST_CLASSES_GUESSED, OwnData, Target, counted, number, shortened, shown, written


class Feature(NamedTuple):
    """A column that is learned from."""

    name: str
    values: NDArray[np.float64]  # (n,) numbers, or positions in `categories`; NaN where one is missing
    categories: tuple[str, ...] = ()


class Table(NamedTuple):
    """What a file holds."""

    features: tuple[Feature, ...]
    target: Target
    target_name: str
    notes: tuple[str, ...]
    """What was found out, left out or changed, each in a few words."""

    def inputs(
        self, train: NDArray[np.intp], options: OwnData, problems: list[str]
    ) -> tuple[NDArray[np.float64], tuple[InputColumn, ...]]:
        """(n, inputs) all samples, with means and categories of the training side, and how each column became them."""
        blocks, columns = [], []
        for name, values, categories in self.features:
            of_training = values[train]
            known = of_training[~np.isnan(of_training)]
            if not len(known):
                problems.append(
                    f'Column "{shortened(name)}" is empty on the training side. Try ignore = [{written(name)}].'
                )
            elif categories:
                codes = np.unique(known)
                blocks.append((values[:, None] == codes).astype(np.float64))
                columns.append(InputColumn(name=name, categories=tuple(categories[int(code)] for code in codes)))
            else:
                fill = float(known.mean()) if options.missing == "mean" else None
                blocks.append(np.where(np.isnan(values), fill or 0.0, values)[:, None])
                columns.append(InputColumn(name=name, fill=fill))
        return np.concatenate(blocks, axis=1) if blocks else np.zeros((len(self.target.values), 0)), tuple(columns)


def read_csv(options: OwnData, problems: list[str]) -> Table | None:
    """The whole table; everything that is wrong with it goes to `problems`."""
    notes: list[str] = []
    num_before = len(problems)
    try:
        content = read_file(options.path, notes)
        if isinstance(content, str):
            cells = cells_of_text(content, notes, problems)
        else:
            cells = cells_of_table(content, options.ignore, problems)
    except UnreadableError as error:
        problems.append(str(error))
        return None
    is_damaged = len(problems) > num_before
    columns = read_header(cells, options, problems)
    if columns is None or not columns.features:
        return None
    rows, read = _columns(cells, columns.names, options, notes)
    if not len(rows):
        if not is_damaged:
            problems.append("There is a header and no line below it. Try adding a line for each sample.")
        return None
    used = [read[index] for index in columns.features]
    target_column = None if columns.target is None else read[columns.target]
    marks = _marks([*used, *([target_column] if target_column else [])], cells, options, problems, notes)
    if marks is None:
        return None
    found = [
        feature
        for column in used
        if (feature := _feature(column, marks, cells, options, problems, is_sure=target_column is not None))
    ]
    target = None if target_column is None else _target(target_column, marks, cells, options, problems)
    if is_damaged or target is None or target_column is None:
        return None  # what is left of the samples would raise questions of its own
    booleans = [column.name for column in used if _is_boolean(column, marks)]
    if booleans:
        notes.append(f"true and false of {shown(booleans)} are 1 and 0")
    return _without_missing(Table(tuple(found), target, target_column.name, ()), options, problems, notes)


def _columns(
    cells: Cells, names: tuple[str, ...], options: OwnData, notes: list[str]
) -> tuple[NDArray[np.intp], list[Column]]:
    """The rows that are not empty, and their columns."""
    is_first_sample = options.header is False and not cells.has_names
    texts = cells.columns
    if is_first_sample:
        texts = [
            pa.concat_arrays([pa.array([first.strip()], pa.string()), column])
            for first, column in zip(cells.first, texts, strict=True)
        ]
    is_something = np.zeros(len(texts[0]), dtype=np.bool_)
    for column in texts:
        is_something |= compute.not_equal(column, "").to_numpy(zero_copy_only=False)
        if is_something.all():
            break
    rows = np.flatnonzero(is_something)
    if len(rows) < len(is_something):
        notes.append(f"{counted(len(is_something) - len(rows), 'empty line')} left out")
        texts = [column.take(pa.array(rows)) for column in texts]

    def column_at(index: int) -> Column:
        return Column(names[index], texts[index], lambda row: cells.place(int(rows[row]) - is_first_sample, index))

    return rows, [column_at(index) for index in range(len(names))]


def _marks(
    columns: list[Column], cells: Cells, options: OwnData, problems: list[str], notes: list[str]
) -> dict[str, Mark] | None:
    """The decimal mark of each column by its name; None where it is not known, with the question in `problems`."""
    if options.decimal != "auto":
        return {column.name: options.decimal for column in columns if options.decimal == "," or column.plain is None}
    unclear = []
    marks: dict[str, Mark] = {}
    for column in columns:
        if column.plain is None and any("," in text for text in column.texts):
            score = column.num_texts_by_mark
            if score["."] != score[","]:
                marks[column.name] = "." if score["."] > score[","] else ","
            elif score["."]:
                unclear.append(column)
    sure = set(marks.values())
    if unclear and len(sure) != 1 and cells.separation != '","':
        column = unclear[0]
        has_comma = np.array(["," in text for text in column.texts])[column.codes]
        place, cell = column.first(has_comma)
        problems.append(
            f'Column "{shortened(column.name)}" holds "{shortened(cell)}" in {place}, where the comma may be a decimal '
            'mark, or divide thousands. Try decimal = "," or decimal = ".".'
        )
        return None
    mark: Mark = "," if sure == {","} else "."
    marks |= {column.name: mark for column in unclear}
    if mark == ",":
        marks |= {column.name: "," for column in columns if column.plain is not None and column.has_only_groups}
    if "," in marks.values():
        notes.append("decimal commas")
    if "." in marks.values():
        notes.append("commas divide thousands")
    return marks


def _values(column: Column, marks: dict[str, Mark], *, has_booleans: bool = True) -> NDArray[np.float64]:
    """(n,) the numbers of a column, or 1 and 0 for true and false; NaN where there is neither."""
    if column.plain is not None and column.name not in marks:
        return column.plain
    if has_booleans and _is_boolean(column, marks):
        return column.booleans()
    return column.numbers(marks.get(column.name, "."))


def _is_boolean(column: Column, marks: dict[str, Mark]) -> bool:
    return column.plain is None and column.name not in marks and column.is_boolean


def _feature(
    column: Column, marks: dict[str, Mark], cells: Cells, options: OwnData, problems: list[str], *, is_sure: bool
) -> Feature | None:
    """A column as numbers, or as categories; what is wrong with it goes to `problems`.

    Where the target is not known (`is_sure` is false), texts are no mistake: it may be the target.
    """
    values = _values(column, marks)
    is_text, categories = np.zeros(len(values), dtype=np.bool_), tuple[str, ...]()
    if column.plain is None and not _is_boolean(column, marks):
        is_text = np.isnan(values) & ~column.is_any_of(MISSING)
        is_mostly_text = is_text.sum() * 2 >= (~column.is_any_of(MISSING)).sum()
        if is_mostly_text and (column.is_of_dates(is_text) or not column.is_repairable(is_text)):
            is_text = ~column.is_any_of(MISSING_TEXT)
            categories = tuple(sorted(text for text in column.texts if text.lower() not in MISSING_TEXT))
            if options.encode == "refuse" or len(categories) > MOST_CATEGORIES or column.is_of_dates(is_text):
                problems += [column.names_problem(is_text, cells.separation)] if is_sure else []
                return None
            places = {text: float(place) for place, text in enumerate(categories)}
            values = np.array([places.get(text, np.nan) for text in column.texts])[column.codes]
            is_text[:] = False
    is_missing = np.isnan(values) & ~is_text
    if is_missing.any() and (options.missing == "refuse" or is_missing.all()):
        problems.append(column.missing_problem(is_missing, is_target=False))
    if is_missing.all():
        return None
    if is_text.any() and is_sure:
        problems.append(column.text_problem(is_text, cells.separation))
    problems += column.infinite_problem(values, is_target=False)
    return Feature(column.name, values, categories)


def _target(
    column: Column, marks: dict[str, Mark], cells: Cells, options: OwnData, problems: list[str]
) -> Target | None:
    """Numbers if all are, else names; a column of numbers with a slip in it is not taken for names."""
    before = len(problems)
    values = _values(column, marks, has_booleans=options.target_kind == "regression")
    is_text = np.isnan(values) & ~column.is_any_of(MISSING) if column.plain is None else np.zeros(len(values), np.bool_)
    if is_text.any():
        texts = set(column.texts)
        numbers = sum(number(text) is not None for text in texts)
        is_slip = is_text.sum() * 2 < len(is_text) and numbers > MOST_CLASSES_GUESSED
        if options.target_kind == "regression" or is_slip:
            problems.append(column.text_problem(is_text, cells.separation, is_target=True))
        elif column.is_of_dates(is_text):
            problems.append(
                column.names_problem(is_text, cells.separation).partition(" Try ")[0] + " Try another target."
            )
        else:
            return _names(column, options, problems)
    is_missing = np.isnan(values) & ~is_text
    if is_missing.any() and (options.missing != "drop" or is_missing.all()):
        problems.append(column.missing_problem(is_missing, is_target=True))
    problems += column.infinite_problem(values, is_target=True)
    return Target(values, None) if len(problems) == before else None


def _names(column: Column, options: OwnData, problems: list[str]) -> Target | None:
    """Classes by name; NA and null are names like others. Code −1 stands where there is none."""
    is_missing = column.is_any_of(frozenset({""}))
    if is_missing.any() and options.missing != "drop":
        problems.append(column.missing_problem(is_missing, is_target=True))
        return None
    names = sorted(text for text in column.texts if text)
    codes = {text: code for code, text in enumerate(names)}
    return Target(np.array([codes.get(text, -1) for text in column.texts])[column.codes].astype(np.int64), tuple(names))


def _without_missing(table: Table, options: OwnData, problems: list[str], notes: list[str]) -> Table | None:
    """The samples that are whole enough, and in words what became of the others."""
    target = table.target.values
    is_missing = np.isnan(target) if table.target.names is None else target == -1
    num_missing = [int(np.isnan(feature.values).sum()) for feature in table.features]
    if options.missing == "drop":
        for feature in table.features:
            is_missing |= np.isnan(feature.values)
    kept = np.flatnonzero(~is_missing)
    if not len(kept):
        problems.append('Each line has a missing value. Try missing = "mean".')
        return None
    if len(kept) < len(target):
        notes.append(f"{counted(len(target) - len(kept), 'line')} with a missing value left out")
    for is_text, became in ((False, "filled with the mean"), (True, "in no category")):
        counts = {
            feature.name: count
            for feature, count in zip(table.features, num_missing, strict=True)
            if count and bool(feature.categories) == is_text and options.missing == "mean"
        }
        if counts:
            notes.append(f"{counted(sum(counts.values()), 'missing value')} of {shown(list(counts))} {became}")
    notes += _named_facts(table, options)
    features = tuple(feature._replace(values=feature.values[kept]) for feature in table.features)
    return Table(features, table.target._replace(values=target[kept]), table.target_name, tuple(notes))


def _named_facts(table: Table, options: OwnData) -> Iterator[str]:
    """What is worth a word of the columns."""
    encoded = {name: len(categories) for name, _, categories in table.features if categories}
    if encoded:
        listed = ", ".join(f'"{shortened(name)}" ({count})' for name, count in encoded.items())
        yield f"one-hot: {listed}"
    if options.ignore:
        yield f"columns left out: {shown(options.ignore)}"
    names = table.target.names or ()
    folded = Counter(name.lower() for name in names)
    alike = [name for name in names if folded[name.lower()] > 1]
    if alike:
        yield f"{shown(alike)} differ in capitals alone, and are different classes"
