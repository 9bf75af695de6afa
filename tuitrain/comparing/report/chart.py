"""A figure as marks: axes, bands, lines, and every arm's name at the end of its line."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tuitrain.comparing.report.contents import Figure, Line
from tuitrain.comparing.report.drawing import Area, Drawing, Marker, Point, Polyline, Text, dash_of, shape_of
from tuitrain.comparing.report.lettering import shortened, text_width
from tuitrain.comparing.report.ticks import linear_ticks, log_ticks, tick_label

_NAME = 11.5
_NAME_HEIGHT = 15.0
_WIDEST_NAME = 190.0
_MARKS_ON_A_LINE = 7
_TOP, _BOTTOM = 34.0, 44.0


def chart_height(figure: Figure) -> float:
    """In pixels: higher with more arms, as their names stand below each other."""
    if not any(line.xs for line in figure.lines):
        return 110.0
    return max(290.0, _TOP + _BOTTOM + _NAME_HEIGHT * len(figure.lines))


def chart(figure: Figure, arms: tuple[str, ...], width: float = 760.0) -> Drawing:
    """A figure by itself."""
    drawing = Drawing(width, chart_height(figure), figure.title)
    draw_chart(drawing, figure, arms, 0.0, 0.0, width)
    return drawing


def draw_chart(drawing: Drawing, figure: Figure, arms: tuple[str, ...], x: float, y: float, width: float) -> None:
    """Draw a figure with its top left at (x, y), as high as `chart_height` says.

    Args:
        drawing: what it is drawn on.
        figure: what is drawn.
        arms: every arm of the report: their places are their colours.
        x: left edge, pixels.
        y: top edge, pixels.
        width: of the whole figure with its names, pixels.
    """
    bottom = y + chart_height(figure) - _BOTTOM
    drawing.marks.append(Text(x, y + 16.0, shortened(figure.title, 13.5, width, is_bold=True), 13.5, is_bold=True))
    lines = [(arms.index(line.label), line, _seen(line, is_log=figure.is_log)) for line in figure.lines]
    points = [point for _, line, seen in lines for point in _spread(line, seen, is_log=figure.is_log)]
    if not points:
        drawing.marks.append(Text(x + width / 2, (y + bottom) / 2, "no values yet", 12.0, "muted", "middle"))
        return
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    ranges = _range(min(xs), max(xs), margin=0.0), _range(min(ys), max(ys), margin=0.05, is_log=figure.is_log)
    y_ticks = (log_ticks if figure.is_log else linear_ticks)(*ranges[1])
    left = x + 30.0 + max((text_width(tick_label(tick), 11.0) for tick in y_ticks), default=0.0)
    longest = max((text_width(line.label, _NAME) for _, line, _ in lines), default=0.0)
    right = x + width - min(longest, _WIDEST_NAME, width / 3) - 34.0
    plane = _Plane(left, y + _TOP, right, bottom, *ranges, figure.is_log)
    _draw_axes(drawing, plane, figure, y_ticks, x)
    for arm, line, seen in lines:
        if line.lows and line.highs:
            drawing.marks.extend(Area(band, arm, 0.16) for band in _bands(line, plane))
        _draw_line(drawing, plane, arm, seen)
    _draw_names(drawing, plane, [(arm, line.label, seen) for arm, line, seen in lines], x + width)


@dataclass(frozen=True)
class _Plane:
    """Where values lie in a rectangle of the sheet."""

    left: float
    top: float
    right: float
    bottom: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    is_log: bool

    def at(self, x: float, y: float) -> Point:
        across = _share(x, *self.x_range)
        up = _share(math.log10(y), *map(math.log10, self.y_range)) if self.is_log else _share(y, *self.y_range)
        return self.left + across * (self.right - self.left), self.bottom - up * (self.bottom - self.top)

    def has(self, x: float, y: float) -> bool:
        """Whether a value can be drawn at all."""
        return math.isfinite(x) and math.isfinite(y) and (y > 0.0 or not self.is_log)


def _share(value: float, low: float, high: float) -> float:
    # Halved first: the difference of two floats may be larger than any float.
    return (value / 2 - low / 2) / (high / 2 - low / 2)


def _range(low: float, high: float, margin: float, *, is_log: bool = False) -> tuple[float, float]:
    """With a margin on both sides; around one value where there is no other."""
    if is_log:
        ends = math.log10(low), math.log10(high)
        room = margin * (ends[1] - ends[0]) or 0.5
        return 10.0 ** max(-307.0, ends[0] - room), 10.0 ** min(308.0, ends[1] + room)
    size = max(abs(low), abs(high))
    if high / 2 - low / 2 <= size * 1e-12:
        return low - (abs(low) / 10 or 1.0), high + (abs(high) / 10 or 1.0)
    room = margin * (high / 2 - low / 2) * 2
    return max(-1e308, low - room), min(1e308, high + room)


def _seen(line: Line, *, is_log: bool) -> list[list[Point]]:
    """The stretches of a line that have values."""
    stretches: list[list[Point]] = [[]]
    for x, y in zip(line.xs, line.ys, strict=False):
        if math.isfinite(x) and math.isfinite(y) and (y > 0.0 or not is_log):
            stretches[-1].append((x, y))
        elif stretches[-1]:
            stretches.append([])
    return [stretch for stretch in stretches if stretch]


def _spread(line: Line, seen: list[list[Point]], *, is_log: bool) -> list[Point]:
    """Every point that must be within the axes: of the line and of its band."""
    points = [point for stretch in seen for point in stretch]
    for edge in (line.lows, line.highs):
        points += [
            (x, y)
            for x, y in zip(line.xs, edge, strict=False)
            if math.isfinite(x) and math.isfinite(y) and (y > 0.0 or not is_log)
        ]
    return points


def _bands(line: Line, plane: _Plane) -> list[tuple[Point, ...]]:
    """Polygons between the edges; a lower edge that a logarithm cannot show is at the bottom."""
    bands: list[list[tuple[Point, Point]]] = [[]]
    for x, low, high in zip(line.xs, line.lows, line.highs, strict=False):
        shown = max(low, plane.y_range[0]) if math.isfinite(low) else low
        if plane.has(x, shown) and plane.has(x, high):
            bands[-1].append((plane.at(x, shown), plane.at(x, high)))
        elif bands[-1]:
            bands.append([])
    return [(*(low for low, _ in band), *(high for _, high in reversed(band))) for band in bands if len(band) > 1]


def _draw_axes(drawing: Drawing, plane: _Plane, figure: Figure, y_ticks: tuple[float, ...], x: float) -> None:
    marks = drawing.marks
    for tick in y_ticks:
        _, y = plane.at(plane.x_range[0], tick)
        marks.append(Polyline(((plane.left, y), (plane.right, y)), "grid"))
        marks.append(Text(plane.left - 7.0, y + 4.0, tick_label(tick), 11.0, "muted", "end"))
    for tick in linear_ticks(*plane.x_range, most=max(3, int((plane.right - plane.left) / 75))):
        across, _ = plane.at(tick, plane.y_range[0])
        marks.append(Polyline(((across, plane.bottom), (across, plane.bottom + 4.0)), "muted"))
        marks.append(Text(across, plane.bottom + 16.0, tick_label(tick), 11.0, "muted", "middle"))
    marks.append(Polyline(((plane.left, plane.bottom), (plane.right, plane.bottom)), "muted"))
    marks.append(Text((plane.left + plane.right) / 2, plane.bottom + 33.0, figure.x_label, 11.5, "muted", "middle"))
    y_label = f"{figure.y_label} (log)" if figure.is_log else figure.y_label
    y_label = shortened(y_label, 11.5, plane.bottom - plane.top)
    marks.append(Text(x + 11.0, (plane.top + plane.bottom) / 2, y_label, 11.5, "muted", "middle", is_upright=True))


def _draw_line(drawing: Drawing, plane: _Plane, arm: int, seen: list[list[Point]]) -> None:
    """A line with marks at some of its points: at all of them where there are few, shifted from arm to arm."""
    placed = [[plane.at(*point) for point in stretch] for stretch in seen]
    for stretch in placed:
        if len(stretch) > 1:
            drawing.marks.append(Polyline(tuple(stretch), arm, 1.8, dash_of(arm)))
    points = [point for stretch in placed for point in stretch]
    every = max(1, len(points) // _MARKS_ON_A_LINE)
    shift = (arm * max(1, every // 3)) % every if every > 1 else 0
    # The last one has its mark, and none beside it.
    chosen = [*(point for point in points[shift::every] if points[-1][0] - point[0] > 12.0), *points[-1:]]
    alone = [stretch[0] for stretch in placed if len(stretch) == 1]
    drawing.marks.extend(Marker(*point, shape_of(arm), arm) for point in dict.fromkeys([*chosen, *alone]))


def _draw_names(drawing: Drawing, plane: _Plane, lines: list[tuple[int, str, list[list[Point]]]], right: float) -> None:
    """Every arm's name beside the end of its line, moved up or down where they would touch."""
    ends = [(arm, label, plane.at(*seen[-1][-1]) if seen else None) for arm, label, seen in lines]
    ends.sort(key=lambda end: (end[2] is None, end[2][1] if end[2] else 0.0))
    heights = [end[1] if end else plane.bottom for _, _, end in ends]
    places = spread_apart(heights, _NAME_HEIGHT, plane.top + 4.0, plane.bottom)
    left = plane.right + 26.0
    for (arm, label, end), height in zip(ends, places, strict=True):
        if end is not None:
            drawing.marks.append(Polyline((end, (plane.right + 8.0, end[1]), (left - 12.0, height)), "grid"))
            drawing.marks.append(Marker(*end, shape_of(arm), arm))
        drawing.marks.append(Marker(left - 6.0, height, shape_of(arm), arm))
        name = shortened(label if end is not None else f"{label}: no values", _NAME, right - left - 2.0)
        drawing.marks.append(Text(left + 2.0, height + 4.0, name, _NAME, "ink"))


def spread_apart(places: list[float], gap: float, low: float, high: float) -> list[float]:
    """Places in their order, `gap` apart or more, within [low, high] where there is room, moved as little as can be.

    Args:
        places: ascending.
        gap: the least distance.
        low: the least place.
        high: the largest.
    """
    # Groups of places that touch stand around their common mean.
    groups: list[tuple[float, int]] = []
    for place in places:
        center, count = min(max(place, low), high), 1
        while groups and center - (count - 1) * gap / 2 < groups[-1][0] + (groups[-1][1] + 1) * gap / 2:
            before, num = groups.pop()
            center, count = (before * num + center * count) / (num + count), num + count
            half = (count - 1) * gap / 2
            center = max(low + half, min(center, high - half))
        groups.append((center, count))
    return [center + (index - (count - 1) / 2) * gap for center, count in groups for index in range(count)]
