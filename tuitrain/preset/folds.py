"""Cross-validation as a preset has it: which part is validated on, checked; and the overrides of all parts."""

from __future__ import annotations

from collections.abc import Iterator

from tuitrain.errors import PresetError
from tuitrain.preset.combining import Problem
from tuitrain.preset.dataset import is_own
from tuitrain.preset.schema import Preset
from tuitrain.tasks.tables import DATASETS, DatasetSpec
from tuitrain.tasks.text import english

_TOO_FEW = "one part is validated on and the others are trained on, so at least 2. Try folds = 5."


def fold_overrides(preset: Preset, num_folds: int) -> list[tuple[str, ...]]:
    """What makes one run a fold of a preset: for each fold its overrides, in their order.

    Args:
        preset: checked; if it is a fold itself, that is replaced.
        num_folds: parts, at least 2.

    Raises:
        PresetError: they make no sense with this preset, or one of the folds does not; says all of it.
    """
    from tuitrain.preset.reading import preset_from_data  # which imports this, by way of the checks

    data, place = preset.to_data(), f"{num_folds} folds of {preset.name}"
    if num_folds < 2:
        raise PresetError([f"{place}: {_TOO_FEW}"])
    # The first is the one that is trained on least, the last the one that is validated on least.
    for number in (1, num_folds):
        preset_from_data({**data, "task": {**data["task"], "folds": num_folds, "fold": number}}, place)
    return [(f"task.folds={num_folds}", f"task.fold={number}") for number in range(1, num_folds + 1)]


def fold_problems(preset: Preset, dataset: DatasetSpec | None) -> Iterator[Problem]:
    """What cannot be cut, or not so often."""
    folds, fold = preset.task.folds, preset.task.fold
    if folds == 0:
        if fold:
            yield "task.fold", f"task.fold = {fold} has no meaning without task.folds. Try folds = 5."
        return
    if preset.task.dataset == "surface":
        yield "task.folds", f"task.folds = {folds}: a surface has no samples to cut. Leave it out."
        return
    if folds == 1:
        yield "task.folds", f"task.folds = 1: {_TOO_FEW}"
        return
    if fold == 0:
        yield "task.fold", f"task.folds = {folds} without task.fold: which part is validated on? Try fold = 1."
    elif fold > folds:
        yield "task.fold", f"task.fold = {fold} is beyond the {folds} of task.folds. Try fold = {folds}."
    if dataset is not None and not is_own(preset.task):  # one's own data are counted where they are looked into
        most, what = _most_folds(preset, DATASETS[preset.task.dataset])
        if folds > most:
            yield "task.folds", f"task.folds = {folds} is more than the {most} {what}. Try folds = 5."


def _most_folds(preset: Preset, usual: DatasetSpec) -> tuple[int, str]:
    """How many there may be, and of what there is no more."""
    if usual.is_text:  # a block validates a window of it, and the character behind
        return len(english()) // (preset.task.context + 1), f"blocks of {preset.task.context} characters"
    if usual.smallest_class:
        return usual.smallest_class, f"samples of the smallest class of {usual.name}"
    apart = usual.is_validated_apart
    return usual.num_train + (0 if apart else usual.num_validation), f"samples of {usual.name}"
