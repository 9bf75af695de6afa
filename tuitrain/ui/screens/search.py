"""The search screen: the value over each parameter, the best so far, and the trials, as they come.

It draws what is known, four times a second at most and only when there is news. Runs are read by a thread; while that
holds the lock, drawing waits a tick.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static

from tuitrain.board.comparison import Comparison
from tuitrain.board.trials import Trial, Trials, trials_of
from tuitrain.comparing.best_preset import best_preset_text
from tuitrain.comparing.leaving import best_words
from tuitrain.errors import TuitrainError
from tuitrain.rundir.places import RunFolder
from tuitrain.session.exporting import write_text
from tuitrain.ui.actions import Action, bindings
from tuitrain.ui.compare_report import free_path
from tuitrain.ui.comparison_source import ComparisonSource
from tuitrain.ui.screens.comparing import ComparingScreen
from tuitrain.ui.screens.live import LiveScreen
from tuitrain.ui.screens.small import HelpSheet
from tuitrain.ui.search_actions import SEARCH_ACTIONS
from tuitrain.ui.search_figures import SearchView, is_log, parameter_figure, progress_figure
from tuitrain.ui.search_table import header_line, listed, signs, trial_table
from tuitrain.ui.source import LiveSource
from tuitrain.ui.widgets.chart import Chart
from tuitrain.ui.widgets.figure import Figure
from tuitrain.ui.widgets.footer import Footer

_CHART_WIDTH = 38
_MOST_CHARTS = 4
_TABLE_SHARE = 0.4
"""Of the height."""


class SearchScreen(ComparingScreen):
    """Shows a search.

    Args:
        source: where its trials come from.
        has_home: whether there is a screen to go back to.
    """

    CSS_PATH = "search.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(SEARCH_ACTIONS)]

    def __init__(self, source: ComparisonSource, *, has_home: bool = False) -> None:
        super().__init__(source, has_home=has_home)
        self.view = SearchView()
        self._found: Trials | None = None
        self._shown: list[Trial] = []
        """The trials of the table, in its order, as drawn last."""
        self._top, self._page = 0, 1

    def compose(self) -> ComposeResult:
        """Header, what a person should know, charts side by side, the trials, footer."""
        yield Static(id="head")
        yield Static(id="warning", markup=False)
        with Horizontal(id="charts"):
            for index in range(_MOST_CHARTS):
                yield Chart(id=f"chart-{index}")
        yield Static(id="table")
        yield Footer(id="footer")

    def on_mount(self) -> None:
        """Keys are for the table."""
        for chart in self.query(Chart):
            chart.can_focus = False

    def action_press(self, action: str) -> None:
        """Every key of the table comes through here."""
        match action:
            case "up" | "down" | "page_up" | "page_down" | "first" | "last":
                self._select(action)
            case "open" | "stop" | "stop_all" | "export":
                reason = self._why_not(action)
                if reason:
                    self.notify(f"Not now: {reason}.", severity="warning")
                else:
                    self._do(action)
            case "toggle_log":
                now = self._found is not None and is_log(self._found, self.view)
                self.view = replace(self.view, is_log=not now)
            case "next_charts":
                self.view = replace(self.view, page=self.view.page + 1)
            case "sort":
                self.view = replace(self.view, is_by_number=not self.view.is_by_number)
            case "help":
                self.app.push_screen(HelpSheet(self.refusal, SEARCH_ACTIONS))
            case "back" if self._has_home:
                self.app.pop_screen()
            case "leave":
                self.leave()
            case _:
                pass  # there is nothing to go back to
        self.redraw()

    def refusal(self, action: Action) -> str:
        """Why an action cannot be used now; empty where it can."""
        return self._why_not(action.id)

    def sentence(self, comparison: Comparison) -> str:
        """Which trial is the best."""
        return best_words(comparison)

    def draw(self, comparison: Comparison) -> None:
        """Show the search as it is now; called under the lock."""
        found = self._found = trials_of(comparison)
        self._shown = listed(found, self.view)
        if self._shown and self._chosen() is None:
            self.view = replace(self.view, selected=self._shown[0].key)
        width = max(20, self.size.width)
        self.query_one("#head", Static).update(
            header_line(found, comparison.plan.name, state=self._state(comparison), width=width)
        )
        self._show_remark(comparison)
        self._show_charts(found)
        self._show_table(found)
        shown = [action for action in SEARCH_ACTIONS if action.in_footer]
        self.query_one(Footer).show(shown, self.refusal, {"sort": "best first"} if self.view.is_by_number else {})

    def _state(self, comparison: Comparison) -> str:
        if self.source.is_scheduled:
            return "searching"
        if comparison.ended is not None:
            return {"finished": "done", "stopped": "stopped", "failed": "failed"}[comparison.ended.reason]
        return "reading" if not self.source.is_caught_up else "its scheduler is gone"

    def _show_remark(self, comparison: Comparison) -> None:
        ended = comparison.ended
        words = self.source.problem or (ended.message if ended is not None and ended.reason == "failed" else "")
        words = words or (comparison.remarks[-1] if comparison.remarks else "")
        widget = self.query_one("#warning", Static)
        widget.set_class(bool(words), "-raised")
        widget.update(Content(words).truncate(max(20, self.size.width - 2), ellipsis=True))

    def _show_charts(self, found: Trials) -> None:
        space = found.plan.space
        most = max(1, min(_MOST_CHARTS, self.size.width // _CHART_WIDTH))
        num_all = len(space) + 1
        first = self.view.page * most % num_all if num_all > most else 0
        if first >= num_all - most:
            first = max(0, num_all - most)
        for index, chart in enumerate(self.query(Chart)):
            chart.display = index < min(most, num_all)
            if chart.display:
                figure = self._figure(found, first + index)
                place = f"   {first + index + 1} of {num_all}" if num_all > most else ""
                chart.set_figure(replace(figure, title=f"{figure.title}{place}"))

    def _figure(self, found: Trials, index: int) -> Figure:
        if index == 0:
            return progress_figure(found, self.view)
        return parameter_figure(found, found.plan.space[index - 1], self.view)

    def _show_table(self, found: Trials) -> None:
        widget = self.query_one("#table", Static)
        height = max(5, round(self.size.height * _TABLE_SHARE))
        widget.styles.height = height
        table = trial_table(found, self._shown, self.view, max(20, self.size.width - 4), height - 2, self._top)
        self._top, self._page = table.top, table.page
        order = "the newest first" if self.view.is_by_number else "the best first"
        num = len(found.trials)
        widget.border_title = Content(f"{num} trial{'s' if num != 1 else ''}, {order}")
        widget.border_subtitle = Content(signs(found, max(20, self.size.width - 6)))
        lines = table.lines if found.trials else [Content.styled("No trial has begun yet.", "$foreground 55%")]
        widget.update(Content("\n").join(lines))

    def _chosen(self) -> Trial | None:
        return next((trial for trial in self._shown if trial.key == self.view.selected), None)

    def _why_not(self, action: str) -> str:
        chosen = self._chosen()
        is_working = chosen is not None and chosen.state in {"starting", "running", "paused", "waiting"}
        if action == "open" and (chosen is None or not chosen.run or chosen.state == "gone"):
            return "it was not launched yet" if chosen is None or not chosen.run else "its folder is gone"
        if action == "stop" and not is_working:
            return "the trial is not at work"
        if action == "stop_all" and not self.source.is_scheduled:
            return "nothing is searching"
        if action == "export" and (self._found is None or self._found.best is None):
            return "no trial is done"
        return ""

    def _select(self, action: str) -> None:
        chosen = self._chosen()
        if chosen is None:
            return
        offsets = {
            "up": -1, "down": 1, "page_up": -self._page, "page_down": self._page,
            "first": -len(self._shown), "last": len(self._shown),
        }  # fmt: skip
        place = max(0, min(len(self._shown) - 1, self._shown.index(chosen) + offsets[action]))
        self.view = replace(self.view, selected=self._shown[place].key)

    def _do(self, action: str) -> None:
        match action:
            case "open":
                self._open()
            case "stop":
                self._stop()
            case "stop_all":
                self._stop_all()
            case _:
                self._export()

    def _open(self) -> None:
        chosen = self._chosen()
        if chosen is not None:
            source = LiveSource(RunFolder(Path(chosen.run)))
            self.app.push_screen(LiveScreen(source, lambda: self.app.exit(0), has_home=True))

    def _stop(self) -> None:
        chosen = self._chosen()
        if chosen is not None:
            self.source.stop([chosen.key])
            self.notify(f"trial {chosen.number}: asked to stop", timeout=3)

    def _stop_all(self) -> None:
        self.source.stop_all()
        self.notify("the search: asked to stop; tuitrain search --resume goes on", timeout=5)

    @work(thread=True)
    def _export(self) -> None:
        """Write the preset, off the drawing thread."""
        try:
            with self.source.lock:
                content = best_preset_text(self.source.comparison)
            path = free_path(Path.cwd(), f"{self.source.comparison.plan.name}-best", ".toml")
            write_text(path, content, force=False)
        except TuitrainError as error:
            self.app.call_from_thread(self.notify, str(error), severity="error", markup=False)
            return
        self.app.call_from_thread(self.notify, f"wrote {path}\ntuitrain run {path.name}", timeout=10, markup=False)
