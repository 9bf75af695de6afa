"""When a screen may draw: so many times a second at most, when the terminal has shown the last picture, and never so
long that nothing else gets its turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tuitrain.ui.line import LINE

TICK_SECONDS = 0.05
"""Between two looks at whether there is something to draw."""
FRAME_SECONDS = 0.25
"""Between two frames, at least."""
DRAW_SHARE = 0.25
"""Of the time between two frames that drawing may take: keys and reading have the rest, on a slow terminal too."""


class Frames:
    """The pace of one screen.

    Args:
        timer: seconds by a clock that never jumps.
    """

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._next = 0.0

    @property
    def is_due(self) -> bool:
        """Whether a frame may be drawn now."""
        return self._timer() >= self._next and LINE.is_free

    def hurry(self) -> None:
        """The next frame may be drawn at once, as after a key."""
        self._next = 0.0

    @contextmanager
    def drawing(self, least_seconds: float = FRAME_SECONDS) -> Iterator[None]:
        """Around the drawing of a frame: the next one is due so much later at least, more where it took long."""
        began = self._timer()
        yield
        now = self._timer()
        self._next = now + max(least_seconds, (now - began) / DRAW_SHARE)
