"""Marks on a sheet, in pixels from the top left; what SVG and pixels are both made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Point = tuple[float, float]
Ink = Literal["paper", "ink", "muted", "grid", "good", "bad"] | int
"""A role, or the index of an arm."""
Anchor = Literal["start", "middle", "end"]
Shape = Literal["disc", "square", "triangle", "diamond", "cross", "plus"]

# Okabe and Ito 2008, "Color Universal Design": told apart with every colour vision. Their yellow is left out, as it
# cannot be seen on white, and black, as it is the ink of the axes.
ARM_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
LIGHT = {
    "paper": "#ffffff",
    "ink": "#1f2328",
    "muted": "#656d76",
    "grid": "#e4e7eb",
    "good": "#006b4f",
    "bad": "#b03a00",
}
DARK = {
    "paper": "#14171b",
    "ink": "#e6e8eb",
    "muted": "#9aa4af",
    "grid": "#2c3138",
    "good": "#4cc9a0",
    "bad": "#ff9a66",
}
DARK_ARMS = ("#4aa8e0", "#ef7d2d", "#22c296", "#dd92bb", "#efb43c", "#8fd0f5")
DASHES: tuple[tuple[float, ...], ...] = ((), (7.0, 3.0), (2.0, 2.5), (9.0, 3.0, 2.0, 3.0), (14.0, 4.0))
"""Five and six have no common factor: thirty arms differ in dash, colour or mark."""
SHAPES: tuple[Shape, ...] = ("disc", "square", "triangle", "diamond", "cross", "plus")


@dataclass(frozen=True)
class Polyline:
    """A line through points."""

    points: tuple[Point, ...]
    ink: Ink
    width: float = 1.0
    dash: tuple[float, ...] = ()


@dataclass(frozen=True)
class Area:
    """A filled polygon that lets through what is below it."""

    points: tuple[Point, ...]
    ink: Ink
    opacity: float = 0.15


@dataclass(frozen=True)
class Rect:
    """A filled rectangle."""

    x: float
    y: float
    width: float
    height: float
    ink: Ink


@dataclass(frozen=True)
class Text:
    """A line of text; `y` is its baseline."""

    x: float
    y: float
    text: str
    size: float = 12.0
    ink: Ink = "ink"
    anchor: Anchor = "start"
    is_bold: bool = False
    is_upright: bool = False
    """Turned by a quarter, to be read from below."""


@dataclass(frozen=True)
class Marker:
    """A small shape around a point."""

    x: float
    y: float
    shape: Shape
    ink: Ink
    radius: float = 3.2


Mark = Polyline | Area | Rect | Text | Marker


@dataclass
class Drawing:
    """A sheet and the marks on it, the lowest first."""

    width: float
    height: float
    title: str = ""
    """Read out to those who do not see it."""
    marks: list[Mark] = field(default_factory=list)


def colour_of(ink: Ink, *, is_dark: bool = False) -> str:
    """As #rrggbb."""
    if isinstance(ink, int):
        arms = DARK_ARMS if is_dark else ARM_COLOURS
        return arms[ink % len(arms)]
    return (DARK if is_dark else LIGHT)[ink]


def dash_of(arm: int) -> tuple[float, ...]:
    """Lengths of dashes and gaps; empty for a whole line."""
    return DASHES[arm % len(DASHES)]


def shape_of(arm: int) -> Shape:
    """The mark of an arm's values: another one each time that the colours begin again."""
    return SHAPES[(arm + arm // len(ARM_COLOURS)) % len(SHAPES)]


def outline(marker: Marker) -> tuple[tuple[Point, ...], ...]:
    """The corners of a marker: one polygon, or two strokes; a disc has none."""
    x, y, r = marker.x, marker.y, marker.radius
    match marker.shape:
        case "disc":
            return ()
        case "square":
            s = 0.88 * r
            return (((x - s, y - s), (x + s, y - s), (x + s, y + s), (x - s, y + s)),)
        case "triangle":
            return (((x, y - 1.15 * r), (x + 1.1 * r, y + 0.8 * r), (x - 1.1 * r, y + 0.8 * r)),)
        case "diamond":
            s = 1.2 * r
            return (((x, y - s), (x + s, y), (x, y + s), (x - s, y)),)
        case "cross":
            s = 0.85 * r
            return ((x - s, y - s), (x + s, y + s)), ((x - s, y + s), (x + s, y - s))
        case "plus":
            return ((x - r, y), (x + r, y)), ((x, y - r), (x, y + r))
