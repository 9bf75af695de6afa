"""The part of the command line that teaches: the walk through the lecture, on a screen or as text."""

from __future__ import annotations

import json
import shutil
import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

from tuitrain.echo import echo
from tuitrain.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuitrain.learning.progress import Progress
    from tuitrain.learning.walk import Station

_MOST_COLUMNS = 88


def register(app: typer.Typer, has_screen: Callable[[], bool]) -> None:
    """Add the command of this file to the program.

    Args:
        app: the program.
        has_screen: whether there is a terminal to draw on.
    """

    @app.command()
    def learn(
        station: Annotated[str, typer.Argument(metavar="STATION", help="Its id, or a preset that it runs.")] = "",
        listed: Annotated[bool, typer.Option("--list", help="Print all stations, a line or two each.")] = False,
        whole: Annotated[bool, typer.Option("--text", help="Print the station, or all of them, with answers.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
    ) -> None:
        """Walk through the lecture: what to run, to press, to see, a question each. Without a terminal, print it."""
        from tuitrain.learning.progress import read_progress
        from tuitrain.learning.walk import find_station, stations

        if station and listed:
            raise UsageError("--list lists all stations.", hint=f"tuitrain learn {station}")
        chosen = (find_station(station),) if station else stations()
        if as_json:
            echo(json.dumps(_data(chosen, read_progress()[0])))
        elif whole or (station and not has_screen()):
            echo("\n\n".join(_text(each) for each in chosen))
        elif listed or not has_screen():
            echo(_listed(read_progress()[0]))
        else:
            from tuitrain.launch import open_home

            raise typer.Exit(open_home(chosen[0].id if station else ""))


def _listed(progress: Progress) -> str:
    from tuitrain.learning.progress import num_seen
    from tuitrain.learning.walk import chapters

    width = _width()
    lines: list[str] = []
    for chapter in chapters():
        seen = num_seen(chapter.station, progress)
        lines += ["", f"{chapter.title}: {chapter.about}   {seen}/{len(chapter.station)}"]
        for station in chapter.station:
            mark = "✓" if station.id in progress.seen else " "
            lines.append(f"{mark} {station.id:<18} {station.title}")
            lines += textwrap.wrap(station.question, width, initial_indent=" " * 21, subsequent_indent=" " * 21)
    return "\n".join(lines[1:])


def _text(station: Station) -> str:
    from tuitrain.learning.page import View, page, plain_text
    from tuitrain.preset import list_presets

    titles = {preset.name: preset.title for preset in list_presets()}
    return plain_text(page(station, View(width=_width(), titles=titles, chosen=-1, is_answered=True)))


def _data(chosen: tuple[Station, ...], progress: Progress) -> list[dict[str, object]]:
    import msgspec

    from tuitrain.learning.walk import chapter_of

    return [
        {"chapter": chapter_of(each).title, "is_seen": each.id in progress.seen, **msgspec.to_builtins(each)}
        for each in chosen
    ]


def _width() -> int:
    return min(_MOST_COLUMNS, shutil.get_terminal_size().columns)
