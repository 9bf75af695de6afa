"""The far side of a run that an engine trains on some machine of a cluster: next to the trainer, whatever the engine.

Where that machine sees the run folder itself, the trainer works in it. Where it does not, the trainer works in a copy,
and what is new in there is asked for and carried back (`carrying`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tuitrain.comparing.local import GRACE_SECONDS, send
from tuitrain.rundir.places import RunFolder
from tuitrain.rundir.presence import ScreenPresence
from tuitrain.rundir.private import open_private, write_all
from tuitrain.session.start import spawn

PIECE_BYTES = 4 << 20
_BEAT_SECONDS = 1.0
_NEVER_BEGAN = -1


@dataclass(frozen=True)
class Look:
    """What is new in the copy."""

    exit_code: int | None
    """Of the trainer; None while it is at work. It was asked for before the rest was read."""
    events: bytes
    """Whole lines, from the byte that was asked for."""
    output: bytes
    info: bytes
    """`run.json`; empty where it cannot be read at the moment."""
    checkpoints: dict[str, tuple[int, int]]
    """As `FarTrainer.checkpoints`; those that the events tell of are among them."""


class FarTrainer:
    """Starts a trainer, and answers for it. Every method is short; one thread calls them.

    Args:
        path: of the run folder where the run was asked for.
        marker: name of a file in there: a folder that holds it is that one, and no other of the same path.
        environment: variables of the trainer.
        is_resumed: whether it goes on from the newest checkpoint.
    """

    def __init__(self, path: str, marker: str, environment: dict[str, str], *, is_resumed: bool) -> None:
        self._environment = environment
        self._is_resumed = is_resumed
        self._process: subprocess.Popen[bytes] | None = None
        self._cancelled_at: float | None = None
        self._temporary: Path | None = None
        self._beat_at = float("-inf")
        self._folder = RunFolder(Path(path))
        self.is_shared = bool(marker) and (self._folder.path / marker).is_file()
        if self.is_shared:
            self.start()
        else:
            # The name of the folder is the id of the run.
            self._temporary = Path(tempfile.mkdtemp(prefix="tuitrain-"))
            self._folder = RunFolder.create(self._temporary / self._folder.id)
        self._screen = ScreenPresence(self._folder)

    def where(self) -> Literal["shared", "empty", "begun"]:
        """In the folder itself; or in a copy that is to be filled, or is being trained in."""
        if self.is_shared:
            return "shared"
        return "empty" if self._process is None else "begun"

    def take(self, name: str, offset: int, piece: bytes) -> None:
        """A piece of a file of the run folder; from 0 on it is begun anew."""
        path = self._inside(name)
        descriptor = open_private(path, os.O_WRONLY | os.O_CREAT | (0 if offset else os.O_TRUNC))
        try:
            os.lseek(descriptor, offset, os.SEEK_SET)
            write_all(descriptor, piece)
        finally:
            os.close(descriptor)

    def take_command(self, name: str, content: bytes) -> None:
        """What the run is asked; it is there whole, once."""
        path = self._inside(f"commands/{name}")
        if not path.exists():
            self.take(f"commands/.{name}", 0, content)
            path.with_name(f".{name}").replace(path)

    def start(self) -> None:
        """Start the trainer, if it was not started and is still wanted."""
        if self._process is None and self._cancelled_at is None:
            self._process = spawn(
                self._folder, None, None, has_screen=False, is_resumed=self._is_resumed,
                environment=self._environment, ends_with_parent=not self.is_shared,
            ).process  # fmt: skip

    def exit_code(self) -> int | None:
        """Of the trainer; None while it is at work or is still to begin."""
        if self._process is None:
            return None if self._cancelled_at is None else _NEVER_BEGAN
        code = self._process.poll()
        is_overdue = self._cancelled_at is not None and time.monotonic() - self._cancelled_at >= GRACE_SECONDS
        if code is None and is_overdue:
            send(self._process.pid, signal.SIGKILL)
        return code

    def look(self, num_events_bytes: int, num_output_bytes: int, *, is_watched: bool) -> Look:
        """What is new in the copy.

        Args:
            num_events_bytes: of `events.jsonl` that are known.
            num_output_bytes: likewise, of `output.log`.
            is_watched: whether a screen is attached there.
        """
        if is_watched and time.monotonic() - self._beat_at >= _BEAT_SECONDS:
            self._beat_at = time.monotonic()
            self._screen.beat()
        code = self.exit_code()
        events = _piece(self._folder.events_path, num_events_bytes)
        if events.find(b"\n") < 0 and len(events) == PIECE_BYTES:
            events = _piece(self._folder.events_path, num_events_bytes, is_whole=True)  # a line longer than a piece
        return Look(
            exit_code=code,
            events=events[: events.rfind(b"\n") + 1],
            output=_piece(self._folder.output_path, num_output_bytes),
            info=_piece(self._folder.info_path, 0),
            checkpoints=self.checkpoints(),
        )

    def checkpoints(self) -> dict[str, tuple[int, int]]:
        """Those that are there: name → bytes, and when it was written in ns."""
        found: dict[str, tuple[int, int]] = {}
        for path in self._folder.checkpoints_path.glob("step-*.pt"):
            with contextlib.suppress(FileNotFoundError):  # one that was just tidied away
                status = path.stat()
                found[path.name] = (status.st_size, status.st_mtime_ns)
        return found

    def checkpoint_piece(self, name: str, offset: int) -> bytes:
        """A piece of a checkpoint; empty at its end, or where it is gone."""
        return _piece(self._inside(f"checkpoints/{name}"), offset)

    def cancel(self) -> None:
        """Ask the trainer to stop, once; `exit_code` kills it where it takes too long."""
        if self._cancelled_at is None:
            self._cancelled_at = time.monotonic()
            if self._process is not None:
                send(self._process.pid, signal.SIGTERM)

    def clean(self) -> None:
        """Remove the copy; everything in it was carried back."""
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _inside(self, name: str) -> Path:
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise ValueError(f"{name!r} is no file of a run folder")
        return self._folder.path / name


def _piece(path: Path, offset: int, *, is_whole: bool = False) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(-1 if is_whole else PIECE_BYTES)
    except OSError:
        return b""
