"""The form under the charts: its list is searched by what is typed, and the rest goes to the line."""

from __future__ import annotations

import pytest
from textual.app import App, ComposeResult
from textual.events import Key
from textual.widgets import Input, OptionList

from tuitrain.ui.composing import Choice, Form
from tuitrain.ui.widgets.composer import Composer

NAMES = ("adam", "adamw", "lin_1", "lin_2", "lion", "*")


class Place(App[None]):
    def compose(self) -> ComposeResult:
        yield Composer(id="composer")


@pytest.mark.parametrize(
    ("typed", "choice", "line"),
    [
        ("l", "lin_1", ""),
        ("lin_2", "lin_2", ""),
        ("lio", "lion", ""),
        ("ll", "lin_2", ""),
        ("adamw", "adamw", ""),
        ("l0.5", "lin_1", "0.5"),
        ("lin_2f", "lin_2", ""),
        ("x", "adam", ""),
    ],
)
async def test_letters_find_a_choice_and_numbers_go_to_the_line(typed: str, choice: str, line: str) -> None:
    """A name is found as it is typed; the same letter again goes to the next; one that none has does nothing."""
    form = Form(command="freeze", title="x", hint="x", choices=tuple(Choice(name, "") for name in NAMES))
    app = Place()
    async with app.run_test() as pilot:
        composer = app.query_one(Composer)
        composer.open(form)
        choices = app.query_one("#choices", OptionList)
        choices.highlighted = 0
        app.screen.set_focus(choices)
        for character in typed:
            await pilot.press({"_": "underscore", ".": "full_stop"}.get(character, character))
        assert NAMES[choices.highlighted or 0] == choice
        assert app.query_one("#line", Input).value == line


@pytest.mark.parametrize("initial", ["", "0.1"])
async def test_what_comes_late_by_way_of_the_list_stands_before_what_the_line_has_taken(initial: str) -> None:
    """Of "h enter 0.85" in one burst: the 0 and the dot were on their way through the list when 8 and 5 were typed."""
    form = Form(command="freeze", title="x", hint="x", choices=(Choice("all", ""),), initial=initial)
    app = Place()
    async with app.run_test() as pilot:
        composer, line = app.query_one(Composer), app.query_one("#line", Input)
        composer.open(form)
        await pilot.press("tab")
        await pilot.press("8", "5")
        first, second = Key("0", "0"), Key("full_stop", ".")
        for event in (second, first):  # the one that was typed first took the longest way
            composer.on_key(event)
        assert line.value == "0.85"
        await pilot.press("9")
        assert line.value == "0.859"
