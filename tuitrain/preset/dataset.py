"""The dataset that a preset means: one of the table, or one's own, which is looked into before the run starts."""

from __future__ import annotations

import functools
import re
from dataclasses import replace
from pathlib import Path
from typing import Literal, cast

from tuitrain.preset.schema import Preset, TaskSection
from tuitrain.tasks.folding import Fold
from tuitrain.tasks.own import OWN_KINDS, OwnData, inspect_own
from tuitrain.tasks.tables import DATASETS, DatasetSpec, dataset_spec, fitted_spec
from tuitrain.tasks.text import text_spec

Kind = Literal["csv", "npz", "imagefolder"]

_COLUMN_NUMBER = re.compile(r"-?[0-9]{1,9}")

KNOWN = (*DATASETS, *OWN_KINDS)
"""Everything that task.dataset may be."""


def is_own(task: TaskSection) -> bool:
    """Whether the data are the person's own."""
    return task.dataset in OWN_KINDS


def own_data(preset: Preset) -> OwnData:
    """What a preset says about one's own data."""
    task, size = preset.task, preset.train.batch_size
    column = task.target
    return OwnData(
        kind=cast("Kind", task.dataset),
        path=Path(task.path),
        target=int(column) if _COLUMN_NUMBER.fullmatch(column) else column or None,
        ignore=tuple(task.ignore),
        image_size=task.image_size,
        layout=task.layout,
        validation_share=task.validation_share,
        target_kind=task.target_kind,
        header=None if task.header == "auto" else task.header,
        decimal=task.decimal,
        missing=task.missing,
        encode=task.encode,
        batch_size=None if size == "full" or task.num_train is not None else size,
        seed=task.data_seed,
        fold=fold_of(task),
    )


def with_fitting_batch(preset: Preset) -> Preset:
    """A preset whose batches are no larger than the training side of one's own data; its notes say where they are all.

    Raises:
        DataError: one's own data cannot be used.
    """
    size = preset.train.batch_size
    if not is_own(preset.task) or size == "full" or preset.task.num_train is not None:
        return preset
    train = preset.train.model_copy(update={"batch_size": min(size, dataset_of(preset).num_train)})
    return preset.model_copy(update={"train": train})


def fold_of(task: TaskSection) -> Fold | None:
    """The part that is validated on; None without cross-validation, or where the two numbers make no sense."""
    return Fold(task.fold, task.folds) if task.folds >= 2 and 1 <= task.fold <= task.folds else None


def dataset_of(preset: Preset) -> DatasetSpec:
    """The spec of a preset's dataset, as its model sees it.

    Raises:
        UnknownNameError: no such dataset.
        OwnDataError: one's own data cannot be used, with all reasons.
        DataError: this Python has no text.
    """
    return fitted_spec(_plain(preset), preset.task.model)


def _plain(preset: Preset) -> DatasetSpec:
    if not is_own(preset.task):
        spec, fold = dataset_spec(preset.task.dataset), fold_of(preset.task)
        if spec.is_text:
            return text_spec(spec, preset.task.context, fold)
        return spec if fold is None or spec.kind == "surface" else _cut(spec, fold)
    options = own_data(preset)
    try:
        changed = options.path.stat().st_mtime_ns
    except (OSError, ValueError):  # a path with a zero byte; said by the inspection
        changed = 0
    return _inspected(options, changed)


def _cut(spec: DatasetSpec, fold: Fold) -> DatasetSpec:
    num_samples = spec.num_train + (0 if spec.is_validated_apart else spec.num_validation)
    num_validation = fold.num_validation(num_samples)
    return replace(spec, num_train=num_samples - num_validation, num_validation=num_validation)


@functools.lru_cache(maxsize=16)
def _inspected(options: OwnData, _changed: int) -> DatasetSpec:
    """Once for a file as it is: a large one takes seconds."""
    return inspect_own(options)
