"""The pace: fast demos slowed down to what an eye can follow, while someone watches. The numbers never change."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """Says how long to wait before the next step.

    Args:
        max_steps_per_second: above 0; None means as fast as it goes.
        is_watched: whether a screen is attached.
        timer: seconds by a clock that never jumps.
    """

    def __init__(
        self,
        max_steps_per_second: float | None,
        is_watched: Callable[[], bool],
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self.max_steps_per_second = max_steps_per_second
        self._is_watched = is_watched
        self._timer = timer
        self._next = 0.0

    @property
    def is_holding(self) -> bool:
        """Whether it slows the run down at the moment."""
        return self.period > 0.0

    @property
    def period(self) -> float:
        """Seconds between two steps while it holds; else 0."""
        return 1.0 / self.max_steps_per_second if self.max_steps_per_second is not None and self._is_watched() else 0.0

    def delay(self) -> float:
        """Seconds to wait before the next step; 0 when it is late or nobody watches."""
        period = self.period
        if not period:
            self._next = 0.0
            return 0.0
        now = self._timer()
        # A step that came late does not make the following ones hurry.
        self._next = max(self._next + period, now)
        return self._next - now
