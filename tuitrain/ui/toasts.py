"""The small messages in the corner: what they say may come from a run, so it is text and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitrain.protocol.printable import printable, printable_lines
from tuitrain.ui.terminal import TerminalApp

if TYPE_CHECKING:
    from textual.notifications import SeverityLevel


class Toasts(TerminalApp):
    """An app whose messages, from whatever screen, are never read as markup and hold nothing that steers a terminal."""

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Show a message for some seconds; `markup` is taken for False."""
        del markup
        text = printable_lines(message)
        super().notify(text, title=printable(title), severity=severity, timeout=timeout, markup=False)
