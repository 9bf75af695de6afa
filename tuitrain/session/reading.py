"""Everything that a screen can know of a run, from its folder: what it said, what it was asked, whether it lives."""

from __future__ import annotations

import time

from tuitrain.errors import TuitrainError
from tuitrain.protocol.carrier import CarrierStatus, CommandSeen, DamageSeen
from tuitrain.protocol.events import CommandApplied, CommandRefused, Event, RunEnded
from tuitrain.protocol.printable import printable_word
from tuitrain.rundir.commands import CommandReader, DamagedCommand
from tuitrain.rundir.follower import EventFollower, torn_line
from tuitrain.rundir.places import RunFolder
from tuitrain.rundir.status import CarrierWatch

Word = Event | CarrierStatus | CommandSeen | DamageSeen

_STATUS_SECONDS = 0.5


class RunReader:
    """Reads one run again and again, for people: see `protocol.printable`.

    Every call may touch the disk: keep it off the drawing thread.
    """

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
        self._told: set[tuple[str, object]] = set()

    @property
    def has_ended(self) -> bool:
        """Whether the last word was read."""
        return self._has_ended

    def poll(self) -> list[Word]:
        """What is new: first what was said, then what was asked, then how the folder looks, if that changed.

        Once it looks ended or lost nobody writes any more, and everything that was said is told before that is.
        """
        words = self._said()
        if not words:  # the backlog first: its replies tell which commands are old
            words += self._asked()
            words += self._changed_status()
        return [printable_word(word) for word in words]

    def _said(self) -> list[Word]:
        try:
            events = self._events.poll()
        except (OSError, TuitrainError) as error:
            return self._told_once(str(error))
        for event in events:
            if isinstance(event, CommandApplied | CommandRefused):
                self._answered.add(event.command)
            if not isinstance(event, DamageSeen):
                self._has_ended = isinstance(event, RunEnded)
        self._has_grown = self._has_grown or bool(events)
        return [*events]

    def _asked(self) -> list[Word]:
        try:
            found = self._commands.poll()
        except TuitrainError as error:
            return self._told_once(str(error))
        words: list[Word] = []
        for item in found:
            if isinstance(item, DamagedCommand):
                words += self._told_once(f"commands/{_printable(item.name)}: is no command: {item.detail}")
            elif item.id not in self._answered:
                words.append(CommandSeen(request=item))
        return words

    def _told_once(self, problem: str, place: object = None) -> list[Word]:
        """Said at its first time: what is wrong with a folder is found again at every look."""
        if (problem, place) in self._told:
            return []
        self._told.add((problem, place))
        return [DamageSeen(line_number=0, detail=problem)]

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
        words: list[Word] = []
        if status.status in {"lost", "ended"}:
            # It may have said more, and died, between our reading of the stream and our asking for the lock.
            while said := self._said():
                words += said
            # An unfinished last line is in progress while the run lives, and torn once it is dead.
            if torn := self._events.lines.num_unfinished_bytes():
                words += self._told_once(torn_line(torn), self._events.lines.position)
        return [*words, status]


def _printable(name: str) -> str:
    """A file name as one line: it may hold anything but a slash."""
    return name.encode("unicode_escape", errors="surrogateescape").decode("ascii", errors="replace")
