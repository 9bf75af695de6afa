"""Fonts for pixels, and how wide a text is.

Pillow's own font is always there and has basic Latin; what it lacks is set in a font of the system, or spelled out.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_OF_THE_SYSTEM = ("DejaVuSans.ttf", "LiberationSans-Regular.ttf", "Arial.ttf", "Helvetica.ttc", "arial.ttf")
_WIDER = 1.15
"""Fonts of browsers against Pillow's: what fits must fit in them."""
_SPELLED = {
    "−": "-",
    "–": "-",
    "—": "-",
    "‐": "-",
    "×": "x",
    "→": "->",
    "≤": "<=",
    "≥": ">=",
    "µ": "u",
    "μ": "u",
    "σ": "sd",
}


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, *, is_bold: bool = False) -> float:
    """In pixels, at most about: browsers have other fonts."""
    # Measured large, as widths of small letters are rounded.
    font, spelled = font_for(text, 40.0)
    return float(font.getlength(spelled)) * size / 40.0 * _WIDER * (1.08 if is_bold else 1.0)


def shortened(text: str, size: float, width: float, *, is_bold: bool = False) -> str:
    """As much of a text as fits, with … in its middle where something was left out: ends of labels differ."""
    if text_width(text, size, is_bold=is_bold) <= width:
        return text
    for kept in range(len(text) - 1, 1, -1):
        shorter = text[: (kept + 1) // 2].rstrip() + "…" + text[len(text) - kept // 2 :].lstrip()
        if text_width(shorter, size, is_bold=is_bold) <= width:
            return shorter
    return "…"


def wrapped(text: str, size: float, width: float) -> list[str]:
    """Lines of a paragraph."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(shortened(word, size, width))
    return lines


def font_for(text: str, size: float) -> tuple[Font, str]:
    """A font that has every letter of a text, and the text as it is set in it."""
    own = _own(size)
    plain = "".join(letter if _has(own, letter) else _SPELLED.get(letter, letter) for letter in text)
    if all(_has(own, letter) for letter in plain):
        return own, plain
    for name in _OF_THE_SYSTEM:
        font = _named(name, size)
        if font is not None and all(_has(font, letter) for letter in text):
            return font, text
    return own, "".join(letter if _has(own, letter) else _spelled(own, letter) for letter in text)


@lru_cache(maxsize=32)
def _own(size: float) -> Font:
    return ImageFont.load_default(size)


@lru_cache(maxsize=64)
def _named(name: str, size: float) -> Font | None:
    try:
        return ImageFont.truetype(name, size)
    except OSError:
        return None


@lru_cache(maxsize=8192)
def _has(font: Font, letter: str) -> bool:
    """Whether a font draws something else than the box of a letter that it lacks."""
    if letter.isspace():
        return True
    if not letter.isprintable():
        return False
    missing, mask = font.getmask("\uffff"), font.getmask(letter)
    return mask.size != missing.size or bytes(mask) != bytes(missing)


def _spelled(font: Font, letter: str) -> str:
    plain = _SPELLED.get(letter) or unicodedata.normalize("NFKD", letter)
    return "".join(part for part in plain if not unicodedata.combining(part) and _has(font, part)) or "?"
