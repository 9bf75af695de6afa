"""What of a run is worth a bell or a message: its end, and alarms, but not each of a flood of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from tuitrain.protocol.events import AlarmRaised, RunEnded

QUIET_SECONDS = 60.0
"""After an alarm, others of its kind are not told for so long."""


class Occasions:
    """Tells which words are worth telling.

    Args:
        timer: seconds by a clock that never jumps.
    """

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._told_at: dict[str, float] = {}

    def of(self, word: object) -> Literal["end", "alarm"] | None:
        """What a word is an occasion for; None where it is none, or the last of its kind was just told."""
        if isinstance(word, RunEnded):
            return "end"
        if not isinstance(word, AlarmRaised):
            return None
        now = self._timer()
        if now - self._told_at.get(word.kind, float("-inf")) < QUIET_SECONDS:
            return None
        self._told_at[word.kind] = now
        return "alarm"
