"""Words of a run that somebody else may have made, for a terminal: a run folder must not be able to steer it.

The rule: what was read from a folder passes here before anything shows it, where it is read for people and not where
it is drawn. The doors are few: `session.reading.RunReader` (every word that a board or the printer gets),
`rundir.summary.summarize`, `RunFolder.id` and the tail of `output.log`. What is printed all the same, such as an error
with a path in it, goes through `tuitrain.echo` on the command line and `ui.toasts` on a screen. Who trains again from a
record reads it as it was written: there nothing is shown.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec

MOST_SIGNS = 2000
"""Of one text in one line; what is longer ends in "…"."""
_MOST_SIGNS_OF_LINES = 100_000
_OF_MANY_LINES = frozenset({"note", "traceback"})
_IN_COLOUR = re.compile(r"\x1b\[[0-9;:?]*[ -/]*[@-~]")

W = TypeVar("W", bound=msgspec.Struct)


def printable(text: str) -> str:
    """The text in one line; "·" for each code that is no sign, e.g. those that begin an escape sequence."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else " " if sign in "\n\t" else "·" for sign in text)


def printable_lines(text: str) -> str:
    """As `printable`, and it keeps its lines."""
    return text if text.isprintable() else "\n".join(printable(line) for line in text.split("\n"))


def printable_output(text: str) -> str:
    """As `printable_lines`, of what a program printed: without its colours, and of a bar the last state."""
    lines = _IN_COLOUR.sub("", text).split("\n")
    return printable_lines("\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines))


def printable_word(word: W) -> W:
    """The word with every text in it printable and of a length that can be shown: names, keys and nested ones too.

    Those that are meant to have several lines, a note and a traceback, keep them.
    """
    changed = {}
    for name in _with_text(type(word)):
        value = getattr(word, name)
        shown = _several(value) if name in _OF_MANY_LINES and isinstance(value, str) else _shown(value)
        if shown is not value:
            changed[name] = shown
    return msgspec.structs.replace(word, **changed) if changed else word


@cache
def _with_text(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """Fields that may hold a text, by their types; most words of a long run are numbers, and all are looked at."""
    return tuple(each.name for each in msgspec.structs.fields(kind) if _may_hold_text(each.type))


def _may_hold_text(kind: Any) -> bool:
    if kind is str or kind is object or kind is Any:
        return True
    if get_origin(kind) is Literal:
        return False
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return bool(_with_text(kind))
    return any(_may_hold_text(part) for part in get_args(kind))


def _shown(value: object) -> object:
    """The value itself where nothing in it has to change."""
    if isinstance(value, str):
        text = printable(value)
        return text if len(text) <= MOST_SIGNS else f"{text[: MOST_SIGNS - 1]}…"
    if isinstance(value, msgspec.Struct):
        return printable_word(value)
    if isinstance(value, list | tuple):
        if not value or isinstance(value[0], int | float):
            return value  # measured values: they are many, and all alike
        for item in value:
            if _shown(item) is not item:
                break
        else:
            return value
        return type(value)(_shown(item) for item in value)
    if isinstance(value, dict):
        pairs = [(_shown(key), _shown(item)) for key, item in value.items()]
        is_same = all(key is old and item is value[old] for (key, item), old in zip(pairs, value, strict=True))
        return value if is_same else dict(pairs)
    return value


def _several(text: str) -> str:
    shown = printable_lines(text)
    return shown if len(shown) <= _MOST_SIGNS_OF_LINES else f"{shown[: _MOST_SIGNS_OF_LINES - 1]}…"
