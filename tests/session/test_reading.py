"""Reading a run: all that it said is told before it is told that it says no more."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.rundir.fake_trainer import FakeTrainer, heartbeat
from tuitrain.board.board import Board
from tuitrain.protocol.carrier import CarrierStatus, DamageSeen
from tuitrain.protocol.events import Event, RunEnded
from tuitrain.rundir.places import RunFolder
from tuitrain.session.reading import RunReader, Word


@pytest.mark.parametrize("last_word", [(), (RunEnded(step=9, reason="finished"),)], ids=["lost", "ended"])
def test_what_was_said_between_two_looks_comes_before_the_end(tmp_path: Path, last_word: tuple[Event, ...]) -> None:
    """A trainer says more, and dies within a line, after its stream was read and before its lock was asked for."""
    folder = RunFolder.create(tmp_path / "20261121-1432-linreg-7f3a")
    trainer = FakeTrainer(folder)
    trainer.say(heartbeat(1))
    reader = RunReader(folder)
    words: list[Word] = []
    while found := reader.poll():
        words += found
    look = reader._watch.poll

    def look_after_its_death(*, has_ended: bool, has_grown: bool) -> CarrierStatus:
        trainer.say(heartbeat(2), heartbeat(3), *last_word)
        trainer.writer.close()
        trainer.lock.release()
        with folder.events_path.open("ab") as torn:
            torn.write(b'{"event":"Heartb')
        return look(has_ended=has_ended, has_grown=has_grown)

    reader._watch.poll = look_after_its_death  # type: ignore[method-assign]
    reader._next_status = 0.0
    words += reader.poll()
    events = [word for word in words if isinstance(word, Event)]
    assert [event.seq for event in events] == list(range(1, 4 + len(last_word)))
    *_, damage, status = words
    assert isinstance(damage, DamageSeen)
    assert "16 bytes" in damage.detail
    assert isinstance(status, CarrierStatus)
    assert status.status == ("ended" if last_word else "lost")
    assert reader.has_ended == bool(last_word)
    board = Board()
    for word in words:
        board.apply(word)
    assert board.state == ("finished" if last_word else "lost")
    assert board.step == (9 if last_word else 3)


def test_a_death_is_seen_within_a_second_of_the_readers_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking at the lock costs little, but is not done at every poll."""
    now = [time.monotonic()]
    monkeypatch.setattr("tuitrain.session.reading.time.monotonic", lambda: now[0])
    folder = RunFolder.create(tmp_path / "20261121-1432-linreg-7f3a")
    trainer = FakeTrainer(folder)
    reader = RunReader(folder)
    assert [word.status for word in reader.poll() if isinstance(word, CarrierStatus)] == ["live"]
    trainer.writer.close()
    trainer.lock.release()
    assert reader.poll() == []
    now[0] += 1.0
    assert [word.status for word in reader.poll() if isinstance(word, CarrierStatus)] == ["lost"]
