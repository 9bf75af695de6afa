"""One's own arrays: names, shapes and layouts that people use, and every mistake told with a way out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest

from tests.tasks.test_own_data import archive, checked, problems_of
from tuitrain.tasks import own_npz
from tuitrain.tasks.own import OwnData

X, Y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2


def test_arrays_of_any_shape(tmp_path: Path) -> None:
    """Tables, single numbers, gray and colour pictures with channels first or last; names and several targets."""
    images = np.arange(20 * 5 * 6 * 3, dtype=np.uint8).reshape(20, 5, 6, 3)
    assert checked(archive(tmp_path, x=X, y=Y)).spec.input_shape == (2,)
    assert checked(archive(tmp_path, x=X[:, 0], y=Y)).spec.input_shape == (1,)
    assert checked(archive(tmp_path, x=images[..., 0], y=Y)).spec.input_shape == (1, 5, 6)
    last = checked(archive(tmp_path, x=images, y=Y))
    first = checked(archive(tmp_path, x=images.transpose(0, 3, 1, 2), y=Y[:, None]))
    assert last.spec.input_shape == first.spec.input_shape == (3, 5, 6)
    assert np.array_equal(last.arrays.train_x, first.arrays.train_x)
    assert last.arrays.train_x.dtype == np.uint8
    named = checked(archive(tmp_path, X=X > 3, Y=np.array(["no", "yes"])[Y]))
    assert named.class_names == ("no", "yes")
    assert checked(archive(tmp_path, x=X, y=np.array([b"q", b"p"])[Y])).class_names == ("p", "q")
    several = checked(archive(tmp_path, x=X, y=X * 0.1))
    assert (several.spec.kind, several.spec.num_outputs) == ("regression", 2)
    assert np.allclose(several.arrays.train_y, several.arrays.train_x.astype(np.float64) * 0.1)


@pytest.mark.parametrize(
    "names",
    ["train_x train_y validation_x validation_y", "x_train y_train x_test y_test", "X_train y_train X_val y_val"],
)
def test_arrays_that_come_split_stay_so(tmp_path: Path, names: str) -> None:
    """Whatever the share; their order alone is new."""
    keys = names.split()
    spare = {"x": X, "y": Y}
    data = checked(archive(tmp_path, **dict(zip(keys, (X, Y, X[:7] + 0.5, Y[:7]), strict=True)), **spare))
    assert sorted(data.arrays.train_x[:, 0].tolist()) == X[:, 0].tolist()
    assert sorted(data.arrays.validation_x[:, 0].tolist()) == (X[:7, 0] + 0.5).tolist()
    assert (data.arrays.validation_x[:, 0] // 2 % 2 == data.arrays.validation_y).all()


NPZ_MISTAKES: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "no x and y": ({"data": X, "x": X}, {}, ['No arrays x and y. There are "data", "x"']),
    "nothing": ({}, {}, ["The archive is empty"]),
    "lengths": ({"x": X, "y": Y[:9]}, {}, ["x has 20 samples and y has 9"]),
    "objects": ({"x": X, "y": np.array([None, {}] * 10)}, {}, ["y holds Python objects"]),
    "x of text": ({"x": np.array(["a"] * 20), "y": Y}, {}, ["x holds str"]),
    "complex": ({"x": X * 1j, "y": Y * 1j}, {}, ["x holds complex128", "y holds complex128"]),
    "no samples": ({"x": X[:0], "y": Y[:0]}, {}, ["x has shape (0, 2)", "y has shape (0,)"]),
    "one number": ({"x": np.array(1), "y": np.array(1)}, {}, ["x has shape ()", "y has shape ()"]),
    "dimensions": ({"x": np.zeros((20, 1, 1, 1, 2)), "y": np.zeros((20, 1, 2))}, {}, ["x has shape", "y has shape"]),
    "not finite": ({"x": np.where(X == 7, np.nan, X), "y": np.where(Y == 1, np.inf, 0.5)}, {},
                   ["x has 1 value NaN, infinite or above 3.4e38, the first in sample 3", "y has 10 values"]),
    "too large": ({"x": X * 1e38, "y": Y}, {}, ["x has 36 values NaN"]),
    "no such target": ({"x": X, "y": Y}, {"target": "z"}, ['There is no array "z" for the targets. There are "x"']),
    "two inputs": ({"data": X, "images": X, "target": Y}, {},
                   ['The inputs may be data or images. Try ignore = ["images"]']),
    "two targets": ({"x": X, "y": Y, "labels": Y}, {}, ['The targets may be y or labels. Try target = "y"']),
    "no names": ({"arr_0": X, "arr_1": Y, "arr_2": X, "arr_3": Y}, {}, ["4 arrays have no name"]),
    "either layout": ({"x": np.ones((20, 3, 3, 3)), "y": Y}, {}, ['Try layout = "channels-first", or layout = ']),
    "no layout": ({"x": np.ones((20, 5, 6, 7)), "y": Y}, {}, ['Try layout = "channels-first", or layout = ']),
    "two names": ({"x": X, "y": np.array([["a", "b"]] * 20)}, {}, ["y has 2 names a sample"]),
    "names in a regression": ({"x": X, "y": np.array(["a", "b"] * 10)}, {"target_kind": "regression"}, ["are names"]),
    "sides": ({"train_x": X, "train_y": Y, "test_x": X[:, :1], "test_y": np.array(["a"] * 20)}, {},
              ["A sample of train_x has shape (2,), one of test_x (1,)", "One of train_y and test_y holds names"]),
    "untaught class": ({"train_x": X, "train_y": Y, "test_x": X, "test_y": Y * 2}, {},
                       ['1 class of the validation data is not in the training data: "2"']),
}  # fmt: skip


@pytest.mark.parametrize(("arrays", "options", "expected"), NPZ_MISTAKES.values(), ids=NPZ_MISTAKES.keys())
def test_each_mistake_in_arrays_is_told(
    tmp_path: Path, arrays: dict[str, Any], options: dict[str, Any], expected: list[str]
) -> None:
    """One sentence for each, and no further ones."""
    found = problems_of(replace(archive(tmp_path, **arrays), **options))
    assert all(any(part in problem for problem in found) for part in expected), found
    assert len(found) == len(expected), found


@pytest.mark.parametrize(
    ("names", "options"),
    [
        ("arr_0 arr_1", {}), ("data target", {}), ("images labels", {}), ("X y", {}), ("train_images train_labels", {}),
        ("pixels age", {"target": "age"}), ("x y labels", {"target": "y"}),
        ("data target images", {"ignore": ("images",)}),
    ],
)  # fmt: skip
def test_names_that_people_give_arrays(tmp_path: Path, names: str, options: dict[str, Any]) -> None:
    """Inputs first; what else there is, is said to be left out."""
    keys = names.split()
    data = checked(replace(archive(tmp_path, **dict(zip(keys, [X, Y, Y], strict=False))), **options))
    assert (data.spec.input_shape, data.spec.num_outputs) == ((2,), 2)
    left_out = (f'left out: "{keys[2]}"',) if len(keys) > 2 else ()
    assert data.notes == (*left_out, "whole numbers are taken for classes")


def test_which_of_several_sides_is_validated_on_is_said(tmp_path: Path) -> None:
    """As MedMNIST names them; one-hot targets are classes, and pictures lie in memory as they are numbered."""
    images = np.arange(20 * 28 * 28 * 3, dtype=np.uint8).reshape(20, 28, 28, 3)
    sides = {f"{side}_{what}": value for side in ("train", "val", "test")
             for what, value in (("images", images), ("labels", np.eye(2)[Y]))}  # fmt: skip
    data = checked(archive(tmp_path, **sides))
    assert data.notes == (
        "val_images is validated on", 'left out: "test_images", "test_labels"', "channels are last",
        "one-hot targets are taken for classes", "whole numbers are taken for classes",
    )  # fmt: skip
    assert data.class_names == ("0", "1")
    assert data.arrays.train_x.flags.c_contiguous
    given = archive(tmp_path, x=images[:, :3, :3], y=Y)
    for layout in ("channels-first", "channels-last"):
        there = checked(replace(given, layout=layout)).arrays.train_x[0]
        one = next(image for image in images[:, :3, :3] if image.sum() == there.sum() and image.max() == there.max())
        assert np.array_equal(there, one if layout == "channels-first" else one.transpose(2, 0, 1))


def test_an_archive_is_unpacked_only_if_there_is_memory_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A megabyte of zeros may be a gigabyte: its head tells, before anything is read."""
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, x=np.zeros((1000, 1000)), y=np.arange(1000))
    assert path.stat().st_size < 20_000
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=20_000_000))
    monkeypatch.setattr(own_npz, "_array", lambda *_: pytest.fail("it was unpacked"))
    (problem,) = problems_of(OwnData(kind="npz", path=path))
    assert "when they are unpacked" in problem


def test_files_that_are_no_archive(tmp_path: Path) -> None:
    """One array, a text, a cut archive."""
    np.save(tmp_path / "one.npy", X)
    (tmp_path / "text.npz").write_text("x,y\n1,2\n")
    assert "One single array" in problems_of(OwnData(kind="npz", path=tmp_path / "one.npy"))[0]
    assert "Damaged, or no .npz" in problems_of(OwnData(kind="npz", path=tmp_path / "text.npz"))[0]
