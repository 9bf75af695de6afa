"""Advice in the words of the place where it is followed.

Mistakes are told with advice as a file has it: `Try depth = 4.` On the command line that is `task.depth=4`, quoted for
a shell where it must be; this is the one place that turns the first into the second.
"""

from __future__ import annotations

import re
import shlex
from typing import Any

from pydantic import BaseModel

from tuitrain.preset.schema import OpenSection, Preset

_TEXT = r'"(?:[^"\\]|\\.)*"'
_VALUE = rf"{_TEXT}|\[(?:{_TEXT}|[^\]\"])*\]|true\b|false\b|[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?\b"
ASSIGNMENT = re.compile(rf"(?<![\w.])(?P<name>[a-z]\w*) = (?P<value>{_VALUE})")
"""A key with its value, as a file has them within a section."""
_BARE = re.compile(r"[A-Za-z][\w-]*")


def as_typed(text: str, key: str) -> str:
    """What is wrong with a key, with its advice as it is typed on the command line."""
    statement, sign, advice = text.partition(" Try")
    typed = ASSIGNMENT.sub(lambda found: _typed(found, key.partition(".")[0]), advice)
    is_last = typed != advice and re.search(r"=\S+\.$", typed)
    return statement + sign + (typed.removesuffix(".") if is_last else typed)  # a point would be typed, too


def section_of(name: str, near: str) -> str | None:
    """The section of a preset that has such a key, best the one that is named."""
    sections = {section: field.annotation for section, field in Preset.model_fields.items()}
    holding = [section for section, kind in sections.items() if _has(kind, name)]
    if near in holding or _is_open(sections.get(near)):
        return near
    return holding[0] if holding else None


def _typed(found: re.Match[str], near: str) -> str:
    section, value = section_of(found["name"], near), found["value"]
    if section is None:
        return found[0]
    word = value[1:-1]
    is_bare = value.startswith('"') and _BARE.fullmatch(word) and word not in {"true", "false", "inf", "nan"}
    return f"{section}.{found['name']}={word if is_bare else shlex.quote(value)}"


def _has(section: Any, name: str) -> bool:
    return isinstance(section, type) and issubclass(section, BaseModel) and name in section.model_fields


def _is_open(section: Any) -> bool:
    return isinstance(section, type) and issubclass(section, OpenSection)
