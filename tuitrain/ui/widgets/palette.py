"""The colours of a chart, by role, taken from the theme and from nothing else.

A theme may name `chart-loss`, `chart-norm` and their like; one that does not lends its general colours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from rich.color import Color as RichColor
from rich.color import ColorParseError as RichColorParseError
from rich.terminal_theme import TerminalTheme
from textual.color import Color, ColorParseError

from tuitrain.ui.terminal import TerminalApp

if TYPE_CHECKING:
    from textual.app import App

RGB = tuple[int, int, int]
Depth = Literal["full", "sixteen", "none"]
Markers = Literal["braille", "ascii"]

THEME_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "loss": ("chart-loss", "primary"),
    "norm": ("chart-norm", "success"),
    "rate": ("chart-rate", "accent"),
    "train": ("chart-train", "primary"),
    "validation": ("chart-validation", "error"),
    "ema": ("chart-ema", "success"),
    "swa": ("chart-swa", "warning"),
    "ensemble": ("chart-ensemble", "secondary"),
    "tta": ("chart-tta", "accent"),
    "mc": ("chart-mc", "foreground"),
    "gap": ("chart-gap", "chart-validation", "error"),
    "plan": ("chart-plan", "chart-rate", "accent"),
    "plan-old": ("chart-plan-old", "foreground"),
    "mark": ("chart-mark", "warning"),
    "alarm": ("chart-alarm", "error"),
    "faint": ("chart-faint", "foreground"),
    "racer-0": ("chart-racer-0", "foreground"),
    "racer-1": ("chart-racer-1", "primary"),
    "racer-2": ("chart-racer-2", "success"),
    "racer-3": ("chart-racer-3", "warning"),
    "racer-4": ("chart-racer-4", "accent"),
    "racer-5": ("chart-racer-5", "error"),
    "racer-6": ("chart-racer-6", "secondary"),
    "racer-7": ("chart-racer-7", "foreground"),
    "arm-0": ("chart-arm-0", "primary"),
    "arm-1": ("chart-arm-1", "warning"),
    "arm-2": ("chart-arm-2", "success"),
    "arm-3": ("chart-arm-3", "accent"),
    "arm-4": ("chart-arm-4", "error"),
    "arm-5": ("chart-arm-5", "secondary"),
    "arm-6": ("chart-arm-6", "foreground"),
    "arm-7": ("chart-arm-7", "primary"),
    "low": ("chart-low", "secondary"),
    "high": ("chart-high", "primary"),
}
"""Role: the variables a theme of ours may set, the first found counts, and the one every theme has."""

_SHARES: Mapping[str, float] = {"faint": 0.28, "plan": 0.75, "plan-old": 0.3}
_FAINT_SHARE = 0.36
_QUIET_SHARE = 0.72
_BRIGHT_BLACK = (128, 128, 128)


@dataclass(frozen=True)
class Palette:
    """What colour a role has; None stands for the terminal's own foreground.

    `depth` says what the terminal can show: "full", "sixteen" (no blends, no shades) or "none" (no colour).
    """

    colours: Mapping[str, RGB] = field(default_factory=dict)
    background: RGB = (18, 18, 18)
    text: RGB | None = (220, 220, 220)
    grid: RGB = (70, 70, 70)
    depth: Depth = "full"

    def colour(self, role: str) -> RGB | None:
        """The colour of a role: of an unknown one that of the text, of "loss-faint" that of "loss", sunk.

        "arm-0-quiet" is sunk less, so that its colour can still be told.
        """
        if self.depth == "none":
            return None
        if role.endswith("-quiet"):
            colour = self.colour(role.removesuffix("-quiet"))
            return colour if self.depth == "sixteen" or colour is None else self.blend(colour, _QUIET_SHARE)
        base = role.removesuffix("-faint")
        if base != role:
            colour = self.colour(base)
            return _BRIGHT_BLACK if self.depth == "sixteen" or colour is None else self.blend(colour, _FAINT_SHARE)
        return self.grid if role == "grid" else self.colours.get(role, self.text)

    def shade(self, role: str) -> RGB | None:
        """A background in the role's colour, calm enough to lie under a line; None where there are no shades."""
        colour = self.colour(role)
        return self.blend(colour, 0.15) if colour and self.depth == "full" else None

    def blend(self, colour: RGB, share: float) -> RGB:
        """`share` of a colour in [0, 1], the rest background."""
        red, green, blue = (
            round(share * over + (1 - share) * under) for over, under in zip(colour, self.background, strict=True)
        )
        return red, green, blue


def palette_of(app: App[Any]) -> Palette:
    """The palette of the theme that the app shows now, as far as its terminal can show it."""
    variables = app.get_css_variables()
    is_sixteen = app.native_ansi_color or app.console.color_system in {"standard", "windows"}
    ansi = app.ansi_theme
    found = {role: _first(variables, names, ansi) for role, names in THEME_VARIABLES.items()}
    known = {role: colour for role, colour in found.items() if colour is not None}
    text = _first(variables, ("foreground",), ansi)
    background = _first(variables, ("background",), ansi) or (18, 18, 18)
    if app.no_color or is_sixteen:
        quiet = {"faint": _BRIGHT_BLACK, "plan-old": _BRIGHT_BLACK}
        depth: Depth = "none" if app.no_color else "sixteen"
        return Palette(known | quiet, background, None, _BRIGHT_BLACK, depth)
    plain = Palette(known, background, text)
    sunk = {role: plain.blend(known[role], share) for role, share in _SHARES.items() if role in known}
    return Palette(known | sunk, background, text, plain.blend(text or (128, 128, 128), 0.18))


def markers_of(app: App[Any]) -> Markers:
    """What curves are drawn with in the terminal of the app."""
    return "ascii" if isinstance(app, TerminalApp) and app.lacks else "braille"


def _first(variables: Mapping[str, str], names: tuple[str, ...], ansi: TerminalTheme) -> RGB | None:
    """The first of the variables that is a colour; the terminal's default colours are none."""
    for name in names:
        value = variables.get(name, "")
        try:
            if value.startswith("ansi_"):
                return None if "default" in value else _truecolor(value.removeprefix("ansi_"), ansi)
            return Color.parse(value).rgb
        except (ColorParseError, RichColorParseError):
            continue
    return None


def _truecolor(name: str, ansi: TerminalTheme) -> RGB:
    red, green, blue = RichColor.parse(name).get_truecolor(ansi)
    return red, green, blue
