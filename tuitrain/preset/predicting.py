"""Averages and further predictions against the rest of a preset: what could never show, said before the start."""

from __future__ import annotations

from collections.abc import Iterator

from tuitrain.preset.combining import Problem
from tuitrain.preset.schema import Preset
from tuitrain.tasks.tables import DatasetSpec
from tuitrain.techniques.regularizers import REGULARIZERS, strength_of
from tuitrain.techniques.schedules import SCHEDULES

_DEFAULT_EPOCHS = 10.0


def prediction_combinations(preset: Preset, dataset: DatasetSpec | None) -> Iterator[Problem]:
    """[average], and what [eval] predicts besides."""
    yield from _swa(preset, dataset)
    yield from _snapshots(preset)
    yield from _shifts(preset, dataset)
    yield from _dropout(preset)


def _swa(preset: Preset, dataset: DatasetSpec | None) -> Iterator[Problem]:
    section = preset.average
    if section.swa_every and not section.swa_from:
        yield "average.swa_every", "average.swa_every needs a place where the mean begins. Try swa_from = 0.75."
    total = _num_steps(preset, dataset)
    if total is not None and section.swa_from >= 1 and section.swa_from > total:
        yield (
            "average.swa_from",
            f"average.swa_from = {section.swa_from:g} is beyond step {total}, the end. Try a share: swa_from = 0.75.",
        )


def _snapshots(preset: Preset) -> Iterator[Problem]:
    names = [preset.schedule.name]
    names += [str(moment.further.get("name", "")) for moment in preset.moment if moment.do == "set_schedule"]
    specs = [SCHEDULES[name] for name in names if name in SCHEDULES]
    if preset.average.snapshots and specs and not any(spec.cycle for spec in specs):
        yield (
            "average.snapshots",
            (
                f'average.snapshots are taken where cycles end, and schedule.name = "{names[0]}" has none. '
                'Try schedule.name = "sgdr".'
            ),
        )


def _shifts(preset: Preset, dataset: DatasetSpec | None) -> Iterator[Problem]:
    if not preset.eval.tta_shift:
        return
    if dataset is not None and not dataset.is_image:
        yield "eval.tta_shift", f"eval.tta_shift shifts pictures, and {dataset.name} has none. Try tta_shift = 0."
    elif dataset is not None and dataset.is_reconstruction:
        yield (
            "eval.tta_shift",
            "eval.tta_shift shifts a picture, and not the one that an autoencoder shall give back. Try 0.",
        )
    elif preset.task.preprocess == "whiten":
        yield (
            "eval.tta_shift",
            (
                'eval.tta_shift shifts pictures, and task.preprocess = "whiten" leaves no pixels. '
                'Try task.preprocess = "standardize".'
            ),
        )


def _dropout(preset: Preset) -> Iterator[Problem]:
    """A moment may switch dropout on."""
    if not preset.eval.mc_dropout:
        return
    given = preset.regularize.further.get("dropout", 0)
    if REGULARIZERS["dropout"].hyperparameter.problem_with(given):
        return  # said of dropout itself
    is_later = any(moment.further.get("name") == "dropout" for moment in preset.moment)
    if not strength_of({"dropout": given}, "dropout") and not is_later:
        yield (
            "eval.mc_dropout",
            "eval.mc_dropout draws with dropout on, and this model has none. Try regularize.dropout = 0.5.",
        )


def _num_steps(preset: Preset, dataset: DatasetSpec | None) -> int | None:
    """Steps of the run, where they can be told."""
    train = preset.train
    if train.steps is not None:
        return train.steps
    if dataset is None:
        return None
    num_train = min(preset.task.num_train or dataset.num_train, dataset.num_train)
    size = num_train if train.batch_size == "full" else train.batch_size
    return max(1, round((train.epochs or _DEFAULT_EPOCHS) * max(1, num_train // size)))
