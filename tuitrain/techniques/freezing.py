"""Which parameters a person means by a pattern: by names and shapes alone, so that it can be checked without torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from tuitrain.errors import UnknownNameError

ALL_BUT_HEAD = "all-but-head"
HEAD = "head"
KEYWORDS = (ALL_BUT_HEAD, HEAD)
"""What may stand in place of a pattern; the head is the last affine map."""

FRESH_FACTOR = 0.1
"""Learning rate of what is unfrozen and was never trained, relative to that of the first group."""

Shapes = Mapping[str, tuple[int, ...]]
"""Name of a parameter → its sizes, from the input of the model to its output."""


def head_of(shapes: Shapes) -> tuple[str, ...]:
    """The parameters of the last affine map; empty where there is none."""
    matrices = [name for name, shape in shapes.items() if len(shape) == 2]
    if not matrices:
        return ()
    owner = matrices[-1].rpartition(".")[0]
    return tuple(name for name in shapes if name.rpartition(".")[0] == owner)


def layers_of(names: Iterable[str]) -> tuple[str, ...]:
    """The modules that own parameters, in order, e.g. ("conv_1", "lin_1")."""
    return tuple(dict.fromkeys(name.rpartition(".")[0] for name in names))


def matched(patterns: Iterable[str], shapes: Shapes) -> tuple[str, ...]:
    """The parameters that some patterns mean, in the order of the model.

    A pattern means a parameter if it fits the name of it or of a module around it: "conv_*", "block_1", "*.bias".

    Raises:
        UnknownNameError: a pattern fits nothing; names the nearest layer.
    """
    found: set[str] = set()
    for pattern in patterns:
        fitting = _fitting(pattern, shapes)
        if not fitting:
            raise UnknownNameError("layer", pattern, (*filter(None, layers_of(shapes)), *KEYWORDS))
        found |= fitting
    return tuple(name for name in shapes if name in found)


def in_words(names: Iterable[str], shapes: Shapes) -> str:
    """Parameters as the layers they are of: "conv_1, conv_2", a part of a layer by its own name."""
    chosen = set(names)
    words: list[str] = []
    for layer in layers_of(shapes):
        own = [name for name in shapes if name.rpartition(".")[0] == layer]
        inside = [name for name in own if name in chosen]
        words += [layer] if inside == own else inside
    return ", ".join(words)


def num_values(names: Iterable[str], shapes: Shapes) -> int:
    """How many numbers some parameters hold."""
    total = 0
    for name in names:
        size = 1
        for length in shapes.get(name, ()):
            size *= length
        total += size
    return total


def _fitting(pattern: str, shapes: Shapes) -> set[str]:
    if pattern == HEAD:
        return set(head_of(shapes))
    if pattern == ALL_BUT_HEAD:
        return set(shapes) - set(head_of(shapes))
    return {name for name in shapes if any(fnmatchcase(part, pattern) for part in _around(name))}


def _around(name: str) -> list[str]:
    """A parameter's own name, and those of the modules around it."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]
