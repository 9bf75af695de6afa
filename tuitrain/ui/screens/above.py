"""A screen that lies above the live one, which keeps reading: it draws what the board knows, when there is news."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events
from textual.screen import Screen
from textual.widgets import Static

from tuitrain.board.board import Board
from tuitrain.ui.frames import TICK_SECONDS, Frames
from tuitrain.ui.source import ReplaySource

if TYPE_CHECKING:
    from tuitrain.ui.screens.live import LiveScreen


class ScreenAbove(Screen[None]):
    """Draws four times a second at most; has a `#transport` for replays.

    Args:
        live: the screen below, whose source is shown and who answers the keys that both share.
    """

    def __init__(self, live: LiveScreen) -> None:
        super().__init__()
        self._live = live
        self._drawn: object = None
        """What `news` gave when it was drawn last."""
        self._frames = Frames()

    def on_mount(self) -> None:
        """Begin to draw."""
        self.set_class(isinstance(self._live.source, ReplaySource), "-replay")
        self.set_interval(TICK_SECONDS, self._tick)

    def on_resize(self, _event: events.Resize) -> None:
        """Show what fits."""
        self.outdate()

    def outdate(self) -> None:
        """Draw at the next tick, whatever the frame rate."""
        self._drawn = None
        self._frames.hurry()

    def news(self, board: Board) -> object:
        """What differs when there is something to draw: a run says the same words in the same order, always."""
        return board.num_words

    def draw(self, board: Board) -> None:
        """Show the board as it is now."""
        raise NotImplementedError

    def _tick(self) -> None:
        if not self._frames.is_due or not self.is_current:
            return
        with self._frames.drawing():
            if isinstance(self._live.source, ReplaySource):
                self._live.show_transport(self.query_one("#transport", Static))
            board = self._live.source.board
            news = self.news(board)
            if self._drawn != news:
                self._drawn = news
                self.draw(board)
