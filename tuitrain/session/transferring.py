"""Where the weights that a run begins with come from: found before it starts, and kept in its own folder.

The checkpoint file lies beside `run.json` as `weights.pt`, so that a rerun, a branch and a resumed run begin with the
same bytes even where the other run was deleted meanwhile. It is a second name of the same file where the disk can, as
checkpoints are never written to again. All this knows no torch: files are told by their hashes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tuitrain.errors import PresetError, RunFolderError, RunNotFoundError, TuitrainError
from tuitrain.preset import Preset, presets_folder
from tuitrain.preset.dataset import dataset_of
from tuitrain.preset.schema import TaskSection
from tuitrain.preset.transferring import shapes_of
from tuitrain.protocol.carrier import InitialWeights
from tuitrain.rundir.catalogue import find_run, list_runs
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.rundir.private import cannot, open_to_read, replace_whole
from tuitrain.session.best import have_best_written
from tuitrain.session.recorded import Recorded, recorded
from tuitrain.tasks.tables import DATASETS
from tuitrain.techniques.freezing import head_of
from tuitrain.training.automatic import BEST

_CHUNK = 1 << 20
_MOST_NAMED = 8


@dataclass(frozen=True)
class Found:
    """A file with the weights that a preset means."""

    path: Path
    weights: InitialWeights
    preset: Preset
    """With the run and the file by their ids, so that it means the same for ever."""


def find_weights(preset: Preset, origin: RunFolder | None = None) -> Found | None:
    """The weights of an earlier run that a preset means; None where it wants none.

    Args:
        preset: checked.
        origin: the run that is branched or trained again, which keeps what it began with.

    Raises:
        PresetError: there is no such run, it has no such state, or nothing of it fits; says all of it.
    """
    task = preset.task
    if not task.from_run:
        return None
    if task.from_sha256:
        kept = _kept(task.from_sha256, origin)
        if kept is not None:
            return Found(kept[0], kept[1], preset)
    try:
        source = _source(task.from_run)
        record = have_best_written(source) if task.from_tag == BEST else recorded(source)
        path, digest = _checkpoint(source, record, preset)
        problems = [*_misfits(preset, source, record), *_leaks(preset, source)]
    except TuitrainError as error:
        raise PresetError([f"{preset.name}: task.from_run: {error}"]) from None
    if problems:
        raise PresetError(problems)
    settled = task.model_copy(update={"from_run": source.id, "from_sha256": digest})
    weights = InitialWeights(run=source.id, checkpoint=path.name, sha256=digest)
    return Found(path, weights, preset.model_copy(update={"task": settled}))


def keep_weights(found: Found, folder: RunFolder) -> None:
    """Put the file into the folder of the run that begins with it.

    Raises:
        RunFolderError: it cannot be read or written, or has changed since it was found.
    """
    try:
        os.link(found.path, folder.weights_path, follow_symlinks=False)
    except OSError:  # another disk, or one that knows no second names
        try:
            with os.fdopen(open_to_read(found.path), "rb") as file:
                data = file.read()
        except OSError as error:
            raise cannot("read", found.path, error) from error
        replace_whole(folder.weights_path, data)
    if _digest(folder.weights_path) != found.weights.sha256:
        raise RunFolderError(f"{found.path}: has changed just now.", hint="again.")


def _source(text: str) -> RunFolder:
    """The run that is meant: as everywhere, or the newest finished one of a preset."""
    summaries = list_runs()
    of_preset = [summary for summary in summaries if summary.preset == text]
    if of_preset and not any(text in {summary.id, summary.name} for summary in summaries):
        finished = [summary for summary in of_preset if summary.state == "finished"]
        if not finished:
            raise RunNotFoundError(f"no run of the preset {text} has finished.", hint=f"tuitrain run {text}.")
        return RunFolder(Path(finished[0].path))
    try:
        return find_run(text)
    except RunNotFoundError:
        if (presets_folder() / f"{text}.toml").is_file():
            raise RunNotFoundError(
                f"there is no run of the preset {text}.", hint=f"tuitrain run {text} first."
            ) from None
        raise


def _checkpoint(source: RunFolder, record: Recorded, preset: Preset) -> tuple[Path, str]:
    """The newest intact checkpoint on the way to the end of a run, with a tag or not, and its hash."""
    task, tag = preset.task, preset.task.from_tag
    if task.from_sha256:
        for path in sorted(source.checkpoints_path.glob("step-*.pt")):
            if _digest(path) == task.from_sha256:
                return path, task.from_sha256
        raise RunFolderError(
            f"{source.id} no longer has the file that this run began with ({task.from_sha256[:12]}…).",
            hint="it without task.from_sha256, which takes what is there now.",
        )
    saved = [item for item in record.saved if tag in {"", "last"} or _tag(item.path) == tag]
    for item in sorted(saved, key=lambda item: (item.step, item.seq), reverse=True):
        path = source.checkpoints_path / Path(item.path).name  # never a path out of a recording
        if _digest(path) == item.sha256:
            return path, item.sha256
    tags = sorted({_tag(item.path) for item in record.saved} - {""})
    which = f'no intact checkpoint tagged "{tag}"' if tag not in {"", "last"} else "no intact checkpoint"
    there = f'from_tag = "{tags[0]}".' if tags and tag not in {"", "last", *tags} else "another run, or to let it end."
    raise RunFolderError(f"{source.id} has {which}.", hint=there)


def _misfits(preset: Preset, source: RunFolder, record: Recorded) -> Iterator[str]:
    """Where nothing of the other model fits this one, both by name; where only torch can tell, the run says it."""
    if record.started is None:
        yield f"{preset.name}: task.from_run: {source.id} has not begun. Try: a run that has."
        return
    here = shapes_of(preset, dataset_of(preset))
    there = {layer.name: layer.shape for layer in record.started.layers}
    if here is None:
        return
    head = head_of(here) if preset.task.new_head else ()
    # A bias of ten fits every net of ten classes: only what has two dimensions and more tells a model.
    if any(there.get(name) == shape for name, shape in here.items() if len(shape) > 1 and name not in head):
        return
    sizes = [f"{name} {_size(shape)} here, {_size(there.get(name))} there" for name, shape in here.items()]
    told = "; ".join(sizes[:_MOST_NAMED]) + ("; …" if len(sizes) > _MOST_NAMED else "")
    yield f"{preset.name}: task.from_run: nothing of {source.id} fits this model: {told}. Try: a run of the same model."


def _leaks(preset: Preset, source: RunFolder) -> Iterator[str]:
    """Where a fold would be validated on what its first weights were trained on."""
    before, task = read_info(source).preset.get("task"), preset.task
    if not isinstance(before, dict):
        return
    there = {name: before.get(name, field.default) for name, field in TaskSection.model_fields.items()}
    if not (task.folds or there["folds"]):
        return
    is_same_split = all(there[key] == getattr(task, key) for key in ("folds", "fold", "data_seed"))
    is_same_data = (_samples_of(there["dataset"]), there["path"]) == (_samples_of(task.dataset), task.path)
    spec = DATASETS.get(task.dataset)
    if spec is not None and spec.source == "synthetic" and there["data_seed"] != task.data_seed:
        return  # other samples of the same formula
    if is_same_data and not is_same_split:
        own = f"task.folds={task.folds} task.fold={task.fold} task.data_seed={task.data_seed}"
        yield (
            f"{preset.name}: task.from_run: {source.id} was trained on samples that this run validates on. "
            f"Try: a run with {own}."
        )


def _samples_of(dataset: str) -> str:
    """Another size of the same pictures is the same samples."""
    return {"mnist-14": "mnist-5k", "digits-14": "digits"}.get(dataset, dataset)


def _kept(sha256: str, origin: RunFolder | None) -> tuple[Path, InitialWeights] | None:
    """A file that some run began with, by its hash: of the origin, else of any run."""
    for folder in _keepers(origin):
        with contextlib.suppress(TuitrainError):
            weights = read_info(folder).weights
            if weights is not None and weights.sha256 == sha256 and _digest(folder.weights_path) == sha256:
                return folder.weights_path, weights
    return None


def _keepers(origin: RunFolder | None) -> Iterable[RunFolder]:
    if origin is not None:
        yield origin
    for summary in list_runs():
        yield RunFolder(Path(summary.path))


def _digest(path: Path) -> str:
    """sha256 of a regular file; empty where it cannot be read."""
    try:
        with os.fdopen(open_to_read(path), "rb") as file:
            digest = hashlib.sha256()
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
            return digest.hexdigest()
    except OSError:
        return ""


def _size(shape: tuple[int, ...] | None) -> str:
    return "none" if shape is None else "×".join(str(length) for length in shape)


def _tag(path: str) -> str:
    return Path(path).stem.removeprefix("step-").partition("-")[2]
