"""The sheet of keys, at any width."""

from __future__ import annotations

import pytest
from textual.app import App
from textual.widgets import Static

from tests.ui.watching import until
from tuitrain.ui.actions import ACTIONS
from tuitrain.ui.screens.small import HelpSheet


@pytest.mark.parametrize(("width", "indent"), [(60, 4), (80, 30), (120, 30)])
async def test_help_that_takes_more_lines_goes_on_under_itself(width: int, indent: int) -> None:
    """Every word of every action is there, and no line of it begins where the keys are."""
    app = App[None]()
    async with app.run_test(size=(width, 24)):
        sheet = HelpSheet(lambda _action: "nothing runs")
        await app.push_screen(sheet)
        text = sheet.query_one(Static)
        # Nothing is wrapped once more, when there is room for the scrollbar.
        await until(lambda: 1 < text.content_region.height == str(text.visual).count("\n") + 1)
        lines = str(text.visual).split("\n")
        words = " ".join(lines).split()
        assert (
            words
            == " ".join(
                f"{group} {' '.join(_words(group))}" for group in dict.fromkeys(action.group for action in ACTIONS)
            ).split()
        )
        starts = [line for line in lines if line and not line.startswith(" " * indent)]
        assert len(starts) == len(ACTIONS) + len({action.group for action in ACTIONS})


def _words(group: str) -> list[str]:
    return [
        f"{action.key_text} {action.title} {action.help} (not now: nothing runs)"
        for action in ACTIONS
        if action.group == group
    ]
