"""A recording of a later version, or of somebody who plays tricks: it opens, and what cannot be shown is told."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import numpy as np
import pytest

from tests.recordings import ALL, HERE
from tests.ui.test_any_words import shown
from tuitrain.board.board import Board
from tuitrain.board.curves import Curves
from tuitrain.board.positions import PositionName
from tuitrain.board.layer_verdicts import verdicts
from tuitrain.protocol.carrier import DamageSeen
from tuitrain.protocol.codec import DecodeError, decode_event
from tuitrain.protocol.commands import ScaleLearningRate, SwitchOptimizer
from tuitrain.protocol.events import Event, StepsFinished
from tuitrain.protocol.printable import printable_word
from tuitrain.ui.actions import ACTIONS
from tuitrain.ui.composing import FORMS, effect_of, form_for
from tuitrain.ui.layer_table import LayerView, layer_table
from tuitrain.ui.race import race_view
from tuitrain.ui.widgets.plotting import draw

STRANGE: tuple[Any, ...] = (
    "NaN", "Infinity", "-Infinity", -1, 0, 1e300, -1e300, 2**63 - 1, 10**30, "brand-new", "", "[red]x[/red]", "\x1b[2J",
    None, True, [], {}, [[]], {"": 1}, {"brand-new": "NaN"}, "x" * 5000,
)  # fmt: skip


def short(name: str) -> list[dict[str, Any]]:
    """The events of a recording as plain data; of those that follow each other in one kind only the first three."""
    found: list[dict[str, Any]] = []
    seen: dict[str, int] = {}
    for text in (HERE / name / "events.jsonl").read_text().splitlines():
        data = json.loads(text)
        data.pop("crc", None)
        seen[data["event"]] = seen.get(data["event"], 0) + 1
        if seen[data["event"]] <= 3 or data["event"] == "RunEnded":
            found.append(data)
    return found


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place within plain data; of a long list the first two."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*path, key))


def changed(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with another value at a place."""
    copy = json.loads(json.dumps(data))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return copy


def read(lines: list[dict[str, Any]]) -> Iterator[Event | DamageSeen]:
    """As a reader gives them to a screen."""
    for number, data in enumerate(lines, start=1):
        try:
            yield printable_word(decode_event(msgspec.json.encode(data)))
        except (DecodeError, OverflowError) as error:
            yield DamageSeen(line_number=number, detail=str(error))


def open_everywhere(lines: list[dict[str, Any]]) -> Board:
    """Fold them and draw what a live screen, the sheet of layers and a comparison make of them."""
    board, curves = Board(), Curves()
    for word in read(lines):
        board.apply(word)
        if isinstance(word, StepsFinished):
            curves.add_steps(word.step, word.seconds)
            for column in word.columns:
                curves.add_values(column.metric, column.first_step, column.stride, np.array(column.values))
        elif not isinstance(word, DamageSeen):
            curves.add(word)
    for metric in curves.metrics():
        for position in get_args(PositionName):
            curves.line(metric, position, 0.9)
        curves.last(metric)
    assert shown(board)
    for action in ACTIONS:
        if action.id in FORMS:
            form_for(action.id, board)
    effect_of(ScaleLearningRate(factor=0.1), board)
    effect_of(SwitchOptimizer(name="sgd"), board)
    verdicts(board.layers)
    race_view(board)
    return board


def cases() -> list[tuple[str, int, tuple[Any, ...], Any]]:
    return [
        (name, index, path, value)
        for name in ALL
        for index, data in enumerate(short(name))
        for path in places(data)
        if path != ("event",)
        for value in STRANGE
    ]
