"""Stations in colours: a line of the list, and the lines of a page."""

from __future__ import annotations

from textual.content import Content

from tuitrain.learning.page import Kind, Line
from tuitrain.learning.walk import Station

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


def station_line(station: Station, is_seen: bool) -> Content:
    """A line of the list: ✓ once it was seen."""
    mark = ("✓ ", "$success") if is_seen else ("  ", "$foreground")
    return Content.assemble(mark, (station.title, "$foreground 75%" if is_seen else "$foreground"))


def heading_line(title: str, num_seen: int, num_stations: int) -> Content:
    """A chapter above its stations, with how many of them were seen."""
    return Content.assemble((title, "bold $accent"), (f"  {num_seen}/{num_stations}", "$foreground 45%"))
