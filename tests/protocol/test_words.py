"""Every word survives the wire, and nothing else is taken for a word."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuitrain.errors import CommandError
from tuitrain.protocol import codec
from tuitrain.protocol.commands import Command, Request
from tuitrain.protocol.describe import COMMANDS, command_arguments, command_help, command_name, parse_command, sentence
from tuitrain.protocol.events import Column, Event, StepsFinished, UnknownEvent

EVENTS: list[type[Any]] = list(Event.__args__)

floats = st.floats(allow_nan=True, allow_infinity=True)
texts = st.text(max_size=20)
names = st.text(alphabet="abcdefghij", min_size=1, max_size=8)
st.register_type_strategy(float, floats)
st.register_type_strategy(str, texts)
st.register_type_strategy(int, st.integers(min_value=-(2**53), max_value=2**53))
_STEPS = st.integers(0, 10**15)
POSSIBLE: dict[str, st.SearchStrategy[Any]] = {
    "step": _STEPS, "first_step": _STEPS, "stride": _STEPS, "seconds": st.floats(0.0, 1e11),
}  # fmt: skip


def words(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Any value of a struct, from the types of its fields; places in a run are such as a run can have."""
    fields = {field.name: POSSIBLE.get(field.name, _values(field.type)) for field in msgspec.structs.fields(kind)}
    return st.builds(kind, **fields)


def _values(annotation: Any) -> st.SearchStrategy[Any]:
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return words(annotation)
    origin: Any = getattr(annotation, "__origin__", None)
    arguments: tuple[Any, ...] = getattr(annotation, "__args__", ())
    if origin is tuple:
        return st.lists(_values(arguments[0]), max_size=3).map(tuple)
    if origin is list:
        return st.lists(_values(arguments[0]), max_size=5)
    if origin is dict:
        return st.dictionaries(names, _values(arguments[1]), max_size=3)
    if str(annotation).startswith("typing.Literal"):
        return st.sampled_from(arguments)
    if arguments:
        # A value of a hyper-parameter: lax reading cannot tell a text from a number that looks alike.
        return st.one_of(*[names if item is str else _safe(item) for item in arguments])
    return st.from_type(annotation)


def _safe(annotation: Any) -> st.SearchStrategy[Any]:
    if annotation is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    if getattr(annotation, "__origin__", None) is list and annotation.__args__ == (float,):
        return st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=3)
    return _values(annotation)


def alike(one: object, other: object) -> bool:
    """Equal, with NaN equal to NaN."""
    return codec.to_jsonable(one) == codec.to_jsonable(other)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_every_event_survives_the_wire(kind: type[Any], data: st.DataObject) -> None:
    """On one line, without a bare NaN, and read back the same, whatever its numbers are."""
    event = data.draw(words(kind))
    line = codec.encode(event)
    assert b"\n" not in line
    json.loads(line, parse_constant=pytest.fail)
    back = codec.decode_event(line)
    assert type(back) is kind
    assert alike(back, event)


@pytest.mark.parametrize("kind", list(COMMANDS.values()), ids=lambda kind: kind.__name__)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_every_request_survives_the_wire(kind: type[Command], data: st.DataObject) -> None:
    """With any arguments."""
    request = Request(
        id=data.draw(names), session=data.draw(names), actor="user", time=1.0, command=data.draw(words(kind))
    )
    assert alike(codec.decode_request(codec.encode(request)), request)


@given(st.lists(st.floats(width=32), max_size=20))
def test_columns_keep_what_is_not_a_number(values: list[float]) -> None:
    """A diverged run is recorded as what it is."""
    event = StepsFinished(step=1, columns=(Column(metric="batch/loss", first_step=1, values=values),))
    back = codec.decode_event(codec.encode(event))
    assert isinstance(back, StepsFinished)
    pairs = zip(back.columns[0].values, values, strict=True)
    assert all(mine == theirs or (math.isnan(mine) and math.isnan(theirs)) for mine, theirs in pairs)


@given(st.binary(max_size=200))
def test_anything_else_is_a_decode_error(line: bytes) -> None:
    """Never another exception."""
    with contextlib.suppress(codec.DecodeError):
        codec.decode_event(line)


@settings(max_examples=50)
@given(data=st.data())
def test_a_torn_line_is_a_decode_error(data: st.DataObject) -> None:
    """Cut anywhere, a line is no word."""
    line = codec.encode(StepsFinished(step=3, columns=(Column(metric="m", first_step=1, values=[1.0, 2.0]),)))
    with pytest.raises(codec.DecodeError):
        codec.decode_event(line[: data.draw(st.integers(0, len(line) - 1))])


def test_an_event_of_a_newer_version_is_counted_not_fatal() -> None:
    """Its name and stamps are kept."""
    assert codec.decode_event(b'{"event":"Teleported","seq":7,"seconds":1.5,"to":"moon"}') == UnknownEvent(
        name="Teleported", seq=7, seconds=1.5
    )


def test_a_known_event_with_a_wrong_field_is_damage() -> None:
    """Not silently taken for an unknown one."""
    with pytest.raises(codec.DecodeError):
        codec.decode_event(b'{"event":"Paused","step":"soon","reason":"asked"}')


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_a_name_help_and_arguments(name: str) -> None:
    """What `tuitrain ask RUN help` prints."""
    assert command_help(name).endswith(".")
    assert all(words for _, words in command_arguments(name))


def test_text_becomes_a_command_and_a_sentence_again() -> None:
    """What is not a field goes to the hyper-parameters."""
    command = parse_command("switch-optimizer", {"name": "sgd", "momentum": 0.9})
    assert command_name(command) == "switch_optimizer"
    assert sentence(command) == "switch_optimizer name=sgd momentum=0.9"


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("scale_learning_rat", {}, 'Try: "scale_learning_rate"'),
        ("scale_learning_rate", {}, "needs factor"),
        ("scale_learning_rate", {"factor": "fast"}, 'factor = "fast" is not a number'),
        ("scale_learning_rate", {"factor": 0}, "not above 0"),
        ("scale_learning_rate", {"factor": math.inf}, "not above 0"),
        ("scale_learning_rate", {"facto": 0.1}, 'Try: "factor"'),
        ("step_once", {"num_steps": 2.5}, "not a whole number"),
        ("set_learning_rate", {"lr": 0.1, "hold": "yes"}, "not true or false"),
        ("switch_optimizer", {"name": "sgd", "handover": "cool"}, 'not "match" or "cold"'),
        ("pause", {"now": True}, 'no argument "now"'),
    ],
)
def test_a_wrong_command_says_what_is_wrong(name: str, arguments: dict[str, object], said: str) -> None:
    """With the nearest known name or the kind that was expected."""
    with pytest.raises(CommandError) as caught:
        parse_command(name, arguments)
    assert said in str(caught.value)
