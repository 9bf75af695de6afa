"""What every kind of one's own data shares: the options, the error, and how targets become classes and sides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuitrain.errors import DataError
from tuitrain.tasks.folding import Fold
from tuitrain.tasks.splitting import split_with_all_classes

OWN_KINDS = ("csv", "npz", "imagefolder")
MOST_CLASSES_GUESSED = 20
"""Numbers as targets are taken for classes up to so many different whole ones."""
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class OwnData:
    """What a preset says about data of one's own, as plain values."""

    kind: Literal["csv", "npz", "imagefolder"]
    path: Path
    """The file, or the folder of an imagefolder, already made absolute."""
    target: str | int | None = None
    """csv: the column to learn, by name or counted from 0 (−1 is the last); None means the last that is not ignored.
    npz: the name of the array of targets."""
    ignore: tuple[str, ...] = ()
    """Names of columns of a csv, or of arrays of a npz, to leave out."""
    image_size: int | None = None
    """imagefolder: all pictures are squeezed to so many pixels square; None means the size that they all have."""
    layout: Literal["auto", "channels-first", "channels-last"] = "auto"
    """npz: which dimension of pictures are their channels; auto looks, and asks where it may be either."""
    validation_share: float = 0.2
    """Share of the samples that is kept for validation, unless the data come split."""
    target_kind: Literal["auto", "classification", "regression"] = "auto"
    header: bool | None = None
    """csv: whether the first line names the columns; None looks, and asks where it may be a sample."""
    decimal: Literal["auto", ".", ","] = "auto"
    """csv: the decimal mark; the other one may then group digits by thousands."""
    missing: Literal["refuse", "drop", "mean"] = "refuse"
    """csv: what becomes of a sample with an empty cell."""
    encode: Literal["refuse", "one-hot"] = "refuse"
    """csv: what becomes of a column of texts."""
    batch_size: int | None = None
    """Samples of a batch, of which is said where they are all that there are; None is all on purpose."""
    seed: int = 0
    """Of the split and of the order of the samples."""
    fold: Fold | None = None
    """Which part of all samples but a given test part is validated on; None means the given split, or a share."""


class OwnDataError(DataError):
    """Data of one's own that cannot be used.

    Args:
        path: the file or folder.
        problems: plain sentences, each with what to try; never empty.
    """

    def __init__(self, path: Path, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{path}: {problem}" for problem in self.problems))


class Target(NamedTuple):
    """The targets of all samples as they were read; those of the training side come first if the data come split."""

    values: NDArray[np.generic]  # (n,) int64 codes where there are names, else (n,) or (n, targets) float64
    names: tuple[str, ...] | None
    """What code 0, 1, … is called; None where the targets are numbers."""
    num_given: int | None = None
    """So many samples are the training side of data that come split; None means to split them here."""
    is_test_given: bool = False
    """Whether the other side is called test: cross-validation then never touches it."""

    def cut_by(self, fold: Fold | None) -> int | None:
        """How many samples, the first ones, a fold is taken of; None where there is none."""
        if fold is None:
            return None
        return self.num_given if self.num_given is not None and self.is_test_given else len(self.values)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What becomes of the samples. Both sides are shuffled: the first so many are a fair part of each."""

    kind: Literal["classification", "regression"]
    num_outputs: int
    class_names: tuple[str, ...]
    train: NDArray[np.intp]  # positions among all samples
    validation: NDArray[np.intp]  # likewise
    train_y: NDArray[np.generic]  # (num_train,) int64, or (num_train, num_outputs) float64
    validation_y: NDArray[np.generic]
    notes: tuple[str, ...]
    """What was guessed, or is worth a word, one clause each."""
    smallest_class: int
    """Samples of the rarest class among those that are trained or validated on; 0 for a regression."""

    @property
    def outputs_in_words(self) -> str:
        """What a model gives for one sample, e.g. `3 classes`."""
        return counted(self.num_outputs, "class" if self.kind == "classification" else "target")


def plan_samples(target: Target, options: OwnData, problems: list[str]) -> Plan | None:
    """Decide the kind of task, number the classes and divide the samples; None with what is wrong in `problems`."""
    before = len(problems)
    kind = _kind(target, options, problems)
    if kind is None:
        return None
    if kind == "regression":
        problems += _regression_problems(target, options.fold)
        labels: NDArray[np.generic] = target.values
        names: tuple[str, ...] = ()
        outputs = 1 if labels.ndim == 1 else labels.shape[1]
        groups = np.zeros(len(labels), dtype=np.int64)
    else:
        classes, names = _classes(target)
        labels = groups = classes
        problems += _class_problems(classes, names, target, guessed=options.target_kind == "auto", fold=options.fold)
        outputs = len(names)
    if len(problems) > before:
        return None
    train, validation = _sides(groups, target, options)
    if kind == "regression":
        labels = labels.reshape(len(labels), outputs).astype(np.float64)
    return Plan(
        kind=kind, num_outputs=outputs, class_names=names, train=train, validation=validation,
        train_y=labels[train], validation_y=labels[validation], notes=tuple(_notes(kind, target, len(train), options)),
        smallest_class=0 if kind == "regression" else _smallest(groups[np.concatenate([train, validation])]),
    )  # fmt: skip


def option_problems(options: OwnData) -> Iterator[str]:
    """What is wrong with the options themselves."""
    if not 0.0 < options.validation_share < 1.0:
        yield f"validation_share = {options.validation_share} is not between 0 and 1. Try validation_share = 0.2."
    if options.seed < 0:
        yield f"The seed of the split, {options.seed}, is below 0. Try 0."
    if options.image_size is not None and options.image_size < 1:
        yield f"image_size = {options.image_size} is no size of a picture. Try image_size = 64."


def nonfinite_as_float32(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Where numbers are NaN, infinite or too large for float32, in which everything is trained."""
    with np.errstate(over="ignore", invalid="ignore"):
        return ~np.isfinite(values.astype(np.float32))


def counted(count: int, noun: str) -> str:
    """A count with its noun, e.g. `1 class`, `3 classes`, `4 000 samples`."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}".replace(",", " ")


def shown(names: Sequence[str], most: int = _SHOWN) -> str:
    """The first few names in quotes, and how many more there are."""
    listed = ", ".join(f'"{shortened(name)}"' for name in islice(names, most))
    return f"{listed} and {len(names) - most} more" if len(names) > most else listed


def number(text: str) -> float | None:
    """A number as people and Python write it with a decimal point, if the text is one."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def written(text: str) -> str:
    """A text as TOML writes it, on one line, with every sign that does not print as its number."""
    signs = (sign if sign.isprintable() else f"\\U{ord(sign):08x}" for sign in text)
    return '"' + "".join(f"\\{sign}" if sign in {'"', "\\"} else sign for sign in signs) + '"'


def shortened(text: str) -> str:
    """A text on one line, cut where it is long."""
    line = "".join(letter if letter.isprintable() else "·" for letter in text)
    return line if len(line) <= 60 else f"{line[:57]}…"


def _notes(kind: str, target: Target, num_train: int, options: OwnData) -> Iterator[str]:
    if kind == "classification" and target.names is None and options.target_kind == "auto":
        yield "whole numbers are taken for classes"
    if options.batch_size is not None and options.batch_size >= num_train:
        yield f"each batch holds all {counted(num_train, 'training sample')}"


def _kind(target: Target, options: OwnData, problems: list[str]) -> Literal["classification", "regression"] | None:
    values, wanted = target.values, options.target_kind
    if len(values) == 0 or target.num_given == 0 or target.num_given == len(values):
        problems.append("There are no samples, or none on one side. Try a file with at least 2.")
        return None
    if target.names is not None:
        if wanted == "regression":
            problems.append('The targets are names, not numbers. Try target_kind = "classification".')
            return None
        return "classification"
    if values.ndim == 2 and values.shape[1] > 1:
        is_one_hot = bool(np.isin(values, (0.0, 1.0)).all() and (values.sum(axis=1) == 1.0).all())
        if wanted == "classification" or (wanted == "auto" and is_one_hot):
            problems.append(
                f"Each sample has {values.shape[1]} targets, and a class is one number. Try y.argmax(axis=1) where one "
                'target of each sample is 1, or target_kind = "regression".'
            )
            return None
        return "regression"
    if wanted != "auto":
        return wanted
    distinct = np.unique(values)
    is_few = len(distinct) <= MOST_CLASSES_GUESSED and bool((distinct == np.round(distinct)).all())
    return "classification" if is_few else "regression"


def _classes(target: Target) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Classes from 0 on, in the order of their names, or of the numbers that they were."""
    found, codes = np.unique(target.values.reshape(-1), return_inverse=True)
    if target.names is None:
        names = [f"{value:.0f}" if value == round(value) else f"{value:.10g}" for value in found.tolist()]
    else:
        names = [target.names[code] for code in found.tolist()]
    return codes.reshape(-1).astype(np.int64), tuple(names)


def _class_problems(
    labels: NDArray[np.int64], names: tuple[str, ...], target: Target, *, guessed: bool, fold: Fold | None
) -> Iterator[str]:
    numbers = ', or target_kind = "regression"' if target.names is None else ""
    if len(names) == 1:
        remark = " (whole numbers were taken for classes)" if guessed and numbers else ""
        yield f"All samples are of one class, {shown(names)}{remark}. Try data with at least 2 classes{numbers}."
    num_cut = target.cut_by(fold)
    if fold is not None and num_cut is not None and fold.total > (least := _smallest(labels[:num_cut])):
        rarest = names[int(np.bincount(labels[:num_cut], minlength=len(names)).argmin())]
        fewer = f"folds = {least}, or " if least > 1 else ""
        yield (
            f"folds = {fold.total} is more than the {counted(least, 'sample')} of the smallest class, "
            f'"{shortened(rarest)}". Try {fewer}more of that class.'
        )
    if target.num_given is None:
        rare = np.flatnonzero(np.bincount(labels) < 2)
        if len(rare):
            yield (
                f"{counted(len(rare), 'class')} with fewer than 2 samples cannot be split: "
                f"{shown([names[index] for index in rare.tolist()])}. Try more of it, or leaving it out{numbers}."
            )
        return
    if num_cut == len(labels):
        return  # both sides are cut anew
    untaught = sorted(set(labels[target.num_given :].tolist()) - set(labels[: target.num_given].tolist()))
    if untaught:
        yield (
            f"{counted(len(untaught), 'class')} of the validation data {'is' if len(untaught) == 1 else 'are'} not in "
            f"the training data: {shown([names[index] for index in untaught])}. Try the same classes on both sides."
        )


def _regression_problems(target: Target, fold: Fold | None) -> Iterator[str]:
    num_cut = target.cut_by(fold)
    if fold is not None and num_cut is not None and 2 <= num_cut < fold.total:
        yield f"folds = {fold.total} is more than the {num_cut} samples. Try folds = {min(5, num_cut)}."
    if len(target.values) < 2:
        yield "There is 1 sample only. Try a file with at least 2."
    elif bool((target.values == target.values[:1]).all()):
        yield f"All targets are the same, {target.values.reshape(-1)[0]:.6g}. Try another target column."


def _sides(groups: NDArray[np.generic], target: Target, options: OwnData) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    count, num_given = len(groups), target.num_given
    num_cut = target.cut_by(options.fold)
    if options.fold is not None and num_cut is not None:
        train, validation = options.fold.sides(num_cut, options.seed, groups[:num_cut])
    elif num_given is None:
        num_train = min(max(count - round(options.validation_share * count), 1), count - 1)
        train, validation = split_with_all_classes(groups.astype(np.int64), num_train, options.seed)
    else:
        train, validation = np.arange(num_given), np.arange(num_given, count)
    rng = np.random.default_rng([1, options.seed % 2**63])
    return rng.permutation(train), rng.permutation(validation)


def _smallest(labels: NDArray[np.generic]) -> int:
    """Samples of the rarest class that there is."""
    return int(np.unique(labels, return_counts=True)[1].min(initial=len(labels)))
