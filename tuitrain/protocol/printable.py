"""Words of a run that somebody else may have made, for a terminal: a run folder must not be able to steer it."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text in one line; "·" for each code that is no sign, e.g. those that begin an escape sequence."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else " " if sign in "\n\t" else "·" for sign in text)
