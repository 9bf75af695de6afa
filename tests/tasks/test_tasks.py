"""Data and models: embedded, synthetic, downloaded; right, and the same everywhere."""

from __future__ import annotations

import gzip
import pickle
import struct
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch

from tests.tasks.building import CPU, make_task
from tuitrain.errors import DataError
from tuitrain.tasks.build.data import load_dataset
from tuitrain.tasks.splitting import stratified_split
from tuitrain.tasks.synthetic import LINE_FLOOR, line
from tuitrain.tasks.tables import DATASETS, dataset_spec
from tuitrain.techniques.build.augmentation import shifted

LOCAL = [
    name
    for name, spec in DATASETS.items()
    if spec.source != "torchvision" and not spec.is_text and spec.kind != "surface"
]


def load(name: str, folder: Path = Path("data"), preprocess: str = "standardize") -> Any:
    return load_dataset(
        dataset_spec(name), preprocess=preprocess, num_train=None, label_noise=0.0, data_seed=0,
        data_folder=folder, device=CPU,
    )  # fmt: skip


@pytest.mark.parametrize("name", LOCAL)
def test_data_has_the_shape_its_table_says_and_is_the_same_each_time(name: str) -> None:
    """Sizes, kinds, and mean 0 and deviation 1 of the training inputs."""
    spec, data, again = dataset_spec(name), load(name), load(name)
    assert data.train.x.shape == (spec.num_train, *spec.input_shape)
    assert len(data.validation) == spec.num_validation
    assert torch.equal(data.train.x, again.train.x)
    assert abs(data.train.x.mean().item()) < 1e-3
    assert data.train.x.std(correction=0).item() == pytest.approx(1.0, abs=1e-3)
    if spec.kind == "classification":
        assert set(data.train.y.tolist()) == set(range(spec.num_outputs))


def test_a_split_keeps_the_share_of_every_class() -> None:
    """Disjoint, complete, drawn from the seed."""
    labels = np.array([0] * 50 + [1] * 30 + [2] * 20)
    train, validation = stratified_split(labels, 60, seed=1)
    assert sorted([*train, *validation]) == list(range(100))
    assert np.bincount(labels[train]).tolist() == [30, 18, 12]
    other, _ = stratified_split(labels, 60, seed=2)
    assert train.tolist() != other.tolist()


def test_no_line_fits_better_than_the_floor() -> None:
    """Least squares leaves exactly what the preset says."""
    data = line(0, 100, 100)
    x, y = data.train_x.astype(np.float64), data.train_y.astype(np.float64)
    design = np.concatenate([x, np.ones_like(x)], axis=1)
    _, residual, _, _ = np.linalg.lstsq(design, y, rcond=None)
    assert residual[0] / 100 == pytest.approx(LINE_FLOOR, rel=1e-4)


def test_the_lab_model_has_the_parameters_of_the_lab() -> None:
    """784-256-10: names, shapes, 203 530 numbers."""
    model = make_task("mnist-5k", "mlp").model
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    assert shapes == {
        "lin_1.weight": (256, 784), "lin_1.bias": (256,), "lin_2.weight": (10, 256), "lin_2.bias": (10,),
    }  # fmt: skip
    assert sum(parameter.numel() for parameter in model.parameters()) == 203_530


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "gelu", "silu", "leaky-relu", "identity"])
@pytest.mark.parametrize("model", ["mlp", "cnn", "linear"])
def test_every_model_gives_one_output_a_class(model: str, activation: str) -> None:
    """With and without norm and dropout."""
    for norm, dropout in (("none", 0.0), ("batch", 0.5)):
        task = make_task("digits", model, activation=activation, norm=norm, dropout=dropout, hidden=(8,))
        assert task.model(task.train.x[:5]).shape == (5, 10)


def test_a_shift_moves_pixels_as_a_slow_loop_does() -> None:
    """Each sample by its own offset, the edge repeated."""
    x = torch.arange(2 * 1 * 4 * 4, dtype=torch.float32).reshape(2, 1, 4, 4)
    generator = torch.Generator().manual_seed(3)
    moved = shifted(x, 2, generator)
    offsets = torch.randint(0, 5, (2, 2), generator=torch.Generator().manual_seed(3))
    for sample in range(2):
        for row in range(4):
            for column in range(4):
                source_row = min(max(row + int(offsets[0, sample]) - 2, 0), 3)
                source_column = min(max(column + int(offsets[1, sample]) - 2, 0), 3)
                assert moved[sample, 0, row, column] == x[sample, 0, source_row, source_column]


def write_mnist(folder: Path, count: int = 12) -> None:
    """The four files of MNIST, tiny."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for side in ("train", "t10k"):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        contents = {
            f"{side}-images-idx3-ubyte": struct.pack(">iiii", 0x803, count, 28, 28) + images.tobytes(),
            f"{side}-labels-idx1-ubyte": struct.pack(">ii", 0x801, count) + labels.tobytes(),
        }
        for name, content in contents.items():
            (raw / name).write_bytes(content)
            (raw / f"{name}.gz").write_bytes(gzip.compress(content))


def test_full_size_mnist_comes_from_its_files(tmp_path: Path) -> None:
    """As torchvision reads them, preprocessed like the embedded part."""
    write_mnist(tmp_path)
    data = load("mnist", tmp_path)
    assert data.train.x.shape == (12, 1, 28, 28)
    assert data.train.y.tolist() == [*range(10), 0, 1]


def test_cifar_has_its_channels_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision stores them last."""
    from torchvision.datasets import CIFAR10

    folder = tmp_path / CIFAR10.base_folder
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32), dtype=np.uint8)
    for name, _ in (*CIFAR10.train_list, *CIFAR10.test_list):
        batch = {"data": pixels.reshape(4, -1), "labels": [0, 1, 2, 3]}
        (folder / name).write_bytes(pickle.dumps(batch))
    (folder / CIFAR10.meta["filename"]).write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))
    monkeypatch.setattr(CIFAR10, "_check_integrity", lambda _: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    data = load("cifar10", tmp_path, preprocess="raw")
    assert data.train.x.shape == (20, 3, 32, 32)
    assert torch.equal(data.validation.x, torch.from_numpy(pixels).float())


def test_offline_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the files belong, and what needs no download."""
    from torchvision import datasets

    def offline(*_: object, **__: object) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", offline)
    assert datasets.MNIST
    with pytest.raises(DataError) as caught:
        load("mnist", tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "mnist-5k" in caught.value.hint
