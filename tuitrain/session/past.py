"""Where the sessions before left a run: what a further one goes on from, and what it leaves as it was if it fails."""

from __future__ import annotations

from dataclasses import dataclass, field

from tuitrain.protocol.events import RunEnded
from tuitrain.rundir.follower import last_events
from tuitrain.rundir.places import RunFolder
from tuitrain.rundir.summary import summarize


@dataclass(frozen=True)
class Past:
    """What a folder tells of the sessions before."""

    sequence: int = 0
    seconds: float = 0.0
    step: int = 0
    best: dict[str, float] = field(default_factory=dict)
    best_step: int | None = None
    last: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: RunFolder) -> Past:
        """Read it, before this session says anything.

        Raises:
            RunFolderError: the stream is there and cannot be read.
        """
        events = last_events(folder.events_path)
        stands = summarize(folder)
        return cls(
            sequence=max((event.seq for event in events), default=0),
            seconds=max((event.seconds for event in events), default=0.0),
            step=stands.step,
            best=stands.best,
            best_step=stands.best_step,
            last=stands.last,
        )

    def after_failing(self, message: str, trace: str) -> RunEnded:
        """The last word of a session that failed before its first step: the run stands where it stood."""
        return RunEnded(
            step=self.step, reason="failed", message=f"could not go on: {message}", traceback=trace, best=self.best,
            best_step=self.best_step, last=self.last, could_not_begin=True,
        )  # fmt: skip
