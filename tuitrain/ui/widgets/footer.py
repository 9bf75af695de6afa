"""The one line at the bottom: the keys that matter most, those that cannot be used greyed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from textual.content import Content
from textual.widgets import Static

from tuitrain.ui.actions import Action


class Footer(Static):
    """Shows actions with their keys, as many as fit; the last one always does."""

    DEFAULT_CSS = """
    Footer { dock: bottom; height: 1; background: $panel; color: $foreground 75%; padding: 0 1; }
    """

    def show(self, actions: Iterable[Action], refusal: Callable[[Action], str], titles: dict[str, str]) -> None:
        """Show actions.

        Args:
            actions: in order of importance; the last two (help and leave) are kept whatever the width.
            refusal: why an action cannot be used; empty where it can.
            titles: other titles than the usual ones, by id, e.g. "resume" for pause.
        """
        pieces = [_piece(action, titles.get(action.id, action.title), bool(refusal(action))) for action in actions]
        kept, last = pieces[:-2], pieces[-2:]
        room = max(20, self.size.width) - sum(piece.cell_length + 2 for piece in last)
        line: list[Content] = []
        for piece in kept:
            room -= piece.cell_length + 2
            if room >= 0:
                line.append(piece)
        self.update(Content("  ").join([*line, *last]))


def _piece(action: Action, title: str, is_grey: bool) -> Content:
    if is_grey:
        return Content.styled(f"{action.key_text} {title}", "$foreground 35%")
    return Content.assemble((action.key_text, "bold $foreground"), f" {title}")
