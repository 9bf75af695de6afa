"""A station set as lines of a width: words wrap, formulas stand, labels hang in a gutter.

Pure: pieces of text with the kind of each. The screen gives kinds their colours, the printer drops them, so both say
the same.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from tuitrain.learning.walk import Station, chapter_of, chapters

Kind = Literal[
    "title", "place", "label", "text", "formula", "preset", "chosen", "missing", "key", "shell", "look", "question",
    "answer", "covered", "careful", "papers",
]  # fmt: skip
_GUTTER = 10
"""Columns of the labels."""
_NARROW = 44
"""Columns below which labels stand above what they name."""
_MOST_FORMULA = 44
"""Columns of the longest formula."""
_TOGETHER = re.compile(r"(?<=\d) (?=\d{3}\b)|(?<=\S) (?=[=←<≈] )|(?<= [=←<≈]) (?=\S)")
"""Spaces at which no line ends: 1 000, W ← W."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Text of one kind."""

    text: str
    kind: Kind


Line = tuple[Piece, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """How a station is looked at."""

    width: int
    """Columns; less than 20 counts as 20."""
    titles: Mapping[str, str]
    """Preset → title, of those that are there."""
    chosen: int = 0
    """Which preset enter would run; -1 where nothing can be run."""
    is_answered: bool = False
    """Whether the answer is uncovered."""


def page(station: Station, view: View) -> list[Line]:
    """The lines of a station, none longer than the width unless a single word is."""
    width = max(20, view.width)
    lines = [*_heading(station, width), (), *_wrapped(station.about, "text", width)]
    if station.formula:
        indent = " " * min(4, max(0, width - _MOST_FORMULA))
        lines += [(), *((Piece(indent + line, "formula"),) for line in station.formula)]
    for label, body in _parts(station, view, width if width < _NARROW else width - _GUTTER):
        lines += [(), *_labelled(label, body, width)]
    return lines


def plain_text(lines: list[Line]) -> str:
    """The lines without their kinds."""
    return "\n".join("".join(piece.text for piece in line).rstrip() for line in lines)


def _heading(station: Station, width: int) -> list[Line]:
    chapter = chapter_of(station)
    place = f"{chapters().index(chapter) + 1}.{chapter.station.index(station) + 1}"
    around = f"{place}  {chapter.title}"
    return [*_wrapped(station.title, "title", width), *_wrapped(around, "place", width)]


def _parts(station: Station, view: View, width: int) -> Iterator[tuple[str, list[Line]]]:
    """Label and lines of each part."""
    if station.run:
        yield "run", _presets(station.run, view, width)
    if station.press:
        yield "press", [line for key, words in station.press for line in _hanging(key, "key", words, 4, width)]
    if station.shell:
        yield "type", [line for command in station.shell for line in _wrapped(command, "shell", width, "  ")]
    yield "look for", _wrapped(station.look, "look", width)
    yield "question", _wrapped(station.question, "question", width)
    if view.is_answered:
        yield "answer", _wrapped(station.answer, "answer", width)
    else:
        yield "answer", _wrapped("Think first; then a uncovers it.", "covered", width)
    if station.careful:
        yield "careful", _spaced([_wrapped(words, "careful", width) for words in station.careful])
    if station.papers:
        yield (
            "papers",
            _wrapped(
                " · ".join(name.replace(" ", "\xa0").replace("\xa0(", " (") for name in station.papers), "papers", width
            ),
        )


def _presets(names: tuple[str, ...], view: View, width: int) -> list[Line]:
    """Digit, name and title of each, in columns where all have room; the chosen one with an arrow."""
    longest = max(len(name) for name in names)
    titles = [view.titles.get(name, "not in this version") for name in names]
    is_wide = 3 + longest + 2 + max(len(title) for title in titles) <= width
    lines: list[Line] = []
    for place, (name, title) in enumerate(zip(names, titles, strict=True)):
        is_here, is_chosen = name in view.titles, place == view.chosen
        mark = "" if view.chosen < 0 else f"{'▸' if is_chosen else ' '}{place + 1} "
        kind: Kind = "missing" if not is_here else "chosen" if is_chosen else "preset"
        about: Kind = "text" if is_here else "missing"
        if is_wide:
            lines.append((Piece(f"{mark}{name:<{longest}}  ", kind), Piece(title, about)))
        else:
            indent = " " * (len(mark) + 2)
            lines += [(Piece(mark + name, kind),), *_wrapped(title, about, width, indent, indent)]
    return lines


def _hanging(head: str, kind: Kind, words: str, indent: int, width: int) -> list[Line]:
    """A short head, and words beside it that hang."""
    first, *rest = _wrap(words, max(10, width - indent))
    return [
        (Piece(f"{head:<{indent}}", kind), Piece(first, "text")),
        *((Piece(" " * indent + line, "text"),) for line in rest),
    ]


def _wrapped(words: str, kind: Kind, width: int, hang: str = "", indent: str = "") -> list[Line]:
    return [(Piece(line, kind),) for line in _wrap(words, width, hang, indent)]


def _wrap(words: str, width: int, hang: str = "", indent: str = "") -> list[str]:
    wrapped = textwrap.wrap(
        _TOGETHER.sub("\xa0", words), width, initial_indent=indent, subsequent_indent=hang, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
    return [line.replace("\xa0", " ") for line in wrapped] or [""]


def _spaced(blocks: list[list[Line]]) -> list[Line]:
    """Blocks with an empty line between them."""
    return [line for place, block in enumerate(blocks) for line in ([(), *block] if place else block)]


def _labelled(label: str, body: list[Line], width: int) -> list[Line]:
    """The body with its label in the gutter, or above it where there is no room."""
    if width < _NARROW:
        return [(Piece(label, "label"),), *body]
    margin = Piece(" " * _GUTTER, "text")
    first, *rest = body
    return [(Piece(f"{label:<{_GUTTER}}", "label"), *first), *((margin, *line) if line else () for line in rest)]
