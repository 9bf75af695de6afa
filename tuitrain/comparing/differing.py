"""In what the presets of several arms differ, and what arms are called by it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from tuitrain.protocol.printable import printable
from tuitrain.techniques.optimizers import OPTIMIZERS

SEPARATOR = " · "
"""Between the parts of a label; a list of labels has commas."""
_NAMES = frozenset(
    {"title", "about", "look_for", "name", "press", "chapter", "order", "train.seed", "train.max_steps_per_second"}
)
"""Keys of a preset that change nothing of what is trained, and the seed, which is no difference between arms."""
_MOST_WORDS = 3

Leaves = dict[str, object]
"""Key, e.g. "optimizer.lr" → value."""


class _Default(float):
    """A number that the preset leaves open."""


def leaves(preset: Mapping[str, object]) -> Leaves:
    """A preset as one table; with the learning rate that its optimizer has where none is given."""
    found = dict(_leaves(preset, ""))
    spec = OPTIMIZERS.get(str(found.get("optimizer.name")))
    if spec is not None and found.get("optimizer.lr") is None:
        found["optimizer.lr"] = _Default(spec.learning_rate)
    return found


def differing_keys(presets: Iterable[Leaves]) -> list[str]:
    """Keys of which not all presets have the same value; empty ones are left out."""
    known = [preset for preset in presets if preset]
    keys = dict.fromkeys(key for preset in known for key in preset)
    return [key for key in keys if key not in _NAMES and len({repr(preset.get(key)) for preset in known}) > 1]


def worded(value: object) -> str:
    """A value of a preset: "0.001 (its default)", "adam"."""
    return f"{value:g} (its default)" if isinstance(value, _Default) else f"{value}"


def labels_by_difference(runs: Sequence[tuple[str, str, Leaves]]) -> list[str]:
    """What runs are called that have no name: by what they do not share, e.g. "mnist-mlp · lr 0.05".

    Args:
        runs: id, name of the preset, and the preset of each.

    Returns:
        Their ids where nothing differs; the end of the id is there where the words alone name two.
    """
    keys = differing_keys(preset for _, _, preset in runs)
    if not keys:
        return [run for run, _, _ in runs]
    found = []
    for _, name, preset in runs:
        words = [f"{key.rpartition('.')[2]} {_short(preset[key])}" for key in keys if preset.get(key) is not None]
        found.append(printable(SEPARATOR.join([name, *words[:_MOST_WORDS]])))
    counts = Counter(found)
    return [
        label if counts[label] == 1 else f"{label}{SEPARATOR}{run.rpartition('-')[2]}"
        for label, (run, _, _) in zip(found, runs, strict=True)
    ]


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else f"{value}"


def _leaves(table: Mapping[str, object], place: str) -> Iterable[tuple[str, object]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{place}{key}.")
        else:
            yield f"{place}{key}", value
