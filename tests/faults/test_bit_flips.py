"""A bit of the record flips: no other value is read, and each damaged line is reported once, by its number."""

from __future__ import annotations

import random

import pytest

from tests.rundir.conftest import folder
from tests.rundir.fake_trainer import heartbeat, info_of
from tuitrain.protocol.carrier import DamageSeen
from tuitrain.protocol.codec import DecodeError, decode_event, encode, encode_event
from tuitrain.protocol.commands import ScaleLearningRate
from tuitrain.protocol.events import Column, CommandApplied, CommandQueued, EvalFinished, Event, RunEnded, StepsFinished
from tuitrain.rundir.follower import EventFollower, read_events
from tuitrain.rundir.places import RunFolder, write_info
from tuitrain.session.reading import RunReader

__all__ = ["folder"]

EVENTS: list[Event] = [
    StepsFinished(
        seq=1, time=1.5, step=3, columns=(Column(metric="batch/loss", first_step=1, values=[2.5, 1.25, 0.5]),)
    ),
    CommandQueued(seq=2, step=3, command="7", request=ScaleLearningRate(factor=0.1), actor="user"),
    CommandApplied(seq=3, step=3, command="7", summary="×0.1: learning rate 0.01 → 0.001"),
    EvalFinished(seq=4, step=3, metrics={"eval/loss": float("nan")}, eval_seconds=0.5, num_samples=10),
    RunEnded(seq=5, step=3, reason="finished", best={"eval/loss": 0.25}),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_no_flipped_bit_of_a_line_is_read_as_another_value(event: Event) -> None:
    """Every bit of it, its checksum too."""
    line = encode_event(event)
    assert encode(decode_event(line)) == encode(event)
    for place in range(8 * len(line)):
        flipped = bytearray(line)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(DecodeError):
            decode_event(bytes(flipped))


def test_a_line_without_a_checksum_is_read_as_before() -> None:
    """Recordings of before, and those that others write."""
    for event in EVENTS:
        assert encode(decode_event(encode(event))) == encode(event)


def test_wherever_a_bit_of_a_record_flips_it_is_one_report_by_line(folder: RunFolder) -> None:
    """Newlines too: what they part or join is damaged, and the lines around it are read as they were."""
    data = b"".join(encode_event(event) + b"\n" for event in EVENTS)
    true = {encode(event) for event in EVENTS}
    for place in random.Random(0).sample(range(8 * len(data)), 400):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        folder.events_path.write_bytes(flipped)
        found = read_events(folder)
        damaged = [event.line_number for event in found if isinstance(event, DamageSeen)]
        whole = [encode(event) for event in found if not isinstance(event, DamageSeen)]
        is_last_newline = place // 8 == len(data) - 1
        assert set(whole) < true
        assert len(whole) == len(set(whole)) >= len(EVENTS) - 2
        assert len(damaged) == 1 + (flipped[place // 8] == ord("\n")) - is_last_newline
        number = data.count(b"\n", 0, place // 8) + 1
        assert damaged == list(range(number, number + len(damaged)))


def test_a_screen_reports_each_damaged_thing_of_a_folder_once(folder: RunFolder) -> None:
    """However often it looks: a line, a torn end, commands, a stream that cannot be read."""
    write_info(folder, info_of(folder))
    folder.events_path.write_bytes(b"garbage\n" + encode_event(heartbeat(1, seq=1)) + b"\ntorn")
    (folder.commands_path / "half.json").write_bytes(b'{"id":"ha')
    (folder.commands_path / "two\nlines.json").write_bytes(b"\xff")
    reader = RunReader(folder)
    told: list[str] = []
    for _ in range(4):
        reader._next_status = 0.0
        reader._status = None
        while words := reader.poll():
            told += [f"{word.line_number} {word.detail}" for word in words if isinstance(word, DamageSeen)]
            reader._next_status = float("inf")
    assert len(told) == 4
    assert told[0].startswith("1 ")
    assert told[1].startswith("0 commands/half.json: is no command")
    assert told[2].startswith("0 commands/two\\nlines.json: is no command")
    assert told[3] == "0 a torn last line of 4 bytes was skipped"
    folder.events_path.unlink()
    folder.events_path.mkdir()
    words = [word for _ in range(3) for word in reader.poll()]
    assert [str(folder.events_path) in word.detail for word in words if isinstance(word, DamageSeen)] == [True]


def test_a_follower_that_waits_reports_a_damaged_line_once(folder: RunFolder) -> None:
    """As a screen does, ten times a second."""
    folder.events_path.write_bytes(b"garbage\n")
    follower = EventFollower(folder)
    assert [len(follower.poll()) for _ in range(5)] == [1, 0, 0, 0, 0]
