"""The live screen over a run of 20 steps a second, with no run behind it; tests start it in a terminal.

The last row of each picture says when it was drawn: `%12.345%`, by the clock that never jumps.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable

from tests.ui.watching import FakeSource
from tuitrain.protocol.commands import Command
from tuitrain.protocol.events import Column, RunEnded, StepsFinished
from tuitrain.ui.app import TuitrainApp
from tuitrain.ui.screens.live import LiveScreen
from tuitrain.ui.widgets.footer import Footer

STEPS_PER_SECOND = 20.0


class Endless(FakeSource):
    """A recording that goes on for ever."""

    def __init__(self) -> None:
        super().__init__("20260101-0900-mnist-mlp-5eed")
        ended = self.waiting.pop()
        assert isinstance(ended, RunEnded)
        self._first, self._began = ended.step + 1, time.monotonic()
        self._seconds, self._num = ended.seconds, 0

    def drain(self, max_seconds: float) -> bool:
        """Fold the steps since the last time."""
        wanted = int((time.monotonic() - self._began) * STEPS_PER_SECOND)
        for index in range(self._num, wanted):
            step = self._first + index
            values = {"batch/loss": 1 + math.sin(step / 3), "batch/gradient_norm": 2 + math.cos(step / 5)}
            columns = tuple(Column(metric=metric, first_step=step, values=[x]) for metric, x in values.items())
            seconds = self._seconds + index / STEPS_PER_SECOND
            self.waiting.append(StepsFinished(seq=1000 + index, time=0.0, seconds=seconds, step=step, columns=columns))
        self._num = max(self._num, wanted)
        return super().drain(max_seconds)

    def ask(self, command: Command) -> None:
        """Take it; or break, where a test wants that."""
        if os.environ.get("BREAKS"):
            raise RuntimeError("broken on purpose")


def draw_stamped(screen: LiveScreen, draw: Callable[[LiveScreen], None] = LiveScreen.draw) -> None:
    """Draw, and say in the last row when, where the keys would stand."""
    draw(screen)
    screen.query_one(Footer).update(f"%{time.monotonic():.3f}%")


if __name__ == "__main__":
    setattr(LiveScreen, "draw", draw_stamped)  # noqa: B010
    app = TuitrainApp(Endless())
    app.run()
    sys.exit(app.return_code or 0)
