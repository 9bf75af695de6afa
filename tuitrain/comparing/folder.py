"""The folder of a comparison: its plan, the journal of what became of each member, wishes of people, and a lock.

`plan.json` is written once. `journal.jsonl` has one writer, the scheduler that holds the lock; a line that was torn by
a power cut is cut off by the next one. `wishes/` is where people ask something of it: an empty file is all there is to
say.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tuitrain.errors import RunFolderError, UnknownNameError, UsageError
from tuitrain.protocol.codec import to_jsonable
from tuitrain.protocol.comparing import ComparisonPlan, JournalWord
from tuitrain.protocol.printable import printable
from tuitrain.rundir.follower import Follower
from tuitrain.rundir.places import home_folder
from tuitrain.rundir.private import (
    FOLDER_MODE,
    cannot,
    make_private_folder,
    open_private,
    read_end,
    read_whole,
    replace_whole,
)
from tuitrain.rundir.writer import EventWriter

_MAX_PLAN_BYTES = 256 << 20
_MAX_NAME_LENGTH = 60
_NUMBERED = re.compile(r"-\d+$")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_MOST_PRINTED_BYTES = 4096
STOP_ALL = "stop-all"
"""The wish that nothing more is launched and everything at work stops."""

# Lax mode reads "NaN" and the infinities as floats.
_plan_decoder = msgspec.json.Decoder(ComparisonPlan, strict=False)
_word_decoder = msgspec.json.Decoder(JournalWord, strict=False)


def comparisons_folder() -> Path:
    """The folder that holds one folder a comparison; it may not exist yet."""
    return home_folder() / "comparisons"


@dataclass(frozen=True, slots=True)
class ComparisonFolder:
    """The folder of one comparison, by its path; it need not exist."""

    path: Path

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.path.name

    @property
    def plan_path(self) -> Path:
        """What is compared, as `ComparisonPlan`."""
        return self.path / "plan.json"

    @property
    def journal_path(self) -> Path:
        """What became of each member, a line a word."""
        return self.path / "journal.jsonl"

    @property
    def lock_path(self) -> Path:
        """Locked while a scheduler is at work."""
        return self.path / "lock"

    @property
    def output_path(self) -> Path:
        """What the scheduler printed."""
        return self.path / "output.log"

    @property
    def wishes_path(self) -> Path:
        """Folder of what people want of the scheduler."""
        return self.path / "wishes"

    @property
    def study_path(self) -> Path:
        """What a search has learned, as its library keeps it."""
        return self.path / "study.log"

    @property
    def engine_path(self) -> Path:
        """What an engine that runs the members needs to keep."""
        return self.path / "engine"

    def wish(self, name: str) -> None:
        """Ask the scheduler something: the key of a member that is to be taken out of the queue, or `STOP_ALL`.

        Raises:
            RunFolderError: it cannot be written.
        """
        try:
            os.close(open_private(self.wishes_path / name, os.O_WRONLY | os.O_CREAT))
        except OSError as error:
            raise cannot("written", self.wishes_path / name, error) from error

    def wishes(self) -> set[str]:
        """What is asked and was not granted yet."""
        try:
            return {entry.name for entry in os.scandir(self.wishes_path)}
        except OSError:
            return set()

    def grant(self, name: str) -> None:
        """A wish was fulfilled, or cannot be."""
        with contextlib.suppress(OSError):
            (self.wishes_path / name).unlink()


def create_comparison(plan: ComparisonPlan, *, is_named: bool = True) -> ComparisonFolder:
    """Make the folder of a comparison and write its plan.

    Args:
        plan: of it.
        is_named: whether a person chose its name; one that was made up gives way where it is taken meanwhile.

    Raises:
        UsageError: there is one of that name.
        RunFolderError: it cannot be made or written.
    """
    while not is_named:
        try:
            return create_comparison(plan)
        except UsageError:
            base = _NUMBERED.sub("", plan.name)
            is_numbered = os.path.lexists(comparisons_folder() / base)
            plan = msgspec.structs.replace(plan, name=free_name(base if is_numbered else plan.name))
    folder = ComparisonFolder(comparisons_folder() / plan.name)
    try:
        make_private_folder(folder.path.parent)
        folder.path.mkdir(mode=FOLDER_MODE)  # of two that are made at once, one is refused
        folder.path.chmod(FOLDER_MODE)
        make_private_folder(folder.wishes_path)
    except FileExistsError:
        raise UsageError(
            f'There is a comparison "{plan.name}" already.',
            hint=f"tuitrain compare --resume {plan.name}, or another --name.",
        ) from None
    except OSError as error:
        raise cannot("made", folder.path, error) from error
    try:
        replace_whole(folder.plan_path, msgspec.json.encode(to_jsonable(plan)) + b"\n")
    except RunFolderError:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise
    return folder


def read_plan(folder: ComparisonFolder) -> ComparisonPlan:
    """Read `plan.json`.

    Raises:
        RunFolderError: it is not there, cannot be read or is damaged.
    """
    try:
        return _plan_decoder.decode(read_whole(folder.plan_path, _MAX_PLAN_BYTES))
    except OSError as error:
        raise cannot("read", folder.plan_path, error) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RunFolderError(f"{folder.plan_path}: is damaged: {error}.") from error


def last_printed(folder: ComparisonFolder) -> str:
    """The last line that its schedulers printed, which is why one ended that could not write it down."""
    try:
        lines = read_end(folder.output_path, _MOST_PRINTED_BYTES).decode("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return printable(next((line.strip() for line in reversed(lines) if line.strip()), ""))


def list_comparisons() -> list[ComparisonFolder]:
    """All of them, the newest first.

    Raises:
        RunFolderError: their folder is there and cannot be listed.
    """
    try:
        with os.scandir(comparisons_folder()) as entries:
            found = [ComparisonFolder(Path(entry.path)) for entry in entries if entry.is_dir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise cannot("listed", comparisons_folder(), error) from error
    return sorted(found, key=_modified, reverse=True)


def find_comparison(name: str) -> ComparisonFolder:
    """The comparison of a name, of a unique beginning of one, or "last".

    Raises:
        UnknownNameError: there is none, or more than one begins so.
        UsageError: there is none at all.
    """
    found = {folder.name: folder for folder in list_comparisons()}
    if not found:
        raise UsageError(
            "There are no comparisons yet.", hint="tuitrain compare mnist-mlp --vary optimizer.name=sgd,adam"
        )
    if name == "last":
        return next(iter(found.values()))
    matches = [name] if name in found else [known for known in found if known.startswith(name)]
    if len(matches) != 1:
        raise UnknownNameError("comparison", name, matches or list(found))
    return found[matches[0]]


def free_name(wanted: str) -> str:
    """A name like `wanted` that is safe as a file name and not taken: "optimizers", "optimizers-2", …"""
    base = re.sub(r"[^a-z0-9._]+", "-", wanted.lower())[:_MAX_NAME_LENGTH].strip("-._") or "comparison"
    number, name = 1, base
    while os.path.lexists(comparisons_folder() / name):
        number += 1
        name = f"{base}-{number}"
    return name


def check_name(name: str) -> None:
    """Make sure that a name that a person gave can be that of a folder.

    Raises:
        UsageError: it cannot.
    """
    if not _NAME.fullmatch(name) or len(name) > _MAX_NAME_LENGTH or name == "last":
        raise UsageError(
            f'"{name}" cannot be the name of a comparison.',
            hint=f"at most {_MAX_NAME_LENGTH} small letters, digits, dots and hyphens, as free-rates-1; not last.",
        )


class Journal:
    """Appends to the journal; of the one process that holds the lock.

    Raises:
        RunFolderError: it cannot be opened.
    """

    def __init__(self, folder: ComparisonFolder) -> None:
        self._lines = EventWriter(folder.journal_path)

    def write(self, word: JournalWord) -> None:
        """Append a word and make sure that it is on the disk.

        Raises:
            RunFolderError: it cannot be written.
        """
        self._lines.append([msgspec.json.encode(to_jsonable(word))])
        self._lines.sync()

    def close(self) -> None:
        """Let go of the file."""
        self._lines.close()


class JournalReader:
    """Reads the journal again and again; damaged lines are skipped and counted."""

    def __init__(self, folder: ComparisonFolder) -> None:
        self._lines = Follower(folder.journal_path)
        self.num_damaged = 0

    def poll(self) -> list[JournalWord]:
        """What is new.

        Raises:
            RunFolderError: it is there and cannot be read.
        """
        words: list[JournalWord] = []
        for _, line in self._lines.read():
            try:
                words.append(_word_decoder.decode(line))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                self.num_damaged += bool(line.strip())
        return words


def new_key(arm: str, *parts: object, taken: set[str]) -> str:
    """A key for a member, safe as the name of a file: "adam-s0", "adam-f2"; told apart where two would be one."""
    words = [re.sub(r"[^a-zA-Z0-9._]+", "-", arm).strip("-.")[:40] or "arm", *(str(part) for part in parts if part)]
    key = base = "-".join(words)
    while key in taken:
        key = f"{base}-{secrets.token_hex(2)}"
    return key


def _modified(folder: ComparisonFolder) -> float:
    try:
        return folder.plan_path.stat().st_mtime
    except OSError:
        return 0.0
