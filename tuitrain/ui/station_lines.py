"""Stations in colours: the lines of the list, and the lines of a page."""

from __future__ import annotations

from textual.content import Content
from textual.widgets.option_list import Option

from tuitrain.learning.page import Kind, Line
from tuitrain.learning.progress import Progress, num_seen
from tuitrain.learning.walk import Station, chapters

_STYLES: dict[Kind, str] = {
    "title": "bold $foreground",
    "place": "$foreground 55%",
    "label": "bold $warning",
    "text": "$foreground",
    "formula": "bold $primary",
    "preset": "$foreground",
    "chosen": "bold $success",
    "missing": "$foreground 40%",
    "key": "bold $success",
    "shell": "$secondary",
    "look": "$foreground",
    "question": "bold $foreground",
    "answer": "$foreground",
    "covered": "$foreground 45%",
    "careful": "$foreground 80%",
    "papers": "$foreground 55%",
}


def page_content(lines: list[Line]) -> Content:
    """The lines with the colour of each kind."""
    return Content("\n").join(
        Content.assemble(*((piece.text, _STYLES[piece.kind]) for piece in line)) if line else Content("")
        for line in lines
    )


def station_options(wanted: tuple[Station, ...], progress: Progress) -> list[Option]:
    """The stations by chapter, each under its heading; ✓ before those that were seen."""
    options: list[Option] = []
    for chapter in chapters():
        members = [station for station in chapter.station if station in wanted]
        if members:
            heading = _heading_line(chapter.title, num_seen(chapter.station, progress), len(chapter.station))
            options.append(Option(heading, id=f"chapter {chapter.title}", disabled=True))
            options += [Option(_station_line(each, each.id in progress.seen), id=each.id) for each in members]
    return options


def _station_line(station: Station, is_seen: bool) -> Content:
    """A line of the list: ✓ once it was seen."""
    mark = ("✓ ", "$success") if is_seen else ("  ", "$foreground")
    return Content.assemble(mark, (station.title, "$foreground 75%" if is_seen else "$foreground"))


def _heading_line(title: str, num_seen: int, num_stations: int) -> Content:
    """A chapter above its stations, with how many of them were seen."""
    return Content.assemble((title, "bold $accent"), (f"  {num_seen}/{num_stations}", "$foreground 45%"))
