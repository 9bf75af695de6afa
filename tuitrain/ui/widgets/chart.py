"""A chart on the screen: keeps the lines of its figure, and rebuilds them only when they are wanted.

It knows nothing about runs. A screen hands it a `Figure`; what a person chose to see is a `ChartView`, which
the screen reads to build the next figure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.message import Message
from textual.reactive import var
from textual.strip import Strip
from textual.widget import Widget

from tuitrain.ui.widgets.figure import Figure, Word, XAxis
from tuitrain.ui.widgets.palette import Palette, markers_of, palette_of
from tuitrain.ui.widgets.plane import Plane, plane_of
from tuitrain.ui.widgets.plotting import draw

if TYPE_CHECKING:
    from textual import events
    from textual.theme import Theme

SMOOTHINGS = (0.0, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998)
"""Decay of the moving average at each smoothing index; 0 shows the raw series."""

_X_AXES: tuple[XAxis, ...] = ("step", "epoch", "seconds")
_CODES = re.compile(r"\x1b\[([0-9;]*)m")


@dataclass(frozen=True, slots=True)
class ChartView:
    """What a person chose to see of a chart. Immutable: each choice gives a new view."""

    is_log: bool = False
    smoothing: int = 2
    """Index into `SMOOTHINGS`."""
    window: int | None = None
    """How many of the last steps are followed; None means the whole run."""
    cursor: float | None = None
    """Where the reading line stands, in units of `x_axis`; None means there is none."""
    x_axis: XAxis = "step"
    is_maximised: bool = False

    @property
    def decay(self) -> float:
        """The decay of the moving average, in [0, 1)."""
        return SMOOTHINGS[self.smoothing]

    def toggled_log(self) -> ChartView:
        """Linear becomes logarithmic and back."""
        return replace(self, is_log=not self.is_log)

    def toggled_maximised(self) -> ChartView:
        """Alone on the screen, or one of several."""
        return replace(self, is_maximised=not self.is_maximised)

    def smoother(self) -> ChartView:
        """One smoothing further, up to the last."""
        return replace(self, smoothing=min(self.smoothing + 1, len(SMOOTHINGS) - 1))

    def rougher(self) -> ChartView:
        """One smoothing back, down to the raw series."""
        return replace(self, smoothing=max(self.smoothing - 1, 0))

    def following(self, num_steps: int | None) -> ChartView:
        """The last `num_steps` steps only, at least two; None for the whole run."""
        return replace(self, window=None if num_steps is None else max(num_steps, 2))

    def next_x_axis(self) -> ChartView:
        """By step, epoch, seconds, in turn. A cursor does not survive a change of units."""
        following = _X_AXES[(_X_AXES.index(self.x_axis) + 1) % len(_X_AXES)]
        return replace(self, x_axis=following, cursor=None)

    def placed_cursor(self, x: float | None) -> ChartView:
        """The reading line at `x`, or none."""
        return replace(self, cursor=x)

    def moved_cursor(self, fraction: float, span: tuple[float, float]) -> ChartView:
        """The reading line moved by a fraction of the visible range (low, high); it enters at the newest end."""
        low, high = span
        start = high if self.cursor is None else self.cursor + fraction * (high - low)
        return replace(self, cursor=min(max(start, low), high))


class Chart(Widget, can_focus=True):
    """Shows one figure: title in the top border, legend in the bottom one."""

    DEFAULT_CSS: ClassVar[str] = """
    Chart {
        border: round $foreground 14%;
        border-title-color: $foreground 85%;
        border-subtitle-color: $foreground 60%;
        border-subtitle-align: right;
        background: $background;
        padding: 0 1 0 0;
        &:focus { border: round $foreground 40%; border-title-color: $foreground; border-title-style: bold; }
    }
    """

    view: var[ChartView] = var(ChartView())

    @dataclass
    class CursorMoved(Message):
        """The mouse pointed at a place."""

        chart: Chart
        x: float | None
        """In units of the x axis; None when the mouse left the chart."""

        @property
        def control(self) -> Chart:
            """The chart, for `@on` selectors."""
            return self.chart

    @dataclass
    class ViewChanged(Message):
        """A person chose to see something else; the figure should be built anew."""

        chart: Chart
        view: ChartView

        @property
        def control(self) -> Chart:
            """The chart, for `@on` selectors."""
            return self.chart

    def __init__(
        self,
        figure: Figure | None = None,
        *,
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._figure = figure or Figure()
        self._palette: Palette | None = None
        self._plane: Plane | None = None
        self._strips: list[Strip] = []
        self._built_for: tuple[int, int] | None = None
        self._pointed_x: float | None = None

    @property
    def figure(self) -> Figure:
        """What the chart shows."""
        return self._figure

    @property
    def x_span(self) -> tuple[float, float] | None:
        """The visible range of x, as last drawn; None before that or without data."""
        return (self._plane.x_low, self._plane.x_high) if self._plane else None

    def set_figure(self, figure: Figure) -> None:
        """Shows another figure from the next frame on. An equal one costs nothing."""
        if figure != self._figure:
            self._figure = figure
            self._outdate()

    def render_line(self, y: int) -> Strip:
        """The y-th line of the chart, built together with all others when the first one is asked for."""
        size = (self.size.width, self.size.height)
        if self._built_for != size:
            palette = self._palette = self._palette or palette_of(self.app)
            self._plane = plane_of(self._figure, *size)
            base = self.rich_style
            self._strips = [strip_of(line, base) for line in draw(self._figure, *size, palette, markers_of(self.app))]
            self._built_for = size
        return self._strips[y] if y < len(self._strips) else Strip.blank(size[0], self.rich_style)

    def on_mount(self) -> None:
        """Takes its colours from the theme, now and whenever it changes."""
        self.app.theme_changed_signal.subscribe(self, self._on_theme_changed)
        self._outdate()

    def on_resize(self) -> None:
        """The legend has more room now, or less."""
        self._outdate()

    def watch_view(self, old: ChartView, new: ChartView) -> None:
        """Tells the screen, which builds the figure for the new view."""
        if old != new:
            self.post_message(self.ViewChanged(self, new))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Reports the x under the mouse."""
        place = event.get_content_offset(self)
        self._point_at(self._plane.x_at(place.x) if place is not None and self._plane else None)

    def on_leave(self) -> None:
        """Reports that the mouse points at nothing here."""
        self._point_at(None)

    def _point_at(self, x: float | None) -> None:
        if x != self._pointed_x:
            self._pointed_x = x
            self.post_message(self.CursorMoved(self, x))

    def _on_theme_changed(self, _theme: Theme) -> None:
        self._palette = None
        self._outdate()

    def _outdate(self) -> None:
        self._built_for = None
        if self.is_attached:
            palette = self._palette = self._palette or palette_of(self.app)
            self.border_title = Content(self._figure.title)
            self.border_subtitle = legend_of(self._figure, palette, max(8, self.outer_size.width - 6))
            self.refresh()


def legend_of(figure: Figure, palette: Palette, width: int) -> Content:
    """The legend of a figure in the colours of its roles, taken literally; words that do not fit are left out.

    Of entries that are left out it ends with their number, "+3".
    """
    if isinstance(figure.legend, str):
        return Content(figure.legend)
    words = list(figure.legend)
    room, left_out = width, 0
    while len(words) > 1 and (sum(len(word.text) for word in words) > room or words[-1].text.endswith(" ")):
        left_out += words.pop().is_entry  # a name without its value goes too
        room = width - len(_more(left_out))
    if left_out:
        words.append(Word(_more(left_out)))
    pieces = []
    for word in words:
        colour = palette.colour(word.role)
        style = " ".join([*(["bold"] if word.is_strong else []), *([f"rgb{colour}"] if colour else [])])
        pieces.append((word.text, style.replace(", ", ",")))
    return Content.assemble(*pieces)


def _more(num: int) -> str:
    return f"  +{num}" if num else ""


def strip_of(line: str, base: Style) -> Strip:
    """A line with the few ANSI codes of `plotting.draw` (truecolour and reset) as a strip over a base style."""
    segments = []
    style = base
    for index, part in enumerate(_CODES.split(line)):
        if index % 2:
            style = base + _style_of(part)
        elif part:
            segments.append(Segment(part, style))
    return Strip(segments)


@lru_cache(maxsize=512)
def _style_of(codes: str) -> Style:
    """The style of the codes between ESC[ and m; an empty one for a reset."""
    numbers = codes.split(";")
    colours = {
        number: Color.from_rgb(*(int(part) for part in numbers[start + 2 : start + 5]))
        for start, number in enumerate(numbers)
        if number in {"38", "48"} and numbers[start + 1 : start + 2] == ["2"]
    }
    return Style(color=colours.get("38"), bgcolor=colours.get("48"))
