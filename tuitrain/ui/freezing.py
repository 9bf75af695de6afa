"""Freezing and unfreezing on the screen: the layers to choose from, what was typed, and what it would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tuitrain.board.board import Board
from tuitrain.errors import CommandError, TuitrainError
from tuitrain.protocol.commands import Freeze, Unfreeze
from tuitrain.techniques.freezing import ALL_BUT_HEAD, FRESH_FACTOR, in_words, layers_of, matched, num_values
from tuitrain.ui import text

EVERYTHING = "*"
_MOST_LISTED = 24
"""Layers; a deeper model is listed by its blocks."""
_VERBS = ("freeze", "unfreeze")


@dataclass(frozen=True)
class LayerChoice:
    """One line of the list."""

    name: str
    summary: str
    is_frozen: bool
    """Whether choosing it unfreezes."""


def shapes_of(board: Board) -> dict[str, tuple[int, ...]]:
    """Name → sizes of all parameters of a run."""
    return {} if board.started is None else {layer.name: layer.shape for layer in board.started.layers}


def frozen_layers(board: Board) -> tuple[str, ...]:
    """The layers of which nothing is trained."""
    trained = set(layers_of(name for name in shapes_of(board) if name not in set(board.frozen)))
    return tuple(layer for layer in layers_of(board.frozen) if layer not in trained)


def frozen_words(board: Board) -> str:
    """How much is frozen, in words; empty where nothing is."""
    shapes = shapes_of(board)
    if not board.frozen or not shapes:
        return ""
    return f"{text.count(num_values(board.frozen, shapes))} of {text.count(num_values(shapes, shapes))}"


def layer_choices(board: Board) -> tuple[LayerChoice, ...]:
    """What can be frozen or unfrozen now, the useful first."""
    shapes, frozen = shapes_of(board), set(board.frozen)
    names = layers_of(shapes)
    if len(names) > _MOST_LISTED:
        names = tuple(dict.fromkeys(name.partition(".")[0] for name in names))
    choices: list[LayerChoice] = []
    if frozen:
        size = text.count(num_values(frozen, shapes))
        choices.append(LayerChoice(EVERYTHING, f"unfreezes all that is frozen: {size} parameters", is_frozen=True))
    body = [name for name in matched([ALL_BUT_HEAD], shapes) if name not in frozen] if len(names) > 1 else []
    if body:
        size = text.count(num_values(body, shapes))
        choices.append(LayerChoice(ALL_BUT_HEAD, f"freezes all but the last layer: {size} parameters", is_frozen=False))
    for name in names:
        members = [item for item in shapes if item == name or item.startswith(f"{name}.")]
        is_frozen = all(item in frozen for item in members)
        state = "frozen" if is_frozen else "trained in part" if frozen & set(members) else "trained"
        size = text.count(num_values(members, shapes))
        choices.append(LayerChoice(name, f"{state}, {size} parameters", is_frozen=is_frozen))
    return tuple(choices)


def typed(choice: str | None, frozen_choices: frozenset[str], words: Mapping[str, object], bare: list[str]) -> tuple[
    str, dict[str, object]
]:  # fmt: skip
    """Name and arguments of the command that a choice and typed words mean.

    Args:
        choice: of the list.
        frozen_choices: those that choosing unfreezes.
        words: what was typed as key=value.
        bare: what was typed without "=": patterns in place of the choice, after a verb if it shall be another.

    Raises:
        CommandError: nothing is meant.
    """
    verb = "unfreeze" if choice in frozen_choices else "freeze"
    if "factor" in words:
        verb = "unfreeze"
    if bare and bare[0] in _VERBS:
        verb, *bare = bare
    patterns = bare or ([choice] if choice is not None else [])
    if not patterns:
        raise CommandError("No layer is named.", hint="conv_*, or all-but-head.")
    return verb, {"patterns": patterns, **words}


def effect_of_freezing(command: Freeze | Unfreeze, board: Board) -> str:
    """What a command would do, in words.

    Raises:
        TuitrainError: it would do nothing, or a pattern fits nothing.
    """
    shapes, frozen = shapes_of(board), set(board.frozen)
    is_freezing = isinstance(command, Freeze)
    meant = matched(command.patterns, shapes)
    changed = [name for name in meant if (name in frozen) != is_freezing]
    if not changed:
        raise TuitrainError(f"{in_words(meant, shapes)}: {'frozen already' if is_freezing else 'not frozen'}.")
    after = frozen | set(changed) if is_freezing else frozen - set(changed)
    if len(after) == len(shapes):
        raise TuitrainError("Nothing would be left to train.", hint=ALL_BUT_HEAD + ".")
    total = text.count(num_values(shapes, shapes))
    told = f"{'freezes' if is_freezing else 'trains'} {in_words(changed, shapes)}: "
    told += f"{text.count(num_values(after, shapes))} of {total} parameters frozen then"
    if isinstance(command, Freeze):
        return told
    if command.factor is not None:
        return f"{told}; learning rate ×{command.factor:g} of that of the first group"
    return f"{told}; the rate that they had, ×{FRESH_FACTOR:g} of the first group's where never trained"
