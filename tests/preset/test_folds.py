"""Folds that make no sense are said before a run starts, and the overrides of all folds are those of one partition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tuitrain.errors import PresetError
from tuitrain.preset import load_preset
from tuitrain.preset.dataset import dataset_of
from tuitrain.preset.folds import fold_overrides


@pytest.mark.parametrize(
    ("name", "overrides", "words"),
    [
        ("lr-good", ["task.fold=1"], "task.fold = 1 has no meaning without task.folds"),
        ("lr-good", ["task.folds=5"], "which part is validated on"),
        ("lr-good", ["task.folds=5", "task.fold=6"], "task.fold = 6 is beyond the 5 of task.folds"),
        ("lr-good", ["task.folds=1", "task.fold=1"], "at least 2"),
        ("lr-good", ["task.folds=-1"], "task.folds = -1"),
        ("lr-good", ["task.folds=175", "task.fold=1"], "more than the 174 samples of the smallest class of digits"),
        ("linreg", ["task.folds=201", "task.fold=1"], "more than the 200 samples of line"),
        ("bias-width-1", ["task.folds=26", "task.fold=1"], "more than the 25 samples of sine-25"),
        ("char-lstm", ["task.folds=9000", "task.fold=1"], "blocks of 64 characters"),
        ("ravine", ["task.folds=5", "task.fold=1"], "a surface has no samples to cut"),
        ("lr-good", ["task.folds=5", "task.fold=1", "train.batch_size=1500"], "more than the 1437 training samples"),
        ("lr-good", ["task.folds=2", "task.fold=1", "task.num_train=1000"], "more than the 898 of digits"),
    ],
)
def test_what_makes_no_sense_is_said(name: str, overrides: list[str], words: str) -> None:
    """With what to try."""
    with pytest.raises(PresetError) as caught:
        load_preset(name, overrides)
    said = [problem for problem in caught.value.problems if words in problem]
    assert said
    assert "Try" in said[0] or "Leave it out" in said[0]


def test_the_defaults_change_nothing() -> None:
    """Zero and zero are the usual split."""
    plain, zero = load_preset("lr-good"), load_preset("lr-good", ["task.folds=0", "task.fold=0"])
    assert plain == zero
    assert dataset_of(plain).num_train == 1000


def test_the_overrides_of_all_folds_are_a_partition() -> None:
    """As many as folds, each of which loads; their validation parts are as large as the data together."""
    found = fold_overrides(load_preset("lr-good"), 5)
    assert found == [("task.folds=5", f"task.fold={number}") for number in (1, 2, 3, 4, 5)]
    sizes = [dataset_of(load_preset("lr-good", overrides)).num_validation for overrides in found]
    assert sizes == [360, 360, 359, 359, 359]
    assert fold_overrides(load_preset("one-fold"), 3)[2] == ("task.folds=3", "task.fold=3")


@pytest.mark.parametrize(
    ("name", "num_folds", "words"),
    [
        ("lr-good", 1, "at least 2"), ("lr-good", -3, "at least 2"), ("lr-good", 200, "smallest class"),
        ("ravine", 5, "a surface has no samples"),
        ("full-batch", 2000, "smallest class"),
    ],
)  # fmt: skip
def test_folds_of_what_cannot_be_cut_are_refused(name: str, num_folds: int, words: str) -> None:
    """Before any of them starts, with the place."""
    with pytest.raises(PresetError, match=words) as caught:
        fold_overrides(load_preset(name), num_folds)
    assert all(problem.startswith(f"{num_folds} folds of {name}") for problem in caught.value.problems)


def test_own_data_count_their_classes(tmp_path: Path) -> None:
    """Five folds need five samples of every class."""
    path = tmp_path / "data.npz"
    np.savez(path, x=np.random.default_rng(0).normal(size=(20, 3)), y=np.array([0] * 16 + [1] * 4))
    base = load_preset("lr-good", ["task.dataset=npz", f"task.path={path}", "train.batch_size=4"])
    assert len(fold_overrides(base, 4)) == 4
    with pytest.raises(PresetError, match="folds = 5 is more than the 4 samples of the smallest class"):
        fold_overrides(base, 5)
