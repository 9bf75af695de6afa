"""Datasets as tensors that live on the training device: a batch is an index, never a Python loop over samples."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tuitrain.errors import DataError
from tuitrain.tasks import resizing, synthetic
from tuitrain.tasks.folding import Fold
from tuitrain.tasks.own import OwnArrays, OwnData, load_own
from tuitrain.tasks.preprocessing import Fitted, fitted, standardized
from tuitrain.tasks.splitting import stratified_split
from tuitrain.tasks.synthetic import Arrays
from tuitrain.tasks.tables import DatasetSpec, dataset_spec
from tuitrain.tasks.text import english_sides
from tuitrain.tasks.understood import Understood

_EMBEDDED = {
    "mnist-5k": "mnist5k.npz", "digits": "digits.npz", "mnist-14": "mnist5k.npz", "digits-14": "digits.npz",
}  # fmt: skip
_RESIZED: dict[str, Callable[[NDArray[np.generic]], NDArray[np.float32]]] = {
    "mnist-14": resizing.halved,
    "digits-14": lambda pictures: resizing.enlarged(pictures, 14),
}
_STREAM = 3
"""Sets the draw of what is evaluated apart from the other draws of the same seed."""
_SYNTHETIC: dict[str, Callable[[int, int, int], Arrays]] = {
    "line": synthetic.line,
    "line-outliers": synthetic.line_outliers,
    "spiral": synthetic.spiral,
    "moons": synthetic.moons,
    "sine-25": synthetic.sine_25,
    "lab-wave": synthetic.lab_wave,
    "surface": synthetic.nothing,
    "textures": synthetic.textures,
}


@dataclass(frozen=True)
class Split:
    """Samples of one side."""

    x: Tensor  # (n, *input_shape) float32; of a text (n, context) int64, a view in which windows share characters
    y: Tensor  # (n,) int64 classes, (n, num_outputs) float32 targets, or of a text (n, context) int64

    def __len__(self) -> int:
        return int(self.x.shape[0])

    def head(self, count: int) -> Split:
        """The first `count` samples."""
        return Split(self.x[:count], self.y[:count])

    def chosen(self, indices: Tensor) -> Split:
        """Samples by their index, (m,) of 0 to n − 1, each as often as it is named."""
        indices = indices.to(self.x.device)
        return Split(self.x[indices], self.y[indices])

    def drawn(self, count: int, seed: int = 0) -> Split:
        """`count` samples without replacement, the same each time; where there are no more, all in their own order.

        The samples of a smaller count are the first of those of a larger one.
        """
        if count >= len(self):
            return self
        order = np.random.default_rng([_STREAM, seed]).permutation(len(self))
        return self.chosen(torch.from_numpy(order[:count]))


@dataclass(frozen=True)
class Dataset:
    """Training and validation data, preprocessed, on one device."""

    train: Split
    validation: Split
    understood: Understood
    fitted: Fitted | None = None
    """What was fitted to the training side; None of a text."""


def load_dataset(
    spec: DatasetSpec,
    *,
    preprocess: str,
    num_train: int | None,
    label_noise: float,
    data_seed: int,
    data_folder: Path,
    device: torch.device,
    own: OwnData | None = None,
    fold: Fold | None = None,
    before: Fitted | None = None,
) -> Dataset:
    """Load, preprocess and move a dataset.

    Args:
        spec: which one.
        preprocess: a name of `tasks.tables.PREPROCESSINGS`.
        num_train: use only so many training samples, the first ones or as many of each class; None means all.
        label_noise: share of the training labels that are drawn again at random, 0 to 1.
        data_seed: seed of synthetic data.
        data_folder: where torchvision keeps its files.
        device: where the tensors shall live.
        own: where one's own data are, with their own fold; None for a dataset of the table.
        fold: of a dataset of the table, which part of all samples is validated on; None takes its usual split.
        before: what was fitted when the weights of one's own data were trained; None fits anew.

    Raises:
        DataError: the files are missing, damaged or cannot be downloaded.
    """
    if spec.is_text:
        return _text(spec, num_train, device, fold)
    data = _loaded(spec, data_seed, data_folder, own, fold)
    arrays = data.arrays
    if num_train is not None:
        chosen: slice | NDArray[np.intp] = slice(num_train)
        if spec.has_stratified_subsets:
            chosen, _ = stratified_split(arrays.train_y, num_train, data_seed)
        arrays = arrays._replace(train_x=arrays.train_x[chosen], train_y=arrays.train_y[chosen])
    if label_noise:
        arrays = arrays._replace(train_y=_redrawn(arrays.train_y, spec.num_outputs, label_noise, data_seed))
    understood = _understood(data._replace(arrays=arrays), spec, preprocess, own)
    maps = before or _fitted(arrays, spec, preprocess)
    train_x, validation_x = maps.inputs(arrays.train_x), maps.inputs(arrays.validation_x)
    if spec.is_reconstruction:
        arrays = arrays._replace(
            train_y=train_x.reshape(len(train_x), -1), validation_y=validation_x.reshape(len(validation_x), -1)
        )
    elif maps.targets is not None:
        arrays = arrays._replace(train_y=maps.targets(arrays.train_y), validation_y=maps.targets(arrays.validation_y))
        understood = msgspec.structs.replace(understood, is_standardized=True)
    return Dataset(
        Split(_inputs(train_x, spec, device), _targets(arrays.train_y, spec, device)),
        Split(_inputs(validation_x, spec, device), _targets(arrays.validation_y, spec, device)),
        understood,
        maps,
    )


def _fitted(arrays: Arrays, spec: DatasetSpec, preprocess: str) -> Fitted:
    """To the training side; the targets of one's own regression become numbers around 0 unless all is to stay raw."""
    is_own = spec.source == "own"
    has_numbers = is_own and spec.kind == "regression" and not spec.is_reconstruction and preprocess != "raw"
    return Fitted(
        fitted(arrays.train_x, preprocess, is_image=spec.is_image, by_column=is_own),
        standardized(arrays.train_y) if has_numbers else None,
    )


def _understood(data: OwnArrays, spec: DatasetSpec, preprocess: str, own: OwnData | None) -> Understood:
    train_y, validation_y = data.arrays.train_y, data.arrays.validation_y
    counts, mean, deviation = (), (), ()
    if own is not None and spec.kind == "classification":
        both = np.concatenate([train_y, validation_y]).astype(np.int64)
        counts = tuple(np.bincount(both, minlength=spec.num_outputs).tolist())
    elif own is not None and not spec.is_reconstruction:
        numbers = train_y.astype(np.float64)
        mean, deviation = (tuple(found(numbers, axis=0).tolist()) for found in (np.mean, np.std))
    return Understood(
        source=spec.name if own is None else own.path.name, kind=spec.kind, num_train=len(train_y),
        num_validation=len(validation_y), input_shape=spec.input_shape, num_outputs=spec.num_outputs,
        preprocess=preprocess, columns=data.columns, class_names=spec.class_names, class_counts=counts,
        target=data.target_name, target_mean=mean, target_deviation=deviation,
        is_reconstruction=spec.is_reconstruction,
        notes=data.notes if own is None or preprocess != "raw" else (*data.notes, *_lost_digits(data.arrays)),
    )  # fmt: skip


def _lost_digits(arrays: Arrays) -> Iterator[str]:
    """Where float32 is too coarse for numbers that are left as they are."""
    for name, side in (("inputs", arrays.train_x), ("targets", arrays.train_y)):
        values = side.astype(np.float64)
        lost = np.abs(values - values.astype(np.float32)).max(axis=0)
        if bool((lost > 1e-3 * values.std(axis=0)).any()):
            yield f'{name} lose digits in float32, which preprocess = "standardize" keeps'


def _text(spec: DatasetSpec, num_train: int | None, device: torch.device, fold: Fold | None) -> Dataset:
    """Windows of a text and the characters that follow, as views of one tensor a side."""
    context = spec.input_shape[0]
    train, validation = (torch.from_numpy(side.astype(np.int64)).to(device) for side in english_sides(fold))
    windows = Split(train[:-1].unfold(0, context, 1), train[1:].unfold(0, context, 1))
    if num_train is not None:
        windows = windows.head(num_train)
    held_out = Split(validation[:-1].unfold(0, context, context), validation[1:].unfold(0, context, context))
    understood = Understood(
        source=spec.name, kind=spec.kind, num_train=len(windows), num_validation=len(held_out), unit="windows",
        input_shape=spec.input_shape, num_outputs=spec.num_outputs, preprocess="raw",
    )  # fmt: skip
    return Dataset(windows, held_out, understood)


def _loaded(spec: DatasetSpec, data_seed: int, data_folder: Path, own: OwnData | None, fold: Fold | None) -> OwnArrays:
    if own is not None:
        return load_own(own)
    if fold is None:
        return OwnArrays(_split_as_usual(spec, data_seed, data_folder), spec)
    usual = dataset_spec(spec.name)  # the sizes of `spec` are those of the fold
    arrays = _split_as_usual(usual, data_seed, data_folder)
    return OwnArrays(_cut(arrays, fold, data_seed, is_validated_apart=usual.is_validated_apart), spec)


def _cut(arrays: Arrays, fold: Fold, data_seed: int, *, is_validated_apart: bool) -> Arrays:
    """The sides of a fold: of all samples, or of the training data alone."""
    x, y = arrays.train_x, arrays.train_y
    if not is_validated_apart:
        x, y = np.concatenate([x, arrays.validation_x]), np.concatenate([y, arrays.validation_y])
    has_classes = y.ndim == 1 and np.issubdtype(y.dtype, np.integer)  # an autoencoder's digits have them, too
    train, validation = fold.sides(len(y), data_seed, y if has_classes else None)
    return Arrays(x[train], y[train], x[validation], y[validation])


def _split_as_usual(spec: DatasetSpec, data_seed: int, data_folder: Path) -> Arrays:
    if spec.source == "synthetic":
        return _SYNTHETIC[spec.name](data_seed, spec.num_train, spec.num_validation)
    if spec.source == "torchvision":
        from tuitrain.tasks.build.downloads import torchvision_arrays

        return torchvision_arrays(spec, data_folder)
    path = Path(__file__).resolve().parent.parent / "data" / _EMBEDDED[spec.name]
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            x, y = archive["x"], archive["y"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read: {error}", hint="install tuitrain again.") from error
    if spec.name in _RESIZED:
        x = _RESIZED[spec.name](x)
    train, validation = stratified_split(y, spec.num_train, data_seed)
    return Arrays(x[train], y[train], x[validation], y[validation])


def _redrawn(labels: NDArray[np.generic], num_classes: int, share: float, seed: int) -> NDArray[np.generic]:
    """Labels of which a share is drawn again, uniformly over all classes: some of them hit the right one."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(labels))[: round(share * len(labels))]
    noisy = labels.copy()
    noisy[chosen] = rng.integers(0, num_classes, len(chosen)).astype(labels.dtype)
    return noisy


def _inputs(values: NDArray[np.float32], spec: DatasetSpec, device: torch.device) -> Tensor:
    return torch.from_numpy(values.reshape(len(values), *spec.input_shape)).to(device)


def _targets(values: NDArray[np.generic], spec: DatasetSpec, device: torch.device) -> Tensor:
    dtype = np.int64 if spec.kind == "classification" else np.float32
    return torch.from_numpy(values.astype(dtype)).to(device)
