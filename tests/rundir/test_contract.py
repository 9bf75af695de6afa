"""What the carrier promises to both sides, with a fake trainer in this process and in another one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from tests.rundir.conftest import Play
from tests.rundir.fake_trainer import FakeTrainer, heartbeat, request, until
from tuitrain.errors import RunBusyError
from tuitrain.protocol.commands import Evaluate, Pause, Resume, Stop
from tuitrain.protocol.events import CommandApplied, CommandQueued, Event, RunEnded
from tuitrain.rundir.commands import ask
from tuitrain.rundir.follower import EventFollower, read_events
from tuitrain.rundir.lock import RunLock, is_locked
from tuitrain.rundir.places import RunFolder
from tuitrain.rundir.status import CarrierWatch

Kill = Callable[[], None]


@pytest.fixture(params=["same process", "other process"])
def kill(request: pytest.FixtureRequest, folder: RunFolder, part: Play) -> Iterator[Kill]:
    """A fake trainer at work in the folder; calling this ends it without a last word, and returns when it is gone."""
    if request.param == "other process":
        process = part("train")
        until(folder.events_path.exists)

        def kill_process() -> None:
            process.kill()
            process.wait()

        yield kill_process
        return
    is_killed = threading.Event()
    thread = threading.Thread(target=FakeTrainer(folder).run, args=(is_killed,))
    thread.start()

    def kill_thread() -> None:
        is_killed.set()
        thread.join()

    yield kill_thread
    kill_thread()


class Reader:
    """A screen, as far as the carrier is concerned."""

    def __init__(self, folder: RunFolder) -> None:
        self.stream = EventFollower(folder)
        self.watch = CarrierWatch(folder)
        self.events: list[Event] = []

    def look(self) -> str:
        has_grown = self.read()
        has_ended = bool(self.events) and isinstance(self.events[-1], RunEnded)
        status = self.watch.poll(has_ended=has_ended, has_grown=has_grown).status
        if status == "ended":
            self.read()  # the last word may have come between the two looks
        return status

    def read(self) -> bool:
        new = [event for event in self.stream.poll() if isinstance(event, Event)]
        self.events += new
        return bool(new)

    def answers(self) -> list[str]:
        return [event.command for event in self.events if isinstance(event, CommandApplied)]


@pytest.mark.usefixtures("kill")
def test_everything_said_arrives_once_and_in_order(folder: RunFolder) -> None:
    """An early reader, a late one and one that reads it all at the end see the same."""
    early, late = Reader(folder), Reader(folder)
    until(lambda: early.look() and len(early.events) > 20)
    until(lambda: late.look() and len(late.events) > 40)
    ask(folder, request(Stop()))
    for reader in (early, late):
        until(lambda reader=reader: reader.look() == "ended")  # type: ignore[misc]
    assert [event.seq for event in early.events] == list(range(1, len(early.events) + 1))
    assert early.stream.num_gaps == 0
    assert repr(early.events) == repr(late.events) == repr(read_events(folder))


@pytest.mark.usefixtures("kill")
def test_every_command_is_answered_once_in_the_order_of_ids(folder: RunFolder) -> None:
    """Asked by several screens at once, while the trainer works."""
    asked = [request(command) for command in (Pause(), Resume(), Evaluate(), Pause(), Resume())]
    for word in asked:
        ask(folder, word)
    reader = Reader(folder)
    until(lambda: reader.look() and len(reader.answers()) >= len(asked))
    ask(folder, last := request(Stop()))
    until(lambda: reader.look() == "ended")
    ids = [word.id for word in [*asked, last]]
    assert reader.answers() == ids == sorted(ids)
    queued = [event for event in reader.events if isinstance(event, CommandQueued)]
    assert [event.request for event in queued] == [word.command for word in [*asked, last]]


def test_it_is_live_then_lost_when_its_trainer_dies_silently(folder: RunFolder, kill: Kill) -> None:
    """A dead run cannot say that it is dead; its readers see it at their next look."""
    reader = Reader(folder)
    until(lambda: len(reader.events) > 5 or (reader.look() != "live" and pytest.fail("not live")))
    kill()
    assert reader.look() == "lost"


@pytest.mark.usefixtures("kill")
def test_a_second_trainer_is_refused(folder: RunFolder) -> None:
    """One folder, one writer."""
    with pytest.raises(RunBusyError):
        RunLock.acquire(folder)


def test_a_later_session_goes_on_in_the_same_stream(folder: RunFolder, kill: Kill) -> None:
    """After a crash the next trainer cuts what is torn and counts on."""
    reader = Reader(folder)
    until(lambda: reader.look() and len(reader.events) > 5)
    kill()
    assert not is_locked(folder)
    with folder.events_path.open("ab") as torn:
        torn.write(b'{"event":"Heartb')
    trainer = FakeTrainer(folder)
    assert trainer.writer.num_torn_bytes == 16
    trainer.say(heartbeat(7), RunEnded(step=7, reason="finished"))
    trainer.writer.close()
    trainer.lock.release()
    until(lambda: reader.look() == "ended")
    assert [event.seq for event in reader.events] == list(range(1, len(reader.events) + 1))
