"""A run for others: as a preset that trains it again, or its weights as safetensors."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuitrain.errors import RunFolderError, UsageError
from tuitrain.preset import preset_from_data
from tuitrain.protocol.printable import printable
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.session.best import Say, have_best_written, silent
from tuitrain.session.recorded import recorded
from tuitrain.session.rerunning import as_preset
from tuitrain.training.automatic import BEST

WEIGHTS = ("evaluated", "raw", "ema", "swa")
"""Which weights of a checkpoint can be written. Raw and evaluated differ where an optimizer averages by itself."""
_TOP = ("title", "about", "look_for", "press")


def preset_text(folder: RunFolder) -> str:
    """The run as a preset file whose moments are the decisions that were taken in it.

    Raises:
        RunFolderError: the run cannot be read.
        UsageError: it has said nothing from which it could be trained again.
    """
    info, record = read_info(folder), recorded(folder)
    data = as_preset(info, record)
    preset_from_data(data, folder.id)  # what is written can be read
    num = len(data["moment"])
    head = (
        f"# {folder.id}, {num} decision{'s' if num != 1 else ''}; torch {printable(info.versions.get('torch', '?'))}.\n"
    )
    return head + preset_as_text(data)


def preset_as_text(data: Mapping[str, Any]) -> str:
    """Plain data of a preset as a file that extends nothing; its place in the list of presets is left out.

    What is no sign stands there as its escape: it reads back the same, and can be shown.
    """
    import tomli_w

    data = {key: value for key, value in data.items() if key not in {"name", "chapter", "order"}}
    moments = data.pop("moment", [])
    top = {key: data.pop(key) for key in _TOP if data.get(key)}
    sections = {key: _told(value) for key, value in data.items() if value not in ("", [], {})}
    parts = [tomli_w.dumps({**top, **sections}), *(f"\n[[moment]]\n{tomli_w.dumps(item)}" for item in moments)]
    # Such codes are only within strings in quotes, where TOML knows \uXXXX.
    return "".join(sign if sign.isprintable() or sign == "\n" else _escaped(sign) for sign in "".join(parts))


def _escaped(sign: str) -> str:
    code = ord(sign)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


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


def write_weights(
    folder: RunFolder, at: str, path: Path, *, force: bool, which: str = "evaluated", say: Say = silent
) -> tuple[str, int, str]:
    """Write the weights of a checkpoint as safetensors, with what is needed to use them in its metadata, as JSON.

    `data` tells the inputs in their order, what is done to them, and what the outputs are; `preset` the options of the
    model, in its section `task`.

    Args:
        folder: of the run.
        at: a step or a tag; empty means the newest that is intact.
        path: of the new file.
        force: whether it may replace another.
        which: "evaluated" for those that the numbers `eval/*` belong to, "raw" for those at which gradients are taken,
            "ema" or "swa" for an average of them that the run keeps besides.
        say: is told where "best" is not the state of the best evaluation.

    Returns:
        Name of the checkpoint, the step of the weights, and which they are in words, as the file says too.

    Raises:
        UsageError: there is no such checkpoint or average, or the file is there.
        RunFolderError: it is damaged, or the file cannot be written.
    """
    from safetensors.torch import save_file

    from tuitrain.training.data_state import data_as_plain

    if which not in WEIGHTS:
        raise UsageError(f"--weights {which} is not known.", hint=f"{', '.join(WEIGHTS)}.")
    _check_free(path, force=force)
    name, state = _state(folder, at, say)
    weights, words = _weights(state, which, name)
    tensors = {key: value.contiguous() for key, value in weights.items()}
    about = {
        "weights": which,
        "weights_are": words,
        "run": str(state.get("run", "")),
        "step": str(state["step"]),
        "preset": str(state.get("preset", "")),
        **({"data": json.dumps(data_as_plain(state))} if "data" in state else {}),
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        save_file(tensors, temporary, metadata={**about, "format": "pt"})
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RunFolderError(f"{path}: cannot be written: {error.strerror}") from error
    return name, int(state["step"]), words


def _weights(state: Mapping[str, Any], which: str, name: str) -> tuple[Mapping[str, Any], str]:
    """The weights of a state, and which they are in words."""
    from tuitrain.techniques.build.evaluated import evaluated_parameters

    if which in {"ema", "swa"}:
        return _average(state, which, name), f"{which} weights"
    averages, optimizer = evaluated_parameters(state["optimizer"], state["model"]), state["optimizer"]["name"]
    if not averages:
        return state["model"], "weights"
    if which == "evaluated":
        return {**state["model"], **averages}, f"weights (the average that {optimizer} keeps, as it is evaluated)"
    return state["model"], f"raw weights (where {optimizer} takes gradients, not the average that is evaluated)"


def _average(state: Mapping[str, Any], which: str, name: str) -> Mapping[str, Any]:
    averages = state.get("followers", {}).get("averages", {})
    found: Mapping[str, Any] = averages.get(which, {})
    if not found:
        known = [other for other in WEIGHTS if other in {"evaluated", "raw"} or averages.get(other)]
        raise UsageError(f"{name} holds no {which} weights.", hint=f"--weights {' or '.join(known)}.")
    has_statistics = any(key.endswith("running_mean") for key in found)
    if which == "swa" and has_statistics and averages["calibrated_at"] != averages["num_averaged"]:
        raise UsageError(
            f"The batch norm of the swa weights in {name} was not measured yet.",
            hint="the checkpoint of the end, or evaluate before save_checkpoint.",
        )
    return found


def _state(folder: RunFolder, at: str, say: Say) -> tuple[str, Mapping[str, Any]]:
    from tuitrain.training.checkpoint import checkpoint_paths, load_checkpoint, name_of, newest_intact

    if not at:
        found = newest_intact(folder.checkpoints_path)
        if found is None:
            raise UsageError(f"{folder.id} has no checkpoint that is intact.", hint="save_checkpoint, while it runs.")
        return found[0].name, found[1]
    record = have_best_written(folder, say) if at == BEST else None
    named = [(path, name) for path in checkpoint_paths(folder.checkpoints_path) if (name := name_of(path))]
    if record is not None:  # the best of what was left is not the best
        named = [(path, name) for path, name in named if record.timelines.leads_here(name.timeline, name.step)]
    for path, name in named:
        if at in {name.tag, str(name.step)}:
            return path.name, load_checkpoint(path)
    known = sorted({str(name.step) for _, name in named}, key=int) + sorted({name.tag for _, name in named if name.tag})
    raise UsageError(f'{folder.id} has no checkpoint "{at}".', hint=f"one of {', '.join(known)}." if known else "")


def _check_free(path: Path, *, force: bool) -> None:
    if path.exists() and not force:
        raise UsageError(f"{path}: is there already.", hint="--force, or --out with another name.")
