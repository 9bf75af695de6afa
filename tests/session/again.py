"""Runs that are trained here, in this process, in a folder of their own: fast, and exactly as a worker does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuitrain.preset import load_preset, preset_from_data
from tuitrain.protocol.commands import Command
from tuitrain.protocol.events import CommandApplied, CommandRefused
from tuitrain.rundir.follower import read_events
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.session.branching import BranchPoint, branch_point, make_branch
from tuitrain.session.recorded import Recorded, recorded
from tuitrain.session.rerunning import Comparer, Comparison, as_preset
from tuitrain.session.start import create_run
from tuitrain.session.worker import open_hosting

SMALL = (
    "task.hidden=[16]", "task.norm=batch", "task.num_train=640", "train.batch_size=16", "train.steps=120",
    "eval.every_steps=20", "regularize.dropout=0.2",
)  # fmt: skip
LOSS = "batch/loss"


def trained(*overrides: str, moments: Sequence[dict[str, Any]] = (), name: str = "mnist-mlp") -> RunFolder:
    """A whole run."""
    preset = load_preset(name, [*SMALL, *overrides])
    return work(create_run(preset_from_data({**preset.to_data(), "moment": list(moments)}, "test")))


def work(folder: RunFolder, *, is_resumed: bool = False) -> RunFolder:
    """Train in a folder that is ready."""
    with RunLock.acquire(folder):
        open_hosting(folder, "stop", is_resumed=is_resumed).work()
    return folder


def branched(parent: RunFolder, at: str, *commands: Command) -> RunFolder:
    """A whole branch."""
    point: BranchPoint = branch_point(parent, at)
    return work(make_branch(point, commands), is_resumed=point.checkpoint is not None)


def rerun_here(folder: RunFolder) -> Comparison:
    """Train a run again, and compare."""
    record = recorded(folder)
    again = work(create_run(preset_from_data(as_preset(read_info(folder), record), "test")))
    return compared(record, again)


def losses(folder: RunFolder) -> dict[int, float]:
    """The batch loss of every step of the way to the end."""
    return dict(recorded(folder).values(LOSS))


def last_checksum(folder: RunFolder) -> str:
    """Of the weights at the end."""
    record: Recorded = recorded(folder)
    return record.evaluations[max(record.evaluations)].checksum


def replies(folder: RunFolder) -> list[str]:
    """Ids of all commands that were answered, in order."""
    return [event.command for event in read_events(folder) if isinstance(event, CommandApplied | CommandRefused)]


def compared(record: Recorded, again: RunFolder) -> Comparison:
    """What a rerun that is done comes to."""
    comparer = Comparer(record)
    for event in read_events(again):
        comparer.take(event)
    return comparer.result
