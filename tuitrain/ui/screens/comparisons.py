"""The comparisons there are, the newest first; enter opens one in the compare screen, escape goes back."""

from __future__ import annotations

import time
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tuitrain.comparing.folder import ComparisonFolder, list_comparisons, read_plan
from tuitrain.comparing.reading import ComparisonReader
from tuitrain.comparing.starting import is_scheduled
from tuitrain.errors import TuitrainError
from tuitrain.ui import text
from tuitrain.ui.comparison_source import ComparisonSource
from tuitrain.ui.screens.compare import CompareScreen
from tuitrain.ui.screens.search import SearchScreen

_MOST_LISTED = 100


class ComparisonsSheet(ModalScreen[None]):
    """Lists what was compared; whatever touches the disk is done by a thread."""

    DEFAULT_CSS = """
    ComparisonsSheet { align: center middle; background: $background 60%; }
    ComparisonsSheet > Vertical {
        width: 90%; max-width: 100; height: auto; max-height: 85%; background: $surface; border: round $foreground 30%;
        padding: 1 2; border-title-color: $foreground; border-subtitle-color: $foreground 60%;
    }
    ComparisonsSheet OptionList { height: auto; max-height: 100%; background: $surface; scrollbar-size-vertical: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [("escape,q,c", "dismiss", "close")]

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
        found = [(folder.name, _line(folder)) for folder in list_comparisons()[:_MOST_LISTED]]
        self.app.call_from_thread(self._show, found)

    def _show(self, found: list[tuple[str, Content]]) -> None:
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options([Option(line, id=name) for name, line in found])
        if found:
            options.highlighted = 0
        else:
            words = "None yet: tuitrain compare mnist-mlp --vary optimizer.name=sgd,adam"
            options.add_option(Option(Content.styled(words, "$foreground 55%"), disabled=True))

    @on(OptionList.OptionSelected)
    def _choose(self, event: OptionList.OptionSelected) -> None:
        self._open(str(event.option_id))

    @work(thread=True, exclusive=True)
    def _open(self, name: str) -> None:
        folder = next((folder for folder in list_comparisons() if folder.name == name), None)
        if folder is None:
            self.app.call_from_thread(self.notify, f"{name} is gone.", severity="warning", markup=False)
            return
        try:
            reader = ComparisonReader.of_folder(folder)
        except TuitrainError as error:
            self.app.call_from_thread(self.notify, str(error), severity="error", markup=False)
            return
        self.app.call_from_thread(self._watch, reader)

    def _watch(self, reader: ComparisonReader) -> None:
        self.app.pop_screen()
        kind = CompareScreen if reader.comparison.plan.search is None else SearchScreen
        self.app.push_screen(kind(ComparisonSource(reader), has_home=True))


def _line(folder: ComparisonFolder) -> Content:
    try:
        plan = read_plan(folder)
    except TuitrainError:
        return Content.assemble((f"{folder.name:<28}", "bold"), ("damaged", "$error"))
    state = ("at work", "$success") if is_scheduled(folder) else ("", "$foreground")
    size = f"{len(plan.members)} runs" if plan.search is None else f"{plan.search.num_trials} trials"
    return Content.assemble(
        (f"{folder.name:<28} ", "bold"), (f"{size:<10} ", "$foreground 75%"),
        (f"{text.age(time.time() - plan.created):>7} ago  ", "$foreground 55%"), (f"{state[0]:<8} ", state[1]),
        (plan.title, "$foreground 75%"),
    )  # fmt: skip
