"""Corners of the data: fewer samples, other seeds, damage, and what preprocessing may look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tasks.building import CPU, make_task
from tuitrain.errors import DataError, UnknownNameError
from tuitrain.tasks import synthetic
from tuitrain.tasks.build import data as data_module
from tuitrain.tasks.build.data import Split, load_dataset
from tuitrain.tasks.splitting import stratified_split
from tuitrain.tasks.tables import ACTIVATIONS, DATASETS, dataset_spec, model_spec
from tuitrain.techniques.build.augmentation import shifted
from tuitrain.training.batches import Batches

MAKERS = [
    synthetic.line, synthetic.line_outliers, synthetic.spiral, synthetic.moons, synthetic.sine_25, synthetic.lab_wave,
]  # fmt: skip


def load(name: str, **options: Any) -> data_module.Dataset:
    defaults: dict[str, Any] = {"preprocess": "standardize", "num_train": None, "label_noise": 0.0, "data_seed": 0}
    return load_dataset(dataset_spec(name), data_folder=Path("data"), device=CPU, **{**defaults, **options})


@settings(deadline=None)
@given(counts=st.lists(st.integers(1, 40), min_size=1, max_size=6), share=st.floats(0, 1), seed=st.integers(0, 2**31))
def test_any_split_is_disjoint_complete_and_fair(counts: list[int], share: float, seed: int) -> None:
    """Whatever the classes: every one gives its share to within one sample, and the seed alone decides which."""
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    num_train = round(share * len(labels))
    train, validation = stratified_split(labels, num_train, seed)
    assert len(train) == num_train
    assert sorted([*train, *validation]) == list(range(len(labels)))
    for label, count in enumerate(counts):
        # Cut at one rank, each class is off by at most a half, and so is their sum for each of them.
        off = abs((labels[train] == label).sum() - count * num_train / len(labels))
        assert off <= 0.5 + 0.5 * len(counts)
    again, _ = stratified_split(labels, num_train, seed)
    assert train.tolist() == again.tolist()


@pytest.mark.parametrize("name", ["mnist-5k", "digits"])
def test_no_sample_of_the_validation_is_trained_on(name: str) -> None:
    """Both sides of the embedded data, compared pixel by pixel; another seed draws other ones."""
    data, other = load(name, preprocess="raw"), load(name, preprocess="raw", data_seed=1)
    train = {sample.numpy().tobytes() for sample in data.train.x}
    shared = sum(sample.numpy().tobytes() in train for sample in data.validation.x)
    assert shared <= 2  # two people may have written the same 8×8 picture
    assert not torch.equal(data.train.x, other.train.x)


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_made_data_depends_on_its_seed_alone(make: Any) -> None:
    """The same for the same seed, another for another, and validation is no copy of training."""
    one, same, other = make(3, 50, 50), make(3, 50, 50), make(4, 50, 50)
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one.train_x, other.train_x)
    assert not np.array_equal(one.train_x, one.validation_x)


def test_preprocessing_looks_at_the_training_data_only() -> None:
    """Mean and deviation are those of the training side, also of a part of it; scaling maps it onto 0 to 1."""
    raw, standard = load("lab-wave", preprocess="raw", num_train=10), load("lab-wave", num_train=10)
    mean, deviation = raw.train.x.mean(), raw.train.x.std(unbiased=False)
    assert torch.allclose(standard.validation.x, (raw.validation.x - mean) / deviation, atol=1e-5)
    scaled = load("lab-wave", preprocess="scale", num_train=10)
    assert (scaled.train.x.min().item(), scaled.train.x.max().item()) == (0.0, 1.0)
    assert scaled.validation.x.max().item() > 1.0


def test_a_part_of_the_data_has_every_class() -> None:
    """The embedded files are in no order of classes, so their first hundred training samples are a fair part."""
    part = load("mnist-5k", num_train=100)
    assert len(part.train) == 100
    assert len(part.validation) == 1000
    assert set(part.train.y.tolist()) == set(range(10))


def test_a_part_that_is_looked_at_is_drawn_and_not_the_first() -> None:
    """Also where samples lie in the order of their classes: once, the fewer among the more; all keep their order."""
    y = torch.arange(10).repeat_interleave(100)
    split = Split(torch.arange(1000), y)
    part = split.drawn(100)
    assert set(part.y.tolist()) == set(range(10))
    assert len(set(part.x.tolist())) == 100
    assert torch.equal(part.x, split.drawn(100).x)
    assert torch.equal(part.x[:30], split.drawn(30).x)
    assert not torch.equal(part.x, split.drawn(100, seed=1).x)
    assert split.drawn(1000) is split.drawn(5000) is split


def test_the_draw_of_the_training_samples_has_a_seed_of_its_own() -> None:
    """task.data_seed, also where it has no say in the data; the samples are not those of the first batches."""
    one, other = make_task("english", "lstm", data_seed=1), make_task("english", "lstm", data_seed=2)
    assert torch.equal(one.train.x, other.train.x)
    assert torch.equal(one.train_sample(20).x, make_task("english", "lstm", data_seed=1).train_sample(20).x)
    assert not torch.equal(one.train_sample(20).x, other.train_sample(20).x)
    task = make_task("digits", "linear")
    seen, looked_at = Batches(task, 100, seed=0).next()[0], task.train_sample(100).x
    assert not torch.equal(seen, looked_at)


def test_damaged_embedded_data_says_to_install_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut short, empty, or no archive at all."""
    whole = (Path(data_module.__file__).parent.parent / "data" / "digits.npz").read_bytes()
    for content in (whole[:2000], b"", b"something else"):
        (tmp_path / "digits.npz").write_bytes(content)
        monkeypatch.setitem(data_module._EMBEDDED, "digits", str(tmp_path / "digits.npz"))
        with pytest.raises(DataError, match="cannot be read") as caught:
            load("digits")
        assert caught.value.hint == "install tuitrain again."


def test_label_smoothing_is_trained_on_and_never_evaluated() -> None:
    """The evaluated loss stays the plain cross-entropy, or two runs could not be compared."""
    plain = make_task("digits", "linear")
    smooth = make_task("digits", "linear", label_smoothing=0.2)
    outputs, targets = torch.randn(20, 10, generator=torch.Generator().manual_seed(0)), plain.train.y[:20]
    assert smooth.training_loss(outputs, targets) != plain.training_loss(outputs, targets)
    found = smooth.summed_metrics(outputs, targets)
    assert torch.equal(found["loss"], plain.summed_metrics(outputs, targets)["loss"])
    assert found["loss"].item() / 20 == pytest.approx(plain.training_loss(outputs, targets).item(), rel=1e-6)
    assert found["accuracy"] == sum(outputs.argmax(1) == targets)


@pytest.mark.parametrize("limit", [1, 3])
def test_a_shift_stays_within_its_limit_and_keeps_flat_pictures(limit: int) -> None:
    """A single bright pixel moves by at most `limit`; a flat picture stays flat, as edges are repeated."""
    pictures = torch.zeros(200, 1, 9, 9)
    pictures[:, :, 4, 4] = 1.0
    moved = shifted(pictures, limit, torch.Generator().manual_seed(0))
    places = moved[:, 0].nonzero()
    assert len(places) == 200
    distances = (places[:, 1:] - 4).abs().amax(dim=0)
    assert distances.tolist() == [limit, limit]
    assert torch.equal(shifted(torch.ones(3, 2, 5, 5), limit, torch.Generator()), torch.ones(3, 2, 5, 5))


@pytest.mark.parametrize("init", ["he", "xavier", "torch"])
def test_an_initialisation_has_the_deviation_of_its_paper(init: str) -> None:
    """He: √(2/n). Glorot: √(2/(n + m)). torch's own: uniform within ±1/√n. Biases are 0 but for torch's."""
    torch.manual_seed(0)
    model: Any = make_task("mnist-5k", "mlp", init=init).model
    expected = {"he": (2 / 784) ** 0.5, "xavier": (2 / (784 + 256)) ** 0.5, "torch": (1 / (3 * 784)) ** 0.5}[init]
    assert model.lin_1.weight.std().item() == pytest.approx(expected, rel=0.02)
    assert bool((model.lin_1.bias == 0).all()) == (init != "torch")


def test_a_cnn_pools_small_pictures_only_as_long_as_there_is_something_to_pool() -> None:
    """More convolutions than halvings of 8 pixels still give a model that runs."""
    task = make_task("digits", "cnn", channels=(4, 4, 4, 4, 4), norm="batch")
    assert task.model(task.train.x[:3]).shape == (3, 10)


def test_every_name_of_the_tables_can_be_looked_up_and_others_name_the_nearest() -> None:
    """Datasets, models, activations."""
    assert all(dataset_spec(name).name == name for name in DATASETS)
    with pytest.raises(UnknownNameError, match="mnist-5k"):
        dataset_spec("mnist5k")
    with pytest.raises(UnknownNameError, match="mlp"):
        model_spec("mpl")
    assert len(set(ACTIVATIONS)) == len(ACTIVATIONS)


@pytest.mark.parametrize("name", ["spiral", "digits", "line"])
def test_whitened_data_have_no_covariance_and_next_to_unit_variance(name: str) -> None:
    """The identity, but for axes that hold next to nothing, which stay small; the validation data in the same axes."""
    data, raw = load(name, preprocess="whiten"), load(name, preprocess="raw")
    flat = data.train.x.flatten(1).double()
    covariance = torch.cov(flat.t()).reshape(flat.shape[1], flat.shape[1])
    values = torch.linalg.eigvalsh(torch.cov(raw.train.x.flatten(1).double().t()).reshape(covariance.shape))
    expected = (values / (values + 0.01 * values.mean())).sort().values
    torch.testing.assert_close(covariance.diagonal().sort().values, expected, atol=1e-3, rtol=1e-3)
    assert (covariance - torch.diag(covariance.diagonal())).abs().max() < 1e-3
    assert flat.mean(0).abs().max() < 1e-4
    assert expected[-1] > 0.98
    assert data.validation.x.shape == raw.validation.x.shape
    assert data.validation.x.std() < 2.0


def test_centering_takes_the_mean_away_and_nothing_else() -> None:
    """Deviation as it was."""
    data, raw = load("digits", preprocess="center"), load("digits", preprocess="raw")
    assert abs(data.train.x.mean().item()) < 1e-4
    torch.testing.assert_close(raw.train.x - data.train.x, torch.full_like(raw.train.x, raw.train.x.mean().item()))


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_that_share_of_the_training_labels_is_drawn_again(share: float) -> None:
    """A tenth of them hits the right class by chance; validation labels are as they were, and so are the inputs."""
    clean, noisy, again = load("mnist-5k"), load("mnist-5k", label_noise=share), load("mnist-5k", label_noise=share)
    changed = (clean.train.y != noisy.train.y).float().mean().item()
    assert changed == pytest.approx(0.9 * share, abs=0.03)
    assert changed <= share
    assert torch.equal(noisy.train.y, again.train.y)
    assert not torch.equal(noisy.train.y, load("mnist-5k", label_noise=share, data_seed=1).train.y)
    assert torch.equal(clean.validation.y, noisy.validation.y)
    assert torch.equal(clean.train.x, noisy.train.x)


def test_one_training_point_in_ten_of_the_outlier_line_is_moved_up() -> None:
    """By twenty; none of the validation points is."""
    data = synthetic.line_outliers(0, 100, 100)
    train_x, train_y, validation_x, validation_y = (side.astype(np.float64) for side in data)
    off = train_y - (2 * train_x + 1)
    assert (off > 15).sum() == 10
    assert np.abs(off[off < 15]).max() < 1.5
    assert np.abs(validation_y - (2 * validation_x + 1)).max() < 1.5
