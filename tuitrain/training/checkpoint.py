"""A checkpoint: the whole state of a run in one versioned, sealed file, written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from tuitrain.errors import RunFolderError
from tuitrain.protocol.events import CheckpointSaved

CHECKPOINT_VERSION = 4
_NAME = re.compile(r"step-(?P<step>\d{8,})(~(?P<timeline>\d+))?(-(?P<tag>[a-z0-9-]+))?\.pt")
_SEAL = b"sha256:"
_SEAL_BYTES = len(_SEAL) + 64


class CheckpointName(NamedTuple):
    """What the name of a checkpoint tells."""

    timeline: int
    """How often the run had gone back."""
    step: int
    tag: str

    def __str__(self) -> str:
        """The name of the file without its ending."""
        back = f"~{self.timeline}" if self.timeline else ""
        return f"step-{self.step:08d}{back}" + (f"-{self.tag}" if self.tag else "")


def name_of(path: Path) -> CheckpointName | None:
    """What the name of a file tells; None where it is no checkpoint."""
    found = _NAME.fullmatch(path.name)
    return CheckpointName(int(found["timeline"] or 0), int(found["step"]), found["tag"] or "") if found else None


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
    data = _sealed(content.getvalue())
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
        raise RunFolderError(f"{path}: cannot be written: {error.strerror}", hint="free some space.") from error
    return CheckpointSaved(
        step=step,
        path=f"{folder.name}/{path.name}",
        num_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        save_seconds=time.monotonic() - began,
        num_decisions=state["position"]["decisions"],
        cause=cause,
    )


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
        data = _bytes_of(path)
        is_whole = _is_whole(data)
        content: object = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen kinds for a damaged file
        raise RunFolderError(f"{path}: cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise RunFolderError(f"{path}: is not a checkpoint.")
    if content.get("version") != CHECKPOINT_VERSION:
        found = content.get("version")
        is_old = isinstance(found, int) and found < CHECKPOINT_VERSION
        hint = "the tuitrain that wrote it, or a new run." if is_old else "a newer tuitrain."
        raise RunFolderError(f"{path}: version {found} is not {CHECKPOINT_VERSION}.", hint=hint)
    if not is_whole:
        raise RunFolderError(f"{path}: cannot be read: it is not what was written.")
    return content, hashlib.sha256(data).hexdigest()


def checkpoint_paths(folder: Path) -> list[Path]:
    """All checkpoints of a run, the newest first: by how often it had gone back, by step, then by time.

    Raises:
        RunFolderError: they cannot be listed.
    """
    try:
        found = [(name_of(path), path) for path in folder.glob("step-*.pt")]
        named = [(name.timeline, name.step, path.lstat().st_mtime_ns, path) for name, path in found if name is not None]
    except OSError as error:
        raise RunFolderError(f"{folder}: cannot be listed: {error.strerror}.") from error
    return [entry[-1] for entry in sorted(named, reverse=True)]


def newest_intact(
    folder: Path, told: Mapping[str, str] | None = None, leads_here: Callable[[int, int], bool] = lambda *_: True
) -> tuple[Path, dict[str, Any], list[str]] | None:
    """The newest checkpoint that can be read, and what is wrong with those that are newer.

    Args:
        folder: of the checkpoints.
        told: sha256 by file name of those that the record tells of. One that it does not tell of was written just
            before its trainer died, and the record lacks steps before it: taken only where there is no other.
        leads_here: whether a state of a timeline and step is on the way to where the record ends; others are left.

    Returns:
        Its path, its content, and one sentence for each damaged one; None where there is none.
    """
    problems: list[str] = []
    untold: tuple[Path, dict[str, Any], list[str]] | None = None
    for path in checkpoint_paths(folder):
        name = name_of(path)
        if told and name is not None and path.name in told and not leads_here(name.timeline, name.step):
            continue
        try:
            content, digest = _content(path)
        except RunFolderError as error:
            problems.append(str(error))
            continue
        if told is None or told.get(path.name) == digest:
            return path, content, problems
        untold = untold or (path, content, problems)
    return untold


def _bytes_of(path: Path) -> bytes:
    """All of a regular file; a link is not followed, and a pipe does not make us wait."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("it is no regular file")
        return file.read()


def _sealed(data: bytes) -> bytes:
    """The archive with its own hash as its comment, whose length stands in the last two bytes of a zip without one."""
    digest = hashlib.sha256(data).hexdigest().encode()
    return data[:-2] + _SEAL_BYTES.to_bytes(2, "little") + _SEAL + digest


def _is_whole(data: bytes) -> bool:
    body, seal = data[:-_SEAL_BYTES], data[-_SEAL_BYTES:]
    return seal == _SEAL + hashlib.sha256(body[:-2] + b"\0\0").hexdigest().encode()
