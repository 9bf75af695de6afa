"""Cross-validation: the parts are disjoint, cover everything, and depend on the data and their own seed alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tasks.building import CPU
from tests.training.harness import build, told
from tuitrain.preset.dataset import dataset_of
from tuitrain.preset.reading import load_preset
from tuitrain.protocol.events import RunStarted, StageEntered
from tuitrain.tasks.build.data import Dataset, load_dataset
from tuitrain.tasks.folding import Fold
from tuitrain.tasks.own import OwnData, inspect_own, load_own
from tuitrain.tasks.tables import DATASETS
from tuitrain.tasks.text import english, english_sides

CUT = [name for name, spec in DATASETS.items() if spec.source in {"embedded", "synthetic"} and spec.kind != "surface"]


def fold_of(dataset: str, number: int, total: int, **options: Any) -> Dataset:
    """A fold of a dataset, as stored."""
    usual: dict[str, Any] = {"preprocess": "raw", "num_train": None, "label_noise": 0.0, "data_seed": 0}
    return load_dataset(
        DATASETS[dataset], data_folder=Path("data"), device=CPU, fold=Fold(number, total), **{**usual, **options}
    )


def rows(*parts: torch.Tensor) -> list[bytes]:
    """Each sample as bytes, so that samples can be counted."""
    return [row.numpy().tobytes() for part in parts for row in part]


@given(st.integers(2, 200), st.integers(2, 12), st.integers(0, 2**63 - 1), st.integers(1, 7), st.booleans())
@settings(max_examples=150, deadline=None)
def test_the_parts_are_disjoint_and_cover_everything(
    num_samples: int, total: int, seed: int, num_classes: int, is_classified: bool
) -> None:
    """Every sample is validated on exactly once, a fold trains on the complement, and sizes are as announced."""
    total = min(total, num_samples)
    labels = np.random.default_rng(seed).integers(0, num_classes, num_samples) if is_classified else None
    seen = np.zeros(num_samples, dtype=int)
    for number in range(1, total + 1):
        fold = Fold(number, total)
        train, validation = fold.sides(num_samples, seed, labels)
        assert len(validation) == fold.num_validation(num_samples)
        assert abs(len(validation) - num_samples / total) < 1.0
        assert np.array_equal(np.sort(np.concatenate([train, validation])), np.arange(num_samples))
        seen[validation] += 1
        if labels is not None:
            found = np.bincount(labels[validation], minlength=num_classes)
            assert (abs(found - np.bincount(labels, minlength=num_classes) / total) < 1.0).all()
    assert (seen == 1).all()


def test_another_seed_cuts_otherwise_and_the_same_one_alike() -> None:
    """And it is a draw, not every fifth sample."""
    parts = [Fold(1, 5).sides(100, seed)[1].tolist() for seed in (0, 0, 1)]
    assert parts[0] == parts[1] != parts[2]
    assert parts[0] != list(range(0, 100, 5))


@pytest.mark.parametrize("dataset", CUT)
def test_the_folds_of_a_dataset_are_cut_from_what_may_be_trained_on(dataset: str) -> None:
    """The three validation parts are all samples of both sides; where validation is apart, of the training side."""
    spec = DATASETS[dataset]
    options = {"preprocess": "raw", "num_train": None, "label_noise": 0.0, "data_seed": 0}
    usual = load_dataset(spec, data_folder=Path("data"), device=CPU, **options)  # type: ignore[arg-type]
    folds = [fold_of(dataset, number, 3) for number in (1, 2, 3)]
    everything = sorted(rows(usual.train.x) if spec.is_validated_apart else rows(usual.train.x, usual.validation.x))
    assert sorted(rows(*(fold.validation.x for fold in folds))) == everything
    for fold in folds:
        assert sorted(rows(fold.train.x, fold.validation.x)) == everything


@pytest.mark.parametrize("dataset", [name for name in CUT if DATASETS[name].smallest_class])
def test_the_table_knows_the_smallest_class(dataset: str) -> None:
    """Of all samples, as the check of too many folds takes it."""
    fold = fold_of(dataset, 1, 2)
    labels = torch.cat([fold.train.y, fold.validation.y])
    assert int(labels.bincount().min()) == DATASETS[dataset].smallest_class


def test_a_text_is_cut_into_blocks_that_share_no_window() -> None:
    """Each block is a stretch of the text, and what is trained on is all before it and all behind it."""
    text = english().tobytes()
    pieces: list[bytes] = []
    for number in range(1, 5):
        train, validation = (side.tobytes() for side in english_sides(Fold(number, 4)))
        at = len(b"".join(pieces))
        pieces.append(validation)
        assert train == text[:at] + text[at + len(validation) :]
    assert b"".join(pieces) == text


def test_a_fold_of_a_text_is_trained_on() -> None:
    """With windows as ever, and the sizes that the check expects."""
    trainer = build(
        "task.folds=4", "task.fold=2", "train.steps=1", "train.batch_size=4", "eval.max_batches=1",
        preset="char-lstm",
    )  # fmt: skip
    spec = dataset_of(load_preset("char-lstm", ["task.folds=4", "task.fold=2"]))
    assert (len(trainer.task.train), len(trainer.task.validation)) == (spec.num_train, spec.num_validation)


def test_everything_follows_the_training_part_of_the_fold() -> None:
    """Statistics, label noise, a subset and class weights are of the samples that are trained on, and of no other."""
    raw, scaled = fold_of("digits", 2, 5), fold_of("digits", 2, 5, preprocess="standardize")
    mean, deviation = raw.train.x.double().mean(), raw.train.x.double().std(correction=0)
    expected = (raw.validation.x.double() - mean) / deviation
    assert torch.allclose(scaled.validation.x.double(), expected, atol=1e-5)
    noisy = fold_of("digits", 2, 5, label_noise=0.5)
    assert torch.equal(noisy.validation.y, raw.validation.y)
    assert 0.35 < float((noisy.train.y != raw.train.y).float().mean()) < 0.55
    few = fold_of("digits", 2, 5, num_train=64)
    assert torch.equal(few.train.x, raw.train.x[:64])
    assert torch.equal(few.validation.x, raw.validation.x)


def test_the_seed_of_a_run_does_not_move_a_sample() -> None:
    """Not even with a bootstrap sample, which is drawn from the training part; the data seed does."""
    one, other = (build(f"train.seed={seed}", preset="one-fold") for seed in (0, 1))
    assert torch.equal(one.task.validation.x, other.task.validation.x)
    assert torch.equal(one.task.train.x, other.task.train.x)
    drawn = build("train.bootstrap=true", "train.seed=1", preset="one-fold")
    assert torch.equal(drawn.task.validation.x, one.task.validation.x)
    assert set(rows(drawn.task.train.x)) <= set(rows(one.task.train.x))
    assert not torch.equal(build("task.data_seed=1", preset="one-fold").task.validation.x, one.task.validation.x)


def test_a_run_says_which_fold_it_is() -> None:
    """At its start; a run that is none says nothing of it."""
    result = told("train.steps=2", "task.fold=3", preset="one-fold")
    stages = [fact.stage for fact in result.all(StageEntered)]
    assert "fold 3 of 5: 1438 samples are trained on, and 359 others validated on" in stages
    assert (result.all(RunStarted)[0].num_train, result.all(RunStarted)[0].num_validation) == (1438, 359)
    assert not any("fold" in fact.stage for fact in told("train.steps=2", preset="lr-good").all(StageEntered))


def own(path: Path, fold: Fold | None) -> OwnData:
    """Arrays in a file."""
    return OwnData(kind="npz", path=path, fold=fold)


@pytest.mark.parametrize("held_out", ["validation", "test"])
def test_own_data_that_come_split_keep_their_test_part(tmp_path: Path, held_out: str) -> None:
    """What is called validation is cut with the rest, what is called test is neither trained nor validated on."""
    path = tmp_path / "data.npz"
    x = np.arange(40, dtype=np.float32).reshape(20, 2)
    y = np.arange(20) % 2
    sides: dict[str, Any] = {
        "train_x": x[:14], "train_y": y[:14], f"{held_out}_x": x[14:], f"{held_out}_y": y[14:],
    }  # fmt: skip
    np.savez(path, **sides)
    seen = []
    for number in (1, 2, 3):
        found = load_own(own(path, Fold(number, 3)))
        assert inspect_own(own(path, Fold(number, 3))) == found.spec
        seen += found.arrays.validation_x[:, 0].tolist()
        both = {*found.arrays.train_x[:, 0].tolist(), *found.arrays.validation_x[:, 0].tolist()}
        assert both == set(x[: 14 if held_out == "test" else 20, 0].tolist())
    assert sorted(seen) == x[: 14 if held_out == "test" else 20, 0].tolist()


def test_own_data_in_one_part_are_cut_whole(tmp_path: Path) -> None:
    """With targets that are numbers as well."""
    path = tmp_path / "data.csv"
    path.write_text("a,b\n" + "".join(f"{i},{i * 1.5 + 0.25}\n" for i in range(11)), encoding="utf-8")
    seen: list[float] = []
    for number in range(1, 5):
        options = OwnData(kind="csv", path=path, fold=Fold(number, 4), target_kind="regression")
        seen += load_own(options).arrays.validation_x[:, 0].tolist()
    assert sorted(seen) == [float(i) for i in range(11)]
