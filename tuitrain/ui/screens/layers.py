"""The layers of a run: one row each, and one quantity of them over time. Lies above the live screen, which goes on.

The live screen below keeps reading; this one draws what its board knows, four times a second at most and only when
there is news. The keys that both share are the live screen's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static

from tuitrain.board.board import Board
from tuitrain.board.layer_verdicts import healthy, verdicts
from tuitrain.ui.actions import BY_ID, LAYER_ACTIONS, bindings
from tuitrain.ui.freezing import frozen_layers
from tuitrain.ui.layer_heat import QUANTITIES
from tuitrain.ui.layer_table import LayerView, layer_table
from tuitrain.ui.layer_words import Shapes, layer_line, verdict_lines
from tuitrain.ui.screens.above import ScreenAbove
from tuitrain.ui.screens.small import HelpSheet
from tuitrain.ui.widgets.footer import Footer
from tuitrain.ui.widgets.header import Header

if TYPE_CHECKING:
    from tuitrain.ui.screens.live import LiveScreen

_MOST_VERDICTS = 3
_SMALL_HEIGHT = 22
"""Lines below which only the worst verdict is shown."""


class LayersScreen(ScreenAbove):
    """Shows the layers of a run.

    Args:
        live: the screen below, whose source is shown and who answers the keys that both share.
    """

    CSS_PATH = "layers.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(LAYER_ACTIONS)]

    def __init__(self, live: LiveScreen) -> None:
        super().__init__(live)
        self._view = LayerView()
        self._page = 1

    def compose(self) -> ComposeResult:
        """Header, table, what is known of the selected layer, what stands out, footer."""
        yield Header(id="header")
        yield Static(id="table")
        yield Static(id="selected")
        yield Static(id="verdicts")
        yield Static(id="transport")
        yield Footer(id="footer")

    def action_press(self, action: str) -> None:
        """Every key of the table comes through here."""
        match action:
            case "close":
                self.dismiss()
            case "help":
                self.app.push_screen(HelpSheet(self._live.refusal, LAYER_ACTIONS))
            case "next_quantity" | "previous_quantity":
                self._turn_quantity(1 if action == "next_quantity" else -1)
            case "up" | "down" | "page_up" | "page_down" | "first" | "last":
                self._select(action)
            case _:
                self._live.action_press(action)
        self.outdate()

    def draw(self, board: Board) -> None:
        """Table, selected layer, what stands out."""
        self._live.show_header(self.query_one(Header))
        # What only this screen can do is the last to go where the footer is narrow.
        shown = sorted((action for action in LAYER_ACTIONS if action.in_footer), key=lambda action: action.id in BY_ID)
        self.query_one(Footer).show(shown, self._live.refusal, self._live.footer_titles())
        if board.layers.names:
            self._draw_layers(board)
        else:
            self._draw_nothing(board)

    def _draw_layers(self, board: Board) -> None:
        history, shapes = board.layers, shapes_of(board)
        found = verdicts(history)
        width = max(20, self.size.width - 2)
        most = 1 if self.size.height < _SMALL_HEIGHT else _MOST_VERDICTS
        lines = verdict_lines(found, healthy(history), width, most)
        self.query_one("#verdicts", Static).update(Content("\n").join(lines))
        # The frame takes two lines, header, footer and the selected layer one each, as does the bar of a replay.
        taken = 5 + len(lines) + (1 if self.has_class("-replay") else 0)
        table = layer_table(
            history, shapes, self._view, found, max(20, self.size.width - 4), self.size.height - taken,
            frozen_layers(board),
        )  # fmt: skip
        self._view, self._page = table.view, table.page
        widget = self.query_one("#table", Static)
        widget.border_title, widget.border_subtitle = Content(table.title), table.legend
        widget.update(Content("\n").join(table.lines))
        self.query_one("#selected", Static).update(layer_line(history, shapes, self._view.selected, width))

    def _draw_nothing(self, board: Board) -> None:
        widget = self.query_one("#table", Static)
        widget.border_title, widget.border_subtitle = "layers", ""
        widget.update(Content.styled(why_empty(board), "$foreground 55%"))
        for name in ("#selected", "#verdicts"):
            self.query_one(name, Static).update("")

    def _turn_quantity(self, offset: int) -> None:
        """Go on to the next quantity that this net has."""
        history = self._live.source.board.layers
        names = [quantity.id for quantity in QUANTITIES]
        known = [name for name in names if name == self._view.quantity or history.is_known(name)]
        place = (known.index(self._view.quantity) + offset) % len(known)
        self._view = replace(self._view, quantity=known[place])

    def _select(self, action: str) -> None:
        num_layers = len(self._live.source.board.layers.names)
        offsets = {
            "up": -1, "down": 1, "page_up": -self._page, "page_down": self._page,
            "first": -num_layers, "last": num_layers,
        }  # fmt: skip
        selected = max(0, min(num_layers - 1, self._view.selected + offsets[action]))
        self._view = replace(self._view, selected=selected)


def shapes_of(board: Board) -> Shapes:
    """Layer → sizes of its weight, as far as the run told them."""
    layers = board.started.layers if board.started is not None else ()
    return {layer.name.removesuffix(".weight"): layer.shape for layer in layers if len(layer.shape) > 1}


def why_empty(board: Board) -> str:
    """Why there is nothing to show, in one sentence."""
    if board.is_live and not board.step:
        return "Not measured yet: the layers are looked at from the first step on."
    if board.is_live:
        return "Not measured yet; if it stays so, the telemetry budget is 0 or an older version trains this run."
    return "The layers were never measured: the telemetry budget was 0, or an older version recorded this run."
