"""The panel at the bottom in which a command is composed, while the charts stay in view and show what it would do."""

from __future__ import annotations

from bisect import bisect, insort
from dataclasses import dataclass
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, OptionList, Static
from textual.widgets.input import Selection
from textual.widgets.option_list import Option

from tuitrain.cells import left, num_cells
from tuitrain.errors import TuitrainError
from tuitrain.ui.composing import Composed, Form, composed


class Composer(Vertical):
    """Shows a form; says with every change what it would ask, and asks on Enter."""

    DEFAULT_CSS: ClassVar[str] = """
    Composer {
        height: auto; padding: 0 1; background: $surface; display: none;
        border: round $warning 60%; border-title-color: $warning; border-subtitle-color: $foreground 60%;
    }
    Composer.-open { display: block; }
    Composer OptionList {
        height: auto; max-height: 9; background: $surface; scrollbar-size-vertical: 1;
        text-wrap: nowrap; text-overflow: ellipsis;
    }
    Composer.-low OptionList { max-height: 4; }
    Composer Input { background: $surface; }
    Composer #effect { height: auto; min-height: 1; color: $foreground 85%; }
    """

    @dataclass
    class Changed(Message):
        """What is composed so far; None while it is not complete."""

        command: Composed | None

    @dataclass
    class Submitted(Message):
        """A person confirmed."""

        command: Composed

    @dataclass
    class Opened(Message):
        """A person began to compose."""

    @dataclass
    class Closed(Message):
        """A person closed the panel."""

    def __init__(self, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._form: Form | None = None
        self._command: Composed | None = None
        self._typed = ""
        """Letters by which the list was searched last."""
        self._late_at = 0
        """Where in the line what was typed before it had the focus goes: in front of what was typed since."""
        self._late_times: list[float] = []
        """When that was typed, in order."""

    @property
    def is_open(self) -> bool:
        """Whether something is being composed."""
        return self.has_class("-open")

    @property
    def command(self) -> Composed | None:
        """What is composed so far; None while it is not complete."""
        return self._command

    def compose(self) -> ComposeResult:
        """A list of choices, a line for the rest, and what it would do."""
        yield OptionList(id="choices", compact=True)
        yield Input(id="line", select_on_focus=False, compact=True)
        yield Static(id="effect")

    def open(self, form: Form) -> None:
        """Begin to compose."""
        self._form, self._typed = form, ""
        choices = self.query_one("#choices", OptionList)
        choices.clear_options()
        width = max((num_cells(choice.name) for choice in form.choices), default=0)
        choices.add_options(
            [
                Option(
                    Content.assemble((f"{left(choice.name, width)}  ", "bold"), (choice.summary, "$foreground 55%")),
                    id=choice.name,
                )
                for choice in form.choices
            ]
        )
        choices.display = bool(form.choices)
        line = self.query_one("#line", Input)
        line.value, line.placeholder = form.initial, form.hint
        line.selection = Selection(0, len(form.initial))  # what is typed replaces the suggestion
        self.border_title = form.title
        self.border_subtitle = (
            "letters jump   enter confirms   tab to the options   esc closes"
            if form.choices
            else "enter confirms   esc closes"
        )
        self.set_class(self.app.size.height < 32, "-low")
        self.add_class("-open")
        if form.choices:
            choices.highlighted = 0
        # At once, not when the screen is idle: over a slow line the next keys may come in the same burst.
        if form.choices:
            self.screen.set_focus(choices)
        else:
            self._focus_line(line)
        self._recompose()
        self.post_message(self.Opened())

    def close(self) -> None:
        """End without asking."""
        if self.is_open:
            self.remove_class("-open")
            self._form = self._command = None
            self.post_message(self.Closed())

    def take_late(self, event: events.Key) -> bool:
        """Take what was typed before the line or the list had the focus; whether it was something to type."""
        if not self.is_open or not event.is_printable or not event.character:
            return False
        line = self.query_one("#line", Input)
        if self.query_one("#choices", OptionList).display:
            self._typed_into_list(event, line)
        else:
            self._type_late(event, line)
        return True

    def show_effect(self, words: str, *, is_problem: bool = False) -> None:
        """Say what the command would do, or what is wrong with it."""
        self.query_one("#effect", Static).update(Content.styled(words, "$error" if is_problem else "$foreground"))

    @on(OptionList.OptionHighlighted)
    @on(Input.Changed)
    def _on_change(self, event: Message) -> None:
        event.stop()
        self._recompose()

    @on(OptionList.OptionSelected)
    @on(Input.Submitted)
    def _on_confirm(self, event: Message) -> None:
        event.stop()
        self._recompose()
        needs_value = self._form is not None and self._form.bare and not self.query_one("#line", Input).value
        if self._command is None and needs_value:
            self._focus_line(self.query_one("#line", Input))
        elif self._command is not None:
            command = self._command
            self.close()
            self.post_message(self.Submitted(command))

    def on_key(self, event: events.Key) -> None:
        """Escape closes; tab goes between the list and the line; up and down reach the list from the line."""
        choices, line = self.query_one("#choices", OptionList), self.query_one("#line", Input)
        if event.key == "escape":
            event.stop()
            self.close()
        elif event.key in {"tab", "shift+tab"}:
            event.stop()
            event.prevent_default()
            if choices.display:
                if line.has_focus:
                    self.screen.set_focus(choices)
                else:
                    self._focus_line(line)
        elif event.is_printable and event.character and choices.display:
            # The line takes what is typed into it, so this was typed into the list, perhaps before the line had focus.
            event.stop()
            self._typed_into_list(event, line)
        elif event.key in {"up", "down"} and line.has_focus and choices.display:
            event.stop()
            (choices.action_cursor_up if event.key == "up" else choices.action_cursor_down)()

    def _typed_into_list(self, event: events.Key, line: Input) -> None:
        """What a choice begins with jumps to it, letter by letter; what none goes on with is meant for the line."""
        character = event.character or ""
        if not line.value:
            for typed in (self._typed + character.lower(), character.lower()):
                if (len(typed) > 1 or character.isalpha()) and self._jump_to(typed):
                    self._typed = typed
                    return
            if character.isalpha():
                return
        if self.screen.focused is not line:  # which it is before it has been told so
            self._focus_line(line)
        self._type_late(event, line)

    def _focus_line(self, line: Input) -> None:
        self._late_at, self._late_times = min(line.selection), []
        self.screen.set_focus(line)

    def _type_late(self, event: events.Key, line: Input) -> None:
        """Of a burst of keys some come by way of the list or the screen, after later ones that came straight here."""
        character = event.character or ""
        if line.selection.is_empty:
            place, cursor = self._late_at + bisect(self._late_times, event.time), line.cursor_position
            line.insert(character, place)
            line.cursor_position = cursor + 1
        else:
            _type(line, character)
        insort(self._late_times, event.time)

    def _jump_to(self, prefix: str) -> bool:
        """Highlight a choice that begins so: by one letter the next one, by several the one that is there as well."""
        choices = self.query_one("#choices", OptionList)
        names = [choice.name for choice in self._form.choices] if self._form is not None else []
        start = (choices.highlighted or 0) + (1 if len(prefix) == 1 else 0)
        for index in [*range(start, len(names)), *range(start)]:
            if index < len(names) and names[index].startswith(prefix):
                choices.highlighted = index
                return True
        return False

    def _recompose(self) -> None:
        form = self._form
        if form is None:
            return
        choices = self.query_one("#choices", OptionList)
        choice = form.choices[choices.highlighted].name if form.choices and choices.highlighted is not None else None
        line = self.query_one("#line", Input).value
        try:
            if form.bare and not line.strip() and not form.takes_nothing:
                raise TuitrainError(form.hint)
            self._command = composed(form, choice, line)
        except TuitrainError as error:
            self._command = None
            is_problem = bool(line.strip())
            said = str(error) if is_problem or str(error) != form.hint else ""  # the empty line shows the hint itself
            self.show_effect(said, is_problem=is_problem)
        self.post_message(self.Changed(self._command))


def _type(line: Input, character: str) -> None:
    """Put a character where the cursor is, in place of what is selected."""
    start, end = sorted(line.selection)
    line.replace(character, start, end)
