"""Tables as people have them: what programs write, what public collections hold, what is asked where it is unclear."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.tasks.test_own_data import IRIS, checked, problems_of, table
from tuitrain.tasks.folding import Fold
from tuitrain.tasks.input_columns import InputColumn
from tuitrain.tasks.own import inspect_own, load_own

COUNT = 30


def lines(head: str, line: Callable[[int], str], count: int = COUNT) -> str:
    return "\n".join([head, *map(line, range(count)), ""])


def zipped(text: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("__MACOSX/._table.csv", "?")
        archive.writestr("table.csv", text)
    return file.getvalue()


def workbook() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
    return file.getvalue()


SAME_AS_IRIS: dict[str, tuple[str | bytes, dict[str, Any]]] = {
    "gzip": (gzip.compress(IRIS.encode()), {}),
    "bzip2": (bz2.compress(IRIS.encode()), {}),
    "xz": (lzma.compress(IRIS.encode()), {}),
    "zip": (zipped(IRIS), {}),
    "UTF-16": (IRIS.encode("utf-16"), {}),
    "UTF-16 without a mark": (IRIS.encode("utf-16-be"), {}),
    "Unicode text of Excel": (IRIS.replace(",", "\t").encode("utf-16"), {}),
    "German Excel": ("sep=;\r\n" + IRIS.replace(",", ";").replace(".", ",").replace("\n", "\r\n"), {}),
    "bars": (IRIS.replace(",", "|"), {}),
    "blanks": (IRIS.replace(",", "  ").replace("\n", " \n "), {}),
    "quotes after blanks": (IRIS.replace(",a", ', "a"'), {}),
    "old Mac": (IRIS.replace("\n", "\r"), {}),
    "a comment first": ("# exported 2024-01-01, by hand\n" + IRIS, {}),
    "comments within": (IRIS.replace("\n4.5", "\n# what, follows\n4.5"), {}),
    "header of numpy": ("# " + IRIS.replace("a\n", "0\n").replace("b\n", "1\n").replace("c\n", "2\n"), {}),
    "trailing separators": (IRIS.replace("\n", ",\n").removesuffix(",\n") + ",\n,,,\n,,,\n", {}),
    "a trailing separator in the header alone": (IRIS.replace("kind", "kind,"), {}),
    "no header": (IRIS.partition("\n")[2], {"header": False}),
    "JSON lines": ("\n\n".join(f'{{"width": {i}.5, "length": {2 * i}, "kind": "{"abc"[i % 3]}"}}' for i in range(30)),
                   {}),
}  # fmt: skip


@pytest.mark.parametrize(("text", "options"), SAME_AS_IRIS.values(), ids=SAME_AS_IRIS.keys())
def test_the_same_table_however_it_was_written(tmp_path: Path, text: str | bytes, options: dict[str, Any]) -> None:
    """The same numbers in the same order, of as many classes."""
    plain, other = checked(table(tmp_path, IRIS)), checked(table(tmp_path, text, **options))
    assert all(np.array_equal(a, b) for a, b in zip(plain.arrays, other.arrays, strict=True))


def test_parquet_is_read_by_its_content(tmp_path: Path) -> None:
    """Numbers keep all digits, truth values are 1 and 0; a date and a list are refused by name."""
    wide = {
        "x": pa.array([i / 3 for i in range(20)]), "is_new": pa.array([i % 3 == 0 for i in range(20)]),
        "when": pa.array([datetime(2024, 1, 1)] * 20), "parts": pa.array([[1]] * 20),
        "kind": pa.array(["pq"[i % 2] for i in range(20)]).dictionary_encode(),
    }  # fmt: skip
    parquet.write_table(pa.table(wide), tmp_path / "table.csv")
    path = tmp_path / "table.csv"
    options = table(tmp_path, path.read_bytes())
    found = problems_of(options)
    assert 'Column "parts" holds list<' in found[0]
    assert 'Column "when" holds dates or times, "2024-01-01 ' in found[1]
    data = checked(table(tmp_path, path.read_bytes(), ignore=("when", "parts")))
    assert set(data.arrays.train_x[:, 0]) <= {i / 3 for i in range(20)}
    assert data.class_names == ("p", "q")


PENGUINS = lines(
    "species,island,bill,mass,sex",
    lambda i: (
        f"{['Adelie', 'Gentoo'][i % 2]},{['Dream', 'Biscoe', 'Torgersen'][i % 3]},"
        + ("NA,NA,NA" if i == 3 else f"{39 + i / 4},{3700 + i},{'' if i == 8 else ['female', 'male'][i // 2 % 2]}")
    ),
)


def test_missing_cells_and_texts_are_refused_by_name_with_the_ways_out(tmp_path: Path) -> None:
    """As palmerpenguins has them."""
    found = problems_of(table(tmp_path, PENGUINS, target="species"))
    assert found[0].startswith('Column "island" holds 3 texts where numbers are needed, "Dream" in line 2')
    assert found[0].endswith('Try encode = "one-hot" or ignore = ["island"].')
    assert found[1] == (
        'Column "bill" has 1 missing value, the first in line 5 ("NA"). Try missing = "drop" or missing = "mean" or '
        'ignore = ["bill"].'
    )


def test_lines_with_missing_cells_are_left_out(tmp_path: Path) -> None:
    """It is said how many."""
    data = checked(table(tmp_path, PENGUINS, target="species", missing="drop", encode="one-hot"))
    assert data.spec.num_train + data.spec.num_validation == 28
    assert data.notes == ("2 lines with a missing value left out", 'one-hot: "island" (3), "sex" (2)')
    assert data.columns[0] == InputColumn(name="island", categories=("Biscoe", "Dream", "Torgersen"))


def test_what_is_filled_in_comes_from_the_training_side_of_each_fold(tmp_path: Path) -> None:
    """The mean, and the categories: one that is on the other side alone is no input."""
    text = lines("x,name,y", lambda i: f"{'' if i % 5 == 0 else i},{'rare' if i == 7 else 'ab'[i % 2]},{i % 2}")
    seen = []
    for number in range(1, 4):
        fold = Fold(number, 3)
        data = checked(table(tmp_path, text, missing="mean", encode="one-hot", fold=fold))
        fill, names = data.columns[0].fill, data.columns[1].categories
        x = data.arrays.train_x
        filled = x[:, 0] == fill
        assert fill == pytest.approx(x[~filled, 0].mean())
        assert (x[:, 1:].sum(axis=1) == 1).all()
        assert ("rare" in names) == bool(data.arrays.train_x.shape[1] == 4)
        if "rare" not in names:
            assert (data.arrays.validation_x[:, 1:].sum(axis=1) == 0).sum() == 1
        seen.append((fill, names))
    assert len({fill for fill, _ in seen}) == 3
    assert {names for _, names in seen} == {("a", "b"), ("a", "b", "rare")}


def test_truth_values_are_numbers_and_big_ones_keep_their_differences(tmp_path: Path) -> None:
    """Milliseconds of today, and ids of 16 digits."""
    text = lines("time,id,new,y", lambda i: f"{1700000000000 + i},{1234567890123456 + i},{i % 3 == 0},{i % 2}")
    data = checked(table(tmp_path, text))
    for time, number, is_new in data.arrays.train_x.tolist():
        assert number - time == 1234567890123456 - 1700000000000
        assert is_new == ((time - 1700000000000) % 3 == 0)
    assert 'true and false of "new" are 1 and 0' in data.notes


@pytest.mark.parametrize(
    ("text", "options", "first"),
    [
        (lines("x;z;y", lambda i: f"{i},25;1.{i:03d},5;{i % 2}"), {}, [0.25, 1000.5]),
        (lines("x;z;y", lambda i: f"{i},25;1.{i:03d};{i % 2}"), {}, [0.25, 1000.0]),
        (lines("x,z,y", lambda i: f'"{i + 1},000","{i},234.5",{i % 2}'), {}, [1000.0, 0.0]),
        (lines("x;z;y", lambda i: f"{i + 1},000;{i};{i % 2}"), {"decimal": ","}, [1.0, 0.0]),
        (lines("x;z;y", lambda i: f"{i + 1},000;{i};{i % 2}"), {"decimal": "."}, [1000.0, 0.0]),
    ],
    ids=["comma and point", "a column of thousands", "thousands", "told comma", "told point"],
)
def test_commas_are_decimal_marks_or_divide_thousands(
    tmp_path: Path, text: str, options: dict[str, Any], first: list[float]
) -> None:
    """As the whole table has it, or the person."""
    text = text.replace('"0,234.5"', "0")
    arrays = checked(table(tmp_path, text, **options)).arrays
    assert first in [*arrays.train_x.tolist(), *arrays.validation_x.tolist()]


def test_a_comma_that_may_be_either_is_asked_for(tmp_path: Path) -> None:
    """1,000 in a table whose fields are separated by semicolons."""
    text = lines("x;z;y", lambda i: f"{i + 1},000;{i};{i % 2}")
    assert 'Column "x" holds "1,000" in line 2' in (found := problems_of(table(tmp_path, text)))[0]
    assert 'Try decimal = "," or decimal = "."' in found[0]


HEADERS = {
    "whole numbers and a name": "5,3,setosa\n4,2,versicolor\n" * 3,
    "numbers below zero": "3,-3,no\n" + lines("4,-2,yes", lambda i: f"{i},{-i},{['no', 'yes'][i % 2]}"),
    "names alone": "red,big,yes\n" + lines("blue,small,no", lambda i: ["red,small,yes", "blue,big,no"][i % 2]),
    "digits of scikit-learn": lines("0.0e+00,5.0e+00,1.0e+00", lambda i: f"{i}.0e+00,5.0e+00,{i % 2}.0e+00"),
    "years": lines("country,1990,2000", lambda i: f"c{i},{i},{2 * i}"),
}


@pytest.mark.parametrize("text", HEADERS.values(), ids=HEADERS.keys())
def test_a_first_line_that_may_be_a_sample_is_asked_for(tmp_path: Path, text: str) -> None:
    """Never lost: either answer is taken, and one sample more is there where it is one."""
    (found,) = problems_of(table(tmp_path, text))
    assert "may be a sample and not the names of the columns" in found
    assert "Try header = false if it is a sample, or header = true if it is not." in found
    specs = [inspect_own(table(tmp_path, text, header=header, encode="one-hot")) for header in (True, False)]
    named, sampled = (spec.num_train + spec.num_validation for spec in specs)
    assert sampled == named + 1


def test_scikit_learns_iris_is_read(tmp_path: Path) -> None:
    """Its first line counts samples and features, and names the classes."""
    text = lines("150,4,setosa,versicolor,virginica", lambda i: f"5.{i},3.{i},1.4,0.2,{i % 3}")
    data = checked(table(tmp_path, text))
    assert (data.spec.input_shape, data.class_names, data.spec.num_train) == ((4,), ("0", "1", "2"), 24)


@pytest.mark.parametrize("name", ["NA", "Null", "None", "n/a"])
def test_a_class_may_be_called_as_others_call_what_is_missing(tmp_path: Path, name: str) -> None:
    """North America, and people called Null."""
    text = lines("lat,lon,state", lambda i: f"{i}.5,{-i},{['CA', name][i % 2]}")
    assert set(checked(table(tmp_path, text)).class_names) == {"CA", name}


def test_a_column_may_begin_with_the_sign_of_a_comment(tmp_path: Path) -> None:
    """A column called #, and colors."""
    ranks = lines("#,hp,y", lambda i: f"{i},{3 * i},{i % 2}")
    assert checked(table(tmp_path, ranks)).columns[0].name == "#"
    colors = lines("hex,r,y", lambda i: f"#ff00{i:02d},{i},{i % 2}")
    data = checked(table(tmp_path, colors, ignore=("hex",)))
    assert data.spec.num_train + data.spec.num_validation == COUNT
    assert "#ff0000" in problems_of(table(tmp_path, colors))[0]


TOLD: dict[str, tuple[str | bytes, dict[str, Any], list[str]]] = {
    "percent": (lines("x,y", lambda i: f"{i}%,{i % 2}"), {}, ['"0%" (percent sign, U+0025; ', "Try 0 there"]),
    "dollar": (lines("x,y", lambda i: f"${i}.5,{i % 2}"), {}, ["dollar sign", "Try 0.5 there"]),
    "euro and decimal comma": (lines("x;y", lambda i: f"€ {i},50;{i % 2}"), {}, ["euro sign, U+20AC", "Try 0,50"]),
    "a title": ("Report of 2024\n\n" + IRIS, {}, ['31 lines', 'the 1 of the first, "Report of 2024"', "line 3 has 3"]),
    "minus": (lines("x,y", lambda i: f"{i},{i % 2}") + "\u22120.3,1\n", {}, ["minus sign, U+2212", "Try -0.3 there"]),
    "no-break space": (lines("x,y", lambda i: f"{i},{i % 2}") + "1\u00a0100,1\n", {}, ["no-break space", "Try 1100 "]),
    "dates": (lines("date,x,y", lambda i: f"2012/01/{i + 1:02d},{i},{i % 2}"), {},
              ['"date" holds dates or times, "2012/01/01" in line 2. Try ignore = ["date"].']),
    "months": (lines("d,x,y", lambda i: f"Jan {i + 1} 2000,{i},{i % 2}"), {}, ['dates or times, "Jan 1 2000"']),
    "too many texts": (lines("name,x,y", lambda i: f'"Mr. {i}, Sir",{i},{i % 2}', 60), {"encode": "one-hot"},
                       ['holds 60 texts where numbers are needed, "Mr. 0, Sir" in line 2', 'Try ignore = ["name"].']),
    "an empty column": (lines("x,z,y", lambda i: f"{i},,{i % 2}"), {"missing": "drop"}, ['"z" is empty. Try ignore']),
    "after quotes, comments and blank lines": (
        '# a\nx,"a, b"\n\n1,"p\nq"\n2,"p\nq"\n3,r\n# b\n4,r\noh,r\n', {}, ['in line 11: "oh"']),
    "ragged": ("x;y, in cm\n1;2\n1;3\n1;2;4\n", {},
               ['fields than the 2 of the first, "x", "y, in cm"', 'by ";": line 4 has 3, "1", "2", "4"']),
    "one column": ("# exported 2024-01-01\nx\n1\n2\n", {}, ['one column only where fields are separated by ",", "x"']),
    "names of rows, as R writes them": (lines("a,y", lambda i: f"{i},{i},{i % 2}"), {}, ["30 lines with another"]),
    "quotes across lines": ('x,y\n1,"a\n2,b\n3,"c\n4,d\n', {}, ["cannot be read"]),
    "a workbook": (workbook(), {}, ["An Excel workbook (.xlsx)"]),
    "an old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", {}, ["An Excel workbook (.xls)"]),
    "cut gzip": (gzip.compress(IRIS.encode())[:-9], {}, ["Packed by gzip, and damaged"]),
    "cut Parquet": (b"PAR1", {}, ["Parquet, and damaged"]),
    "a cut record": ('{"a": 1, "y": 2}\n\n{"a": 1,\n', {}, ["JSON that cannot be read in line 3"]),
    "a JSON document": ('{"data":\n [1, 2]}\n', {}, ["JSON that cannot be read in line 1"]),
    "rare classes in folds": (lines("x,y", lambda i: f"{i},{'ab'[i % 2]}") + "1,rare\n2,rare\n", {"fold": Fold(1, 5)},
                              ['2 samples of the smallest class, "rare". Try folds = 2, or more']),
}  # fmt: skip


@pytest.mark.parametrize(("text", "options", "expected"), TOLD.values(), ids=TOLD.keys())
def test_what_is_refused_is_told_by_its_kind(
    tmp_path: Path, text: str | bytes, options: dict[str, Any], expected: list[str]
) -> None:
    """In one sentence that shows it."""
    (found,) = problems_of(table(tmp_path, text, **options))
    assert all(part in found for part in expected), found


def test_what_was_guessed_is_noted(tmp_path: Path) -> None:
    """Labels from 1 to 10, classes that differ in capitals, a foreign encoding, a batch of all samples."""
    rating = lines("x,y", lambda i: f"{i},{i % 10 + 1}")
    assert load_own(table(tmp_path, rating)).notes == ("whole numbers are taken for classes",)
    assert load_own(table(tmp_path, rating, target_kind="classification")).notes == ()
    mixed = lines("x;y", lambda i: f"{i};{['Ja', 'ja', 'größer'][i % 3]}").encode("cp1252")
    assert load_own(table(tmp_path, mixed, batch_size=24)).notes == (
        "Windows-1252", 'fields separated by ";"', '"Ja", "ja" differ in capitals alone, and are different classes',
        "each batch holds all 24 training samples",
    )  # fmt: skip


def test_a_line_may_be_long_and_a_table_wide(tmp_path: Path) -> None:
    """Hundreds of columns; a cell larger than what csv allows and what pyarrow reads at once."""
    head = ",".join(f"c{i}" for i in range(300))
    wide = lines(head, lambda i: ",".join(["1", str(i), *["0.5"] * 297, str(i % 2)]), 6)
    assert inspect_own(table(tmp_path, wide)).input_shape == (299,)
    long = lines("x,text,y", lambda i: f'{i},"{"word " * 30000}",{i % 2}', 12)
    assert inspect_own(table(tmp_path, long, ignore=("text",))).input_shape == (1,)
    assert "than the 3 of the first" in problems_of(table(tmp_path, long + "oh\n", ignore=("text",)))[0]
