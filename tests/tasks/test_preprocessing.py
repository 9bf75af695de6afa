"""What is done to numbers of one's own: each column by itself, in full precision, by the training side alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tasks.building import CPU
from tests.tasks.test_own_data import archive
from tuitrain.tasks.build.data import Dataset, load_dataset
from tuitrain.tasks.folding import Fold
from tuitrain.tasks.own import OwnData, inspect_own
from tuitrain.tasks.tables import PREPROCESSINGS
from tuitrain.techniques.build.losses import Criterion

RNG = np.random.default_rng(0)
UNITS = np.stack([RNG.choice([-1.0, 1.0], 300), RNG.normal(0, 1000, 300)], axis=1)


def load(own: OwnData, preprocess: str = "standardize", **options: int) -> Dataset:
    return load_dataset(
        inspect_own(own), preprocess=preprocess, num_train=options.get("num_train"), label_noise=0.0, data_seed=0,
        data_folder=Path("data"), device=CPU, own=own,
    )  # fmt: skip


@pytest.mark.parametrize(
    "stamps", [1.7e12 + np.arange(500.0), np.arange(500) + 1234567890123456, np.arange(500) + 2**40]
)
def test_timestamps_and_ids_keep_every_digit(tmp_path: Path, stamps: np.ndarray) -> None:
    """In float32 a hundred neighbours would be one number."""
    y = (stamps - stamps[0]).astype(np.float64)
    raw = load(archive(tmp_path, x=stamps[:, None], y=np.arange(500.0)), "raw")
    assert "inputs lose digits" in raw.understood.notes[0]
    for name in set(PREPROCESSINGS) - {"raw"}:
        data = load(archive(tmp_path, x=stamps[:, None], y=y + 0.5), name)
        line = np.polyfit(data.train.x[:, 0].double(), data.train.y[:, 0].double(), 1)
        off = np.polyval(line, data.train.x[:, 0].double()) - data.train.y[:, 0].double().numpy()
        assert np.abs(off).max() < 1e-5, name


@pytest.mark.parametrize("name", ["standardize", "scale", "whiten"])
def test_a_small_column_beside_a_large_one_counts_as_much(tmp_path: Path, name: str) -> None:
    """A label that follows ±1 beside noise of a thousand."""
    data = load(archive(tmp_path, x=UNITS, y=(UNITS[:, 0] > 0).astype(int)), name)
    small, large = data.train.x.std(dim=0).tolist()
    assert 0.2 < small / large < 5.0
    if name == "scale":
        assert (data.train.x.amin(0).tolist(), data.train.x.amax(0).tolist()) == ([0.0, 0.0], [1.0, 1.0])


@pytest.mark.parametrize("name", PREPROCESSINGS)
def test_a_column_that_never_changes_is_no_mistake(tmp_path: Path, name: str) -> None:
    """Its deviation is no rounding of a mean: it becomes 0 on both sides, and another value of it stays small."""
    x = np.stack([np.full(50, 0.1), np.arange(50.0)], axis=1)
    data = load(archive(tmp_path, train_x=x, train_y=x[:, 1] * 1.5, val_x=x + 0.1, val_y=x[:, 1] * 1.5), name)
    assert bool(torch.isfinite(data.train.x).all())
    assert data.validation.x.abs().max() < 60
    if name != "raw":
        assert bool((data.train.x[:, 0].abs() < 1e-6).all() if name != "whiten" else True)


def test_all_numbers_are_of_the_training_side_of_each_fold(tmp_path: Path) -> None:
    """Inputs and targets: an outlier that is held out moves nothing."""
    x = np.arange(100.0)[:, None]
    x[7] = 1e6
    for fold in (1, 2, 3, 4):
        own = archive(tmp_path, x=x, y=x[:, 0] * 2 + 0.5)
        data = load(OwnData(kind="npz", path=own.path, fold=Fold(fold, 4)))
        assert data.fitted is not None
        assert data.fitted.targets is not None
        is_held_out = bool((data.validation.x > 100).any())
        assert (float(data.fitted.inputs.scale[0]) < 100) == is_held_out
        for side in (data.train.x, data.train.y):
            assert side.double().mean().abs() < 1e-6
            assert side.double().std(unbiased=False) == pytest.approx(1.0, abs=1e-5)
        part = load(OwnData(kind="npz", path=own.path, fold=Fold(fold, 4)), num_train=10)
        assert part.train.y.double().std(unbiased=False) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("name", ["mse", "l1", "huber", "gaussian-nll"])
@pytest.mark.parametrize("deviations", [[4000.0], [4000.0, 0.02]])
def test_losses_are_told_in_the_unit_of_the_targets(name: str, deviations: list[float]) -> None:
    """As the same loss of the same predictions in that unit, with the delta of huber in deviations."""
    generator = torch.Generator().manual_seed(0)
    deviation = torch.tensor(deviations)
    targets = torch.randn(50, len(deviations), generator=generator)
    outputs = torch.randn(50, len(deviations) * (1 + (name == "gaussian-nll")), generator=generator)
    own = outputs.clone()
    own[:, : len(deviations)] *= deviation
    if name == "gaussian-nll":
        own[:, len(deviations) :] += 2 * deviation.log()
    scaled = Criterion(name, {"huber_delta": 0.7}, deviation=deviation)
    plain = [
        Criterion(name, {"huber_delta": 0.7 * one}).metrics_by_sample(
            own[:, place :: len(deviations)], (targets * deviation)[:, [place]]
        )
        for place, one in enumerate(deviations)
    ]
    found = scaled.metrics_by_sample(outputs, targets)
    sums = scaled.summed_metrics(outputs, targets)
    for metric, values in found.items():
        assert torch.allclose(values, torch.stack([one[metric] for one in plain]).mean(dim=0), rtol=1e-4)
        assert sums[metric].item() == pytest.approx(values.sum().item(), rel=1e-5)
    minimised = scaled.training_loss(outputs, targets)
    assert scaled.told_loss(minimised, outputs, targets).item() == pytest.approx(found["loss"].mean().item(), rel=1e-5)
    assert minimised.equal(Criterion(name, {"huber_delta": 0.7}).training_loss(outputs, targets))
