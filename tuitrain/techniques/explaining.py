"""Every entry of the tables in words: what it is, what it takes, what it is good for, what to watch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tuitrain.errors import UnknownNameError
from tuitrain.techniques.averages import AVERAGES
from tuitrain.techniques.hyperparameter import Hyperparameter
from tuitrain.techniques.losses import LOSSES
from tuitrain.techniques.optimizers import OPTIMIZERS
from tuitrain.techniques.regularizers import REGULARIZERS
from tuitrain.techniques.schedules import SCHEDULES

_KINDS: Mapping[str, Mapping[str, object]] = {
    "optimizers": OPTIMIZERS,
    "schedules": SCHEDULES,
    "losses": LOSSES,
    "regularizers": REGULARIZERS,
    "averages": AVERAGES,
}


def known_names() -> dict[str, list[str]]:
    """Kind → the names of its entries."""
    return {kind: list(table) for kind, table in _KINDS.items()}


def summaries(kind: str) -> list[tuple[str, str]]:
    """Pairs of (name, summary) of one kind."""
    return [(name, str(getattr(spec, "summary", ""))) for name, spec in _KINDS[kind].items()]


def explained(name: str) -> list[str]:
    """Everything that the tables say of a name, line by line.

    Raises:
        UnknownNameError: it is in no table; names the nearest one.
    """
    found = [_lines(kind, name, table[name]) for kind, table in _KINDS.items() if name in table]
    if found:
        return [line for lines in found for line in (*lines, "")][:-1]
    raise UnknownNameError("technique", name, [name for table in _KINDS.values() for name in table])


def _lines(kind: str, name: str, spec: object) -> list[str]:
    lines = [f"{name} — one of the {kind}", str(getattr(spec, "summary", ""))]
    told = (
        ("formula", "formula"), ("family", "improves"), ("where", "acts on the"), ("needs", "needs"),
        ("paper", "paper"), ("good_for", "good for"), ("watch", "watch"), ("combines_not", "not with"),
    )  # fmt: skip
    lines += [f"  {label:<12} {getattr(spec, field)}" for field, label in told if getattr(spec, field, "")]
    if kind == "optimizers":
        lines.append(f"  {'lr':<12} {getattr(spec, 'learning_rate', 0.0):g} by default")
    one = getattr(spec, "hyperparameter", None)
    taken = [one] if isinstance(one, Hyperparameter) else getattr(spec, "hyperparameters", ())
    return [*lines, *_taken(taken)]


def _taken(hyperparameters: Iterable[Hyperparameter]) -> list[str]:
    found: list[str] = []
    for item in hyperparameters:
        default = "no default" if item.default is None else f"{item.default}"
        found.append(f"  {item.name:<18} {default:<10} {item.range_text():<28} {item.help}")
    return ["", "  takes             default    range", *found] if found else []
