"""What could go, and how much space that frees: planned first, done only when asked.

Never a live run, never one that somebody named, noted or tagged, never a folder that is not surely a run, never
through a link.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tuitrain.errors import RunFolderError
from tuitrain.rundir.catalogue import list_runs
from tuitrain.rundir.disk import bytes_on_disk
from tuitrain.rundir.labels import read_labels
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder, runs_folder
from tuitrain.rundir.private import cannot
from tuitrain.rundir.process import this_host
from tuitrain.rundir.summary import RunSummary, summarize
from tuitrain.rundir.trash import DAY_SECONDS, Trashed, delete, is_run_folder, list_trash, remove_for_good

TRASH_DAYS = 30.0
_UNTAGGED = re.compile(r"step-(\d+)\.pt")
_ANY_CHECKPOINT = re.compile(r"step-(\d+)(-.+)?\.pt")


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a person wants pruned."""

    trash_days: float = TRASH_DAYS
    """Runs that lie in the trash for longer are removed for good."""
    older_than_days: float | None = None
    """Runs without labels that ended longer ago go to the trash; None leaves all where they are."""
    keep: int = 0
    """So many of the newest runs stay, however old they are."""
    checkpoints: bool = False
    """Whether of an ended run only the final, the best and the tagged checkpoints stay."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that would go."""

    does: Literal["remove", "trash", "thin"]
    """remove a run from the trash for good; move a run to the trash; remove one checkpoint."""
    run: str
    path: Path
    num_bytes: int
    days: float
    """Since it came into the trash, or since the run ended."""

    @property
    def frees_bytes(self) -> int:
        """What is free afterwards: the trash keeps what it holds."""
        return 0 if self.does == "trash" else self.num_bytes


def plan(wish: Wish, now: float | None = None) -> list[Step]:
    """Everything that would go; nothing is touched.

    Args:
        wish: what is wanted.
        now: seconds since 1970.
    """
    now = time.time() if now is None else now
    steps = [
        Step(
            does="remove", run=item.id, path=item.folder.path, num_bytes=bytes_on_disk(item.folder.path),
            days=_days(now, item.deleted),
        )
        for item in list_trash()
        if _days(now, item.deleted) > wish.trash_days
    ]  # fmt: skip
    runs = list_runs()
    wants_old = wish.older_than_days is not None or wish.keep > 0
    for index, run in enumerate(runs):
        days = _days(now, _ended_at(run))
        if not _may_go(run, days):
            continue
        if wants_old and index >= wish.keep and days > (wish.older_than_days or 0.0):
            path = Path(run.path)
            steps.append(Step(does="trash", run=run.id, path=path, num_bytes=bytes_on_disk(path), days=days))
        elif wish.checkpoints:
            steps += _thinned(run, days)
    return steps


def carry_out(step: Step) -> None:
    """Do it, after looking once more whether it may be done.

    Raises:
        RunBusyError: a trainer has come to life there.
        RunFolderError: it may not go any more, or cannot.
    """
    if step.does == "remove":
        remove_for_good(Trashed(RunFolder(step.path), 0.0))
        return
    folder = RunFolder(step.path if step.does == "trash" else step.path.parent.parent)
    if not _may_go(summarize(folder), step.days):
        raise RunFolderError(f"{folder.path}: has come to life or got a label meanwhile.", hint="looking once more.")
    if step.does == "trash":
        delete(folder)
        return
    with RunLock.acquire(folder):
        try:
            if not read_labels(folder)[0].is_empty or not _ANY_CHECKPOINT.fullmatch(step.path.name):
                raise RunFolderError(f"{step.path}: may not go.")
            step.path.unlink()
        except OSError as error:
            raise cannot("removed", step.path, error) from error


def _may_go(run: RunSummary, days: float) -> bool:
    """Whether it is surely a run of ours, surely ended, and nobody has written on it."""
    path = Path(run.path)
    if run.is_live or run.is_labelled or run.problem:
        return False
    # Of a run on another machine only its silence tells that it is lost: let it last a day.
    if run.state == "lost" and run.host not in {"", this_host()} and days < 1.0:
        return False
    return is_run_folder(path) and path.parent == runs_folder()


def _thinned(run: RunSummary, days: float) -> list[Step]:
    """The checkpoints without a tag, but for the newest, which is the final one or the one to go on from."""
    folder = RunFolder(Path(run.path)).checkpoints_path
    if folder.is_symlink():
        return []
    found = {path: _UNTAGGED.fullmatch(path.name) for path in folder.glob("step-*.pt") if not path.is_symlink()}
    untagged = sorted((int(match.group(1)), path) for path, match in found.items() if match is not None)
    return [
        Step(does="thin", run=run.id, path=path, num_bytes=bytes_on_disk(path), days=days) for _, path in untagged[:-1]
    ]


def _ended_at(run: RunSummary) -> float:
    try:
        return max(run.created, RunFolder(Path(run.path)).events_path.stat().st_mtime)
    except OSError:
        return run.created


def _days(now: float, then: float) -> float:
    return max(0.0, now - then) / DAY_SECONDS
