"""Delete a run in a way that can be undone: its folder is renamed into the trash, whole, in one instant.

Nobody trains in it meanwhile, as its lock is held; who watches it sees that it has moved. Only real folders of
runs that lie in ours are moved: never a link, never what lies elsewhere.
"""

from __future__ import annotations

import contextlib
import errno
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tuitrain.errors import RunBusyError, RunFolderError, RunNotFoundError, nearest
from tuitrain.rundir.labels import read_labels
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder, home_folder, runs_folder
from tuitrain.rundir.private import cannot, make_private_folder, read_whole, replace_whole
from tuitrain.rundir.summary import summarize

DAY_SECONDS = 86_400.0
_STAMP = ".deleted.json"
_DOOMED = ".removing-"
_NUMBER_SIGN = "~"
"""Stands before the number of a second run with an id that lies in the trash already."""
_MAX_STAMP_BYTES = 4096


class _Stamp(msgspec.Struct):
    deleted: float


@dataclass(frozen=True)
class Trashed:
    """A run in the trash."""

    folder: RunFolder
    deleted: float
    """Seconds since 1970."""

    @property
    def id(self) -> str:
        """That it had, and gets back."""
        return self.folder.id.partition(_NUMBER_SIGN)[0]


def trash_folder() -> Path:
    """Where deleted runs wait; it may not exist yet."""
    return home_folder() / "trash"


def is_run_folder(path: Path) -> bool:
    """Whether this is the folder of a run itself, not a link to one."""
    folder = RunFolder(path)
    return path.is_dir() and not path.is_symlink() and (folder.info_path.is_file() or folder.events_path.is_file())


def delete(folder: RunFolder, now: float | None = None) -> Trashed:
    """Move a run into the trash.

    Args:
        folder: the run.
        now: seconds since 1970.

    Raises:
        RunBusyError: its trainer is alive.
        RunFolderError: it is none of ours, or cannot be moved.
    """
    _must_be_ours(folder)
    if summarize(folder).is_live:
        raise RunBusyError(f"{folder.id}: is at work.", hint=f"`tuitrain ask {folder.id} stop` first.")
    deleted = time.time() if now is None else now
    with RunLock.acquire(folder):
        try:
            make_private_folder(trash_folder())
            replace_whole(folder.path / _STAMP, msgspec.json.encode(_Stamp(deleted)))
            place = _free_place(folder.id)
            folder.path.rename(place)
        except OSError as error:
            with contextlib.suppress(OSError):
                (folder.path / _STAMP).unlink()
            if error.errno == errno.EXDEV:
                raise RunFolderError(
                    f"{folder.path}: cannot be moved to {trash_folder()}, which is on another disk.",
                    hint=f"a link at {trash_folder()} to a folder on the disk of the runs.",
                ) from error
            raise cannot("moved", folder.path, error) from error
    return Trashed(RunFolder(place), deleted)


def list_trash() -> list[Trashed]:
    """What lies in the trash, the last deleted first.

    Raises:
        RunFolderError: it is there and cannot be listed.
    """
    try:
        paths = [path for path in trash_folder().iterdir() if not path.name.startswith(".") and is_run_folder(path)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise cannot("listed", trash_folder(), error) from error
    found = [Trashed(RunFolder(path), _deleted_at(path)) for path in paths]
    return sorted(found, key=lambda item: (item.deleted, item.folder.id), reverse=True)


def find_in_trash(text: str) -> Trashed:
    """The run in the trash that is meant by an id, a name, or a unique part of an id; of equal ids the last deleted.

    Raises:
        RunNotFoundError: none is meant, or more than one.
    """
    trash = list_trash()
    for matches in (
        [item for item in trash if item.folder.id == text],
        [item for item in trash if item.id == text][:1],
        [item for item in trash if read_labels(item.folder)[0].name == text != ""],
        [item for item in trash if text in item.id],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            ids = ", ".join(item.folder.id for item in matches[:5])
            raise RunNotFoundError(f'"{text}" is ambiguous in the trash: {ids}.', hint="more letters of the id.")
    close = nearest(text, [item.id for item in trash])
    hint = close or (", ".join(item.id for item in trash[:3]) if trash else "tuitrain runs")
    raise RunNotFoundError(f'No run named "{text}" in {trash_folder()}.', hint=f"{hint}.")


def restore(item: Trashed) -> RunFolder:
    """Move a run from the trash back among the runs.

    Raises:
        RunFolderError: there is one with its id again, or it cannot be moved.
    """
    folder = RunFolder(runs_folder() / item.id)
    if folder.path.exists():
        raise RunFolderError(f"{folder.path}: is there again.", hint="moving that one away.")
    try:
        make_private_folder(runs_folder())
        # An empty folder that somebody makes just now would be replaced, any other refuses.
        item.folder.path.rename(folder.path)
    except OSError as error:
        raise cannot("moved", item.folder.path, error) from error
    with contextlib.suppress(OSError):
        (folder.path / _STAMP).unlink()
    return folder


def remove_for_good(item: Trashed) -> None:
    """Remove a run from the trash; nothing brings it back. What a killed one left over goes as well.

    Raises:
        RunBusyError: somebody trains in it there.
        RunFolderError: it cannot be removed.
    """
    if not is_run_folder(item.folder.path) or item.folder.path.parent != trash_folder():
        raise RunFolderError(f"{item.folder.path}: is no run in the trash.")
    doomed = item.folder.path.with_name(f"{_DOOMED}{item.folder.id}-{time.time_ns()}")
    with RunLock.acquire(item.folder):
        try:
            item.folder.path.rename(doomed)  # what is half removed is no run any more
        except OSError as error:
            raise cannot("removed", item.folder.path, error) from error
    for path in trash_folder().glob(f"{_DOOMED}*"):
        if path.is_dir() and not path.is_symlink():
            try:
                shutil.rmtree(path)
            except OSError as error:
                raise cannot("removed", path, error) from error


def _must_be_ours(folder: RunFolder) -> None:
    if folder.path.is_symlink():
        raise RunFolderError(f"{folder.path}: is a link, and what it leads to is not ours.", hint="removing the link.")
    if folder.path.parent.resolve() != runs_folder().resolve():
        raise RunFolderError(f"{folder.path}: lies outside of {runs_folder()}.", hint="removing it by hand.")
    if not is_run_folder(folder.path):
        raise RunFolderError(f"{folder.path}: is no run folder.", hint="removing it by hand.")


def _free_place(run: str) -> Path:
    place, number = trash_folder() / run, 1
    while place.exists() or place.is_symlink():
        number += 1
        place = trash_folder() / f"{run}{_NUMBER_SIGN}{number}"
    return place


def _deleted_at(path: Path) -> float:
    """When it came here; where nobody wrote that down, when the folder last changed."""
    try:
        deleted = msgspec.json.decode(read_whole(path / _STAMP, _MAX_STAMP_BYTES), type=_Stamp).deleted
    except (OSError, ValueError, RecursionError):
        deleted = 0.0
    if 0.0 < deleted <= time.time() + DAY_SECONDS:  # with a wrong one it would be removed for good
        return deleted
    try:
        return path.stat().st_ctime
    except OSError:
        return time.time()
