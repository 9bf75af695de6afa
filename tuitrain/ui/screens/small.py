"""Small screens above the live one: all keys, what was printed, whether to stay."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tuitrain.ui.actions import ACTIONS, Action


class TextSheet(ModalScreen[None]):
    """A scrollable text that any of the usual keys closes."""

    DEFAULT_CSS = """
    TextSheet { align: center middle; background: $background 60%; }
    TextSheet > VerticalScroll {
        width: 90%; max-width: 110; height: 85%; background: $surface; border: round $foreground 30%; padding: 1 2;
        border-title-color: $foreground; border-subtitle-color: $foreground 60%; scrollbar-size-vertical: 1;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [("escape,q,question_mark,w", "dismiss", "close")]

    def __init__(self, title: str, content: Content) -> None:
        super().__init__()
        self._title = title
        self._content = content

    def compose(self) -> ComposeResult:
        """One scrollable text."""
        with VerticalScroll() as sheet:
            sheet.border_title = self._title
            sheet.border_subtitle = "esc closes"
            yield Static(self._content)


class HelpSheet(TextSheet):
    """All keys, by group, with why some cannot be used now."""

    def __init__(self, refusal: Callable[[Action], str], all_actions: tuple[Action, ...] = ACTIONS) -> None:
        lines: list[Content] = []
        for group, actions in groupby(all_actions, key=lambda action: action.group):
            lines += [Content(""), Content.styled(group, "bold $warning")]
            lines += [_help_line(action, refusal(action)) for action in actions]
        super().__init__("keys", Content("\n").join(lines[1:]))


class OutputSheet(TextSheet):
    """What the training code printed."""

    def __init__(self, output: str) -> None:
        super().__init__("output.log", Content(output.strip() or "Nothing was printed."))

    def on_mount(self) -> None:
        """The newest lines first in view."""
        self.query_one(VerticalScroll).scroll_end(animate=False)


class LeaveSheet(ModalScreen[bool]):
    """Asks, where leaving would end the run: stop it, or stay. True means stop."""

    DEFAULT_CSS = """
    LeaveSheet { align: center middle; background: $background 60%; }
    LeaveSheet > Vertical {
        width: 56; height: auto; background: $surface; border: round $warning; padding: 1 2;
        border-title-color: $warning;
    }
    LeaveSheet OptionList { height: auto; background: $surface; margin: 1 0 0 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [("escape", "stay", "stay")]

    def compose(self) -> ComposeResult:
        """The question and two answers."""
        with Vertical() as sheet:
            sheet.border_title = "leave?"
            yield Static("This run trains inside the dashboard and ends with it.")
            yield OptionList(
                Option("Stay", id="stay"), Option("Stop: evaluate, save, end, leave", id="stop"), compact=True
            )

    @on(OptionList.OptionSelected)
    def _choose(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id == "stop")

    def action_stay(self) -> None:
        """Escape stays."""
        self.dismiss(False)


class ResumeSheet(ModalScreen[bool]):
    """Asks, for a run that is no longer at work, whether it shall go on, or be looked at. True means go on.

    Args:
        words: which run, and where it stands.
    """

    DEFAULT_CSS = LeaveSheet.DEFAULT_CSS.replace("LeaveSheet", "ResumeSheet")
    BINDINGS: ClassVar[list[BindingType]] = [("escape", "look", "look")]

    def __init__(self, words: str) -> None:
        super().__init__()
        self._words = words

    def compose(self) -> ComposeResult:
        """The question and two answers; looking is the first, as it changes nothing."""
        with Vertical() as sheet:
            sheet.border_title = "go on?"
            yield Static(self._words, markup=False)
            yield OptionList(
                Option("Look at it", id="look"), Option("Go on from its newest checkpoint", id="resume"), compact=True
            )

    @on(OptionList.OptionSelected)
    def _choose(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id == "resume")

    def action_look(self) -> None:
        """Escape looks."""
        self.dismiss(False)


def _help_line(action: Action, refused: str) -> Content:
    key = f"{action.key_text:<13}"
    help_text = f"{action.help}" + (f"  (not now: {refused})" if refused else "")
    style = "$foreground 55%" if refused else "$foreground"
    return Content.assemble(
        (key, "bold" if not refused else "$foreground 55%"), (f"{action.title:<17}", style), (help_text, style)
    )
