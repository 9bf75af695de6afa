"""Small screens of the compare screen: what is to be stopped, the verdict, and what a target may be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tuitrain.board.comparison import MemberView
from tuitrain.ui.compare_rows import Row
from tuitrain.ui.screens.small import Fitted, LeaveSheet, TextSheet


@dataclass(frozen=True, slots=True)
class StopChoice:
    """Something that can be stopped."""

    words: str
    keys: tuple[str, ...]
    """Of the members."""
    is_all: bool = False
    """The whole comparison: nothing more is launched either."""


def stop_choices(row: Row, members: Sequence[MemberView]) -> list[StopChoice]:
    """What can be stopped from a row: itself, its arm, all; without what is done with."""
    choices: list[StopChoice] = []
    own = _alive(row.members)
    arm = _alive(member for member in members if member.member.arm == row.arm)
    everything = _alive(member for member in members if not member.member.run)  # others are only looked at
    if own:
        choices.append(StopChoice(f"stop {row.label}{_counted(own)}", tuple(member.key for member in own)))
    if len(arm) > len(own):
        choices.append(StopChoice(f"stop {row.arm}{_counted(arm)}", tuple(member.key for member in arm)))
    if len(everything) > len(own):
        keys = tuple(member.key for member in everything)
        choices.append(StopChoice(f"stop the whole comparison{_counted(everything)}", keys, is_all=True))
    return choices


class StopSheet(ModalScreen[int]):
    """Asks what is to be stopped; None means nothing.

    Args:
        choices: what can be.
    """

    DEFAULT_CSS = LeaveSheet.DEFAULT_CSS.replace("LeaveSheet", "StopSheet").replace("width: 56", "width: 64")
    BINDINGS: ClassVar[list[BindingType]] = [("escape,q", "stay", "stay")]

    def __init__(self, choices: Sequence[str]) -> None:
        super().__init__()
        self._choices = choices

    def compose(self) -> ComposeResult:
        """Staying is the first, as it changes nothing."""
        with Vertical() as sheet:
            sheet.border_title = "stop? each finishes its step, evaluates and saves"
            options = [Option(Content(words[0].upper() + words[1:]), id=str(index))
                       for index, words in enumerate(self._choices)]  # fmt: skip
            yield OptionList(Option("Let them run", id="stay"), *options, compact=True)

    @on(OptionList.OptionSelected)
    def _choose(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(None if event.option_id == "stay" else int(str(event.option_id)))

    def action_stay(self) -> None:
        """Escape stops nothing."""
        self.dismiss(None)


class VerdictSheet(TextSheet):
    """The whole ranking; follows what is shown to it.

    Args:
        ranking: gives it, for a number of columns.
    """

    DEFAULT_CSS = "VerdictSheet > VerticalScroll { height: auto; max-height: 85%; }"
    BINDINGS: ClassVar[list[BindingType]] = [("v", "dismiss", "close")]

    def __init__(self, ranking: Callable[[int], Content]) -> None:
        self._fitted = Fitted(ranking)
        super().__init__("verdict", self._fitted)

    def show(self, ranking: Callable[[int], Content]) -> None:
        """Another one."""
        self._fitted.show(ranking)


def target_of(typed: str) -> float | None:
    """The value that was typed; None for no target. Raises ValueError where it is no number."""
    value = float(typed.replace(",", ".")) if typed.strip() else None
    if value is not None and not math.isfinite(value):
        raise ValueError(typed)
    return value


def why_no_target(typed: str) -> str:
    """What is wrong with a target that was typed; empty where nothing is."""
    try:
        target_of(typed)
    except ValueError:
        return f'"{typed}" is not a number. Try 0.1, or nothing for no target.'
    return ""


def _alive(members: Iterable[MemberView]) -> list[MemberView]:
    return [member for member in members if not member.is_final]


def _counted(members: Sequence[MemberView]) -> str:
    num_waiting = sum(member.state == "waiting" for member in members)
    num_running = len(members) - num_waiting
    words = [f"{num_running} at work"] if num_running else []
    words += [f"{num_waiting} waiting"] if num_waiting else []
    return f" ({', '.join(words)})" if len(members) > 1 else ""
