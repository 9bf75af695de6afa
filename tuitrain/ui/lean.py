r"""Terminal output with a color code only where a color changes: of a frame about a third is left.

Textual writes each styled piece with its whole style and a reset behind it, `\x1b[38;2;…;48;2;…mtext\x1b[0m`. Here
the codes are read as what they set, and written again as the difference to what the terminal has set already. What is
no such code, e.g. a cursor move, passes as it is.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_CODE = re.compile(r"\x1b\[([0-9;]*)m")
_MOVES = re.compile(r"(?:\x1b\[[0-9;]*H|\n)*")


class _Style(NamedTuple):
    """What is set: attributes, and the parameters of each color; empty is the terminal's own."""

    attributes: tuple[str, ...] = ()
    foreground: str = ""
    background: str = ""


_PLAIN = _Style()


def lean(text: str) -> str:
    """Return what shows the same cells with fewer codes; it begins and ends without a style, as every frame does."""
    pieces = _CODE.split(text)
    written = [pieces[0]]
    wanted = now = _PLAIN
    for code, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        wanted = _after(wanted, code)
        if not piece or (piece[0] in "\x1b\n" and _MOVES.fullmatch(piece)):
            written.append(piece)
            continue
        shown = wanted
        if piece.isspace() and not (wanted.attributes or now.attributes):
            shown = wanted._replace(foreground=now.foreground)  # nobody sees that of a blank
        written += _change(now, shown), piece
        now = shown
    written.append(_change(now, wanted))
    return "".join(written)


@lru_cache(4096)
def _after(style: _Style, code: str) -> _Style:
    """Return the style after a code with these parameters."""
    parameters = code.split(";")
    while parameters:
        first = parameters.pop(0)
        number = int(first or 0)
        color = first
        if number in {38, 48}:  # 5;N or 2;R;G;B follow
            length = 4 if parameters[:1] == ["2"] else 2
            color = ";".join([first, *parameters[:length]])
            del parameters[:length]
        if number == 0:
            style = _PLAIN
        elif 30 <= number < 40 or 90 <= number < 98:
            style = style._replace(foreground=color)
        elif 40 <= number < 50 or 100 <= number < 108:
            style = style._replace(background=color)
        else:
            style = style._replace(attributes=(*style.attributes, first))
    return style


@lru_cache(4096)
def _change(now: _Style, wanted: _Style) -> str:
    """Return the shortest code from one style to another; empty where they are the same."""
    loses_color = (now.foreground and not wanted.foreground) or (now.background and not wanted.background)
    if loses_color or (now.attributes and now.attributes != wanted.attributes):
        parts = ["0", *wanted.attributes, wanted.foreground, wanted.background]
    else:
        parts = [] if now.attributes else [*wanted.attributes]
        parts += [new for new, old in zip(wanted[1:], now[1:], strict=True) if new != old]
    codes = ";".join(filter(None, parts))
    return f"\x1b[{codes}m" if codes else ""
