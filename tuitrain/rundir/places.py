"""Where runs live, what lies in the folder of one, how it is named, and who it is (`run.json`)."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tuitrain.errors import RunFolderError
from tuitrain.protocol.carrier import RunInfo
from tuitrain.protocol.codec import DecodeError, decode_run_info, encode
from tuitrain.rundir.private import FOLDER_MODE, cannot, make_private_folder, read_whole, replace_whole

MAX_INFO_BYTES = 16 << 20
_MAX_NAME_LENGTH = 40
_MOST_DRAWS = 100
_DRAFTS = ".new"
"""Where a run is made: on the same disk, so that it can be moved, and hidden, as it is no run yet."""


def home_folder() -> Path:
    """$TUITRAIN_HOME, else the platform's folder for user data."""
    chosen = os.environ.get("TUITRAIN_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return platformdirs.user_data_path("tuitrain", appauthor=False)


def runs_folder() -> Path:
    """The folder that holds one folder a run; it may not exist yet."""
    return home_folder() / "runs"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run, by its path; it need not exist."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> RunFolder:
        """Make the folder and those within, readable by their owner only.

        Raises:
            RunFolderError: it cannot be made, or something is in it already.
        """
        folder = cls(path)
        try:
            if path.is_dir() and any(path.iterdir()):
                raise RunFolderError(f"{path}: is not empty.", hint="another folder for the new run.")
            for part in (path, folder.commands_path, folder.checkpoints_path, folder.screens_path):
                make_private_folder(part)
        except OSError as error:
            raise cannot("made", path, error) from error
        return folder

    def check_own(self) -> None:
        """Make sure that everything in it lies in it: whoever trains here writes and tidies up here.

        Raises:
            RunFolderError: something in it is a link, as a stranger's recording may hold.
        """
        for part in (
            self.info_path, self.events_path, self.commands_path, self.checkpoints_path, self.screens_path,
            self.output_path, self.lock_path, self.weights_path, self.path / ".reserve",
        ):  # fmt: skip
            if part.is_symlink():
                raise RunFolderError(
                    f"{part}: is a link, and what lies in a run folder is not followed elsewhere.",
                    hint="a copy of the run folder that holds the thing itself.",
                )

    @property
    def id(self) -> str:
        """The name of the folder; what is no sign in it stands there as its escape, so that no two are the same."""
        name = self.path.name
        if name.isprintable():
            return name
        return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in name)

    @property
    def info_path(self) -> Path:
        """Who this run is, as `RunInfo`."""
        return self.path / "run.json"

    @property
    def events_path(self) -> Path:
        """Everything the run said, a line an event."""
        return self.path / "events.jsonl"

    @property
    def commands_path(self) -> Path:
        """Folder of everything the run was asked, a file a command."""
        return self.path / "commands"

    @property
    def checkpoints_path(self) -> Path:
        """Folder of saved states."""
        return self.path / "checkpoints"

    @property
    def screens_path(self) -> Path:
        """Folder in which attached screens announce themselves."""
        return self.path / "screens"

    @property
    def output_path(self) -> Path:
        """What the trainer process printed."""
        return self.path / "output.log"

    @property
    def weights_path(self) -> Path:
        """The checkpoint of another run that this one began with, where it did."""
        return self.path / "weights.pt"

    @property
    def lock_path(self) -> Path:
        """Locked while the trainer lives."""
        return self.path / "lock"


def new_run_folder(runs: Path, preset_name: str, now: datetime) -> RunFolder:
    """Make the folder of a new run, under a name that nobody else has taken. It is in no list until `show` puts it in.

    Args:
        runs: folder that holds the runs; it is made where it is not there.
        preset_name: of its preset.
        now: local time.
        announce: told of its path before it is made, again where another one had to be drawn.

    Raises:
        RunFolderError: it cannot be made.
    """
    drafts = runs / _DRAFTS
    for _ in range(_MOST_DRAWS):
        try:
            make_private_folder(drafts)
        except OSError as error:
            raise cannot("made", drafts, error) from error
        draft = RunFolder(drafts / new_run_id(preset_name, now))
        try:
            draft.path.mkdir(mode=FOLDER_MODE)  # of two that draw one name one is refused, and draws again
        except (FileExistsError, FileNotFoundError):
            continue  # or the last one who made a run has just taken the place away
        except OSError as error:
            raise cannot("made", draft.path, error) from error
        if shown_path(draft).exists():
            discard(draft)
            continue
        return RunFolder.create(draft.path)
    raise RunFolderError(f"{runs}: no name for a new run was free.", hint="again, in a minute.")


def shown_path(draft: RunFolder) -> Path:
    """Where `show` puts a new run."""
    return draft.path.parent.parent / draft.path.name


def show(draft: RunFolder) -> RunFolder:
    """Put a new run among the others, whole, in one instant.

    Raises:
        RunFolderError: it cannot be moved.
    """
    try:
        folder = RunFolder(draft.path.rename(shown_path(draft)))
    except OSError as error:
        raise cannot("moved", draft.path, error) from error
    _tidy_up(draft.path.parent)
    return folder


def discard(folder: RunFolder) -> None:
    """Remove a run in which nothing has happened yet."""
    shutil.rmtree(folder.path, ignore_errors=True)
    if folder.path.parent.name == _DRAFTS:
        _tidy_up(folder.path.parent)


def _tidy_up(drafts: Path) -> None:
    with contextlib.suppress(OSError):  # others make runs there
        drafts.rmdir()


def new_run_id(preset_name: str, now: datetime) -> str:
    """A new name such as "20261121-1432-mnist-mlp-7f3a": sorts by time, safe as a file name, hard to repeat."""
    name = re.sub(r"[^a-z0-9]+", "-", preset_name.lower())[:_MAX_NAME_LENGTH].strip("-")
    return f"{now:%Y%m%d-%H%M}-{name or 'run'}-{secrets.token_hex(2)}"


def write_info(folder: RunFolder, info: RunInfo) -> None:
    """Write `run.json`, all of it or nothing.

    Raises:
        RunFolderError: it cannot be written; an earlier one stands.
    """
    replace_whole(folder.info_path, encode(info) + b"\n")


def remove_drafts(folder: RunFolder) -> None:
    """Remove what a trainer that was killed had not finished writing; for the next one, which holds the lock."""
    for place, pattern in ((folder.path, ".run.json.*"), (folder.checkpoints_path, ".step-*.tmp")):
        for draft in place.glob(pattern):
            with contextlib.suppress(OSError):
                draft.unlink()


def read_info(folder: RunFolder) -> RunInfo:
    """Read `run.json`.

    Raises:
        RunFolderError: it is not there, cannot be read or is damaged.
    """
    try:
        return decode_run_info(read_whole(folder.info_path, MAX_INFO_BYTES))
    except OSError as error:
        raise cannot("read", folder.info_path, error) from error
    except (DecodeError, RecursionError) as error:
        raise RunFolderError(f"{folder.info_path}: is damaged: {error}.") from error
