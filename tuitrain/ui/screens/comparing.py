"""What the screens of a comparison and of a search share: a source that a thread reads, and when it is drawn."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.screen import Screen

from tuitrain.board.comparison import Comparison
from tuitrain.comparing.leaving import leaving_words
from tuitrain.ui.comparison_source import ComparisonSource
from tuitrain.ui.frames import FRAME_SECONDS, TICK_SECONDS, Frames

_LEAVE_SECONDS = 0.5
"""For how long leaving waits for it: a disk may hang."""
_LOCK_SECONDS = 0.02
"""For how long drawing waits for the thread that reads."""


class ComparingScreen(Screen[None]):
    """Draws four times a second at most, only when there is news, and never while the source is being changed.

    Args:
        source: what is shown; this screen starts and closes it.
        has_home: whether there is a screen to go back to.
    """

    READING_SECONDS: ClassVar[float] = FRAME_SECONDS
    """Between two frames while there is much to read; a key is answered at once."""

    def __init__(self, source: ComparisonSource, *, has_home: bool = False) -> None:
        super().__init__()
        self.source = source
        self._has_home = has_home
        self._drawn_version = -1
        self._is_dirty = True
        self._frames = Frames()

    def on_mount(self) -> None:
        """Begin to read and to draw."""
        self.source.start()
        self.set_interval(TICK_SECONDS, self._tick)

    def on_unmount(self) -> None:
        """Stop reading."""
        self.source.close()

    def on_resize(self, _event: events.Resize) -> None:
        """Show what fits."""
        self.redraw()

    def on_screen_resume(self) -> None:
        """Back from a run."""
        self.redraw()

    def redraw(self) -> None:
        """Draw at the next tick, whatever the frame rate."""
        self._is_dirty = True
        self._frames.hurry()

    def is_covered(self) -> bool:
        """Whether nothing of it can be seen, so that drawing would be for nobody."""
        return self.app.screen is not self

    def leave(self) -> None:
        """End the app; what was opened from home says here how it stands, else whoever started the app does."""
        words = ""
        if self._has_home and self.source.is_caught_up and self.source.lock.acquire(timeout=_LEAVE_SECONDS):
            try:
                comparison = self.source.comparison
                words = leaving_words(comparison, self.sentence(comparison), is_scheduled=self.source.is_scheduled)
            finally:
                self.source.lock.release()
        self.app.exit(0, message=words or None)

    def sentence(self, comparison: Comparison) -> str:
        """The verdict in a sentence; empty where there is none yet."""
        raise NotImplementedError

    def draw(self, comparison: Comparison) -> None:
        """Show the comparison as it is now; called under the lock."""
        raise NotImplementedError

    def _tick(self) -> None:
        for refusal in self.source.take_refusals():
            self.notify(refusal, severity="warning", markup=False)
        has_news = self._is_dirty or self._drawn_version != self.source.version
        if not self._frames.is_due or not has_news or self.is_covered():
            return
        if not self.source.lock.acquire(timeout=_LOCK_SECONDS):
            return
        try:
            self._is_dirty, self._drawn_version = False, self.source.version
            with self._frames.drawing(FRAME_SECONDS if self.source.is_caught_up else self.READING_SECONDS):
                self.draw(self.source.comparison)
        finally:
            self.source.lock.release()
