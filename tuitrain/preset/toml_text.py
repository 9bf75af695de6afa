"""TOML from strangers: what is too large or nested too deep is refused before a parser meets it.

`tomllib` takes memory with the square of a dotted key's length and recurses into brackets, so a file of 100 KB could
take 10 GB. The text is measured first, without strings and comments, in one pass.
"""

from __future__ import annotations

import re
import tomllib
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

MOST_BYTES = 1_000_000
MOST_DEPTH = 32
"""Of tables and lists within each other, and of the parts of a dotted key; a preset has three."""
MOST_KEYS = 20_000

_NOT_STRUCTURE = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*+"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*+"|\'[^\'\n]*\'|#[^\n]*', re.DOTALL
)
_BETWEEN_KEYS = re.compile(r"[=,{}\[\]\n]")
_ENDLESS_NUMBER = re.compile(r"(?<![\w-])\d\w{99}")
_BRACKETS = {"[": 1, "{": 1, "]": -1, "}": -1}


def read_toml(path: Path) -> dict[str, Any]:
    """Read a whole file.

    Raises:
        OSError: it cannot be read.
        ValueError: as `parse_toml`.
    """
    with path.open("rb") as file:
        return read_open_toml(file)


def read_open_toml(file: BinaryIO) -> dict[str, Any]:
    """Read a file that is open already.

    Raises:
        OSError: it cannot be read.
        ValueError: as `parse_toml`.
    """
    content = file.read(MOST_BYTES + 1)
    try:
        return parse_toml(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"not valid TOML: {error}") from None


def parse_toml(text: str) -> dict[str, Any]:
    """Read a text.

    Raises:
        ValueError: it is no TOML, too large or nested too deep; says which.
    """
    if len(text) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES:,} bytes.")
    structure = _NOT_STRUCTURE.sub("s", text)
    if _depth_of(structure) > MOST_DEPTH:
        raise ValueError(f"it is nested deeper than {MOST_DEPTH} levels.")
    num_keys = structure.count("=") + structure.count("\n[")
    if num_keys > MOST_KEYS:
        raise ValueError(f"it has more than {MOST_KEYS:,} keys.")
    if _ENDLESS_NUMBER.search(structure):  # Python itself refuses to write one of 4300
        raise ValueError("a number in it has 100 digits or more.")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"not valid TOML: {error}") from None


def _depth_of(structure: str) -> int:
    """Levels of brackets within each other, or parts of a dotted key, whichever are more."""
    brackets = max(accumulate(_BRACKETS.get(sign, 0) for sign in structure), default=0)
    return max(brackets, *(part.count(".") + 1 for part in _BETWEEN_KEYS.split(structure)))
