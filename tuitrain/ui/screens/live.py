"""The live screen: four charts, the optimizer, what happened. Also the screen of a replay.

It draws what the board knows, four times a second at most, and only what is in view. A key asks; the answer
changes the board, and the board the picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static

from tuitrain.errors import TuitrainError
from tuitrain.protocol.commands import Command, PreviewSwitch
from tuitrain.protocol.events import CommandRefused
from tuitrain.rundir.places import RunFolder
from tuitrain.ui import steering
from tuitrain.ui.actions import BY_ID, FOOTER, RACE_FOOTER, Action, bindings
from tuitrain.ui.composing import BranchWish, effect_of, form_for, preview_for, proposed_plan
from tuitrain.ui.figures import CHARTS, figure_of
from tuitrain.ui.frames import TICK_SECONDS, Frames
from tuitrain.ui.looking import SURFACE, Look
from tuitrain.ui.race import race_view
from tuitrain.ui.screens.keys import press
from tuitrain.ui.screens.layers import LayersScreen
from tuitrain.ui.screens.measures import MeasuresScreen
from tuitrain.ui.source import LiveSource, ReplaySource, Source
from tuitrain.ui.text import duration
from tuitrain.ui.widgets.chart import Chart
from tuitrain.ui.widgets.composer import Composer
from tuitrain.ui.widgets.footer import Footer
from tuitrain.ui.widgets.header import Header
from tuitrain.ui.widgets.panels import JournalPanel, OptimizerPanel, Strip
from tuitrain.ui.widgets.surface import RacePanel, SurfacePanel

_FOLD_SECONDS = 0.03
_ROOM_FOR_FOUR = 32
"""Lines that four charts and a dialog need."""


class LiveScreen(Screen[None]):
    """Shows one run.

    Args:
        source: where its words come from.
        on_leave: called when a person presses the key for leaving.
        has_home: whether there is a screen to go back to.
    """

    @dataclass
    class BranchWanted(Message):
        """A person wants a branch of the run that is shown."""

        folder: RunFolder
        wish: BranchWish

    CSS_PATH = "live.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings()]
    AUTO_FOCUS = "#loss"

    def __init__(self, source: Source, on_leave: Callable[[], None], *, has_home: bool = False) -> None:
        super().__init__()
        self.source = source
        self.look = Look()
        self._leave_run = on_leave
        self.has_home = has_home
        self._frames = Frames()
        self._is_dirty = True
        self._told: set[str] = set()
        self._previewed: PreviewSwitch | None = None

    def compose(self) -> ComposeResult:
        """Header, charts beside panels, strip, footer; the composer between them."""
        yield Header(id="header")
        yield Static(id="alarm", markup=False)
        with Horizontal(id="body"):
            with Container(id="charts"):
                yield SurfacePanel(id=SURFACE)
                for chart in CHARTS:
                    yield Chart(id=chart)
            with Vertical(id="side"):
                yield RacePanel(id="race-panel")
                yield OptimizerPanel(id="optimizer-panel")
                yield JournalPanel(id="journal")
        yield Composer(id="composer")
        yield Strip(id="strip")
        yield Static(id="transport")
        yield Footer(id="footer")

    def on_mount(self) -> None:
        """Begin to read and to draw."""
        self.set_class(isinstance(self.source, ReplaySource), "-replay")
        self.source.start()
        self.lay_out()
        self.set_interval(TICK_SECONDS, self._tick)

    def on_unmount(self) -> None:
        """Stop reading."""
        self.source.close()

    def on_resize(self, _event: events.Resize) -> None:
        """Show what fits."""
        self.lay_out()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys belong to the composer while it is open; what the run refuses is greyed."""
        if action != "press":
            return True
        if any(composer.is_open for composer in self.query(Composer)):  # it goes before its screen does
            return False
        pressed = BY_ID[str(parameters[0])]
        return pressed.group != "replay" or isinstance(self.source, ReplaySource)

    def action_press(self, action: str) -> None:
        """Every key of the table comes through here."""
        press(self, action)

    def take_late_key(self, event: events.Key) -> bool:
        """Give a key that came too early for the composer to it; False where it is not open."""
        return self.query_one(Composer).take_late(event)

    def leave(self) -> None:
        """The person leaves; what that means is for whoever opened the screen."""
        self._leave_run()

    def _tick(self) -> None:
        has_news = self.source.drain(_FOLD_SECONDS)
        self._is_dirty = self._is_dirty or has_news
        if isinstance(self.source, LiveSource):
            if has_news:
                self._tell_refusals()
            if self.source.take_bell():
                self.app.bell()
        if not self._frames.is_due or not (self._is_dirty or isinstance(self.source, ReplaySource)):
            return
        if any(isinstance(screen, LayersScreen | MeasuresScreen) for screen in self.app.screen_stack):
            return  # it covers this one
        with self._frames.drawing():
            self.draw()

    def draw(self) -> None:
        """Show the board as it is now."""
        self._is_dirty = False
        self._show_effect()
        board = self.source.board
        beside = self.source.beside if isinstance(self.source, LiveSource) else None
        self.look.put_beside(beside.board if beside is not None else None)
        self.show_header(self.query_one(Header))
        self._show_race()
        for chart in self.query(Chart):
            if chart.has_class("-shown") and chart.id is not None:
                columns = max(8, chart.size.width - 8)
                chart.set_figure(figure_of(chart.id, board, self.look.views[chart.id], self.look.sight, columns))
        if self.has_class("-wide"):
            self.query_one(OptimizerPanel).show(board)
            self.query_one(JournalPanel).show(board)
        else:
            self.query_one(Strip).show(board)
        self._show_alarm()
        self.show_transport(self.query_one("#transport", Static))
        titles = self.footer_titles()
        if self.look.is_maximised:
            titles["maximise"] = "all charts"
        self.query_one(Footer).show(FOOTER if board.race is None else RACE_FOOTER, self.refusal, titles)

    def _show_race(self) -> None:
        """The picture of a run on a surface, from the first time that it is known to be one."""
        view = race_view(self.source.board, self.look.sight.cursor)
        if view is None:
            return
        if not self.look.has_surface:
            self.look.show_surface()
            self.add_class("-race")
            self.lay_out()
        self.query_one(SurfacePanel).set_view(view)
        if self.has_class("-wide"):
            self.query_one(RacePanel).show(view)

    def show_header(self, header: Header) -> None:
        """Show the state of the run in a header, here or on a screen above."""
        source = self.source
        is_reading = isinstance(source, LiveSource) and not source.is_caught_up
        note = "replay" if isinstance(source, ReplaySource) else ""
        header.show(source.run, source.board, is_reading=is_reading, note=note)

    def footer_titles(self) -> dict[str, str]:
        """Titles of actions that depend on what the run does now."""
        if isinstance(self.source, ReplaySource):
            return {"toggle_pause": "pause" if self.source.is_playing else "play"}
        return {"toggle_pause": "resume" if self.source.board.is_paused else "pause"}

    def refusal(self, action: Action) -> str:
        """Why an action cannot be used now; empty where it can."""
        if isinstance(self.source, ReplaySource) and action.id in {"toggle_pause", "slower", "faster"}:
            return ""
        return steering.refusal(action, self.source)

    def _show_alarm(self) -> None:
        board = self.source.board
        alarms = [entry for entry in board.log[-50:] if entry.kind == "alarm"]
        words = ""
        if board.ended is not None and board.ended.reason == "failed":
            words = f"failed at step {board.ended.step}: {board.ended.message}   (w shows the traceback)"
        elif board.state == "lost":
            detail = board.carrier.detail if board.carrier is not None else ""
            words = f"lost at step {board.step}: {detail}"
        elif board.is_paused and board.pause_reason not in {"asked", "stepped"}:
            advice = alarms[-1].detail if alarms else ""
            words = f"paused: {board.pause_reason}. {advice}"
        widget = self.query_one("#alarm", Static)
        widget.set_class(bool(words), "-raised")
        if words:
            widget.update(words, layout=True)

    def show_transport(self, widget: Static) -> None:
        """Show how far a replay is, here or on a screen above."""
        source = self.source
        if isinstance(source, ReplaySource):
            width = max(10, self.size.width - 44)
            done = int(width * source.position / source.length) if source.length else 0
            state = "▶" if source.is_playing else "‖"
            clock = f"{duration(source.position)} / {duration(source.length)}"
            bar = f"{'━' * done}{'─' * (width - done)}"
            widget.update(f"{state} {bar} {clock}  ×{source.speed:g}  , . seek")

    def lay_out(self) -> None:
        """Show the charts that fit and are wanted."""
        layout = self.look.layout(self.size.width, self.size.height)
        is_composing = self.is_mounted and self.query_one(Composer).is_open
        is_crowded = is_composing and self.size.height < _ROOM_FOR_FOUR
        shown = self.look.shown_charts(layout, is_crowded=is_crowded)
        for name in ("wide", "narrow", "single"):
            self.set_class(layout == name, f"-{name}")
        self.set_class(len(shown) == 1, "-one")
        self.set_class(len(shown) == 2, "-two")
        for chart in (*self.query(Chart), *self.query(SurfacePanel)):
            chart.set_class(chart.id in shown, "-shown")
        if self.is_mounted and not is_composing:
            self.set_focus(self.query_one(f"#{self.look.focused}"))
        self.redraw()

    def redraw(self) -> None:
        """Draw at the next tick, whatever the frame rate."""
        self._is_dirty = True
        self._frames.hurry()

    def _tell_refusals(self) -> None:
        for identity, reply in list(self.source.board.replies.items())[-5:]:
            if identity not in self._told:
                self._told.add(identity)
                is_recent = self.source.board.seconds - reply.seconds < 3.0
                if isinstance(reply, CommandRefused) and is_recent:
                    told = f"{reply.reason} Try: {reply.hint}" if reply.hint else reply.reason
                    self.notify(told, title="refused", severity="warning")

    def ask(self, command: Command) -> None:
        """Ask the run; the picture changes when it answers."""
        try:
            self.source.ask(command)
        except TuitrainError as error:
            self.notify(str(error), severity="warning")
        self.redraw()

    def ask_for(self, action: str) -> None:
        """Ask what an action asks, or say why not."""
        reason = self.refusal(BY_ID[action])
        if reason:
            self.notify(f"Not now: {reason}.", severity="warning")
            return
        try:
            self.ask(steering.command_for(action, self.source.board))
        except TuitrainError as error:
            self.notify(str(error), severity="warning")

    def compose_for(self, action: str) -> None:
        """Open the composer for an action, or say why not."""
        reason = self.refusal(BY_ID[action])
        if reason:
            self.notify(f"Not now: {reason}.", severity="warning")
        else:
            self.query_one(Composer).open(form_for(action, self.source.board))

    @on(Composer.Changed)
    def _on_composed(self, event: Composer.Changed) -> None:
        preview = None if event.command is None else preview_for(event.command)
        if preview is not None and preview != self._previewed:
            self._previewed = preview
            self.ask(preview)
        self.redraw()

    def _show_effect(self) -> None:
        composer = self.query_one(Composer)
        command = composer.command if composer.is_open else None
        try:
            self.look.propose(None if command is None else proposed_plan(command, self.source.board))
            if command is not None:
                composer.show_effect(effect_of(command, self.source.board))
        except TuitrainError as error:
            self.look.propose(None)
            composer.show_effect(str(error), is_problem=True)

    @on(Composer.Submitted)
    def _on_submitted(self, event: Composer.Submitted) -> None:
        if isinstance(event.command, BranchWish):
            self.post_message(self.BranchWanted(self.source.folder, event.command))
        else:
            self.ask(event.command)

    @on(Composer.Opened)
    def _on_opened(self) -> None:
        self.lay_out()

    @on(Composer.Closed)
    def _on_closed(self) -> None:
        self._previewed = None
        self.look.propose(None)
        self.lay_out()

    @on(Chart.CursorMoved)
    def _on_pointed(self, event: Chart.CursorMoved) -> None:
        is_by_step = self.look.views[self.look.focused].x_axis == "step"
        if is_by_step:
            inside = event.x is not None and 0 <= event.x <= self.source.board.step
            self.look.put_cursor(round(event.x) if inside and event.x is not None else None)
            self.redraw()
