"""Carries a run back from a machine that does not see its folder: the folder here grows as if it were trained in here.

Bytes are appended in order and as they are; a checkpoint is there whole or not at all, and before the last word of the
run. What people ask of the run is carried there.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from tuitrain.comparing.far import PIECE_BYTES, FarTrainer, Look
from tuitrain.protocol.events import RunEnded
from tuitrain.rundir.follower import last_events_backwards
from tuitrain.rundir.places import RunFolder, read_info, remove_drafts, write_info
from tuitrain.rundir.presence import PresenceWatch
from tuitrain.rundir.private import open_private, replace_whole, write_all
from tuitrain.rundir.process import Process
from tuitrain.rundir.writer import EventsNotWrittenError, EventWriter

_LAST_WORD = b'"RunEnded"'


class Carrier:
    """Between the folder of a run and the copy that is trained in elsewhere. Whoever has one holds the lock.

    Args:
        folder: the run.
        far: the other side.

    Raises:
        RunFolderError: the folder cannot be written.
    """

    def __init__(self, folder: RunFolder, far: FarTrainer) -> None:
        self._folder = folder
        self._far = far
        self._presence = PresenceWatch(folder)
        remove_drafts(folder)
        self._writer = EventWriter(folder.events_path)
        self._num_events_bytes = _size(folder.events_path)
        self._num_output_bytes = _size(folder.output_path)
        self.has_last_word = False
        """Whether the run has ended, as it says itself."""
        self._info = b""
        self._commands: set[str] = set()
        self._checkpoints: dict[str, tuple[int, int]] = {}

    def send(self) -> None:
        """Copy everything there that a trainer needs."""
        folder = self._folder
        names = [folder.info_path, folder.events_path, folder.output_path, folder.weights_path]
        for path in [*names, *sorted(folder.checkpoints_path.glob("step-*.pt"))]:
            if path.is_file() and not path.is_symlink():
                self._send(path)
        self._send_commands()
        self._checkpoints = self._far.checkpoints()

    def carry(self) -> int | None:
        """Carry once in each direction; the exit code of the trainer where it is done and everything is here.

        Raises:
            RunFolderError: this disk refuses; what could not be written is carried again the next time.
        """
        self._send_commands()
        look = self._far.look(
            self._num_events_bytes, self._num_output_bytes, is_watched=self._presence.is_attached()
        )  # fmt: skip
        self.has_last_word = self.has_last_word or _LAST_WORD in look.events
        if self.has_last_word or look.exit_code is not None:
            self._bring_checkpoints(look)
        if look.info and look.info != self._info:
            with contextlib.suppress(msgspec.DecodeError):  # read while it was replaced
                msgspec.json.decode(look.info)
                replace_whole(self._folder.info_path, look.info)
                self._info = look.info
        self._append(look)
        self._bring_checkpoints(look)
        has_more = bool(look.events or look.output)
        return None if has_more else look.exit_code

    def leave(self) -> None:
        """The trainer goes on; somebody else will carry."""
        self._writer.close()

    def close(self) -> None:
        """The trainer is gone; where it had no last word the run is nobody's, and is here."""
        self._writer.close()
        if not isinstance(next(last_events_backwards(self._folder.events_path), None), RunEnded):
            info = msgspec.structs.replace(read_info(self._folder), **msgspec.structs.asdict(Process.of(0)))
            write_info(self._folder, info)

    def _append(self, look: Look) -> None:
        output = open_private(self._folder.output_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            write_all(output, look.output)
        finally:
            self._num_output_bytes = os.fstat(output).st_size
            os.close(output)
        lines = look.events[:-1].split(b"\n") if look.events else []
        num_written = len(lines)
        try:
            self._writer.append(lines)
        except EventsNotWrittenError as error:
            num_written = error.num_written
            raise
        finally:
            self._num_events_bytes += sum(len(line) + 1 for line in lines[:num_written])

    def _bring_checkpoints(self, look: Look) -> None:
        """Those that are new or were written anew; one that was tidied away there is so here."""
        for name, stamp in sorted(look.checkpoints.items(), key=lambda item: item[1][1]):
            if self._checkpoints.get(name) != stamp and self._brought(name, stamp[0]):
                self._checkpoints[name] = stamp
        for name in set(self._checkpoints) - set(look.checkpoints):
            del self._checkpoints[name]
            with contextlib.suppress(OSError):
                (self._folder.checkpoints_path / name).unlink()

    def _brought(self, name: str, num_bytes: int) -> bool:
        if Path(name).name != name or not name.startswith("step-"):
            return False
        draft = self._folder.checkpoints_path / f".{name}.{os.getpid()}.tmp"
        descriptor = open_private(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            num_here = 0
            while piece := self._far.checkpoint_piece(name, num_here):
                write_all(descriptor, piece)
                num_here += len(piece)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if num_here != num_bytes:  # it was tidied away or written anew meanwhile: the next look tells
            draft.unlink()
            return False
        draft.replace(self._folder.checkpoints_path / name)
        return True

    def _send(self, path: Path) -> None:
        name, offset = str(path.relative_to(self._folder.path)), 0
        with path.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                self._far.take(name, offset, piece)
                offset += len(piece)

    def _send_commands(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            for name in sorted(path.name for path in self._folder.commands_path.glob("[!.]*.json")):
                if name not in self._commands:
                    self._far.take_command(name, (self._folder.commands_path / name).read_bytes())
                    self._commands.add(name)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
