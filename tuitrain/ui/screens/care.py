"""Taking care of runs from home: small dialogs for a name, a note, tags and the trash, and what they do.

The disk is touched by threads alone; what goes wrong is said, and the dialog with what was typed comes back.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from tuitrain.rundir.labels import noted, renamed, retagged
from tuitrain.rundir.places import RunFolder
from tuitrain.rundir.summary import RunSummary
from tuitrain.rundir.trash import delete, trash_folder
from tuitrain.ui.late_keys import type_late
from tuitrain.ui.screens.small import LeaveSheet

Deed = Callable[[], str]
"""Changes something on the disk, and says what in a few words."""
_FIELDS = {
    "rename": ("name", "Shown in place of the preset's, and known to every command. Empty takes it away."),
    "note": ("note", "What this run was about. Empty takes it away."),
    "tag": ("tags", "Words with spaces between them. What has one is never pruned."),
}


class LabelSheet(ModalScreen[str]):
    """Asks for one line; None where the person thought better of it.

    Args:
        title: what is asked for.
        words: what it is good for.
        text: what stands there now.
        problem: says what is wrong with what was typed; empty where nothing is. Until then the dialog stays.
    """

    DEFAULT_CSS = """
    LabelSheet { align: center middle; background: $background 60%; }
    LabelSheet > Vertical {
        width: 72; max-width: 95%; height: auto; background: $surface; border: round $foreground 45%; padding: 1 2;
        border-title-color: $foreground; border-subtitle-color: $foreground 60%;
    }
    LabelSheet Input { margin: 1 0 0 0; background: $background; padding: 0 1; }
    LabelSheet #problem { display: none; color: $error; margin: 1 0 0 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [("escape", "leave", "leave it")]

    def __init__(self, title: str, words: str, text: str, problem: Callable[[str], str] = lambda _typed: "") -> None:
        super().__init__()
        self._problem = problem
        self._title = title
        self._words = words
        self._text = text

    def compose(self) -> ComposeResult:
        """What it is good for, and the line."""
        with Vertical() as sheet:
            sheet.border_title = self._title
            sheet.border_subtitle = "enter writes it   esc leaves it"
            yield Static(self._words, markup=False)
            yield Input(self._text, compact=True, select_on_focus=False)
            yield Static(id="problem", markup=False)

    @on(Input.Submitted)
    def _submit(self, event: Input.Submitted) -> None:
        problem = self._problem(event.value)
        if not problem:
            self.dismiss(event.value)
            return
        told = self.query_one("#problem", Static)
        told.display = True
        told.update(problem)

    def take_late_key(self, event: events.Key) -> bool:
        """Give a key that came before the line had the focus to it."""
        return type_late(self.query_one(Input), event)

    def action_leave(self) -> None:
        """Escape changes nothing."""
        self.dismiss(None)


class DeleteSheet(ModalScreen[bool]):
    """Asks whether a run shall go to the trash. True means it shall.

    Args:
        run: which one.
    """

    DEFAULT_CSS = LeaveSheet.DEFAULT_CSS.replace("LeaveSheet", "DeleteSheet").replace("width: 56", "width: 72")
    BINDINGS: ClassVar[list[BindingType]] = [("escape", "keep", "keep")]

    def __init__(self, run: RunSummary) -> None:
        super().__init__()
        self._run = run

    def compose(self) -> ComposeResult:
        """The question and two answers; keeping it is the first, as it changes nothing."""
        run = self._run
        name = f"{run.name} ({run.id})" if run.name else run.id
        with Vertical() as sheet:
            sheet.border_title = "delete?"
            yield Static(
                f"{name} goes to {trash_folder()}.\nIt comes back with: tuitrain restore {run.id}", markup=False
            )
            yield OptionList(Option("Keep it", id="keep"), Option("Move it to the trash", id="delete"), compact=True)

    @on(OptionList.OptionSelected)
    def _choose(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id == "delete")

    def action_keep(self) -> None:
        """Escape keeps."""
        self.dismiss(False)


def label_sheet(action: str, run: RunSummary, text: str | None = None) -> LabelSheet:
    """The dialog of rename, note or tag, with what stands there now, or with what was typed before."""
    title, words = _FIELDS[action]
    now = {"rename": run.name, "note": run.note.replace("\n", " "), "tag": " ".join(run.tags)}[action]
    return LabelSheet(f"{title} of {run.name or run.id}", words, now if text is None else text)


def writing(action: str, run: RunSummary, text: str) -> Deed:
    """Write what was typed: the name, the note, or all tags."""
    folder = RunFolder(Path(run.path))

    def write() -> str:
        if action == "rename":
            name = renamed(folder, text).name
            return f'{run.id} is now named "{name}".' if name else f"{run.id} has no name now."
        if action == "note":
            return f"{run.id}: {noted(folder, text).note or 'no note'}"
        labels = retagged(folder, text.replace(",", " ").replace("#", " ").split())
        return f"{run.id}: {' '.join(labels.tags) or 'no tags'}"

    return write


def deleting(run: RunSummary) -> Deed:
    """Move a run to the trash."""

    def move() -> str:
        item = delete(RunFolder(Path(run.path)))
        return f"{run.id} is in the trash. It comes back with: tuitrain restore {item.folder.id}"

    return move


def refused_because(run: RunSummary | None, action: str) -> str:
    """Why a run cannot be taken care of; empty where it can."""
    if run is None:
        return "choose a run first"
    return "the run is at work: stop it first" if action == "delete" and run.is_live else ""
