"""A run for others: as a preset that trains it again, or its weights as safetensors."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuitrain.errors import RunFolderError, UsageError
from tuitrain.preset import preset_from_data
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.session.recorded import recorded
from tuitrain.session.rerunning import as_preset

_TOP = ("title", "about", "look_for", "press")


def preset_text(folder: RunFolder) -> str:
    """The run as a preset file whose moments are the decisions that were taken in it.

    Raises:
        RunFolderError: the run cannot be read.
        UsageError: it has said nothing from which it could be trained again.
    """
    import tomli_w

    info, record = read_info(folder), recorded(folder)
    data = as_preset(info, record)
    preset_from_data(data, folder.id)  # what is written can be read
    data.pop("name", None)
    data.pop("chapter", None)
    data.pop("order", None)
    moments = data.pop("moment")
    top = {key: data.pop(key) for key in _TOP if data.get(key)}
    sections = {key: _told(value) for key, value in data.items() if value not in ("", [], {})}
    decisions = f"{len(moments)} decision{'s' if len(moments) != 1 else ''}"
    head = f"# {folder.id}, {decisions}; torch {info.versions.get('torch', '?')}.\n"
    parts = [head, tomli_w.dumps({**top, **sections}), *(f"\n[[moment]]\n{tomli_w.dumps(item)}" for item in moments)]
    return "".join(parts)


def _told(section: Any) -> Any:
    """A section without what is empty."""
    if not isinstance(section, dict):
        return section
    return {key: value for key, value in section.items() if value != ""}


def write_text(path: Path, text: str, *, force: bool) -> None:
    """Write a file that is not there yet, or may be replaced.

    Raises:
        UsageError: it is there.
        RunFolderError: it cannot be written.
    """
    _check_free(path, force=force)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be written: {error.strerror}") from error


def write_weights(folder: RunFolder, at: str, path: Path, *, force: bool) -> tuple[str, int]:
    """Write the weights of a checkpoint as safetensors.

    Args:
        folder: of the run.
        at: a step or a tag; empty means the newest that is intact.
        path: of the new file.
        force: whether it may replace another.

    Returns:
        Name of the checkpoint, and the step of the weights.

    Raises:
        UsageError: there is no such checkpoint, or the file is there.
        RunFolderError: it is damaged, or the file cannot be written.
    """
    from safetensors.torch import save_file

    _check_free(path, force=force)
    name, state = _state(folder, at)
    tensors = {key: value.contiguous() for key, value in state["model"].items()}
    about = {"run": str(state.get("run", "")), "step": str(state["step"]), "preset": str(state.get("preset", ""))}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        save_file(tensors, temporary, metadata={**about, "format": "pt"})
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RunFolderError(f"{path}: cannot be written: {error.strerror}") from error
    return name, int(state["step"])


def _state(folder: RunFolder, at: str) -> tuple[str, Mapping[str, Any]]:
    from tuitrain.training.checkpoint import checkpoint_paths, load_checkpoint, name_of, newest_intact

    if not at:
        found = newest_intact(folder.checkpoints_path)
        if found is None:
            raise UsageError(f"{folder.id} has no checkpoint that is intact.", hint="save_checkpoint, while it runs.")
        return found[0].name, found[1]
    named = [(path, name) for path in checkpoint_paths(folder.checkpoints_path) if (name := name_of(path))]
    for path, name in named:
        if at in {name.tag, str(name.step)}:
            return path.name, load_checkpoint(path)
    known = sorted({str(name.step) for _, name in named}, key=int) + sorted({name.tag for _, name in named if name.tag})
    raise UsageError(f'{folder.id} has no checkpoint "{at}".', hint=f"one of {', '.join(known)}." if known else "")


def _check_free(path: Path, *, force: bool) -> None:
    if path.exists() and not force:
        raise UsageError(f"{path}: is there already.", hint="--force, or --out with another name.")
