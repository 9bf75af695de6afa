r"""Signs that a terminal can show, and ASCII ones in the place of others; each is as many cells wide as the other.

A terminal has no Unicode where its locale says so, or where it is none of today's (vt220). The console of Linux has
it, in a font of 512 signs without braille. What they do not have would be shown as `\u2502` or as a box.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import sys
import unicodedata
from functools import cache

from tuitrain.cells import num_cells

_ALIKE = {
    sign: alike
    for alike, signs in {
        "|": "│┃╎┆┊║▏▎▍▌▐▕├‖", "-": "─━╌┄┈╴╶╸╺–—‐‑−⠄", "+": "┤┌┐┘╭╮╰╯┬┴┼╔╗╚╝╦╩╬┏┓┗┛╷╵", "`": "└",
        "_": "▁▂▃▔", "#": "■▪▆▇█▉▊▋", ":": "░▒▓⠅", "*": "•◉★✦", "O": "●", "o": "○◌◯°", ".": "·⋅…", "A": "▲", "V": "◆",
        "^": "△▴↑", "v": "▼◇▽▾↓✓✔√", ">": "▶▸►→⇒≥", "<": "◀◂◄←⇐≤", "/": "↗↙÷", "\\": "↖↘", "&": "◈", "=": "□═▄▅▀",
        "x": "×✗✘", "~": "±≈≠", "8": "∞", "S": "∑Σ", "d": "∂", "D": "∇Δ", "'": "‘’′",
        '"': "“”″„", "l": "λ", "u": "µμ", "b": "β", "a": "α", "g": "γ", "e": "ε", "n": "η", "t": "θ", "s": "σß",
    }.items()
    for sign in signs
}  # fmt: skip
_LONGER = {"≤": "<=", "≥": ">=", "≠": "!=", "±": "+-", "→": "->", "…": "..."}
"""For a line of the shell, where a cell more does no harm."""
_BRAILLE = "".join(map(chr, range(0x2800, 0x2900)))
_WITHOUT_UNICODE = re.compile(r"(vt\d+|ansi|cons25|sun|wyse\d*)\b")


@cache
def alike(sign: str) -> str:
    """Return what stands for a sign in ASCII, as many cells wide."""
    if sign in _ALIKE:
        return _ALIKE[sign]
    if sign in _BRAILLE:
        return " " if sign == _BRAILLE[0] else "*"
    plain = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()
    return plain if plain and len(plain) == num_cells(sign) else "?" * num_cells(sign)


def in_ascii(text: str) -> str:
    """Return the text with what stands for all signs that are not ASCII."""
    return text if text.isascii() else "".join(map(alike, text))


def lacking(encoding: str, term: str) -> str:
    """Return what a terminal of this kind cannot show: "Unicode", "braille", or nothing, which is empty."""
    if not codecs.lookup(encoding).name.startswith("utf") or _WITHOUT_UNICODE.match(term):
        return "Unicode"
    return "braille" if term.startswith("linux") else ""


def lacking_here() -> str:
    """As `lacking`, of the terminal on stdout."""
    return lacking(sys.__stdout__.encoding if sys.__stdout__ is not None else "ascii", os.environ.get("TERM", ""))


def fitted(text: str, lacks: str) -> str:
    """Return the text of a screen with what stands for the signs that a terminal lacks."""
    return text.translate(_TABLES[lacks]) if lacks else text


def fit_output() -> None:
    """Let stdout and stderr print ASCII signs for those that their encoding or terminal lacks, and never fail."""
    codecs.register(_plain_ascii)
    codecs.register_error("alike", _replaced)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            is_ascii = codecs.lookup(stream.encoding).name == "ascii"
            is_old = stream.isatty() and _WITHOUT_UNICODE.match(os.environ.get("TERM", "")) is not None
            stream.reconfigure(encoding="plain_ascii" if is_ascii or is_old else None, errors="alike")


def typed(argument: str) -> str:
    """Return an argument as it was typed in UTF-8, whatever the locale made of it."""
    try:
        return os.fsencode(argument).decode("utf-8")
    except UnicodeError:
        return argument


def _plain_ascii(name: str) -> codecs.CodecInfo | None:
    """ASCII by a name that typer does not know: a stream of "ascii" it takes for a mistake, and writes UTF-8 there."""
    if name != "plain_ascii":
        return None
    ascii_ = codecs.lookup("ascii")
    return codecs.CodecInfo(
        ascii_.encode, ascii_.decode, ascii_.streamreader, ascii_.streamwriter, ascii_.incrementalencoder,
        ascii_.incrementaldecoder, name=name,
    )  # fmt: skip


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(_LONGER.get(sign) or alike(sign) for sign in signs), error.end


def _is_in_the_font(sign: str) -> bool:
    """Whether most fonts of the console of Linux have it: they hold what old PCs and Western Europe write with."""
    return any(sign.encode(encoding, "ignore") for encoding in ("cp437", "latin-1"))


_TABLES = {
    "Unicode": {ord(sign): alike(sign) for sign in [*_ALIKE, *_BRAILLE]},
    "braille": {ord(sign): alike(sign) for sign in [*_ALIKE, *_BRAILLE] if not _is_in_the_font(sign)},
}
