"""A checkpoint: the whole state of a run in one versioned, sealed file, written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from tuitrain.errors import RunFolderError
from tuitrain.protocol.events import CheckpointSaved
from tuitrain.training.checkpoint_file import CheckpointName, bytes_of, checkpoint_paths, damage, name_of, sealed

__all__ = [
    "CHECKPOINT_VERSION", "UNDO", "CheckpointName", "checkpoint_paths", "is_full_disk", "load_checkpoint",
    "load_checkpoint_of", "name_of", "newest_intact", "save_checkpoint",
]  # fmt: skip
CHECKPOINT_VERSION = 4
UNDO = "undo"
"""Tag of the state before a risky decision."""


def save_checkpoint(folder: Path, state: Mapping[str, Any], *, tag: str = "", cause: str = "") -> CheckpointSaved:
    """Write `step-NNNNNNNN.pt` into `folder`, readable by the owner alone.

    Where the run went back K times its name is `step-NNNNNNNN~K.pt`; a tag follows after a dash.
    It is written to a temporary name, synced, and renamed. A seal at its end, which torch takes for a comment, tells
    whether it is still what was written.

    Args:
        folder: is there.
        state: as `state.captured` gave it.
        tag: a name beside the step; letters, digits and dashes.
        cause: id of the command.

    Raises:
        RunFolderError: the disk refuses; nothing half-written is left.
    """
    began = time.monotonic()
    content = io.BytesIO()
    torch.save({"version": CHECKPOINT_VERSION, **state}, content)
    data = sealed(content.getvalue())
    step = state["step"]
    name = str(CheckpointName(state["timelines"]["current"], step, tag))
    path = folder / f"{name}.pt"
    temporary = folder / f".{name}.{os.getpid()}.tmp"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise RunFolderError(
            f"{path}: cannot be written: {error.strerror or error}.",
            hint=f"freeing space on the disk that holds {folder}." if is_full_disk(error) else "",
        ) from error
    return CheckpointSaved(
        step=step,
        path=f"{folder.name}/{path.name}",
        num_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        save_seconds=time.monotonic() - began,
        num_decisions=state["position"]["decisions"],
        cause=cause,
    )


def is_full_disk(error: BaseException | None) -> bool:
    """Whether the system said that there is no space left, or that a quota is used up."""
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote; nothing in it can run code.

    Raises:
        RunFolderError: it is damaged, or of a version that we do not know.
    """
    return _content(path)[0]


def load_checkpoint_of(path: Path) -> tuple[dict[str, Any], str]:
    """What a checkpoint holds, and the sha256 of its file. Raises as `load_checkpoint`."""
    return _content(path)


def _content(path: Path) -> tuple[dict[str, Any], str]:
    """What a checkpoint holds, and the sha256 of its file."""
    try:
        data = bytes_of(path)
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be read: {error.strerror or error}.") from error
    problem = damage(data)
    try:
        content: object = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except MemoryError:
        raise  # which says nothing of the file
    except Exception as error:  # torch raises half a dozen kinds for a damaged file
        detail = problem or f"torch cannot unpack it ({type(error).__name__})"
        raise RunFolderError(f"{path}: cannot be read: {detail}.") from error
    if not isinstance(content, dict):
        raise RunFolderError(f"{path}: is not a checkpoint.")
    if content.get("version") != CHECKPOINT_VERSION:
        found = content.get("version")
        is_old = isinstance(found, int) and found < CHECKPOINT_VERSION
        hint = "the tuitrain that wrote it, or a new run." if is_old else "a newer tuitrain."
        raise RunFolderError(f"{path}: version {found} is not {CHECKPOINT_VERSION}.", hint=hint)
    if problem:
        raise RunFolderError(f"{path}: cannot be read: {problem}.")
    return content, hashlib.sha256(data).hexdigest()


def newest_intact(
    folder: Path, told: Mapping[str, str] | None = None, leads_here: Callable[[int, int], bool] = lambda *_: True
) -> tuple[Path, dict[str, Any], list[str]] | None:
    """The newest checkpoint that can be read, and what is wrong with those that are newer.

    Args:
        folder: of the checkpoints.
        told: sha256 by file name of those that the record tells of. One that it does not tell of was written just
            before its trainer died, and the record lacks steps before it: taken only where there is no other. After
            that comes the state before a risky decision, which knows nothing of what was just being decided.
        leads_here: whether a state of a timeline and step is on the way to where the record ends; others are left.

    Returns:
        Its path, its content, and one sentence for each damaged one; None where there is none.
    """
    problems: list[str] = []
    spare: dict[bool, tuple[Path, dict[str, Any], list[str]]] = {}
    for path in checkpoint_paths(folder):
        name = name_of(path)
        if told and name is not None and path.name in told and not leads_here(name.timeline, name.step):
            continue
        try:
            content, digest = _content(path)
        except RunFolderError as error:
            problems.append(error.message.rstrip("."))
            continue
        is_before_decision = name is not None and name.tag == UNDO
        if not is_before_decision and (told is None or told.get(path.name) == digest):
            return path, content, problems
        spare.setdefault(is_before_decision, (path, content, problems))
    return spare.get(False) or spare.get(True)
