"""Whatever stands in a file: a word of ours, or one kind of error. Whoever wrote a request, its numbers are checked."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.protocol.test_words import words
from tuitrain.errors import CommandError, TuitrainError
from tuitrain.protocol import codec
from tuitrain.protocol.commands import (
    Command,
    Request,
    ScaleLearningRate,
    SetHyperparameter,
    SetLearningRate,
    SetPace,
    SetSchedule,
    StepOnce,
    SwitchOptimizer,
)
from tuitrain.protocol.describe import COMMANDS, check_ranges, command_name, parse_command, sentence
from tuitrain.protocol.events import CommandQueued, EvalFinished, UnknownEvent

LINE = codec.encode(EvalFinished(seq=3, step=7, metrics={"eval/loss": math.nan}, eval_seconds=0.5, num_samples=10))
REQUEST = codec.encode(
    Request(id="1", session="s", actor="user", time=1.0, command=SwitchOptimizer(name="sgd", lr=0.1))
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def decoded(line: bytes) -> object | None:
    """What it reads as, None for a DecodeError; anything else would be a crash."""
    try:
        return codec.decode_event(line)
    except codec.DecodeError:
        return None


@settings(max_examples=300)
@given(position=st.integers(0, len(LINE) - 1), byte=st.integers(0, 255))
def test_a_flipped_byte_never_escapes_as_another_exception(position: int, byte: int) -> None:
    """A bad disk sector gives an event, an unknown event or a DecodeError."""
    decoded(LINE[:position] + bytes([byte]) + LINE[position + 1 :])


@settings(max_examples=200)
@given(position=st.integers(0, len(REQUEST) - 1), byte=st.integers(0, 255))
def test_a_flipped_byte_of_a_request_is_a_request_or_a_decode_error(position: int, byte: int) -> None:
    """The same for what people ask."""
    try:
        found = codec.decode_request(REQUEST[:position] + bytes([byte]) + REQUEST[position + 1 :])
    except codec.DecodeError:
        return
    assert isinstance(found, Request)


@settings(max_examples=200)
@given(name=st.sampled_from(["Teleported", "Paused", "", 3]), fields=st.dictionaries(st.text(max_size=8), json_values))
def test_foreign_json_is_an_unknown_event_or_damage(name: object, fields: dict[str, object]) -> None:
    """Valid JSON with any fields: only a name that we do not know makes it an unknown event."""
    import json

    for stamp in ("seq", "time", "seconds"):
        if fields:
            fields[stamp] = next(iter(fields.values()))
    found = decoded(json.dumps({**fields, "event": name}).encode())
    assert isinstance(found, UnknownEvent) == (name in {"Teleported", ""})


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b'{"event":"New","x":' + b"[" * 100_000,
        b'{"event":"New","time":1' + b"0" * 400 + b"}",
        b'{"event":"New","seq":1e999}',
        b"\xff\xfe",
        b"null",
        b"",
    ],
    ids=["brackets", "brackets within", "a time too large", "infinity as a number", "no UTF-8", "null", "nothing"],
)
def test_hostile_lines_are_damage(line: bytes) -> None:
    """Deep nesting and endless numbers too: a reader of a folder must not fall over its content."""
    assert decoded(line) is None
    for decode in (codec.decode_request, codec.decode_run_info, codec.decode_plan):
        with pytest.raises(codec.DecodeError):
            decode(line)


@pytest.mark.parametrize("name", list(COMMANDS))
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_every_command_can_be_made_from_its_own_name_and_arguments(name: str, data: st.DataObject) -> None:
    """Any command within its ranges is what parse_command makes of its parts; a sentence begins with its name."""
    command: Any = data.draw(words(COMMANDS[name]))
    arguments = {key: getattr(command, key) for key in command.__struct_fields__ if getattr(command, key) is not None}
    further = arguments.pop("hyperparameters", {})
    try:
        check_ranges(command)
    except CommandError:
        with pytest.raises(CommandError):
            parse_command(name, {**further, **arguments})
        return
    made = parse_command(name.replace("_", "-"), {**further, **arguments})
    assert command_name(made) == name
    given_twice = further.keys() & set(command.__struct_fields__)
    if not given_twice:
        assert codec.to_jsonable(made) == codec.to_jsonable(command)
    assert sentence(command).split()[0] == name


OUT_OF_RANGE: list[Command] = [
    ScaleLearningRate(factor=0.0),
    ScaleLearningRate(factor=-1.0),
    ScaleLearningRate(factor=math.nan),
    SetLearningRate(lr=math.inf),
    SetLearningRate(lr=-1e-3),
    StepOnce(num_steps=0),
    SetSchedule(name="cosine", num_steps=0),
    SetSchedule(name="cosine", warmup_steps=-1),
    SwitchOptimizer(name="sgd", lr=0.0),
    SwitchOptimizer(name="sgd", ramp_steps=-1),
    SetPace(max_steps_per_second=0.0),
]


@pytest.mark.parametrize("command", OUT_OF_RANGE, ids=sentence)
def test_numbers_without_a_meaning_are_refused_in_words(command: Command) -> None:
    """The range holds for a command however it was made, with the argument and its bound."""
    with pytest.raises(CommandError, match=r"is not (above 0|0 or more)"):
        check_ranges(command)


@given(name=st.sampled_from(list(COMMANDS)), arguments=st.dictionaries(st.text(max_size=8), json_values, max_size=4))
def test_any_arguments_make_a_command_or_a_command_error(name: str, arguments: dict[str, object]) -> None:
    """Never a TypeError out of a preset or a shell."""
    try:
        made = parse_command(name, arguments)
    except CommandError:
        return
    assert isinstance(made, COMMANDS[name])


def test_what_toml_can_hold_and_a_command_cannot_is_said() -> None:
    """A date as a value."""
    with pytest.raises(CommandError, match="is not a value"):
        parse_command("set_hyperparameter", {"name": "eps", "value": dt.date(2026, 1, 1)})
    with pytest.raises(CommandError, match="not further name=value pairs"):
        parse_command("switch_optimizer", {"name": "sgd", "hyperparameters": {"momentum": 0.9}})


def test_a_queued_command_carries_the_request_itself() -> None:
    """A reader of the stream alone knows what was asked."""
    event = CommandQueued(step=1, command="7", request=SetHyperparameter(name="betas", value=[0.8, 0.9]), actor="user")
    assert codec.decode_event(codec.encode(event)) == event
    assert issubclass(CommandError, TuitrainError)
