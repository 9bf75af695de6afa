"""The comparisons there are, the newest first; enter opens one in the compare screen, escape goes back."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tuitrain.cells import left, num_cells
from tuitrain.comparing.folder import ComparisonFolder, list_comparisons
from tuitrain.comparing.listing import standing_of
from tuitrain.comparing.reading import ComparisonReader
from tuitrain.errors import TuitrainError
from tuitrain.ui import text
from tuitrain.ui.comparison_source import ComparisonSource
from tuitrain.ui.screens.compare import CompareScreen
from tuitrain.ui.screens.search import SearchScreen

_MOST_LISTED = 100
_MOST_NAME, _LEAST_TITLE, _SIZE_CELLS = 36, 12, 15
_SIZED = 48
"""Columns from which on there is room for how many runs it has."""
_MOST_WIDTH, _SHARE, _AROUND = 100, 0.9, 9
"""Of the sheet: columns, part of the screen, cells of frame, padding and scrollbar."""
_QUIET = "$foreground 55%"


@dataclass(frozen=True, slots=True)
class Entry:
    """What the list says of a comparison."""

    name: str
    size: str = ""
    created: float = 0.0
    is_at_work: bool = False
    is_stopped: bool = False
    """Nobody works at it, and something is left."""
    title: str = ""
    is_damaged: bool = False


class ComparisonsSheet(ModalScreen[None]):
    """Lists what was compared; whatever touches the disk is done by a thread."""

    DEFAULT_CSS = """
    ComparisonsSheet { align: center middle; background: $background 60%; }
    ComparisonsSheet > Vertical {
        width: 90%; max-width: 100; height: auto; max-height: 85%; background: $surface; border: round $foreground 30%;
        padding: 1 2; border-title-color: $foreground; border-subtitle-color: $foreground 60%;
    }
    ComparisonsSheet OptionList {
        height: auto; max-height: 100%; background: $surface; scrollbar-size-vertical: 1;
        text-wrap: nowrap; text-overflow: ellipsis;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [("escape,q,c", "dismiss", "close")]

    def __init__(self) -> None:
        super().__init__()
        self._entries: list[Entry] | None = None
        """None until they were read."""

    def compose(self) -> ComposeResult:
        """The list."""
        with Vertical() as sheet:
            sheet.border_title, sheet.border_subtitle = "comparisons", "enter opens   esc closes"
            yield OptionList(Option("reading…", disabled=True), compact=True)

    def on_mount(self) -> None:
        """Fill it."""
        self._list()

    @work(thread=True)
    def _list(self) -> None:
        try:
            found = [_entry(folder) for folder in list_comparisons()[:_MOST_LISTED]]
        except TuitrainError as error:
            self.app.call_from_thread(self.notify, str(error), severity="error", markup=False)
            return
        self.app.call_from_thread(self._show, found)

    def _show(self, found: list[Entry]) -> None:
        self._entries = found
        self._fit()

    @on(events.Resize)
    def _fit(self) -> None:
        """One line an entry, as wide as there is room."""
        if self._entries is None:
            return
        options = self.query_one(OptionList)
        chosen = options.highlighted or 0
        width = max(20, self._room())
        options.clear_options()
        longest = max((num_cells(entry.name) for entry in self._entries), default=0)
        options.add_options([Option(comparison_line(entry, longest, width), id=entry.name) for entry in self._entries])
        if self._entries:
            options.highlighted = chosen
        else:
            words = "None yet: tuitrain compare mnist-mlp --vary optimizer.name=sgd,adam"
            options.add_option(Option(Content.styled(words, _QUIET), disabled=True))

    def _room(self) -> int:
        """Cells of a line: the sheet without frame, padding and scrollbar."""
        return min(_MOST_WIDTH, round(_SHARE * self.size.width)) - _AROUND

    @on(OptionList.OptionSelected)
    def _choose(self, event: OptionList.OptionSelected) -> None:
        self._open(str(event.option_id))

    @work(thread=True, exclusive=True)
    def _open(self, name: str) -> None:
        try:
            folder = next((folder for folder in list_comparisons() if folder.name == name), None)
            if folder is None:
                self.app.call_from_thread(self.notify, f"{name} is gone.", severity="warning", markup=False)
                return
            reader = ComparisonReader.of_folder(folder)
        except TuitrainError as error:
            self.app.call_from_thread(self.notify, str(error), severity="error", markup=False)
            return
        self.app.call_from_thread(self._watch, reader)

    def _watch(self, reader: ComparisonReader) -> None:
        self.app.pop_screen()
        kind = CompareScreen if reader.comparison.plan.search is None else SearchScreen
        self.app.push_screen(kind(ComparisonSource(reader), has_home=True))


def comparison_line(entry: Entry, name_width: int, width: int) -> Content:
    """A comparison in one line. Where that is narrow the title goes first, then the size; of a name the middle.

    Args:
        entry: which.
        name_width: cells of the longest name.
        width: cells that there are.
    """
    if entry.is_damaged:
        pieces = [("damaged", "$error")]
    else:
        age = f"{text.age(time.time() - entry.created)} ago"
        pieces = [(f"{'at work' if entry.is_at_work else age:>10}", "$success" if entry.is_at_work else _QUIET)]
        if width >= _SIZED:
            pieces.insert(0, (f"{entry.size:>{_SIZE_CELLS}}", "$warning" if entry.is_stopped else "$foreground 75%"))
    taken = sum(2 + len(words) for words, _ in pieces)
    name_width = max(8, min(name_width, _MOST_NAME, width - taken))
    line = Content.assemble((left(text.cut(entry.name, name_width), name_width), "bold"))
    for piece in pieces:
        line = Content.assemble(line, "  ", piece)
    room = width - line.cell_length - 2
    if entry.title and room >= min(_LEAST_TITLE, num_cells(entry.title)):
        line = Content.assemble(line, "  ", (text.cut(entry.title, room), "$foreground 75%"))
    return line.truncate(width)


def _entry(folder: ComparisonFolder) -> Entry:
    try:
        standing = standing_of(folder)
    except TuitrainError:
        return Entry(folder.name, is_damaged=True)
    plan, state = standing.comparison.plan, standing.state
    return Entry(
        folder.name, standing.num_done, plan.created, is_at_work=state == "running", is_stopped=state == "stopped",
        title=" ".join(plan.title.split()),
    )  # fmt: skip
