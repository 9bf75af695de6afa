"""What is on its way to the terminal: the next picture waits until the terminal has answered for the last one.

A thin line holds megabytes of old pictures, and every key would be seen behind them. So each picture is followed by a
request for the cursor's position, which a terminal answers when it has come so far. At most one request is open.
A terminal that has not answered yet is drawn as if there were no line. One that has, and is silent now, is waited for:
its line stalls, and what is written meanwhile would only be older when it comes.
"""

from __future__ import annotations

import time
from collections.abc import Callable

REQUEST = "\x1b[6n"
_PATIENCE_SECONDS, _MOST_PATIENCE = 2.0, 10.0
_MUTE_SECONDS = 30.0
_MOST_BYTES_BEHIND = 16_000


class Line:
    """The state of the line to one terminal.

    Args:
        timer: seconds by a clock that never jumps.
    """

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._answers = False
        """Whether the terminal is known to answer; so it is from its first answer, until it is silent for long."""
        self._asked_at: float | None = None
        self._waits_until = 0.0
        self._seconds_for_last = 0.0
        self._bytes_behind = 0
        """Written since the open request."""

    @property
    def is_free(self) -> bool:
        """Whether the next picture may be written."""
        return not self._answers or self._asked_at is None or self._timer() >= self._waits_until

    @property
    def is_full(self) -> bool:
        """Whether so much came behind the last picture, as of a key that is held down, that all has to wait."""
        return not self.is_free and self._bytes_behind > _MOST_BYTES_BEHIND

    @property
    def expects_answer(self) -> bool:
        """Whether the answer to the open request is likely to come."""
        return self._asked_at is not None and (self._answers or self._timer() < self._waits_until)

    def wrote(self, num_bytes: int) -> bool:
        """Take note of what was written; True where a request has to follow it, which then is open."""
        if self._asked_at is None:
            self._ask()
            return True
        self._bytes_behind += num_bytes
        now = self._timer()
        if now >= self._waits_until:  # a picture that did not wait longer for the answer to the one before it
            self._answers = self._answers and now - self._asked_at < _MUTE_SECONDS
            self._waits_until = now + self._patience
        return False

    def answered(self) -> bool:
        """Take note of an answer; True where another request has to be written, for what came behind that one."""
        if self._asked_at is None:
            return False  # nobody asked: Ctrl+F3 looks like an answer in some terminals
        self._answers = True
        self._seconds_for_last = self._timer() - self._asked_at
        self._asked_at = None
        if self._bytes_behind:
            self._ask()
            return True
        return False

    def begin_anew(self) -> None:
        """Forget the open request: its answer went to another program, or nowhere."""
        self._asked_at = None

    @property
    def _patience(self) -> float:
        return min(max(_PATIENCE_SECONDS, 2 * self._seconds_for_last), _MOST_PATIENCE)

    def _ask(self) -> None:
        now = self._timer()
        self._asked_at, self._waits_until, self._bytes_behind = now, now + self._patience, 0


LINE = Line()
"""To the terminal of this process, which has one."""
