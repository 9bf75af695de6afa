"""The best state of a run, asked from outside: written first where the run is alive, told where it is not the best."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tuitrain.errors import TuitrainError
from tuitrain.protocol.commands import SaveCheckpoint
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.rundir.summary import RunSummary, summarize
from tuitrain.session.asking import ask_and_wait
from tuitrain.session.recorded import Recorded, recorded
from tuitrain.training.automatic import BEST
from tuitrain.training.best import shortfall

_SECONDS = 30.0


Say = Callable[[str], None]


def silent(_: str) -> None:
    """Say nothing."""


def have_best_written(folder: RunFolder, say: Say = silent) -> Recorded:
    """Have a living run write its best state, if it is not on the disk yet.

    Args:
        folder: of a run that is alive or not.
        say: is told where the best state on the disk is not that of the best evaluation.

    Returns:
        The record after that.

    Raises:
        RunFolderError: the run cannot be read.
    """
    record = recorded(folder)
    if shortfall_of(record) and summarize(folder).is_live:
        with suppress(TuitrainError):  # it may just end; what is on the disk then counts
            ask_and_wait(folder, SaveCheckpoint(best=True), _SECONDS)
        record = recorded(folder)
    if words := shortfall_of(record):
        say(f"{folder.id}: {words}")
    return record


def shortfall_of(record: Recorded) -> str:
    """What to say of a record whose best state on the disk is not that of the best evaluation, and why; else empty."""
    saved = record.best_saved
    kept = None if saved is None else (saved.step, record.validation_loss(saved.step))
    words = shortfall(kept, record.best)
    if not words:
        return ""
    if record.ended is None:
        return f"{words}: it was not written yet when the run was last heard of"
    is_told = words.partition("; ")[2] in record.best_trouble  # the same words, of when it was resumed
    return f"{words} ({record.best_trouble})" if record.best_trouble and not is_told else words


def shortfall_in_list(run: RunSummary) -> str:
    """The same of a lost run in a list; its record is read only where the disk does not hold the best state."""
    folder = RunFolder(Path(run.path))
    is_of_old = run.best_step is None and run.best  # which does not tell the step; without both it died at its start
    if run.state != "lost" or is_of_old:
        return ""
    if run.best_step is not None and any(folder.checkpoints_path.glob(f"step-{run.best_step:08d}*-{BEST}.pt")):
        return ""
    try:
        section = read_info(folder).preset.get("checkpoint")
        keeps_best = not isinstance(section, dict) or section.get("keep_best", True)
        return shortfall_of(recorded(folder)) if keeps_best else ""
    except TuitrainError:
        return ""  # the list tells what is wrong with it
