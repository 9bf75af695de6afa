"""Every command gets its one final reply, asked while a run starts, goes on, is being stopped, ends or is lost."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter

import pytest

import tuitrain.training.setup  # noqa: F401  # torch, once for all that are forked
from tests.faults.forked import forking
from tests.faults.stream import whole_events
from tuitrain.preset import load_preset
from tuitrain.protocol.commands import Command, Evaluate, Pause, Request, Resume, ScaleLearningRate, Stop
from tuitrain.protocol.events import CommandApplied, CommandQueued, CommandRefused, RunEnded
from tuitrain.rundir.commands import ask, new_command_id
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.rundir.summary import summarize
from tuitrain.session import asking, start
from tuitrain.session.asking import ask_and_wait
from tuitrain.session.start import Started, create_run, resume_detached, start_detached

SMALL = ("task.hidden=[8]", "task.num_train=64", "train.steps=1000000", "checkpoint.every_minutes=0.001")


def until(condition: object, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)


def put(folder: RunFolder, command: Command, session: str = "") -> str:
    """Ask without looking whether anybody is there, as one who looked a moment ago; returns the id."""
    request = Request(
        id=new_command_id(), session=session or read_info(folder).session, actor="user", time=0.0, command=command
    )
    ask(folder, request)
    return request.id


def replies(folder: RunFolder) -> Counter[str]:
    """How many final replies each command of a person has."""
    return Counter(
        event.command for event in whole_events(folder) if isinstance(event, CommandApplied | CommandRefused)
    )


def begun(*overrides: str) -> Started:
    started = start_detached(load_preset("mnist-mlp", [*SMALL, *overrides]), has_screen=False)
    until(lambda: any(started.folder.checkpoints_path.glob("step-*.pt")))
    return started


def kill(started: Started) -> None:
    started.process.send_signal(signal.SIGKILL)
    started.process.wait(10.0)


def stopped(started: Started) -> None:
    """Stopped by its signal, to its last word."""
    started.process.send_signal(signal.SIGTERM)
    assert started.process.wait(60.0) == 0


def test_what_is_asked_while_a_run_is_being_resumed_is_carried_out() -> None:
    """Between run.json, which tells the new session, and the worker, which takes seconds to begin."""
    with forking():
        started = begun()
        kill(started)
        asked: list[str] = []
        spawn = start.spawn

        def ask_before(folder: RunFolder, *arguments: object, **options: object) -> Started:
            asked.append(put(folder, Pause()))
            return spawn(folder, *arguments, **options)  # type: ignore[arg-type]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(start, "spawn", ask_before)
            again = resume_detached(started.folder, has_screen=False)
        until(lambda: summarize(started.folder).state == "paused")
        assert replies(started.folder)[asked[0]] == 1
        stopped(again)


def test_the_end_of_the_session_before_is_no_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was stopped is going on, and has not said a word yet: who asks waits for it."""
    with forking():
        started = begun()
        stopped(started)
        lock = RunLock.acquire(started.folder)
        start.renew(started.folder)
        monkeypatch.setattr(
            asking, "summarize", lambda folder: summarize(folder).__class__(id="x", path="", state="starting")
        )
        reply = ask_and_wait(started.folder, Evaluate(), 0.2)
        lock.release()
    assert (reply.status, reply.text.partition(";")[0]) == ("no answer", "no answer within 0.2 s")


@pytest.mark.slow  # five trainers, one after the other
def test_each_command_gets_exactly_one_reply() -> None:
    """A hundred of them around start, resume, stop, kill and end; a damaged file and one of another session, too."""
    dice = random.Random(7)
    asked: list[str] = []
    commands: list[Command] = [ScaleLearningRate(factor=0.999), Evaluate(), Pause(), Resume()]
    with forking():
        started = start_detached(load_preset("mnist-mlp", SMALL), has_screen=False)
        folder = started.folder
        old = read_info(folder).session

        def bother(count: int) -> None:
            for _ in range(count):
                asked.append(put(folder, dice.choice(commands), dice.choice(["", "", "", old])))
                time.sleep(dice.random() * 0.01)

        for ending in (kill, stopped, kill, stopped):
            bother(10)
            until(lambda: any(folder.checkpoints_path.glob("step-*.pt")) or summarize(folder).state == "paused")
            if not any(folder.checkpoints_path.glob("step-*.pt")):
                asked.append(put(folder, Resume()))
                until(lambda: any(folder.checkpoints_path.glob("step-*.pt")))
            bother(10)
            ending(started)
            bother(5)
            damaged = new_command_id()
            (folder.commands_path / f"{damaged}.json").write_bytes(b'{"id"')
            asked.append(damaged)
            started = resume_detached(folder, has_screen=False)
        bother(5)
        asked.append(put(folder, Stop()))
        started.process.wait(60.0)
    found = replies(folder)
    events = whole_events(folder)
    assert isinstance(events[-1], RunEnded)
    assert {name: found[name] for name in asked if found[name] != 1} == {}
    queued = Counter(event.command for event in events if isinstance(event, CommandQueued) and event.actor == "user")
    assert max(queued.values()) == 1
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_a_deed_whose_reply_was_lost_is_told_as_done() -> None:
    """A state was saved with it; the kill came before the reply was on the disk."""
    with forking():
        started = begun()
        folder = started.folder
        asked = put(folder, ScaleLearningRate(factor=0.5))
        until(lambda: replies(folder)[asked] == 1)
        stopped(started)
        lines = folder.events_path.read_bytes().splitlines(keepends=True)
        kept = [line for line in lines if not (b'"CommandApplied"' in line and asked.encode() in line)]
        folder.events_path.write_bytes(b"".join(kept))
        again = resume_detached(folder, has_screen=False)
        until(lambda: replies(folder)[asked] == 1)
        stopped(again)
    said = [event for event in whole_events(folder) if isinstance(event, CommandApplied | CommandRefused)]
    (reply,) = [event for event in said if event.command == asked]
    assert isinstance(reply, CommandApplied)


def test_nobody_is_asked_in_a_run_that_never_began() -> None:
    """Refused at once, with what to do; nothing is written."""
    folder = create_run(load_preset("mnist-mlp", SMALL))
    reply = ask_and_wait(folder, Pause(), 5.0)
    assert (reply.status, reply.hint) == ("refused", "tuitrain run mnist-mlp, which starts it anew.")
    assert list(folder.commands_path.iterdir()) == []
