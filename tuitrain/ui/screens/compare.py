"""The compare screen: all runs in one chart, a table under it, and the verdict between them.

It draws what is known, four times a second at most and only when there is news. What a person chose is a
`CompareView`; each key gives another one. Runs are read by a thread; while that holds the lock, drawing waits a tick.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Input, Static

from tuitrain.board.cautions import cautions
from tuitrain.board.comparison import Comparison, MemberView
from tuitrain.comparing.outcome import more_seeds_words
from tuitrain.rundir.places import RunFolder
from tuitrain.ui.actions import Action, bindings
from tuitrain.ui.compare_actions import COMPARE_ACTIONS, COMPARE_BY_ID
from tuitrain.ui.compare_figure import Overlay, reading
from tuitrain.ui.compare_report import report_words
from tuitrain.ui.compare_rows import Row, Rows, sort_there, sorts_there
from tuitrain.ui.compare_table import compare_table
from tuitrain.ui.compare_verdict import Verdicts, verdict_lines, verdict_sheet
from tuitrain.ui.compare_view import CompareView, SortName
from tuitrain.ui.compare_words import detail_line, header_line, warnings
from tuitrain.ui.comparison_source import ComparisonSource
from tuitrain.ui.late_keys import type_late
from tuitrain.ui.screens.care import LabelSheet
from tuitrain.ui.screens.comparing import ComparingScreen
from tuitrain.ui.screens.live import LiveScreen
from tuitrain.ui.screens.small import HelpSheet
from tuitrain.ui.screens.stopping import StopSheet, VerdictSheet, stop_choices, target_of, why_no_target
from tuitrain.ui.source import LiveSource
from tuitrain.ui.widgets.chart import Chart
from tuitrain.ui.widgets.footer import Footer

_LEAST_CHART, _CHART_SHARE = 10, 0.4
"""Lines that the chart keeps; in a low terminal so much of the height."""
_TALL = 30
"""Lines from which on two warnings are shown."""
_MOST_TABLE = 0.45
"""Share of the height that the table may take."""


class CompareScreen(ComparingScreen):
    """Shows a comparison.

    Args:
        source: where its curves come from.
        has_home: whether there is a screen to go back to.
    """

    CSS_PATH = "compare.tcss"
    AUTO_FOCUS = ""  # after a dialog the filter would take every key, seen or not
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(COMPARE_ACTIONS)]
    READING_SECONDS = 1.0  # drawing many runs would delay their reading

    def __init__(self, source: ComparisonSource, *, has_home: bool = False) -> None:
        super().__init__(source, has_home=has_home)
        plan = source.comparison.plan
        targets = () if plan.target is None else ((plan.metric, plan.target),)
        self.view = CompareView(metric=plan.metric, targets=targets)
        self._rows, self._overlay, self._verdicts = Rows(), Overlay(), Verdicts(self._on_ranked)
        self._shown: list[Row] = []
        """The rows of the table, as drawn last."""
        self._offered: list[str] = []
        self._sorts: tuple[SortName, ...] = ()
        self._words_before = ""
        """The filter as it was before it was edited."""
        self._top, self._page = 0, 1

    def compose(self) -> ComposeResult:
        """Header, what a person should know, chart, verdict, table, the chosen row, footer."""
        yield Static(id="head")
        yield Static(id="warning", markup=False)
        yield Chart(id="overlay")
        yield Static(id="verdict")
        yield Static(id="table")
        yield Static(id="detail")
        hint = "label, state, seed, parameter=value"
        yield Input(id="filter", placeholder=hint, compact=True, select_on_focus=False)
        yield Footer(id="footer")

    def on_mount(self) -> None:
        """Keys are for the table."""
        self.query_one("#overlay").can_focus = False

    def is_covered(self) -> bool:
        """A run hides it; a sheet leaves its edges."""
        return isinstance(self.app.screen, LiveScreen)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys belong to the filter while it is typed; escape ends it."""
        is_typing = any(words.display for words in self.query("#filter"))  # it goes before its screen does
        return not (action == "press" and is_typing and parameters[0] != "back")

    def action_press(self, action: str) -> None:
        """Every key of the table comes through here; one that comes while the screen goes is late."""
        if not self.query("#filter"):
            return
        reason = self.refusal(COMPARE_BY_ID[action])
        if reason:
            self.notify(f"Not now: {reason}.", severity="warning")
            return
        match action:
            case "up" | "down" | "page_up" | "page_down" | "first" | "last":
                self._select(action)
            case "open":
                self._open()
            case "stop" | "target" | "filter" | "verdict":
                {"stop": self._ask_stop, "target": self._ask_target, "filter": self._ask_words,
                 "verdict": self._show_verdict}[action]()  # fmt: skip
            case "report":
                self._report()
            case "help":
                self.app.push_screen(HelpSheet(self.refusal, COMPARE_ACTIONS))
            case "back":
                self._go_back()
            case "leave":
                self.leave()
            case _:
                self._look(action)
        self.redraw()

    def refusal(self, action: Action) -> str:
        """Why an action cannot be used now; empty where it can."""
        row = self._chosen()
        if action.id == "open":
            if row is not None and len(row.members) == 1 and row.members[0].state == "gone":
                return "its folder is gone"
            is_there = row is not None and (len(row.members) > 1 or bool(row.members and row.members[0].run))
            return "" if is_there else "it was not launched yet"
        if action.id == "stop":
            return "" if row is not None and stop_choices(row, self._all_members()) else "nothing is at work"
        if action.id in {"hide", "only"} and row is None:
            return "there are no runs"
        if action.id in {"smoother", "rougher"} and not self.view.metric.startswith("batch/"):
            return f"{self.view.metric} is measured in evaluations, which are not smoothed"
        if action.id == "bands" and not any(len(row.members) > 1 for row in self._shown):
            return "each arm has one run, which has no spread; several --seeds give one"
        return ""

    def sentence(self, comparison: Comparison) -> str:
        """The verdict as it was worked out last."""
        ranking = self._verdicts.ranking(comparison, comparison.plan.metric)
        return "" if ranking is None else ranking.sentence

    def draw(self, comparison: Comparison) -> None:
        """Show the comparison as it is now; called under the lock."""
        self._offered = comparison.metrics(self.source.offered)
        self._sorts = sorts_there(comparison, self.view)
        view = replace(self.view, sort=sort_there(comparison, self.view))
        self._shown = self._rows.listed(comparison, view)
        arms = [row for row in self._shown if not row.is_member]
        chosen = self._chosen()
        self.query_one("#head", Static).update(header_line(self.source, max(20, self.size.width - 2)))
        self._show_warnings(arms)
        for layout in ("chart", "table"):
            self.set_class(view.layout == layout, f"-{layout}")
        chart = self.query_one(Chart)
        looked_at = view if chosen is None else replace(view, selected=chosen.id)
        if view.layout != "table":
            columns = max(8, chart.size.width - 8)
            figure = self._overlay.figure(comparison, arms, looked_at, columns)
            chart.set_figure(figure)
            looked_at = replace(looked_at, cursor=figure.cursor)
            self.view = replace(self.view, cursor=figure.cursor)
        width = max(20, self.size.width - 2)
        ranking = self._verdicts.ranking(comparison, view.metric)
        is_over = comparison.is_done or not comparison.is_aim(view.metric)
        verdict = verdict_lines(ranking, is_done=is_over, width=width)
        self.query_one("#verdict", Static).update(verdict)
        if view.layout != "chart":
            self._show_table(comparison, looked_at, len(verdict.split("\n")))
        self.query_one("#detail", Static).update(detail_line(chosen, view, width))
        self._show_footer()
        if isinstance(self.app.screen, VerdictSheet):
            self.app.screen.show(self._ranking_of(comparison))

    def _show_warnings(self, arms: list[Row]) -> None:
        found = warnings(self.source, arms, self.view)
        widget = self.query_one("#warning", Static)
        widget.set_class(bool(found), "-raised")
        most = 2 if self.size.height >= _TALL else 1
        shown = [words if index < most - 1 or len(found) <= most else f"{words}   (and {len(found) - most} more)"
                 for index, words in enumerate(found[:most])]  # fmt: skip
        if found:
            widget.update(Content("\n").join(Content(words) for words in shown), layout=True)

    def _show_table(self, comparison: Comparison, view: CompareView, num_verdict_lines: int) -> None:
        widget = self.query_one("#table", Static)
        # The frame takes two lines, the headers one; header, detail and footer one each.
        chart = min(_LEAST_CHART, round(_CHART_SHARE * self.size.height))
        most = self.size.height - 4 - num_verdict_lines - chart
        most = max(4, min(round(self.size.height * _MOST_TABLE), most))
        height = (
            self.size.height - 3 - num_verdict_lines
            if view.layout == "table"
            else max(4, min(len(self._shown) + 3, most))
        )
        if view.layout != "table":
            widget.styles.height = height
        else:
            widget.styles.height = "1fr"
        readings: dict[str, float | None] = {}
        if view.cursor is not None:
            for row in self._shown[self._top : self._top + height]:
                xs, ys = self._overlay.mean_line(comparison, row, view)
                readings[row.id] = reading(xs.tolist(), ys.tolist(), view.cursor)
        table = compare_table(self._shown, view, readings, max(20, self.size.width - 4), height - 2, self._top)
        self._top, self._page = table.top, table.page
        by = f"sorted by {view.sort}" if view.sort != "order" else ""
        widget.border_title = Content("  ".join(word for word in (table.title, by) if word))
        words = f'holding "{view.words}"   esc shows all' if view.words else ""
        widget.border_subtitle = Content(words)
        widget.update(Content("\n").join(table.lines))

    def _show_footer(self) -> None:
        chosen = self._chosen()
        is_folded = chosen is not None and len(chosen.members) > 1
        is_open = chosen is not None and chosen.id in self.view.opened
        is_hidden = chosen is not None and chosen.id in self.view.hidden
        titles = {
            "open": ("fold" if is_open else "members") if is_folded else "open",
            "hide": "show" if is_hidden else "hide",
            "only": "all" if self.view.only else "only",
        }
        shown = [action for action in COMPARE_ACTIONS if action.in_footer]
        self.query_one(Footer).show(shown, self.refusal, titles)

    def _chosen(self) -> Row | None:
        """The row that the arrow is at; the first where it is gone."""
        found = next((row for row in self._shown if row.id == self.view.selected), None)
        return found or (self._shown[0] if self._shown else None)

    def _all_members(self) -> list[MemberView]:
        return list(self.source.comparison.members.values())

    def _select(self, action: str) -> None:
        chosen = self._chosen()
        if chosen is None:
            return
        offsets = {
            "up": -1, "down": 1, "page_up": -self._page, "page_down": self._page,
            "first": -len(self._shown), "last": len(self._shown),
        }  # fmt: skip
        place = max(0, min(len(self._shown) - 1, self._shown.index(chosen) + offsets[action]))
        self.view = replace(self.view, selected=self._shown[place].id)

    def _look(self, action: str) -> None:
        view, chosen = self.view, self._chosen()
        span = self.query_one(Chart).x_span
        row = chosen.id if chosen is not None else ""
        changes: dict[str, Callable[[], CompareView]] = {
            "metric": lambda: view.turned_metric(self._offered, 1),
            "previous_metric": lambda: view.turned_metric(self._offered, -1),
            "position": view.next_position,
            "hide": lambda: view.toggled(row),
            "only": lambda: view.toggled_only(chosen.arm if chosen is not None else ""),
            "sort": lambda: view.next_sort(self._sorts),
            "reverse": lambda: replace(view, is_reversed=not view.is_reversed),
            "toggle_log": lambda: view.toggled_log(is_log=self.query_one(Chart).figure.is_log),
            "smoother": lambda: view.smoothed_by(1),
            "rougher": lambda: view.smoothed_by(-1),
            "window": view.next_window,
            "bands": view.next_bands,
            "layout": view.next_layout,
            "cursor_left": lambda: view.moved_cursor(-1, span),
            "cursor_right": lambda: view.moved_cursor(1, span),
            "cursor_far_left": lambda: view.moved_cursor(-1, span, is_far=True),
            "cursor_far_right": lambda: view.moved_cursor(1, span, is_far=True),
        }
        self.view = replace(changes[action](), selected=row)
        if self.view.metric != view.metric and self.view.metric.startswith("batch/"):
            self.source.want(self.view.metric)
        if action == "bands":
            self.notify(f"bands: {self.view.bands}", timeout=2)

    def _open(self) -> None:
        chosen = self._chosen()
        if chosen is None:
            return
        if len(chosen.members) > 1:
            self.view = replace(self.view.toggled_opened(chosen.id), selected=chosen.id)
            return
        source = LiveSource(RunFolder(Path(chosen.members[0].run)))
        live = LiveScreen(source, lambda: self.app.exit(0), has_home=True)
        self.app.push_screen(live)

    def _go_back(self) -> None:
        words = self.query_one("#filter", Input)
        if words.display:
            words.display = False
            self.set_focus(None)
            self.view = replace(self.view, words=self._words_before)
            return
        before = self.view.back()
        if before is not None:
            self.view = before
        elif self._has_home:
            self.app.pop_screen()

    def _ask_words(self) -> None:
        words = self.query_one("#filter", Input)
        self._words_before = self.view.words
        words.value = self.view.words
        words.cursor_position = len(words.value)
        words.display = True
        self.set_focus(words)

    def take_late_key(self, event: events.Key) -> bool:
        """Give a key that came too early for the filter to it; False where it is not open."""
        words = self.query_one("#filter", Input)
        return words.display and type_late(words, event)

    @on(Input.Changed, "#filter")
    def _narrow(self, event: Input.Changed) -> None:
        if event.input.display:
            self.view = replace(self.view, words=event.value)
            self.redraw()

    @on(Input.Submitted, "#filter")
    def _keep_words(self, event: Input.Submitted) -> None:
        event.input.display = False
        self.set_focus(None)
        self.view = replace(self.view, words=event.value)
        self.redraw()

    def _ask_target(self) -> None:
        def aim(typed: str | None) -> None:
            if typed is not None:
                self.view = self.view.aimed(target_of(typed))
                self.redraw()

        now = "" if self.view.target is None else f"{self.view.target:g}"
        words = f"The value of {self.view.metric} that counts as reached; a moving average of 0.98 at each step."
        words = words if self.view.metric.startswith("batch/") else words.partition(";")[0] + "."
        self.app.push_screen(LabelSheet("target", f"{words} Empty takes it away.", now, why_no_target), aim)

    def _ask_stop(self) -> None:
        chosen = self._chosen()
        choices = stop_choices(chosen, self._all_members()) if chosen is not None else []

        def stop(choice: int | None) -> None:
            if choice is None:
                return
            if choices[choice].is_all:
                self.source.stop_all()
            else:
                self.source.stop(choices[choice].keys)
            self.notify(f"asked: {choices[choice].words}", timeout=3, markup=False)

        self.app.push_screen(StopSheet([choice.words for choice in choices]), stop)

    def _on_ranked(self) -> None:
        self._is_dirty = True  # from another thread: seen at the next tick

    @work(thread=True)
    def _report(self) -> None:
        self.app.call_from_thread(self.notify, report_words(self.source, Path.cwd()), timeout=8, markup=False)

    def _show_verdict(self) -> None:
        with self.source.lock:
            ranking = self._ranking_of(self.source.comparison)
        self.app.push_screen(VerdictSheet(ranking))

    def _ranking_of(self, comparison: Comparison) -> Callable[[int], Content]:
        """The ranking as it is now, for a number of columns; called under the lock."""
        metric = self.view.metric
        ranking = self._verdicts.ranking(comparison, metric)
        return partial(
            verdict_sheet, ranking, metric, told=cautions(comparison),
            more=more_seeds_words(comparison, ranking) if ranking is not None else "",
            is_lower_better=comparison.is_lower_better(metric), is_done=comparison.is_done,
            is_aim=comparison.is_aim(metric),
        )  # fmt: skip

    @on(Chart.CursorMoved)
    def _on_pointed(self, event: Chart.CursorMoved) -> None:
        self.view = replace(self.view, cursor=event.x)
        self.redraw()
