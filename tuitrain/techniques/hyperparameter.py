"""What an entry of a table takes: name, default, range, scale, and how a value is checked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from tuitrain.errors import nearest
from tuitrain.protocol.plan import Value

_MOST = 2**63 - 1
"""Of whole numbers: no record could hold a larger one."""


@dataclass(frozen=True, kw_only=True)
class Hyperparameter:
    """One hyper-parameter of an optimizer or a schedule."""

    name: str
    default: Value | None
    """None means that there is none: it must be given."""
    help: str
    low: float = -math.inf
    high: float = math.inf
    is_low_included: bool = True
    is_high_included: bool = True
    scale: Literal["linear", "log", "complement"] = "linear"
    """How a slider or a search should walk: "complement" is log of 1 − value, as for betas."""
    kind: Literal["float", "int", "bool", "floats"] = "float"
    is_live: bool = True
    """Whether it may change while the optimizer has state."""

    def problem_with(self, value: object) -> str | None:
        """What is wrong with `value`, or None."""
        if self.kind == "bool":
            return None if isinstance(value, bool) else "is not true or false"
        if self.kind == "floats":
            return self._problem_with_list(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return "is not a number"
        if isinstance(value, int) and abs(value) > _MOST:
            return "is too large"
        if self.kind == "int" and isinstance(value, float) and not value.is_integer():
            return "is not a whole number"
        return None if self._contains(value) else f"is not in {self.range_text()}"

    def converted(self, value: Value) -> Value:
        """`value`, already checked, in the type of this hyper-parameter."""
        if self.kind == "int" and isinstance(value, int | float):
            return int(value)
        if self.kind == "float" and isinstance(value, int | float):
            return float(value)
        if self.kind == "floats" and isinstance(value, list):
            return [float(item) for item in value]
        return value

    def range_text(self) -> str:
        """The allowed range, in words."""
        low = f"{self.low:g} ≤ " if self.is_low_included else f"{self.low:g} < "
        high = f" ≤ {self.high:g}" if self.is_high_included else f" < {self.high:g}"
        if math.isinf(self.low) and math.isinf(self.high):
            return "any finite number"
        return f"{'' if math.isinf(self.low) else low}{self.name}{'' if math.isinf(self.high) else high}"

    def _contains(self, value: float) -> bool:
        if not math.isfinite(value):
            return False
        above = value >= self.low if self.is_low_included else value > self.low
        below = value <= self.high if self.is_high_included else value < self.high
        return above and below

    def _problem_with_list(self, value: object) -> str | None:
        if not isinstance(value, list) or not value:
            return "is not a list of numbers"
        if any(isinstance(item, bool) or not isinstance(item, int | float) for item in value):
            return "is not a list of numbers"
        if any(isinstance(item, int) and abs(item) > _MOST for item in value):
            return "has an item that is too large"
        return None if all(self._contains(item) for item in value) else f"has an item not in {self.range_text()}"


def problems_with(
    owner: str,
    table: Iterable[Hyperparameter],
    given: Mapping[str, object],
    extra_names: Iterable[str] = (),
    *,
    are_required: bool = True,
) -> list[tuple[str, str]]:
    """Everything wrong with the values given to an entry.

    Args:
        owner: the entry's name, for the messages.
        table: what the entry takes.
        given: hyper-parameter name → value.
        extra_names: further names that are allowed and checked elsewhere.
        are_required: whether those without a default must be given.

    Returns:
        Pairs of (name, what is wrong and what to try).
    """
    specs = {spec.name: spec for spec in table}
    allowed = (*specs, *extra_names)
    found: list[tuple[str, str]] = []
    for name, value in given.items():
        if name in extra_names:
            continue
        if name not in specs:
            close = nearest(name, allowed)
            hint = f'Did you mean "{close}"?' if close else f"It takes {', '.join(sorted(allowed)) or 'nothing'}."
            found.append((name, f"{owner} has no such hyper-parameter. {hint}"))
            continue
        problem = specs[name].problem_with(value)
        if problem:
            shown = f'"{value}"' if isinstance(value, str) else value
            default = specs[name].default
            hint = f" Try: {name} = {default}." if default is not None else ""
            found.append((name, f"{shown} {problem}.{hint}"))
    found += [
        (spec.name, f"{owner} needs it: {spec.help}")
        for spec in specs.values()
        if are_required and spec.default is None and spec.name not in given
    ]
    return found
