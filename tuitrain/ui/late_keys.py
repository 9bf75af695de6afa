"""Keys that were typed in one burst with the key that opened a line to type in, and came before it had the focus."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from textual import events
from textual.widgets import Input


@runtime_checkable
class TakesLateKeys(Protocol):
    """A screen with a line to type in."""

    def take_late_key(self, event: events.Key) -> bool:
        """Give a key that nobody took to the line; False where none is open."""


def type_late(line: Input, event: events.Key) -> bool:
    """Type a key into a line, or submit it; whether it was something to type."""
    if event.key == "enter":
        line.call_later(line.action_submit)
        return True
    if not event.is_printable or not event.character:
        return False
    line.insert_text_at_cursor(event.character)
    return True
