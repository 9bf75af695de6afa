"""The form of the key p: what it offers, what typed words mean, and what it says before one confirms."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.training.harness import build, finish
from tuitrain.board.board import Board
from tuitrain.errors import TuitrainError
from tuitrain.protocol.commands import Command, Freeze, Unfreeze
from tuitrain.ui.composing import Form, composed, effect_of, form_for
from tuitrain.ui.freezing import frozen_layers
from tuitrain.ui.widgets.panels import optimizer_lines, optimizer_strip


@dataclass
class Shown:
    """A run with its first layer frozen, and the form."""

    board: Board
    form: Form

    def composed(self, choice: str | None, line: str = "") -> Command:
        """The command, not a branch."""
        command = composed(self.form, choice, line)
        assert isinstance(command, Freeze | Unfreeze)
        return command


@pytest.fixture(scope="module")
def shown() -> Shown:
    """After a few steps."""
    told = finish(build("task.hidden=[16]", "train.steps=4", 'task.freeze=["lin_1"]'))
    board = Board()
    for fact in told.facts[:-1]:
        board.apply(fact)
    return Shown(board, form_for("freeze", board))


def test_it_offers_every_layer_with_its_state(shown: Shown) -> None:
    """First all that is frozen; what would change nothing is not offered."""
    assert [(choice.name, choice.summary) for choice in shown.form.choices] == [
        ("*", "unfreezes all that is frozen: 12 560 parameters"),
        ("lin_1", "frozen, 12 560 parameters"),
        ("lin_2", "trained, 170 parameters"),
    ]


@pytest.mark.parametrize(
    ("choice", "line", "command"),
    [
        ("lin_1", "", Unfreeze(patterns=["lin_1"])),
        ("*", "factor=0.5", Unfreeze(patterns=["*"], factor=0.5)),
        ("lin_2", "", Freeze(patterns=["lin_2"])),
        ("lin_1", "lin_2.bias", Unfreeze(patterns=["lin_2.bias"])),
        ("lin_1", "freeze lin_2.bias", Freeze(patterns=["lin_2.bias"])),
        ("lin_2", "batch_norm=train", Freeze(patterns=["lin_2"], batch_norm="train")),
    ],
)
def test_a_choice_and_a_line_make_a_command(shown: Shown, choice: str, line: str, command: Command) -> None:
    """A frozen layer is unfrozen; words without "=" are patterns, after a verb if it shall be the other one."""
    assert shown.composed(choice, line) == command


def test_it_says_what_would_happen(shown: Shown) -> None:
    """How much is frozen then; what would change nothing, or leave nothing, is said as a mistake."""
    assert effect_of(shown.composed("lin_1"), shown.board).startswith(
        "trains lin_1: 0 of 12 730 parameters frozen then"
    )
    with pytest.raises(TuitrainError, match="left to train"):
        effect_of(shown.composed("lin_2"), shown.board)
    with pytest.raises(TuitrainError, match="frozen already"):
        effect_of(Freeze(patterns=["lin_1"]), shown.board)


def test_the_panel_says_what_is_frozen(shown: Shown) -> None:
    """How many parameters, and which layers; the strip too."""
    text = "\n".join(line.plain for line in optimizer_lines(shown.board, 60))
    assert "12 560 of 12 730" in text
    assert "lin_1" in text
    assert "frozen 12 560 of 12 730" in optimizer_strip(shown.board).plain
    assert frozen_layers(shown.board) == ("lin_1",)
