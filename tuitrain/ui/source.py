"""Where a screen's words come from: a thread that reads a run folder. The screen itself never touches a disk."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from tuitrain.board.board import Board, Word
from tuitrain.errors import TuitrainError
from tuitrain.protocol.carrier import CarrierStatus, CommandSeen, DamageSeen
from tuitrain.protocol.commands import Command
from tuitrain.protocol.printable import printable_output
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.rundir.presence import ScreenPresence
from tuitrain.rundir.private import read_end
from tuitrain.session.asking import send
from tuitrain.session.occasions import Occasions
from tuitrain.session.own_config import wants_bell
from tuitrain.session.reading import RunReader

_POLL_SECONDS = 0.1
_FULL_SECONDS = 0.01
_BEAT_SECONDS = 1.0
_MOST_WAITING = 4096
"""Words that wait to be folded; the reader of a long history waits for the screen, and no memory fills up."""


class Source(Protocol):
    """What the live screen needs of whatever it shows."""

    run: str
    """Id of the run."""
    folder: RunFolder
    board: Board
    refuses_because: str
    """Why nothing can be asked; empty where it can."""

    def start(self) -> None:
        """Begin to read."""

    def close(self) -> None:
        """Stop reading."""

    def drain(self, max_seconds: float) -> bool:
        """Fold waiting words into the board for at most so long; whether there were any."""

    def ask(self, command: Command) -> None:
        """Ask the run, without waiting; raises TuitrainError where that is not possible."""

    def output(self) -> str:
        """The end of what the training code printed."""


class LiveSource:
    """Follows a run, and tells it that a screen is attached; of a branch also the run that it leaves.

    Args:
        folder: of the run.
        is_beside: whether it is only drawn behind another one; it is not told then.
    """

    refuses_because = ""

    def __init__(self, folder: RunFolder, *, is_beside: bool = False) -> None:
        self.run = folder.id
        self.board = Board()
        self.folder = folder
        self.is_caught_up = False
        """Whether the whole history was read once."""
        self.beside: LiveSource | None = None
        """The run that this one is a branch of, once that is known and where it is there."""
        self._is_beside = is_beside
        self._occasions = Occasions()
        self._rings = threading.Event()
        self._words: deque[Word] = deque()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._read, name="reader", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def close(self) -> None:
        """Stop reading; does not wait for a disk that hangs."""
        self._closing.set()
        if self.beside is not None:
            self.beside.close()

    def drain(self, max_seconds: float) -> bool:
        """Fold waiting words into the board for at most so long; whether there were any."""
        has_news = _fold(self._words, self.board, max_seconds)
        return (self.beside is not None and self.beside.drain(max_seconds)) or has_news

    def ask(self, command: Command) -> None:
        """Write the command from another thread, so that a slow disk cannot freeze the screen."""
        threading.Thread(target=self._send, args=(command,), name="ask", daemon=True).start()

    def output(self) -> str:
        """The end of output.log."""
        return _tail(self.folder)

    def take_bell(self) -> bool:
        """Whether the run ended or raised an alarm while it was watched, since this was last asked."""
        if not self._rings.is_set():
            return False
        self._rings.clear()
        return True

    def _send(self, command: Command) -> None:
        try:
            send(self.folder, command)
        except TuitrainError as error:
            self._words.append(DamageSeen(line_number=0, detail=str(error)))

    def _look_for_parent(self) -> None:
        with suppress(TuitrainError, ValueError):
            parent = read_info(self.folder).parent
            folder = RunFolder(self.folder.path.with_name(parent)) if parent.strip(".") and "/" not in parent else None
            if folder is not None and folder.events_path.is_file():
                beside = LiveSource(folder, is_beside=True)
                beside.start()
                self.beside = beside
                if self._closing.is_set():
                    beside.close()

    def _read(self) -> None:
        if not self._is_beside:
            self._look_for_parent()
        reader = RunReader(self.folder)
        presence = ScreenPresence(self.folder)
        next_beat = 0.0
        while not self._closing.is_set():
            is_full = len(self._words) > _MOST_WAITING
            words = [] if is_full else reader.poll()
            self._words.extend(words)
            if self.is_caught_up and self._is_occasion(words) and wants_bell(self.folder):
                self._rings.set()
            now = time.monotonic()
            if now >= next_beat:
                next_beat = now + _BEAT_SECONDS
                if not reader.has_ended and not self._is_beside:
                    presence.beat()
            if not words:
                self.is_caught_up = self.is_caught_up or not is_full
                self._closing.wait(_FULL_SECONDS if is_full else _POLL_SECONDS)
        presence.leave()

    def _is_occasion(self, words: list[Word]) -> bool:
        """Whether anything of this is worth a bell; a trainer that is gone without a word has ended as well."""
        found = [self._occasions.of(word) for word in words]
        return any(found) or any(isinstance(word, CarrierStatus) and word.status == "lost" for word in words)


class ReplaySource:
    """Plays a recording by its own clock, through the same board.

    Args:
        folder: a run, at best one that has ended.
        speed: 1 is as it was.
        timer: seconds by a clock that never jumps.
    """

    refuses_because = "this is a replay"

    def __init__(self, folder: RunFolder, speed: float, timer: Callable[[], float] = time.monotonic) -> None:
        self.run = folder.id
        self.board = Board()
        self.folder = folder
        self.speed = speed
        self.is_playing = True
        self.position = 0.0
        """Seconds into the recording."""
        self.length = 0.0
        """Seconds of the recording, as far as it is read."""
        self._timer = timer
        self._recorded: list[Word] = []
        self._at: list[float] = []
        self._next = 0
        self._then = timer()
        self._thread = threading.Thread(target=self._read, name="reader", daemon=True)
        self._arrived: deque[Word] = deque()

    def start(self) -> None:
        """Read the recording."""
        self._thread.start()

    def close(self) -> None:
        """Nothing to stop: the reader ends by itself."""

    def drain(self, max_seconds: float) -> bool:
        """Move the clock on and fold what is due."""
        self._take_arrived()
        now = self._timer()
        if self.is_playing:
            self.position = min(self.length, self.position + (now - self._then) * self.speed)
        self._then = now
        deadline = time.monotonic() + max_seconds
        before = self._next
        while self._next < len(self._recorded) and self._at[self._next] <= self.position:
            self.board.apply(self._recorded[self._next])
            self._next += 1
            if time.monotonic() > deadline:
                break
        return self._next != before

    def seek(self, position: float) -> None:
        """Go to a second of the recording; the board is folded again from its beginning where that lies behind."""
        position = min(max(0.0, position), self.length)
        if position < self.position:
            self.board = Board()
            self._next = 0
        self.position = position
        self._then = self._timer()

    def ask(self, command: Command) -> None:
        """Refused: what is recorded cannot be steered."""
        del command
        raise TuitrainError("A replay takes no commands.", hint=f"tuitrain attach {self.run}, if it is alive.")

    def output(self) -> str:
        """The end of output.log."""
        return _tail(self.folder)

    def _read(self) -> None:
        reader = RunReader(self.folder)
        while True:
            words = reader.poll()
            if not words:
                break
            # How the folder looks now is no part of the recording, except that a lost run ended there.
            self._arrived.extend(word for word in words if not isinstance(word, CommandSeen))

    def _take_arrived(self) -> None:
        while self._arrived:
            word = self._arrived.popleft()
            if isinstance(word, CarrierStatus) and word.status == "live":
                continue
            seconds = getattr(word, "seconds", self.length)
            self.length = max(self.length, float(seconds))
            self._recorded.append(word)
            self._at.append(self.length)


def _fold(words: deque[Word], board: Board, max_seconds: float) -> bool:
    if not words:
        return False
    deadline = time.monotonic() + max_seconds
    while words:
        board.apply(words.popleft())
        if time.monotonic() > deadline:
            break
    return True


def _tail(folder: RunFolder, max_bytes: int = 65_536) -> str:
    try:
        return printable_output(read_end(folder.output_path, max_bytes).decode("utf-8", errors="replace"))
    except OSError as error:
        return f"output.log cannot be read: {error.strerror}"
