"""Where the compare screen's curves come from: a thread that reads. The screen itself never touches a disk.

One thread alone uses the reader. The comparison is changed while that thread holds the lock, for a moment at a time;
the screen draws under the same lock, and comes again a little later where it is taken.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from tuitrain.board.comparison import Comparison
from tuitrain.comparing.folder import ComparisonFolder
from tuitrain.errors import TuitrainError

_POLL_SECONDS = 0.25
_BLOCK_SECONDS = 0.03
"""For how long a poll holds the lock while there is much to read."""
_HAND_OVER_SECONDS = 0.005


class Reader(Protocol):
    """What is needed of a `ComparisonReader`."""

    folder: ComparisonFolder | None
    comparison: Comparison
    problem: str
    is_scheduled: bool

    @property
    def num_unread_bytes(self) -> int:
        """What was written and not read yet."""

    def want(self, metrics: Iterable[str]) -> None:
        """Keep these metrics of each step as well."""

    def offered(self) -> set[str]:
        """Metrics that some run measures at steps."""

    def poll(self, max_seconds: float = 0.2) -> bool:
        """Read what is new; whether anything was."""

    def stop(self, keys: Iterable[str]) -> None:
        """Ask members to stop; raises TuitrainError."""

    def stop_all(self) -> None:
        """Ask the whole comparison to stop; raises TuitrainError."""

    def close(self) -> None:
        """Let go of what is open."""


class ComparisonSource:
    """Follows a comparison.

    Args:
        reader: of it; used by one thread of this source alone.
    """

    def __init__(self, reader: Reader) -> None:
        self.lock = threading.Lock()
        """Held by whoever reads or changes the comparison."""
        self.folder = reader.folder
        self.problem = ""
        """Why the journal cannot be read; empty where it can."""
        self.is_scheduled = False
        """Whether a scheduler is at work."""
        self.is_caught_up = False
        """Whether all that there was has been read once."""
        self.num_unread_bytes = 0
        self.read_share = 0.0
        """Share of what there was to read that is read, 0 to 1."""
        self.offered: frozenset[str] = frozenset()
        """Metrics that some run measures at steps, wanted or not."""
        self.version = 0
        """Grows with everything that was read."""
        self._reader = reader
        self._most_unread = 0
        self._requests: deque[Callable[[], None]] = deque()
        self._refusals: deque[str] = deque()
        self._stirred = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._read, name="comparison reader", daemon=True)

    @property
    def comparison(self) -> Comparison:
        """What is known; to be read under `lock`."""
        return self._reader.comparison

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def close(self) -> None:
        """Stop reading; does not wait for a disk that hangs."""
        self._closing.set()
        self._stirred.set()

    def want(self, metric: str) -> None:
        """Read a metric of each step as well, soon."""
        self._request(lambda: self._reader.want({metric}))

    def stop(self, keys: Iterable[str]) -> None:
        """Ask members to stop, without waiting."""
        wanted = list(keys)
        self._request(lambda: self._reader.stop(wanted))

    def stop_all(self) -> None:
        """Ask the whole comparison to stop, without waiting."""
        self._request(self._reader.stop_all)

    def take_refusals(self) -> list[str]:
        """Why something that was asked could not be, since this was last asked."""
        found = []
        while self._refusals:
            found.append(self._refusals.popleft())
        return found

    def _request(self, request: Callable[[], None]) -> None:
        self._requests.append(request)
        self._stirred.set()

    def _read(self) -> None:
        while not self._closing.is_set():
            self._grant_requests()
            with self.lock:
                has_news = self._reader.poll(_BLOCK_SECONDS)
                self.version += has_news
            self._note_state()
            self._stirred.clear()
            if not self._requests:
                self._stirred.wait(_HAND_OVER_SECONDS if self.num_unread_bytes else _POLL_SECONDS)
        self._reader.close()

    def _grant_requests(self) -> None:
        while self._requests:
            request = self._requests.popleft()
            try:
                request()
            except TuitrainError as error:
                self._refusals.append(str(error))

    def _note_state(self) -> None:
        reader = self._reader
        before = (self.problem, self.is_scheduled, self.offered, self.num_unread_bytes)
        unread = reader.num_unread_bytes
        self._most_unread = max(self._most_unread, unread) if unread else 0
        self.read_share = 1.0 - unread / self._most_unread if self._most_unread else 1.0
        self.is_caught_up = self.is_caught_up or not unread
        self.problem, self.is_scheduled, self.num_unread_bytes = reader.problem, reader.is_scheduled, unread
        self.offered = frozenset(reader.offered())
        self.version += before != (self.problem, self.is_scheduled, self.offered, self.num_unread_bytes)
