"""Chapters and stations, read from `chapters/*.toml` beside this file. A broken one is an error: they are ours."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import msgspec

from tuitrain.errors import TuitrainError, UnknownNameError

_FOLDER = Path(__file__).resolve().parent / "chapters"


class Station(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing to understand, with what shows it."""

    id: str
    title: str
    about: str
    """Two sentences."""
    formula: tuple[str, ...] = ()
    """Lines of plain text, set as they are; short enough for a narrow screen."""
    run: tuple[str, ...]
    """Presets, the best one first; at most nine, as digits choose them."""
    press: tuple[tuple[str, str], ...] = ()
    """Key of the live screen, and what it does there."""
    shell: tuple[str, ...] = ()
    """Commands to type in a shell."""
    look: str
    """What to see, with a number that was measured."""
    question: str
    answer: str
    careful: tuple[str, ...] = ()
    """Where lecture notes or folklore err."""
    papers: tuple[str, ...] = ()
    """Authors and year."""


class Chapter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the lecture."""

    title: str
    about: str
    """A few words."""
    station: tuple[Station, ...]
    """In the order in which they are taught."""


@cache
def chapters() -> tuple[Chapter, ...]:
    """All chapters in the order of the lecture.

    Raises:
        TuitrainError: a shipped chapter is damaged.
    """
    return tuple(read_chapter(path) for path in sorted(_FOLDER.glob("*.toml")))


def read_chapter(path: Path) -> Chapter:
    """One chapter from its file.

    Raises:
        TuitrainError: it is missing, no TOML, or not a chapter; with what is wrong.
    """
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Chapter)
    except (OSError, ValueError) as error:
        raise TuitrainError(
            f"{path}: is no chapter of the walk: {error}.", hint="installing tuitrain again."
        ) from error


def stations() -> tuple[Station, ...]:
    """All stations in the order of the lecture."""
    return tuple(station for chapter in chapters() for station in chapter.station)


def find_station(name: str) -> Station:
    """The station of that id, else the first one that runs a preset of that name.

    Raises:
        UnknownNameError: neither; it names the nearest station.
    """
    found = next((station for station in stations() if station.id == name), None)
    found = found or next((station for station in stations() if name in station.run), None)
    if found is None:
        raise UnknownNameError("station", name, [station.id for station in stations()])
    return found


def chapter_of(station: Station) -> Chapter:
    """The chapter that a station belongs to."""
    return next(chapter for chapter in chapters() if station in chapter.station)


def matching(typed: str) -> tuple[Station, ...]:
    """The stations that hold every typed word somewhere: title, text, formula, preset or paper."""
    words = typed.lower().split()
    return tuple(station for station in stations() if all(word in _searched(station) for word in words))


@cache
def _searched(station: Station) -> str:
    words = (
        station.id, station.title, chapter_of(station).title, station.about, *station.formula, *station.run,
        *station.papers,
    )  # fmt: skip
    return " ".join(words).lower()
