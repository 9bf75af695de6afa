"""Lines on the terminal of whoever typed a command. Whatever is in them, only their own line ends steer it."""

from __future__ import annotations

import typer

from tuitrain.protocol.printable import printable_lines


def echo(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Print a text of one or more lines, on stdout or stderr; what is no sign is printed as "·".

    It may hold words of a run that somebody else made (see `protocol.printable`), so the commands print through this.
    """
    typer.echo(printable_lines(text), err=err, nl=nl)
