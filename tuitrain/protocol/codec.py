"""How words become lines of JSON, and back.

JSON has no NaN: non-finite numbers are written as the strings "NaN", "Infinity" and "-Infinity"
(the protobuf JSON mapping), because msgspec would write null and make the whole line unreadable.
A line of the stream ends in its own checksum, so that a flipped bit is not taken for another loss.
"""

from __future__ import annotations

import math
import zlib
from typing import TypeVar

import msgspec

from tuitrain.protocol.carrier import RunInfo
from tuitrain.protocol.commands import Decision, Request
from tuitrain.protocol.events import Event, StepsFinished, UnknownEvent
from tuitrain.protocol.plan import LearningRatePlan

T = TypeVar("T")
_MOST = 1 << 63
_LIMITS = {"created": 253_402_300_800}
"""Of a time of day the end of the year 9999, beyond which it has no date."""

_encoder = msgspec.json.Encoder()
# Lax mode reads the three strings as floats; everything else keeps its type.
_event_decoder = msgspec.json.Decoder(Event, strict=False)
_request_decoder = msgspec.json.Decoder(Request, strict=False)
_info_decoder = msgspec.json.Decoder(RunInfo, strict=False)
_decision_decoder = msgspec.json.Decoder(Decision, strict=False)
_plan_decoder = msgspec.json.Decoder(LearningRatePlan, strict=False)
_EVENT_NAMES = frozenset(member.__name__ for member in Event.__args__)


# RecursionError: a hundred thousand brackets are damage too.
_DAMAGE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


_MOST_STEPS = 10**15
_MOST_SECONDS = 1e11
_SEAL_HEAD, _SEAL_TAIL = b',"crc":"', b'"}'
_SEAL_BYTES = len(_SEAL_HEAD) + 8 + len(_SEAL_TAIL)
_ALMOST = len(_SEAL_HEAD) + len(_SEAL_TAIL) - 2


class DecodeError(ValueError):
    """A line that is not a word of ours: torn, damaged or foreign."""


def encode(word: msgspec.Struct) -> bytes:
    """One line of JSON without the newline; non-finite numbers as strings."""
    return _encoder.encode(_spell_out(msgspec.to_builtins(word)))


def encode_event(event: Event) -> bytes:
    """As `encode`, with a last field "crc": the CRC-32 of the line without that field, in 8 hexadecimal digits."""
    line = encode(event)
    return b"%s%s%08x%s" % (line[:-1], _SEAL_HEAD, zlib.crc32(line), _SEAL_TAIL)


def decode_event(line: bytes) -> Event:
    """Read one event; one of a newer version becomes `UnknownEvent`. A line may do without a checksum.

    Raises:
        DecodeError: the line is torn, damaged or not an event.
    """
    check_seal(line)
    try:
        event: Event = _event_decoder.decode(line)
    except _DAMAGE as error:
        return _decode_unknown(line, error)
    check_possible(getattr(event, "step", 0), event.seconds)
    for column in event.columns if isinstance(event, StepsFinished) else ():
        check_possible(column.first_step)
        check_possible(column.stride)
    return event


def decode_request(line: bytes) -> Request:
    """Read one request.

    Raises:
        DecodeError: it is damaged or of no command that we know.
    """
    return _decode(_request_decoder, line)


def decode_run_info(text: bytes) -> RunInfo:
    """Read `run.json`.

    Raises:
        DecodeError: it is damaged.
    """
    info = _decode(_info_decoder, text)
    for name in ("created", "pid_created", "pid", "seed", "total_steps", "branched_at"):
        value = getattr(info, name)
        if not 0 <= value < _LIMITS.get(name, _MOST):  # NaN neither
            raise DecodeError(f"its {name} is {value:.4g}")
    return info


def decode_decision(text: bytes) -> Decision:
    """Read a decision as `encode` wrote it.

    Raises:
        DecodeError: it is damaged or of no command that we know.
    """
    return _decode(_decision_decoder, text)


def decode_plan(text: bytes) -> LearningRatePlan:
    """Read a plan as `encode` wrote it.

    Raises:
        DecodeError: it is damaged.
    """
    return _decode(_plan_decoder, text)


def to_jsonable(word: msgspec.Struct) -> object:
    """The word as plain data that any JSON writer takes."""
    return _spell_out(msgspec.to_builtins(word))


def _decode(decoder: msgspec.json.Decoder[T], text: bytes) -> T:
    try:
        return decoder.decode(text)
    except _DAMAGE as error:
        raise DecodeError(str(error)) from error


def check_possible(step: int, seconds: float = 0.0) -> None:
    """Make sure that a run can have come that far: what draws and counts need not ask again.

    Raises:
        DecodeError: it cannot.
    """
    if not 0 <= step <= _MOST_STEPS:
        raise DecodeError(f"{step} is no step that a run can have")
    if not 0.0 <= seconds <= _MOST_SECONDS:
        raise DecodeError(f"{seconds:g} seconds are no time that a run can have")


def check_seal(line: bytes) -> None:
    """Make sure that a line that ends in a checksum is what was written.

    Raises:
        DecodeError: it is not.
    """
    head, digits = line[-_SEAL_BYTES:-10], line[-10:-2]
    if head == _SEAL_HEAD and line.endswith(_SEAL_TAIL):
        if b"%08x" % zlib.crc32(b"}", zlib.crc32(memoryview(line)[:-_SEAL_BYTES])) != digits:
            raise DecodeError("its checksum does not fit: it is not what was written")
    elif sum(map(int.__eq__, head + line[-2:], _SEAL_HEAD + _SEAL_TAIL)) >= _ALMOST:
        raise DecodeError("its checksum is damaged")


def _decode_unknown(line: bytes, error: Exception) -> UnknownEvent:
    try:
        raw = msgspec.json.decode(line)
    except _DAMAGE as damage:
        raise DecodeError(str(damage)) from damage
    name = raw.get("event") if isinstance(raw, dict) else None
    if not isinstance(name, str) or name in _EVENT_NAMES:
        raise DecodeError(str(error)) from error
    stamps = {key: raw[key] for key in ("seq", "time", "seconds") if isinstance(raw.get(key), int | float)}
    try:
        seconds = float(stamps.get("seconds", 0.0))
        return UnknownEvent(
            name=name,
            seq=int(stamps.get("seq", 0)),
            time=float(stamps.get("time", 0.0)),
            seconds=seconds if 0.0 <= seconds <= _MOST_SECONDS else 0.0,
        )
    except OverflowError as damage:
        raise DecodeError(str(damage)) from damage


def _spell_out(value: object) -> object:
    """Replace every non-finite float within plain data by its name."""
    if isinstance(value, float):
        return value if math.isfinite(value) else _name_of(value)
    if isinstance(value, dict):
        return {key: _spell_out(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_spell_out(item) for item in value]
    return value


def _name_of(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
