"""The file of a checkpoint, known without torch: its name, its seal, and in words what is wrong with a damaged one."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

from tuitrain.errors import RunFolderError

_NAME = re.compile(r"step-(?P<step>\d{8,})(~(?P<timeline>\d+))?(-(?P<tag>[a-z0-9-]+))?\.pt")
_SEAL = b"sha256:"
_SEAL_BYTES = len(_SEAL) + 64
_ZIP_BEGINNING, _ZIP_END = b"PK\x03\x04", b"PK\x05\x06"
_MOST_NAMED = 3


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


def bytes_of(path: Path) -> bytes:
    """All of a regular file; a link is not followed, and a pipe does not make us wait.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("it is no regular file")
        return file.read()


def sealed(data: bytes) -> bytes:
    """The archive with its own hash as its comment, whose length stands in the last two bytes of a zip without one."""
    digest = hashlib.sha256(data).hexdigest().encode()
    return data[:-2] + _SEAL_BYTES.to_bytes(2, "little") + _SEAL + digest


def damage(data: bytes) -> str:
    """What is wrong with the bytes of a checkpoint, as a clause; empty where they are what was written."""
    body, seal = data[:-_SEAL_BYTES], data[-_SEAL_BYTES:]
    if seal == _SEAL + hashlib.sha256(body[:-2] + b"\0\0").hexdigest().encode():
        return ""
    if not data:
        return "it is empty"
    if not data.strip(b"\0"):
        return f"it is {len(data)} zero bytes"
    if not data.startswith(_ZIP_BEGINNING):
        return "it is no checkpoint"
    if _ZIP_END not in data:
        return f"it is cut off at byte {len(data)}"
    return "it is not what was written"


def damage_of(path: Path) -> str:
    """What is wrong with the file of a checkpoint, as a clause; empty where it is what was written."""
    try:
        return damage(bytes_of(path))
    except OSError as error:
        return error.strerror or str(error)


def named(problems: list[str]) -> str:
    """Problems in one sentence: the first few, and how many more there are."""
    more = len(problems) - _MOST_NAMED
    return "; ".join(problems[:_MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")
