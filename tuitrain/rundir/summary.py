"""One run in short: from `run.json`, labels, the end of the stream and the lock; a week costs no more than a minute."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec

from tuitrain.errors import RunFolderError
from tuitrain.protocol.carrier import RunInfo
from tuitrain.protocol.events import (
    EvalFinished,
    Event,
    Heartbeat,
    Paused,
    Resumed,
    RolledBack,
    RunEnded,
    RunStarted,
    RunState,
    StageEntered,
    StepsFinished,
)
from tuitrain.protocol.printable import printable_word
from tuitrain.protocol.version import other_version
from tuitrain.rundir.follower import EXCERPT_BYTES, last_events_backwards
from tuitrain.rundir.labels import read_labels
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.rundir.status import is_at_work

_WATCHED = "eval/loss"
_STATE_AT_END: dict[str, RunState] = {
    "finished": "finished",
    "stopped": "stopped",
    "aborted": "stopped",
    "failed": "failed",
}


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One run in a list of runs."""

    id: str
    path: str
    """As it is, so that it can be opened; who shows it makes it `printable`."""
    name: str = ""
    """That people gave it; empty where nobody did."""
    note: str = ""
    tags: tuple[str, ...] = ()
    preset: str = ""
    title: str = ""
    state: RunState = "lost"
    step: int = 0
    total_steps: int = 0
    """0 where it is not known."""
    best: dict[str, float] = {}
    best_step: int | None = None
    """Of the best validation loss; None where it is not known."""
    last: dict[str, float] = {}
    comparison: str = ""
    """What it is a member of: name of the comparison, a slash, key of the member; empty where it stands alone."""
    created: float = 0.0
    """Seconds since 1970."""
    host: str = ""
    pid: int = 0
    problem: str = ""
    """Why this is not the whole story; empty where it is."""

    @property
    def is_live(self) -> bool:
        """Whether its trainer is at work or waits."""
        return self.state in {"starting", "running", "paused"}

    @property
    def is_labelled(self) -> bool:
        """Whether somebody wrote a name, a note or a tag on it."""
        return bool(self.name or self.note or self.tags)


def summarize(folder: RunFolder) -> RunSummary:
    """One run in short; never fails: see `problem`."""
    problems: list[str] = []
    known: RunInfo | None = None
    try:
        known = read_info(folder)
        if newer := other_version(known.protocol_version):
            problems.append(f"{folder.info_path}: is {newer}.")
    except RunFolderError as error:
        problems.append(error.message)
    info = known or RunInfo(id=folder.id, preset_name="", title="", created=_modified(folder.path), session="", host="")
    progress = _Progress()
    try:
        # The trainer first: once it is gone nobody writes, so the end of the stream read after that is final.
        is_over = not is_at_work(folder, known)
        if not progress.read(folder):
            problems.append(f"{folder.events_path}: nothing in it can be read.")
        if is_over and not progress.has_ended:
            progress.state = "lost"
    except RunFolderError as error:
        problems.append(error.message)
        progress.state = "lost"
    labels, problem = read_labels(folder)
    if problem:
        problems.append(problem)
    summary = RunSummary(
        id=folder.id,
        path="",
        name=labels.name,
        note=labels.note,
        tags=labels.tags,
        preset=info.preset_name,
        title=info.title,
        state=progress.state,
        step=progress.step,
        total_steps=info.total_steps or progress.total_steps,
        best=progress.best,
        best_step=progress.best_step,
        last=progress.last,
        comparison=info.comparison,
        created=info.created,
        host=info.host,
        pid=info.pid,
        problem=" ".join(problems),
    )
    return msgspec.structs.replace(printable_word(summary), path=str(folder.path))  # the path opens it


class _Progress:
    """What the end of a stream tells: the newest word on each thing counts."""

    def __init__(self) -> None:
        self.state: RunState = "starting"
        self.has_ended = False
        self.step = 0
        self.total_steps = 0
        self.best: dict[str, float] = {}
        self.best_step: int | None = None
        self._is_best_known = False
        """Whether what comes can be compared with all that came before."""
        self.last: dict[str, float] = {}

    def read(self, folder: RunFolder) -> bool:
        """Fold the end of a stream; False where it has one and nothing in it is readable."""
        newest: list[Event] = []
        for event in last_events_backwards(folder.events_path):
            newest.append(event)
            if isinstance(event, Heartbeat | RunEnded | RunStarted):
                break
        else:
            # Neither a heartbeat nor a beginning within so much: it has begun, and says a lot.
            if _size(folder.events_path) > EXCERPT_BYTES:
                self.state = "running"
        for event in reversed(newest):
            self._add(event)
        return bool(newest) or _size(folder.events_path) == 0

    def _add(self, event: Event) -> None:
        self.step = max(self.step, getattr(event, "step", 0))
        self.has_ended = isinstance(event, RunEnded)
        match event:
            case RolledBack():
                self.step, self.total_steps = event.step, event.total_steps
            case StageEntered():
                self.state = "starting"
            case RunStarted():
                self.state, self.total_steps = "running", event.total_steps
                self._is_best_known = event.step == 0
            case Heartbeat():
                self.state, self.best, self.last = event.state, event.best, event.last
                self.best_step, self._is_best_known = event.best_step, True
            case RunEnded():
                self.state, self.best, self.last = _STATE_AT_END[event.reason], event.best, event.last
                self.best_step = event.best_step
            case Paused():
                self.state = "paused"
            case Resumed() | StepsFinished():
                self.state = "running"
            case EvalFinished():
                self.last = self.last | event.metrics
                loss = event.metrics.get(_WATCHED, math.nan)
                if self._is_best_known and loss < self.best.get(_WATCHED, math.inf):  # since the last heartbeat
                    self.best, self.best_step = self.best | {_WATCHED: loss}, event.step
            case _:
                pass


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
