"""The members of an ensemble: runs, or the snapshots of one, that may be asked together because they share a task.

What one of them was trained on may not be what another is validated on, so all must have one split.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tuitrain.errors import UsageError
from tuitrain.preset import Preset, preset_from_data
from tuitrain.preset.combining import loss_name, loss_values
from tuitrain.preset.dataset import dataset_of, is_own
from tuitrain.preset.schema import TaskSection
from tuitrain.protocol.averaging import SnapshotTaken
from tuitrain.protocol.events import CheckpointSaved
from tuitrain.rundir.catalogue import find_run
from tuitrain.rundir.follower import read_events
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.rundir.summary import summarize
from tuitrain.session.best import have_best_written
from tuitrain.session.recorded import Recorded, recorded
from tuitrain.tasks.tables import DATASETS, DatasetSpec

Weights = Literal["raw", "ema", "swa", "snapshots"]
"""raw: as they were trained. snapshots: all that the run kept, each a member."""
At = Literal["last", "best"]

_OF_OWN_DATA = (
    "path", "target", "ignore", "target_kind", "header", "decimal", "missing", "encode", "layout", "validation_share"
)  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A run whose weights are asked, with what its record says of them."""

    folder: RunFolder
    preset: Preset
    dataset: DatasetSpec
    record: Recorded
    candidates: tuple[CheckpointSaved, ...]
    """Checkpoints that are meant, the first choice first."""
    snapshot_steps: tuple[int, ...]
    """After which the snapshots were taken, the newest last."""
    notes: tuple[str, ...]
    """What a person should know of it."""

    @property
    def num_evaluated(self) -> int:
        """Validation samples of its own newest evaluation; all where it never evaluated."""
        evaluations = self.record.evaluations
        return evaluations[max(evaluations)].num_samples if evaluations else self.dataset.num_validation

    def metrics_at(self, step: int, prediction: str, num_samples: int) -> dict[str, float]:
        """What the run itself measured there of so many samples, e.g. "loss" of "ema"; empty where it did not."""
        found = self.record.evaluations.get(step)
        if found is None or found.num_samples != num_samples:
            return {}
        if found.num_train_samples is None and num_samples < self.dataset.num_validation:
            return {}  # an older record, of the first samples
        names = found.metrics
        return {name.partition("/")[2]: value for name, value in names.items() if name.startswith(f"{prediction}/")}


def find_sources(names: Sequence[str], at: At) -> list[Source]:
    """The runs that are meant, which all have one task and one split.

    Args:
        names: as `find_run` takes them.
        at: the last state of each, or that at its best validation loss.

    Raises:
        RunNotFoundError: there is no such run.
        UsageError: one cannot be a member, or they do not go together; says why and what to try.
    """
    if not names:
        raise UsageError("An ensemble needs runs.", hint="tuitrain ensemble RUN RUN …")
    folders = [find_run(name) for name in names]
    ids = [folder.path.resolve() for folder in folders]
    twice = next((folder.id for folder, path in zip(folders, ids, strict=True) if ids.count(path) > 1), None)
    if twice is not None:
        raise UsageError(f"{twice} is named twice, and would count twice.", hint="each run once.")
    sources = [_source(folder, at) for folder in folders]
    for other in sources[1:]:
        for problem, hint in _misfits(sources[0], other):
            raise UsageError(problem, hint=hint)
    return sources


def _source(folder: RunFolder, at: At) -> Source:
    notes: list[str] = []
    record = have_best_written(folder, notes.append) if at == "best" else recorded(folder)
    preset = preset_from_data(read_info(folder).preset, folder.id)
    if preset.task.dataset == "surface":
        raise UsageError(f"{folder.id} is a point on a surface, which predicts nothing.", hint="runs that learn data.")
    candidates = [saved for saved in record.saved if at == "last" or _tag(saved) == "best"]
    candidates.sort(key=lambda saved: (saved.step, saved.seq), reverse=True)
    if not candidates:
        how = _how_it_ended(record)
        if at == "best" and record.saved:
            raise UsageError(f"{folder.id} has kept no best state.", hint="--at last.")
        raise UsageError(f"{folder.id} {how}, and has no checkpoint.", hint="runs that saved a state.")
    summary, dataset = summarize(folder), dataset_of(preset)
    if summary.is_live:
        notes.append(f"{folder.id} is still at work: its state of step {candidates[0].step} is taken")
    elif record.ended is None or record.ended.reason == "failed":
        notes.append(f"{folder.id} {_how_it_ended(record)}: its state of step {candidates[0].step} is taken")
    started = record.started
    if started is not None and started.num_validation != dataset.num_validation:
        raise UsageError(
            f"{folder.id} had {started.num_validation} validation samples, and now there are {dataset.num_validation}: "
            "its data have changed.",
            hint="runs of the data as they are.",
        )
    return Source(folder, preset, dataset, record, tuple(candidates), _snapshot_steps(folder), tuple(notes))


def _misfits(first: Source, other: Source) -> Iterator[tuple[str, str]]:
    """Why two runs cannot be asked together, the plainest reason first, each with what to try."""
    mine, theirs, pair = first.preset.task, other.preset.task, f"{first.folder.id} and {other.folder.id}"
    if _data_key(mine) != _data_key(theirs):
        what = f"{mine.dataset} and {theirs.dataset}"
        yield f"{pair} are of different tasks: {what if mine.dataset != theirs.dataset else 'other data'}.", _ONE_TASK
    here, there = ((spec.kind, spec.num_outputs, spec.class_names) for spec in (first.dataset, other.dataset))
    if here != there:
        yield f"The outputs of {pair} do not agree: {_outputs(first.dataset)}, {_outputs(other.dataset)}.", _ONE_TASK
    keys = ("folds", "fold", *(["data_seed"] if _is_split_by_seed(first) or _is_split_by_seed(other) else []))
    split = [key for key in keys if getattr(mine, key) != getattr(theirs, key)]
    if is_own(mine) and mine.validation_share != theirs.validation_share:
        split.append("validation_share")
    if split:
        told = " and ".join(f"task.{key} {getattr(mine, key)} and {getattr(theirs, key)}" for key in split)
        spec = DATASETS.get(mine.dataset)
        is_drawn = spec is not None and spec.source == "synthetic" and "data_seed" in split
        why = "so they are judged by other samples" if is_drawn else "so one was trained on what judges the other"
        yield f"{pair} have different validation samples ({told}), {why}.", "runs of one split, with other train.seed."
    losses = [(loss_name(item.preset, item.dataset), loss_values(item.preset)) for item in (first, other)]
    if losses[0] != losses[1]:
        names = " and ".join(" ".join([name, *map(str, values.values())]) for name, values in losses)
        yield f"{pair} have different losses, {names}: their predictions mean different things.", "runs of one loss."


_ONE_TASK = "runs of one task."


def _is_split_by_seed(source: Source) -> bool:
    """Whether task.data_seed has a say in which samples are validated on, or what they are."""
    spec = source.dataset
    return not spec.is_text and (spec.source != "torchvision" or source.preset.task.folds > 0)


def _data_key(task: TaskSection) -> tuple[object, ...]:
    """What the samples are, but for how they are split; how they are preprocessed is each run's own affair."""
    own = [getattr(task, key) for key in _OF_OWN_DATA if key != "validation_share"] if is_own(task) else []
    return (task.dataset, task.context if task.dataset == "english" else 0, *own)


def _outputs(spec: DatasetSpec) -> str:
    return f"{spec.num_outputs} {'classes' if spec.kind == 'classification' else 'numbers'}"


def _snapshot_steps(folder: RunFolder) -> tuple[int, ...]:
    steps: list[int] = []
    for event in read_events(folder):
        if isinstance(event, SnapshotTaken):  # after going back the later ones are taken again, or are gone
            steps = [*(step for step in steps if step < event.step), event.step]
    return tuple(steps)


def _how_it_ended(record: Recorded) -> str:
    if record.ended is not None:
        return {"failed": "has failed", "stopped": "was stopped", "aborted": "was stopped"}.get(
            record.ended.reason, "has ended"
        )
    return "has not begun" if record.started is None else "was lost"


def _tag(saved: CheckpointSaved) -> str:
    return Path(saved.path).stem.removeprefix("step-").partition("-")[2]
