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
ASSIGNMENT = re.compile(rf"(?<![\w.])(?:(?P<section>[a-z]+)\.)?(?P<name>[a-z]\w*) = (?P<value>{_VALUE})")
"""A key with its value, as a file has them within a section; before it the section, where that is another one."""
_VALUES_ALONE = re.compile(rf" ((?:{_VALUE})(?: or (?:{_VALUE}))*)(?=\.?$|, )")
"""Advice that leaves out the key, which is the one that is wrong."""
_BARE = re.compile(r"[A-Za-z][\w-]*")


def as_typed(text: str, key: str) -> str:
    """What is wrong with a key, with its advice as it is typed on the command line."""
    statement, sign, advice = text.partition(" Try")
    near, _, name = key.partition(".")
    values = _VALUES_ALONE.match(advice)
    # Of one's own data the key says only where they are.
    if values and name and near in Preset.model_fields and key != "task.path":
        advice = " " + re.sub(_VALUE, rf"{name} = \g<0>", values[1]) + advice[values.end() :]
    ends = [found.end() for found in ASSIGNMENT.finditer(advice)]
    if ends and advice[ends[-1] :] == ".":
        advice = advice[:-1]  # it would be typed, too
    return statement + sign + ASSIGNMENT.sub(lambda found: _typed(found, near), advice)


def section_of(name: str, near: str) -> str | None:
    """The section of a preset that has such a key, best the one that is named."""
    sections = {section: field.annotation for section, field in Preset.model_fields.items()}
    holding = [section for section, kind in sections.items() if _has(kind, name)]
    if near in holding or _is_open(sections.get(near)):
        return near
    return holding[0] if holding else None


def _typed(found: re.Match[str], near: str) -> str:
    section, value = found["section"] or section_of(found["name"], near), found["value"]
    if section is None:
        return found[0]
    word = value[1:-1]
    is_bare = value.startswith('"') and _BARE.fullmatch(word) and word not in {"true", "false", "inf", "nan"}
    return f"{section}.{found['name']}={word if is_bare else shlex.quote(value)}"


def _has(section: Any, name: str) -> bool:
    return isinstance(section, type) and issubclass(section, BaseModel) and name in section.model_fields


def _is_open(section: Any) -> bool:
    return isinstance(section, type) and issubclass(section, OpenSection)
