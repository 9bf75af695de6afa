"""The keys of all tables: a terminal can send them."""

from __future__ import annotations

import string

import pytest
from textual.keys import Keys, _character_to_key

from tuitrain.ui.actions import ACTIONS, HOME_ACTIONS, LAYER_ACTIONS, LEARN_ACTIONS, MEASURE_ACTIONS, Action
from tuitrain.ui.compare_actions import COMPARE_ACTIONS
from tuitrain.ui.search_actions import SEARCH_ACTIONS

TABLES = {
    "live": ACTIONS, "layers": LAYER_ACTIONS, "measures": MEASURE_ACTIONS, "learn": LEARN_ACTIONS,
    "home": HOME_ACTIONS, "compare": COMPARE_ACTIONS, "search": SEARCH_ACTIONS,
}  # fmt: skip
TYPED = {_character_to_key(character) for character in string.printable if not character.isspace()}
NAMED = {key.value for key in Keys} - {"<any>"}


@pytest.mark.parametrize("table", TABLES)
def test_every_key_is_one_that_a_terminal_sends(table: str) -> None:
    """By the name that Textual gives to what is typed: a capital is itself, a slash is "slash"."""
    assert unsendable(TABLES[table]) == []


def test_a_key_that_no_terminal_sends_is_found() -> None:
    """As once the name of a capital that only a test could press."""
    wrong = Action(id="wrong", key="upper_x,x,shift+left", title="", help="", group="search")
    assert unsendable((wrong,)) == ["upper_x"]


def unsendable(actions: tuple[Action, ...]) -> list[str]:
    """Keys of a table for which there is nothing to press."""
    keys = [key for action in actions for key in action.key.split(",")]
    return [key for key in keys if key not in TYPED | NAMED]
