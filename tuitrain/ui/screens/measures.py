"""The measurements of a run: the range test large, the others below it, a key for each. Lies above the live screen.

The live screen below keeps reading; this one draws what its board knows, when there is news.
"""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static

from tuitrain.board.board import Board
from tuitrain.protocol.commands import SetLearningRate
from tuitrain.ui.actions import BY_ID, MEASURE_ACTIONS, Action, bindings
from tuitrain.ui.measures import COMMANDS, command_to_take, range_figure, result_lines, way_line
from tuitrain.ui.screens.above import ScreenAbove
from tuitrain.ui.screens.small import HelpSheet
from tuitrain.ui.widgets.chart import Chart
from tuitrain.ui.widgets.footer import Footer
from tuitrain.ui.widgets.header import Header

_TALL = 32
"""Lines from which on the numbers behind each result are shown."""
_BY_ID = {action.id: action for action in MEASURE_ACTIONS}


class MeasuresScreen(ScreenAbove):
    """Shows what was measured on demand, and asks for more.

    Args:
        live: the screen below, whose source is shown and who answers the keys that both share.
    """

    CSS_PATH = "measures.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(MEASURE_ACTIONS)]

    def compose(self) -> ComposeResult:
        """Header, the range test, the results, how to take the rate, footer."""
        yield Header(id="header")
        yield Chart(id="range")
        yield Static(id="results")
        yield Static(id="way")
        yield Static(id="transport")
        yield Footer(id="footer")

    def refusal(self, action: Action) -> str:
        """Why an action cannot be used now; empty where it can."""
        if action.id == "take" and command_to_take(self._live.source.board) is None:
            return "no range test has a suggestion"
        return self._live.refusal(action)

    def action_press(self, action: str) -> None:
        """Every key of the table comes through here."""
        match action:
            case "close":
                self.dismiss()
            case "help":
                self.app.push_screen(HelpSheet(self.refusal, MEASURE_ACTIONS))
            case "take" | "range_test" | "gradient_check" | "sharpness" | "gradient_noise":
                self._ask(_BY_ID[action])
            case _:
                self._live.action_press(action)
        self.outdate()

    def _ask(self, action: Action) -> None:
        reason = self.refusal(action)
        if reason:
            self.notify(f"Not now: {reason}.", severity="warning")
            return
        command = command_to_take(self._live.source.board) if action.id == "take" else COMMANDS[action.id]
        if command is not None:
            self._live.ask(command)
            if isinstance(command, SetLearningRate):
                self.notify(f"asked: learning rate {command.lr:g}", timeout=3)

    def news(self, board: Board) -> object:
        """An answer is news, and so is a question."""
        return board.num_words, len(board.asked)

    def draw(self, board: Board) -> None:
        """Range test, results, how to take the rate."""
        self._live.show_header(self.query_one(Header))
        # What only this screen can do is the last to go where the footer is narrow.
        shown = sorted(
            (action for action in MEASURE_ACTIONS if action.in_footer), key=lambda action: action.id in BY_ID
        )
        self.query_one(Footer).show(shown, self.refusal, self._live.footer_titles())
        self.query_one(Chart).set_figure(range_figure(board))
        width = max(20, self.size.width - 2)
        lines = result_lines(board, width, is_short=self.size.height < _TALL)
        self.query_one("#results", Static).update(Content("\n").join(lines))
        self.query_one("#way", Static).update(way_line(board, width))
