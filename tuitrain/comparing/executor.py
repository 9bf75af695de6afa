"""Where members run: one small interface, with an implementation for each kind of place.

A run is a folder, so there is little to say: an executor starts the trainer process of a folder somewhere, tells
whether it is still at it, and can end it. What the run did is read from its folder.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from tuitrain.rundir.places import RunFolder

JobState = Literal["waiting", "running", "done", "unknown"]
"""waiting: the engine has not begun with it. done: its process is gone, however it ended. unknown: this executor does
not know the handle, e.g. because the engine was restarted; the folder then tells alone."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run that is to be trained."""

    folder: RunFolder
    """Made, with its `run.json`; nobody is at work in it."""
    is_resumed: bool = False
    """Whether it goes on from the newest checkpoint in there."""
    slot: int = 0
    """Its place among those that run at once, from 0."""
    environment: dict[str, str] = field(default_factory=dict)
    """Variables of its process besides those that are there: threads, devices that it may see."""


class Executor(Protocol):
    """Starts trainers. Methods are called from one thread, and may take as long as the engine takes to answer."""

    name: str
    """E.g. "local"."""

    def submit(self, job: Job) -> str:
        """Start the trainer of a folder, or queue it with the engine.

        Returns:
            A handle: what `state` and `cancel` know it by, also in another process after this one is gone.

        Raises:
            TuitrainError: the engine refuses it, or cannot be reached.
        """
        ...

    def state(self, handle: str) -> JobState:
        """How it is with a job of this or of an earlier executor. Does not raise: see `unknown`."""
        ...

    def cancel(self, handle: str) -> None:
        """End a job at once, or take it out of the queue of the engine; one that is done is left alone."""
        ...

    def close(self) -> None:
        """Let go of the engine. Jobs that are at work go on where the engine can do that."""
        ...
