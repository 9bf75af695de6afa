"""Everything that a screen can know of a run, from its folder: what it said, what it was asked, whether it lives."""

from __future__ import annotations

import time

from tuitrain.errors import TuitrainError
from tuitrain.protocol.carrier import CarrierStatus, CommandSeen, DamageSeen
from tuitrain.protocol.commands import Request
from tuitrain.protocol.events import CommandApplied, CommandRefused, Event, RunEnded
from tuitrain.rundir.commands import CommandReader
from tuitrain.rundir.follower import EventFollower
from tuitrain.rundir.places import RunFolder
from tuitrain.rundir.status import CarrierWatch

Word = Event | CarrierStatus | CommandSeen | DamageSeen

_STATUS_SECONDS = 0.5


class RunReader:
    """Reads one run again and again. Every call may touch the disk: keep it off the drawing thread."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._answered: set[str] = set()
        self._events = EventFollower(folder)
        self._commands = CommandReader(folder, self._answered)
        self._watch = CarrierWatch(folder)
        self._has_ended = False
        self._has_grown = False
        self._next_status = 0.0
        self._status: CarrierStatus | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the last word was read."""
        return self._has_ended

    def poll(self) -> list[Word]:
        """What is new: first what was said, then what was asked, then how the folder looks, if that changed."""
        words: list[Word] = []
        try:
            events = self._events.poll()
        except (OSError, TuitrainError):
            events = []
        for event in events:
            if isinstance(event, CommandApplied | CommandRefused):
                self._answered.add(event.command)
            if not isinstance(event, DamageSeen):
                self._has_ended = isinstance(event, RunEnded)
            words.append(event)
        self._has_grown = self._has_grown or bool(events)
        if not events:  # the backlog first: its replies tell which commands are old
            words += self._asked()
            words += self._changed_status()
        return words

    def _asked(self) -> list[Word]:
        try:
            found = self._commands.poll()
        except TuitrainError:
            return []
        return [
            CommandSeen(request=item) for item in found if isinstance(item, Request) and item.id not in self._answered
        ]

    def _changed_status(self) -> list[Word]:
        now = time.monotonic()
        if now < self._next_status:
            return []
        self._next_status = now + _STATUS_SECONDS
        status = self._watch.poll(has_ended=self._has_ended, has_grown=self._has_grown)
        self._has_grown = False
        if self._status is not None and status.status == self._status.status:
            return []
        self._status = status
        # An unfinished last line is in progress while the run lives, and torn once it is dead.
        torn = len(self._events.unfinished()) if status.status in {"lost", "ended"} else 0
        damage = [DamageSeen(line_number=0, detail=f"a torn last line of {torn} bytes was skipped")] if torn else []
        return [*damage, status]
