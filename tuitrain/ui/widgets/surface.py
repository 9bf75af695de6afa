"""The race on a surface, as a widget; and its table beside it."""

from __future__ import annotations

from typing import ClassVar

from textual.content import Content
from textual.strip import Strip
from textual.theme import Theme
from textual.widget import Widget
from textual.widgets import Static

from tuitrain.ui.race import RaceView, legend_words, table_lines
from tuitrain.ui.widgets.chart import legend_of, strip_of
from tuitrain.ui.widgets.figure import Figure
from tuitrain.ui.widgets.palette import Palette, markers_of, palette_of
from tuitrain.ui.widgets.terrain import draw_race


class SurfacePanel(Widget, can_focus=True):
    """Shows one race: the surface and its formula in the top border, the racers in the bottom one."""

    DEFAULT_CSS: ClassVar[str] = """
    SurfacePanel {
        border: round $foreground 14%;
        border-title-color: $foreground 85%;
        border-subtitle-color: $foreground 60%;
        border-subtitle-align: right;
        background: $background;
        padding: 0 1 0 0;
        &:focus { border: round $foreground 40%; border-title-color: $foreground; border-title-style: bold; }
    }
    """

    def __init__(self, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._view: RaceView | None = None
        self._palette: Palette | None = None
        self._strips: list[Strip] = []
        self._built_for: tuple[int, int] | None = None

    @property
    def view(self) -> RaceView | None:
        """What it shows."""
        return self._view

    def set_view(self, view: RaceView | None) -> None:
        """Shows another moment from the next frame on. The same one costs nothing."""
        if view is None or (self._view is not None and view.key == self._view.key):
            return
        self._view = view
        self._outdate()

    def render_line(self, y: int) -> Strip:
        """The y-th line, built together with all others when the first one is asked for."""
        size = (self.size.width, self.size.height)
        if self._view is None:
            return Strip.blank(size[0], self.rich_style)
        if self._built_for != size:
            palette = self._palette = self._palette or palette_of(self.app)
            markers = markers_of(self.app)
            self._strips = [strip_of(line, self.rich_style) for line in draw_race(self._view, *size, palette, markers)]
            self._built_for = size
        return self._strips[y] if y < len(self._strips) else Strip.blank(size[0], self.rich_style)

    def on_mount(self) -> None:
        """Takes its colours from the theme, now and whenever it changes."""
        self.app.theme_changed_signal.subscribe(self, self._on_theme_changed)

    def on_resize(self) -> None:
        """The legend has more room now, or less."""
        self._outdate()

    def _on_theme_changed(self, _theme: Theme) -> None:
        self._palette = None
        self._outdate()

    def _outdate(self) -> None:
        self._built_for = None
        if self._view is None or not self.is_attached:
            return
        palette = self._palette = self._palette or palette_of(self.app)
        self.border_title = Content(f"{self._view.spec.name}   {self._view.spec.formula}")
        legend = Figure(legend=legend_words(self._view))
        self.border_subtitle = legend_of(legend, palette, max(8, self.outer_size.width - 6))
        self.refresh()


class RacePanel(Static):
    """Who is where: the value now, and the step at which it was near the lowest."""

    DEFAULT_CSS = """
    RacePanel {
        height: auto; border: round $foreground 14%; padding: 0 1; border-title-color: $foreground 85%; display: none;
    }
    """

    def on_mount(self) -> None:
        """Name the panel."""
        self.border_title = "race"

    def show(self, view: RaceView) -> None:
        """Show a race."""
        self.update(Content("\n").join(table_lines(view, max(20, self.content_size.width or 30))))
