"""A drawing as SVG text: no script, nothing loaded, light or dark as the reader's system is."""

from __future__ import annotations

import math
from xml.sax.saxutils import escape, quoteattr

from tuitrain.comparing.report.drawing import (
    ARM_COLOURS,
    LIGHT,
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

FONTS = "Helvetica Neue, Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif"


def svg(drawing: Drawing, *, has_style: bool = True) -> str:
    """The drawing as one `<svg>` element.

    Args:
        drawing: what to draw.
        has_style: with the colours for dark systems in it; a page that has `style` itself needs them once.
    """
    width, height = _number(drawing.width), _number(drawing.height)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label={quoteattr(clean(drawing.title))} font-family={quoteattr(FONTS)}>'
    )
    rule = [f"<style>{style()}</style>"] if has_style else []
    return "\n".join([head, *rule, *(_element(mark) for mark in drawing.marks), "</svg>"])


def style() -> str:
    """CSS that gives every ink its dark colour where the system is dark."""
    inks: list[Ink] = [*LIGHT, *range(len(ARM_COLOURS))]  # type: ignore[list-item]
    rules = [
        f".f-{ink}{{fill:{colour_of(ink, is_dark=True)}}}.s-{ink}{{stroke:{colour_of(ink, is_dark=True)}}}"
        for ink in inks
    ]
    return f"@media (prefers-color-scheme: dark){{{''.join(rules)}}}"


def clean(text: str) -> str:
    """Without the control characters that XML forbids."""
    return "".join(
        letter if letter >= " " and letter not in "\ufffe\uffff" and not _is_half(letter) else " " for letter in text
    )


def _is_half(letter: str) -> bool:
    """A surrogate, as in names of files that are not UTF-8: cannot be encoded."""
    return "\ud800" <= letter <= "\udfff"


def _element(mark: Mark) -> str:
    match mark:
        case Polyline():
            dash = f' stroke-dasharray="{" ".join(map(_number, mark.dash))}"' if mark.dash else ""
            return (
                f'<polyline points="{_points(mark.points)}" fill="none" {_stroke(mark.ink)} '
                f'stroke-width="{_number(mark.width)}" stroke-linejoin="round"{dash}/>'
            )
        case Area():
            return f'<polygon points="{_points(mark.points)}" {_fill(mark.ink)} fill-opacity="{mark.opacity:g}"/>'
        case Rect():
            place = " ".join(
                f'{name}="{_number(value)}"'
                for name, value in (("x", mark.x), ("y", mark.y), ("width", mark.width), ("height", mark.height))
            )
            return f"<rect {place} {_fill(mark.ink)}/>"
        case Text():
            bold = ' font-weight="600"' if mark.is_bold else ""
            turned = f' transform="rotate(-90 {_number(mark.x)} {_number(mark.y)})"' if mark.is_upright else ""
            anchor = f' text-anchor="{mark.anchor}"' if mark.anchor != "start" else ""
            return (
                f'<text x="{_number(mark.x)}" y="{_number(mark.y)}" font-size="{_number(mark.size)}" '
                f"{_fill(mark.ink)}{anchor}{bold}{turned}>{escape(clean(mark.text))}</text>"
            )
        case Marker():
            return _marker(mark)


def _marker(mark: Marker) -> str:
    if mark.shape == "disc":
        return f'<circle cx="{_number(mark.x)}" cy="{_number(mark.y)}" r="{_number(mark.radius)}" {_fill(mark.ink)}/>'
    if mark.shape in ("cross", "plus"):
        ways = "".join(f"M{_points(stroke)}" for stroke in outline(mark))
        return f'<path d="{ways}" fill="none" {_stroke(mark.ink)} stroke-width="1.8"/>'
    return f'<polygon points="{_points(outline(mark)[0])}" {_fill(mark.ink)}/>'


def _fill(ink: Ink) -> str:
    return f'fill="{colour_of(ink)}" class="f-{_class(ink)}"'


def _stroke(ink: Ink) -> str:
    return f'stroke="{colour_of(ink)}" class="s-{_class(ink)}"'


def _class(ink: Ink) -> Ink:
    return ink % len(ARM_COLOURS) if isinstance(ink, int) else ink


def _points(points: tuple[Point, ...]) -> str:
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in points)


def _number(value: float) -> str:
    """With one decimal at most: a tenth of a pixel is not seen."""
    return f"{value:.1f}".removesuffix(".0") if math.isfinite(value) else "0"
