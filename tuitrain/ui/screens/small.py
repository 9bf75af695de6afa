"""Small screens above the live one: all keys, what was printed, whether to stay."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from functools import partial
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

_LEAST_HELP = 24
"""Columns that help beside its title needs."""
_NARROW_INDENT = 4


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

    def __init__(self, title: str, text: Content | Static) -> None:
        super().__init__()
        self._title = title
        self._text = text if isinstance(text, Static) else Static(text)

    def compose(self) -> ComposeResult:
        """One scrollable text."""
        with VerticalScroll() as sheet:
            sheet.border_title = self._title
            sheet.border_subtitle = "esc closes"
            yield self._text


class HelpSheet(TextSheet):
    """All keys, by group, with why some cannot be used now."""

    def __init__(self, refusal: Callable[[Action], str], all_actions: tuple[Action, ...] = ACTIONS) -> None:
        super().__init__("keys", Fitted(partial(_keys, [(action, refusal(action)) for action in all_actions])))


class Fitted(Static):
    """A text that is made for its width.

    Args:
        content: gives it, for a number of columns.
    """

    def __init__(self, content: Callable[[int], Content]) -> None:
        super().__init__()
        self._content = content

    def show(self, content: Callable[[int], Content]) -> None:
        """Another text."""
        self._content = content
        self._fit()

    def on_resize(self) -> None:
        """Make it anew."""
        self._fit()

    def _fit(self) -> None:
        if self.size.width:
            self.update(self._content(self.size.width))


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


def _keys(actions: list[tuple[Action, str]], width: int) -> Content:
    """Actions with why they are refused, by group, in columns."""
    lines: list[Content] = []
    for group, members in groupby(actions, key=lambda pair: pair[0].group):
        lines += [Content(""), Content.styled(group, "bold $warning")]
        lines += [line for action, refused in members for line in _help_lines(action, refused, width)]
    return Content("\n").join(lines[1:])


def _help_lines(action: Action, refused: str, width: int) -> list[Content]:
    """Key, title and help in columns; the help goes on under itself, or is under the title where it is narrow."""
    key, title = f"{action.key_text:<13}", f"{action.title:<17}"
    help_text = f"{action.help}" + (f" (not now: {refused})" if refused else "")
    style = "$foreground 55%" if refused else "$foreground"
    is_narrow = width < len(key) + len(title) + _LEAST_HELP
    indent = _NARROW_INDENT if is_narrow else len(key) + len(title)
    lines = textwrap.wrap(help_text, max(1, width - indent), break_on_hyphens=False)
    beside = "" if is_narrow or not lines else lines.pop(0)
    head = Content.assemble((key, "$foreground 55%" if refused else "bold"), (title, style), (beside, style))
    return [head, *(Content.styled(f"{'':{indent}}{line}", style) for line in lines)]
