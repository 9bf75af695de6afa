"""A drawing as pixels: drawn twice as large as it is kept, so that edges are smooth."""

from __future__ import annotations

import io
import itertools
import math

from PIL import Image, ImageDraw

from tuitrain.comparing.report.drawing import (
    Area,
    Drawing,
    Ink,
    Mark,
    Marker,
    Point,
    Polyline,
    Rect,
    Text,
    colour_of,
    outline,
)
from tuitrain.comparing.report.lettering import font_for

_FINER = 2
_MOST_PIXELS = 60_000_000
"""Of the finer picture: 180 MB."""


def png(drawing: Drawing, scale: float = 2.0) -> bytes:
    """The drawing as a PNG file, on white.

    Args:
        drawing: what to draw.
        scale: pixels of the file for a pixel of the drawing; less where the picture would be too large.
    """
    most = math.sqrt(_MOST_PIXELS / (drawing.width * drawing.height)) / _FINER
    scale = max(0.25, min(scale, most))
    size = max(1, round(drawing.width * scale)), max(1, round(drawing.height * scale))
    finer = Image.new("RGB", (size[0] * _FINER, size[1] * _FINER), colour_of("paper"))
    pen = _Pen(finer, scale * _FINER)
    for mark in drawing.marks:
        pen.draw(mark)
    told = io.BytesIO()
    finer.resize(size, Image.Resampling.BOX).save(told, "PNG", optimize=True)
    return told.getvalue()


class _Pen:
    """Draws marks on a picture that has `scale` pixels for one."""

    def __init__(self, picture: Image.Image, scale: float) -> None:
        self._picture = picture
        self._on = ImageDraw.Draw(picture, "RGBA")
        self._scale = scale

    def draw(self, mark: Mark) -> None:
        match mark:
            case Polyline():
                for piece in _dashed(self._scaled(mark.points), tuple(self._scale * part for part in mark.dash)):
                    self._line(piece, mark.width, mark.ink)
            case Area():
                if len(mark.points) > 2:
                    self._on.polygon(self._scaled(mark.points), fill=self._colour(mark.ink, mark.opacity))
            case Rect():
                if mark.width > 0.0 and mark.height > 0.0:
                    left, top = mark.x * self._scale, mark.y * self._scale
                    right, bottom = left + mark.width * self._scale - 1, top + mark.height * self._scale - 1
                    self._on.rectangle((left, top, max(left, right), max(top, bottom)), fill=self._colour(mark.ink))
            case Marker():
                self._marker(mark)
            case Text():
                self._text(mark)

    def _line(self, points: list[Point], width: float, ink: Ink) -> None:
        if len(points) > 1:
            thick = max(1, round(width * self._scale))
            self._on.line(points, fill=self._colour(ink), width=thick, joint="curve")

    def _marker(self, mark: Marker) -> None:
        if mark.shape == "disc":
            x, y, r = mark.x * self._scale, mark.y * self._scale, mark.radius * self._scale
            self._on.ellipse((x - r, y - r, x + r, y + r), fill=self._colour(mark.ink))
        elif mark.shape in ("cross", "plus"):
            for stroke in outline(mark):
                self._line(self._scaled(stroke), 1.8, mark.ink)
        else:
            self._on.polygon(self._scaled(outline(mark)[0]), fill=self._colour(mark.ink))

    def _text(self, mark: Text) -> None:
        font, text = font_for(mark.text, mark.size * self._scale)
        # The font has one weight: bold is drawn with an outline.
        stroke = mark.size * self._scale * 0.018 if mark.is_bold else 0.0
        place = mark.x * self._scale, mark.y * self._scale
        anchor = {"start": "ls", "middle": "ms", "end": "rs"}[mark.anchor]
        if not mark.is_upright:
            self._on.text(place, text, self._colour(mark.ink), font, anchor, stroke_width=stroke)
            return
        left, top, right, bottom = (int(edge) for edge in font.getbbox(text, anchor="ls"))
        cover = Image.new("L", (max(1, right - left + 2), max(1, bottom - top + 2)), 0)
        ImageDraw.Draw(cover).text((-left, -top), text, 255, font, "ls", stroke_width=stroke)
        cover = cover.rotate(90, expand=True)
        start = {"start": 0, "middle": cover.height // 2, "end": cover.height}[mark.anchor]
        self._picture.paste(
            self._colour(mark.ink)[:3], (round(place[0]) + top, round(place[1]) + start - cover.height), cover
        )

    def _scaled(self, points: tuple[Point, ...]) -> list[Point]:
        return [(x * self._scale, y * self._scale) for x, y in points]

    def _colour(self, ink: Ink, opacity: float = 1.0) -> tuple[int, int, int, int]:
        hexed = colour_of(ink)
        red, green, blue = (int(hexed[place : place + 2], 16) for place in (1, 3, 5))
        return red, green, blue, round(255 * opacity)


def _dashed(points: list[Point], dash: tuple[float, ...]) -> list[list[Point]]:
    """The stretches of a line that are drawn."""
    if not dash or not points:
        return [points]
    pieces, piece = [], [points[0]]
    part, left = 0, dash[0]
    for start, end in itertools.pairwise(points):
        length, gone = math.dist(start, end), 0.0
        while length - gone > left:
            gone += left
            share = gone / length
            at = start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])
            if part % 2 == 0:
                pieces.append([*piece, at])
            piece = [at]
            part = (part + 1) % len(dash)
            left = dash[part]
        left -= length - gone
        piece.append(end)
    return [*pieces, piece] if part % 2 == 0 else pieces
