"""A recording of a later version, or of somebody who plays tricks: it opens, and what cannot be shown is told."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import numpy as np
import pytest

from tests.recordings import ALL, HERE, STEERED
from tests.ui.test_any_words import shown
from tuitrain.board.board import Board
from tuitrain.board.curves import Curves
from tuitrain.board.layer_verdicts import verdicts
from tuitrain.board.positions import PositionName
from tuitrain.protocol.carrier import DamageSeen
from tuitrain.protocol.codec import DecodeError, decode_event
from tuitrain.protocol.commands import ScaleLearningRate, SwitchOptimizer
from tuitrain.protocol.events import AlarmRaised, Event, StepsFinished
from tuitrain.protocol.printable import printable_word
from tuitrain.ui.actions import ACTIONS
from tuitrain.ui.composing import FORMS, effect_of, form_for
from tuitrain.ui.race import race_view

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


def sample(num: int) -> list[tuple[str, int, tuple[Any, ...], Any]]:
    """So many of all (recording, event, place, value), always the same; every kind of event is among them."""
    drawn = random.Random(13)
    by_kind: dict[str, list[tuple[str, int, tuple[Any, ...]]]] = {}
    for name in ALL:
        for index, data in enumerate(short(name)):
            found = by_kind.setdefault(data["event"], [])
            found += [(name, index, path) for path in places(data) if path != ("event",)]
    kinds = [kind for kind in sorted(by_kind) for _ in range(1 + num // len(by_kind))][:num]
    return [(*drawn.choice(by_kind[kind]), drawn.choice(STRANGE)) for kind in kinds]


def test_any_field_may_hold_anything() -> None:
    """Types, extremes, unknown names, markup: folded and drawn all the same."""
    for name, index, path, value in sample(24):
        lines = short(name)
        lines[index] = changed(lines[index], path, value)
        try:
            open_everywhere(lines)
        except Exception as error:
            raise AssertionError(f"{name}, {lines[index]['event']}: {path} = {value!r:.40}") from error


PLANNED = next(line for line in short(STEERED) if line["event"] == "LearningRatePlanned")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("plan", "segments", 0, "schedule", "name"), "brand-new-schedule", 'the schedule "brand-new-schedule" is not'),
        (("plan", "segments", 0, "schedule", "hyperparameters"), {"brand-new": 1.0}, "no such hyper-parameter"),
        (("plan", "segments"), [], "it plans nothing"),
        (("plan", "segments", 0, "base"), {}, "it plans for no parameters"),
        (("plan", "segments", 0, "scale"), "NaN", "a rate in it is no rate"),
    ],
)
def test_a_plan_that_cannot_be_evaluated_is_damage(path: tuple[Any, ...], value: Any, said: str) -> None:
    """As every new schedule of a later version: the run is drawn without it, and the log says why."""
    board = open_everywhere([*short(STEERED)[:8], changed(PLANNED, path, value)])
    assert board.plan is None
    assert board.num_damaged == 1
    assert any(said in entry.detail for entry in board.log)


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("Heartbeat", ("seconds",), "Infinity"), ("Heartbeat", ("seconds",), "NaN"), ("Heartbeat", ("seconds",), -1.0),
        ("StepsFinished", ("step",), -1), ("StepsFinished", ("step",), 10**18),
        ("StepsFinished", ("columns", 0, "first_step"), 10**30), ("CommandQueued", ("request", "command"), "brand_new"),
        ("RunEnded", ("reason",), "preempted"),
    ],
)  # fmt: skip
def test_a_line_that_no_run_can_have_written_is_damage(kind: str, path: tuple[Any, ...], value: Any) -> None:
    """Whoever reads it: a clock at infinity, a step before the first, a word of a later version."""
    lines = short(STEERED)
    index = next(index for index, line in enumerate(lines) if line["event"] == kind)
    lines[index] = changed(lines[index], path, value)
    with pytest.raises(DecodeError):
        decode_event(msgspec.json.encode(lines[index]))
    assert open_everywhere(lines).num_damaged == 1


def test_an_alarm_and_an_event_of_a_later_version_are_shown() -> None:
    """The alarm with its own words; the event is counted."""
    alarm = {"event": "AlarmRaised", "seq": 900, "time": 1.0, "step": 3, "value": 1, "kind": "brand_new"}
    lines = [*short(STEERED)[:8], {**alarm, "message": "m"}]
    board = open_everywhere([*lines, {"event": "BrandNew", "seq": 901, "seconds": "Infinity"}])
    assert board.log[-1].text == "m"
    assert board.marks[-1].label == "brand new"
    assert board.num_unknown == 1


def test_thousands_of_alarms_are_ten_and_a_number() -> None:
    """On screen and in memory; what was decided before them stays to be seen."""
    board = Board()
    for word in read(short(STEERED)):
        board.apply(word)
    before = len(board.log)
    for step in range(5_000):
        board.apply(AlarmRaised(step=step, kind="loss_spike", message=f"the loss of step {step} is {step}", value=1.0))
    assert len(board.log) <= before + 11
    assert [entry.text for entry in board.log[-11:-9]] == ["and 4 990 more alarms", "the loss of step 4990 is 4990"]
    assert len(board.marks) <= 2000
    assert any(mark.kind == "decision" for mark in board.marks)
