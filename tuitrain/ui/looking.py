"""How a person looks at a run: which chart, which window, where the cursor stands. No widgets, no colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from tuitrain.board.board import Board
from tuitrain.protocol.plan import LearningRatePlan
from tuitrain.ui.figures import CHARTS, Sight
from tuitrain.ui.widgets.chart import ChartView

_WINDOWS: tuple[int | None, ...] = (None, 200, 1_000, 5_000, 20_000, 100_000)
SURFACE = "surface"
"""Id of the picture of a race, beside the charts."""
_FINE, _FAR = 0.01, 0.1

Layout = Literal["wide", "narrow", "single"]
"""wide: charts and panels. narrow: charts and a strip. single: one chart and a strip."""


@dataclass
class Look:
    """What a person chose. The charts share window, x axis and cursor, so that they can be compared."""

    views: dict[str, ChartView] = field(default_factory=lambda: {chart: ChartView() for chart in (SURFACE, *CHARTS)})
    focused: str = CHARTS[0]
    is_maximised: bool = False
    is_side_hidden: bool = False
    has_surface: bool = False
    """Whether the run is a race on a surface, which is then the first of the charts."""
    sight: Sight = field(default_factory=Sight)

    def __post_init__(self) -> None:
        """The gradient norm spans decades."""
        self.views["norm"] = self.views["norm"].toggled_log()

    def layout(self, width: int, height: int) -> Layout:
        """What fits a terminal of so many cells."""
        if width < 72 or height < 20:
            return "single"
        return "narrow" if width < 104 or self.is_side_hidden else "wide"

    def shown_charts(self, layout: Layout, *, is_crowded: bool = False) -> tuple[str, ...]:
        """Ids of the charts in view; where a dialog leaves little room, the two that it is about."""
        if self.has_surface and (is_crowded or layout != "wide"):
            return (self.focused,)
        if is_crowded and layout != "single":
            return ("loss", "rate")
        if self.is_maximised or layout == "single":
            return (self.focused,)
        if self.has_surface:
            return (SURFACE, *(("norm", "eval") if self.focused in {"norm", "eval"} else ("loss", "rate")))
        return CHARTS

    def show_surface(self) -> None:
        """The run is a race: its picture comes first."""
        if not self.has_surface:
            self.has_surface, self.focused = True, SURFACE

    def focus_by(self, offset: int) -> None:
        """Focus the chart so many places on."""
        charts = (SURFACE, *CHARTS) if self.has_surface else CHARTS
        self.focused = charts[(charts.index(self.focused) + offset) % len(charts)]

    def toggle_log(self) -> None:
        """Of the focused chart."""
        self._change(self.views[self.focused].toggled_log())

    def smooth_by(self, offset: int) -> None:
        """Of the focused chart."""
        view = self.views[self.focused]
        self._change(view.smoother() if offset > 0 else view.rougher())

    def next_window(self, total_steps: int) -> str:
        """Follow the next longer stretch, of all charts; says which."""
        useful = [window for window in _WINDOWS if window is None or window < max(total_steps, 400)]
        now = self.views[self.focused].window
        window = useful[(useful.index(now) + 1) % len(useful)] if now in useful else None
        self.views = {chart: view.following(window) for chart, view in self.views.items()}
        return "whole run" if window is None else f"last {window:,} steps".replace(",", " ")

    def next_x_axis(self) -> str:
        """Of all charts; says which."""
        self.views = {chart: view.next_x_axis() for chart, view in self.views.items()}
        return self.views[self.focused].x_axis

    def next_metric(self, known: Sequence[str]) -> None:
        """The next of the metrics that are evaluated on both sides."""
        if known:
            now = known.index(self.sight.metric) if self.sight.metric in known else -1
            self.sight = replace(self.sight, metric=known[(now + 1) % len(known)])

    def move_cursor(self, step_now: int, direction: int, *, is_far: bool = False) -> None:
        """Move the cursor over what is in view; it enters at the newest step and leaves there."""
        window = self.views[self.focused].window
        first = 0 if window is None else max(0, step_now - window)
        stride = max(1, round((step_now - first) * (_FAR if is_far else _FINE)))
        start = step_now if self.sight.cursor is None else self.sight.cursor
        target = max(first, start + direction * stride)
        self.sight = replace(self.sight, cursor=None if target >= step_now and direction > 0 else min(target, step_now))

    def put_cursor(self, step: int | None) -> None:
        """Put the cursor at a step, or take it away."""
        self.sight = replace(self.sight, cursor=step)

    def put_beside(self, board: Board | None) -> None:
        """Draw another run faint behind this one."""
        if board is not self.sight.beside:
            self.sight = replace(self.sight, beside=board)

    def propose(self, plan: LearningRatePlan | None) -> None:
        """Think about a plan, or no more."""
        self.sight = replace(self.sight, proposed=plan)

    def back(self) -> bool:
        """Undo the nearest of: cursor, maximised. False where there was nothing to undo."""
        if self.sight.cursor is not None:
            self.put_cursor(None)
            return True
        if self.is_maximised:
            self.is_maximised = False
            return True
        return False

    def _change(self, view: ChartView) -> None:
        self.views = {**self.views, self.focused: view}
