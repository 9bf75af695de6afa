"""A live screen over a recording, without a run behind it: what is asked is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from textual.app import App
from textual.pilot import Pilot

from tests.recordings import HERE
from tuitrain.board.board import Board, Word
from tuitrain.protocol.commands import Command
from tuitrain.rundir.follower import read_events
from tuitrain.rundir.places import RunFolder
from tuitrain.ui.app import TuitrainApp
from tuitrain.ui.screens.live import LiveScreen
from tuitrain.ui.widgets.chart import Chart


class FakeSource:
    """Gives the first words of a recording, then whatever a test adds."""

    refuses_because = ""

    def __init__(self, name: str, num_words: int | None = None) -> None:
        self.run = name
        self.folder = RunFolder(HERE / name)
        self.board = Board()
        self.asked: list[Command] = []
        words: list[Word] = [*read_events(self.folder)]
        self.waiting = words[:num_words]

    def start(self) -> None:
        """Nothing to start."""

    def close(self) -> None:
        """Nothing to close."""

    def drain(self, max_seconds: float) -> bool:
        """Fold what waits."""
        words, self.waiting = self.waiting, []
        for word in words:
            self.board.apply(word)
        return bool(words)

    def ask(self, command: Command) -> None:
        """Keep it."""
        self.asked.append(command)

    def output(self) -> str:
        """What was printed."""
        return "printed by training code"


@asynccontextmanager
async def watched(
    source: FakeSource, size: tuple[int, int] = (120, 40)
) -> AsyncIterator[tuple[LiveScreen, Pilot[int]]]:
    """The live screen over a source, once it has drawn it."""
    app = TuitrainApp(source)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(lambda: isinstance(app.screen, LiveScreen) and source.board.num_words > 0)
        screen = app.screen
        assert isinstance(screen, LiveScreen)
        await until(lambda: any(chart.figure.curves for chart in screen.query(Chart)))
        yield screen, pilot


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for a condition while the app works."""
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come")


def text_of(app: App[int]) -> str:
    """What stands on the screen, without colours."""
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in lines)
