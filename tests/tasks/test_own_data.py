"""One's own tables and arrays: what is read, how it is split, and that every mistake is told with a way out."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuitrain.tasks.own import OwnArrays, OwnData, OwnDataError, inspect_own, load_own
from tuitrain.tasks.splitting import split_with_all_classes

FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
IRIS = "width,length,kind\n" + "".join(f"{i}.5,{2 * i},{'abc'[i % 3]}\n" for i in range(30))


def table(folder: Path, text: str | bytes, **options: Any) -> OwnData:
    path = folder / "table.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return OwnData(kind="csv", path=path, **options)


def archive(folder: Path, /, **arrays: Any) -> OwnData:
    path = folder / "arrays.npz"
    np.savez(path, **arrays)
    return OwnData(kind="npz", path=path)


def problems_of(options: OwnData) -> list[str]:
    """What the check finds; loading finds it, too."""
    with pytest.raises(OwnDataError) as caught:
        inspect_own(options)
    with pytest.raises(OwnDataError) as again:
        load_own(options)
    assert again.value.problems == caught.value.problems
    assert all(" Try " in problem and "\n" not in problem for problem in caught.value.problems)
    return list(caught.value.problems)


def checked(options: OwnData) -> OwnArrays:
    """The data; the check says of them what is true."""
    data = load_own(options)
    spec, arrays = inspect_own(options), data.arrays
    assert spec == data.spec
    assert spec.source == "own"
    assert arrays.train_x.shape == (spec.num_train, *spec.input_shape)
    assert arrays.validation_x.shape == (spec.num_validation, *spec.input_shape)
    assert spec.is_image == (len(spec.input_shape) == 3)
    if spec.kind == "classification":
        assert len(spec.class_names) == spec.num_outputs
        assert set(arrays.train_y.tolist()) == set(range(spec.num_outputs))
    else:
        assert arrays.train_y.shape == (spec.num_train, spec.num_outputs)
        assert arrays.train_y.dtype == np.float64
    return data


def test_a_table_with_names_of_classes(tmp_path: Path) -> None:
    """Classes in the order of their names, features as numbers, a fifth for validation with its share of each class."""
    data = checked(table(tmp_path, IRIS))
    assert (data.spec.input_shape, data.spec.num_train, data.spec.num_validation) == ((2,), 24, 6)
    assert data.class_names == ("a", "b", "c")
    assert np.bincount(data.arrays.validation_y).tolist() == [2, 2, 2]
    assert data.arrays.train_x.dtype == np.float64
    for x, y in zip(data.arrays.train_x.tolist(), data.arrays.train_y.tolist(), strict=True):
        assert x == [x[0], 2 * (x[0] - 0.5)]  # each line stays one sample
        assert (x[0] - 0.5) % 3 == y
    assert data.spec.summary == "table.csv: 30 samples, 2 features, 3 classes of kind"


def test_the_same_seed_gives_the_same_samples_in_a_fair_order(tmp_path: Path) -> None:
    """Another seed draws others; a sorted file is shuffled, so that the first few hold every class."""
    text = "x,kind\n" + "".join(f"{i},{'abcd'[i // 100]}\n" for i in range(400))
    one, same, other = (load_own(table(tmp_path, text, seed=seed)).arrays for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert sorted(one.validation_x.ravel().tolist()) != sorted(other.validation_x.ravel().tolist())
    assert set(one.train_y[:40].tolist()) == set(one.validation_y[:40].tolist()) == {0, 1, 2, 3}
    assert sorted([*one.train_x.ravel(), *one.validation_x.ravel()]) == list(range(400))


@pytest.mark.parametrize(
    "text",
    [
        IRIS.replace(",", ";"),
        IRIS.replace(",", "\t"),
        "\ufeff" + IRIS,
        IRIS.replace("\n", "\r\n"),
        IRIS.replace("\n", "\n\n"),
        IRIS.replace("kind", '"kind"').replace(",a\n", ',"a"\n'),
        IRIS.replace(",", ", "),
        IRIS.rstrip("\n"),
    ],
    ids=["semicolon", "tab", "byte-order mark", "Windows", "empty lines", "quotes", "spaces", "no last line end"],
)
def test_a_table_may_be_written_in_many_ways(tmp_path: Path, text: str) -> None:
    """All are the same data."""
    plain, other = checked(table(tmp_path, IRIS)), checked(table(tmp_path, text))
    assert all(np.array_equal(a, b) for a, b in zip(plain.arrays, other.arrays, strict=True))
    assert plain.class_names == other.class_names


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    """The first column is found by its name."""
    assert checked(table(tmp_path, "\ufeff" + IRIS, ignore=("width",))).spec.input_shape == (1,)


def test_a_long_table_keeps_its_lines_and_their_numbers(tmp_path: Path) -> None:
    """Longer than what is read at once."""
    text = "x,y\n" + "".join(f"{i},{i + 0.5}\n" for i in range(5000))
    data = checked(table(tmp_path, text))
    assert np.array_equal(data.arrays.train_x.astype(np.float64) + 0.5, data.arrays.train_y)
    assert 'line 4502: "?4500"' in problems_of(table(tmp_path, text.replace("\n4500,", "\n?4500,")))[0]


def test_a_quoted_field_may_hold_the_separator_and_a_line_end(tmp_path: Path) -> None:
    """The name of a class, and of a column; lines are still counted as an editor counts them."""
    text = 'x,"a, ""b"""\n' + '1,"p, q"\n2,"p, q"\n3,"r\ns"\n4,"r\ns"\n'
    assert checked(table(tmp_path, text)).class_names == ("p, q", "r\ns")
    assert "line 8" in problems_of(table(tmp_path, text + "oh,p\n"))[0]


@pytest.mark.parametrize("target", ["width", 0, -3])
def test_any_column_is_the_target_and_others_are_ignored(tmp_path: Path, target: str | int) -> None:
    """By name, or counted from either end. Many different numbers are a regression."""
    data = checked(table(tmp_path, IRIS, target=target, ignore=("kind",)))
    assert (data.spec.kind, data.spec.input_shape, data.class_names) == ("regression", (1,), ())
    assert np.allclose(2 * (data.arrays.train_y.astype(np.float64) - 0.5), data.arrays.train_x)
    assert " of length" in checked(table(tmp_path, IRIS, ignore=("kind",))).spec.summary


@pytest.mark.parametrize(
    ("values", "wanted", "kind", "names"),
    [
        ([10, 9, 10, 9], "auto", "classification", ("9", "10")),
        ([1.0, 0.0] * 3, "auto", "classification", ("0", "1")),
        ([0.5, 1.5] * 3, "auto", "regression", ()),
        ([0.5, 1.5] * 3, "classification", "classification", ("0.5", "1.5")),
        ([0, 1] * 3, "regression", "regression", ()),
        (list(range(20)) * 2, "auto", "classification", tuple(map(str, range(20)))),
        (list(range(21)) * 2, "auto", "regression", ()),
    ],
)
def test_numbers_are_classes_if_they_are_few_and_whole(
    tmp_path: Path, values: list[float], wanted: str, kind: str, names: tuple[str, ...]
) -> None:
    """In the order of the numbers; the preset may say otherwise."""
    text = "x,y\n" + "".join(f"{index},{value}\n" for index, value in enumerate(values))
    data = checked(table(tmp_path, text, target_kind=wanted))
    assert (data.spec.kind, data.class_names) == (kind, names)


def test_columns_named_by_pandas_are_names(tmp_path: Path) -> None:
    """A header 0,1,2 is what to_csv writes for an array."""
    assert checked(table(tmp_path, "0,1\n5,a\n6,a\n7,b\n8,b\n")).class_names == ("a", "b")


CSV_MISTAKES: dict[str, tuple[str | bytes, dict[str, Any], list[str]]] = {
    "empty": ("", {}, ["The file is empty"]),
    "blank": ("\n \n", {}, ["The file is empty"]),
    "header alone": ("a,b\n", {}, ["no line below it"]),
    "no header": ("1,2\n3,4\n", {}, ['"1", "2", may be a sample', "Try header = false"][:1]),
    "no header, names of classes": ("5.1,a\n5.2,b\n", {}, ['numbers such as "5.1" (fields separated by ",")']),
    "one column": ("a\n1\n", {}, ["one column only"]),
    "nameless column": ("," + IRIS.replace("\n", "\n1,").removesuffix("1,"), {}, ['ignore = ["column 0"]']),
    "names twice": (IRIS.replace("length", "width"), {}, ['given twice: "width"']),
    "unknown target": (IRIS, {"target": "kinf"}, ['target = "kinf" is no column. Try target = "kind".']),
    "target far off": (IRIS, {"target": "zzz"}, ['Try one of "width", "length", "kind".']),
    "target 3 of 3": (IRIS, {"target": 3}, ["target = 3 is no column"]),
    "target ignored": (IRIS, {"target": "kind", "ignore": ("kind",)}, ["is ignored too"]),
    "unknown ignored": (IRIS, {"ignore": ("widht",)}, ['"widht", which is no column. Try "width"']),
    "all ignored": (IRIS, {"ignore": ("width", "length")}, ["cannot be both feature and target"]),
    "text": (IRIS.replace("4.5,", "long,"), {}, ['needed in 3 lines, the first in line 6: "long"']),
    "underscore": (IRIS.replace("\n4.5,", "\n1_0,"), {}, ['in line 6: "1_0"']),
    "decimal comma": (IRIS.replace("\n4.5,", '\n"4,5",'), {}, ['line 6: "4,5" (a decimal comma; ', "Try 4.5 with"][:1]),
    "missing": (IRIS.replace("\n4.5,", "\n,").replace("\n8.5,", "\nNA,"), {},
                ['"width" has 2 missing values, the first in line 6']),
    "missing target": (IRIS.replace("a\n", "\n"), {}, ['"kind" has 10 missing values, the first in line 2']),
    "infinite": (IRIS.replace("\n4.5,", "\ninf,").replace("\n5.5,", "\n1e39,"), {}, ["2 numbers infinite or above"]),
    "ragged": (IRIS + "1,2\n1,2,3,4\n", {}, ["than the 3 of the first", ][:1]),
    "one class": ("x,y\n1,a\n2,a\n", {}, ['All samples are of one class, "a"']),
    "one number": ("x,y\n1,7\n2,7\n", {}, ['target_kind = "regression"']),
    "one target": ("x,y\n1,.5\n2,.5\n", {}, ["All targets are the same, 0.5"]),
    "a class of one": (IRIS + "1,2,d\n", {}, ['1 class with fewer than 2 samples cannot be split: "d"']),
    "one line": ("x,y\n1,0.5\n", {}, ["1 sample only"]),
    "one input": ("x,y\n1,a\n1,b\n1,a\n1,b\n", {}, ["All inputs are the same number"]),
    "names in a regression": (IRIS, {"target_kind": "regression"}, ['"kind" has text where a number is needed']),
    "a slip in the target": ("x,y\n" + "".join(f"{i},{i}\n" for i in range(30)) + "1,oops\n", {},
                             ['"y" has text where a number is needed in 1 line, the first in line 32: "oops"']),
    "mixed encodings": (IRIS.encode() + "1,2,ä\n".encode() + b"1,2,\xe4\n", {},
                        ["Byte 0xe4 in line 33 is no text in UTF-8, though other lines are"]),
    "neither": (IRIS.encode() + b"1,2,\x81\n", {}, ["Byte 0x81 in line 32 is no text in UTF-8"]),
    "cut UTF-16": (IRIS.encode("utf-16")[:-1], {}, ["UTF-16, and damaged"]),
    "open quote": (IRIS + '1,2,"a\n', {}, ["cannot be read: unexpected end of data"]),
    "open quote at once": ('x,y\n1,"a\n', {}, ["Line 2 cannot be read"]),
    "share": (IRIS, {"validation_share": 1.0, "seed": -1}, ["validation_share = 1.0 is not between", "The seed"]),
    "all at once": (
        "width,width,kind\nx,inf,a\n,2,a\n7,2,a\n8,2,a\n1,2,3,4\n", {"ignore": ("nothing",), "validation_share": 0.0},
        ["validation_share", "given twice", '"nothing", which', "1 line with another",
         "1 missing value", "has text where", "1 number infinite"],
    ),
    "cells and classes": (IRIS.replace("\n4.5,", "\noh,") + "1,2,d\n", {}, ["text where", "1 class with fewer"]),
    "target and cells": (IRIS.replace("\n4.5,", "\n,"), {"target": "knd"}, ['Try target = "kind"', "1 missing value"]),
}  # fmt: skip


@pytest.mark.parametrize(("text", "options", "expected"), CSV_MISTAKES.values(), ids=CSV_MISTAKES.keys())
def test_each_mistake_in_a_table_is_told(
    tmp_path: Path, text: str | bytes, options: dict[str, Any], expected: list[str]
) -> None:
    """One sentence for each, and no further ones."""
    found = problems_of(table(tmp_path, text, **options))
    assert all(any(part in problem for problem in found) for part in expected), found
    assert len(found) == len(expected), found


@pytest.mark.parametrize("kind", ["csv", "npz", "imagefolder"])
def test_a_path_that_leads_nowhere(tmp_path: Path, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing, of the wrong kind, not readable, no path at all."""
    (file := tmp_path / "file").write_bytes(b"?")
    assert "does not exist" in problems_of(OwnData(kind=kind, path=tmp_path / "nothing"))[0]
    assert "does not exist" in problems_of(OwnData(kind=kind, path=file / "below"))[0]
    other = file if kind == "imagefolder" else tmp_path
    expected = "is not a folder" if kind == "imagefolder" else "is a folder, not a file"
    assert expected in problems_of(OwnData(kind=kind, path=other))[0]
    assert len(problems_of(OwnData(kind=kind, path=tmp_path / ("x" * 300)))) == 1
    assert len(problems_of(OwnData(kind=kind, path=Path("a\0b")))) == 1
    if kind != "imagefolder":
        assert "is not a file" in problems_of(OwnData(kind=kind, path=Path("/dev/null")))[0]

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")  # root may read everything, so a mode does not do

    monkeypatch.setattr(Path, "iterdir" if kind == "imagefolder" else "open", refuse)
    path = tmp_path if kind == "imagefolder" else file
    assert "cannot be read: Permission denied" in problems_of(OwnData(kind=kind, path=path))[0]


def test_importing_and_reading_a_table_loads_no_torch(tmp_path: Path) -> None:
    """Nor Pillow, which pictures alone need."""
    options = table(tmp_path, IRIS)
    code = (
        "import sys; from pathlib import Path; from tuitrain.tasks.own import *\n"
        f"inspect_own(OwnData(kind='csv', path=Path({str(options.path)!r})))\n"
        "assert not {'torch', 'torchvision', 'PIL'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@FUZZ
@given(counts=st.lists(st.integers(2, 9), min_size=1, max_size=6), share=st.floats(0.01, 0.99), seed=st.integers(0, 99))
def test_every_class_is_on_both_sides(counts: list[int], share: float, seed: int) -> None:
    """However small; nobody is lost or on both sides."""
    labels = np.repeat(np.arange(len(counts)), counts)
    train, validation = split_with_all_classes(labels, round(share * len(labels)), seed)
    assert sorted([*train, *validation]) == list(range(len(labels)))
    assert set(labels[train]) == set(labels[validation]) == set(range(len(counts)))


def usable_or_told(options: OwnData) -> None:
    """Anything but an `OwnDataError` fails the test, and so does one without a way out."""
    problems: tuple[str, ...] = ()
    try:
        inspect_own(options)
        load_own(options)
    except OwnDataError as error:
        problems = error.problems or ("an error without a problem",)
    assert all(" Try " in problem for problem in problems)


@FUZZ
@given(text=st.binary(max_size=60) | st.text('ab1.,;\t\n\r"- e_\ufeff\0', max_size=60).map(str.encode))
def test_any_bytes_are_a_table_or_told(tmp_path: Path, text: bytes) -> None:
    """Also damage in the midst of a good table."""
    usable_or_told(table(tmp_path, text))
    usable_or_told(table(tmp_path, IRIS.encode()[:60] + text + IRIS.encode()[60:]))


@FUZZ
@given(cut=st.integers(0, 900), at=st.integers(0, 900), byte=st.integers(0, 255))
def test_a_damaged_archive_is_told(tmp_path: Path, cut: int, at: int, byte: int) -> None:
    """Cut off, or with one byte changed."""
    written = io.BytesIO()
    np.savez_compressed(written, x=np.arange(40.0).reshape(20, 2), y=np.arange(20) % 2)
    whole = written.getvalue()
    path = tmp_path / "arrays.npz"
    for damaged in (whole[:cut], whole[: at % len(whole)] + bytes([byte]) + whole[at % len(whole) + 1 :]):
        path.write_bytes(damaged)
        usable_or_told(OwnData(kind="npz", path=path))
