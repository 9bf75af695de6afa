"""From a measurement to a line: nothing lost, nothing invented, in order, whatever the disk and the reader do."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.test_trouble import NoCommands
from tuitrain.protocol.codec import decode_event
from tuitrain.protocol.commands import Pause, Request
from tuitrain.protocol.events import (
    Column,
    CommandQueued,
    EvalFinished,
    Event,
    Heartbeat,
    Paused,
    RunEnded,
    StepsFinished,
    StepsThinned,
)
from tuitrain.training import pump as pump_module
from tuitrain.training.control import Control
from tuitrain.training.pace import Pace
from tuitrain.training.pump import Pump
from tuitrain.training.recorder import Recorder
from tuitrain.training.run import LOSS, Run
from tuitrain.training.telemetry import Telemetry


def spread(columns: Iterable[Column]) -> list[tuple[str, int, float]]:
    """(metric, step, value) of everything in some columns."""
    return [
        (column.metric, column.first_step + index * column.stride, value)
        for column in columns
        for index, value in enumerate(column.values)
    ]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.sampled_from("ab"), st.integers(1, 4)),
            st.tuples(st.just("take"), st.just(""), st.integers(-3, 3)),
        ),
        max_size=120,
    )
)
def test_what_is_recorded_is_taken_once_at_its_step(moves: list[tuple[str, str, int]]) -> None:
    """Any strides, any takes in between, up to a step or all: each value comes out once, in order, where it belongs."""
    recorder = Recorder()
    given_values: dict[str, list[int]] = {"a": [], "b": []}
    taken: list[tuple[str, int, float]] = []
    for what, metric, number in moves:
        if what == "append":
            step = (given_values[metric] or [0])[-1] + number
            recorder.append(metric, step, float(step))
            given_values[metric].append(step)
        else:
            last = max([0, *(steps[-1] for steps in given_values.values() if steps)])
            limit = None if number > 2 else last + number
            new = spread(recorder.take(limit))
            assert limit is None or all(step <= limit for _, step, _ in new)
            taken += new
    taken += spread(recorder.take())
    assert all(step == value for _, step, value in taken)
    for metric, steps in given_values.items():
        assert [step for name, step, _ in taken if name == metric] == steps


def test_one_thread_appends_while_another_takes() -> None:
    """Two hundred thousand values over many blocks, none lost, none twice, none before it is written."""
    recorder, taken = Recorder(), list[tuple[str, int, float]]()
    total, is_done = 200_000, threading.Event()

    def write() -> None:
        for step in range(1, total + 1):
            recorder.append(LOSS, step, float(step))
        is_done.set()

    thread = threading.Thread(target=write)
    thread.start()
    while not is_done.is_set():
        taken += spread(recorder.take())
    thread.join()
    taken += spread(recorder.take())
    assert [step for _, step, _ in taken] == list(range(1, total + 1))
    assert all(step == value for _, step, value in taken)


@pytest.mark.parametrize("gap", [1, 3])
def test_thinned_values_stay_at_their_steps(gap: int) -> None:
    """Above the limit every second value goes, the newest stay whole, and the rest is where it was measured."""
    recorder = Recorder(limit_bytes=6 * 4096 * 4)
    steps = range(gap, gap * 80_000, gap)
    for step in steps:
        recorder.append(LOSS, step, float(step))
    kept = spread(recorder.take())
    assert all(step == value for _, step, value in kept)
    found = [step for _, step, _ in kept]
    assert found == sorted(set(found))
    assert len(kept) + recorder.take_left_out()[LOSS] == len(steps)
    assert found[-4096:] == list(steps)[-4096:]
    assert recorder.take_left_out() == {}


class UnreliableDisk:
    """A sink that writes only so many lines of the next append, then refuses."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.room: int | None = None
        """None means as much as it is given."""

    def append(self, lines: Sequence[bytes]) -> None:
        if self.room is None or self.room >= len(lines):
            self.lines += lines
            return
        self.lines += lines[: self.room]
        error = OSError(28, "No space left on device")
        error.num_written = self.room  # type: ignore[attr-defined]
        raise error

    def sync(self) -> None:
        if self.room is not None:
            raise OSError(5, "Input/output error")

    def hold_reserve(self) -> bool:
        return self.room is None

    def release_reserve(self) -> None:
        pass

    @property
    def events(self) -> list[Event]:
        return [event for event in map(decode_event, self.lines) if not isinstance(event, Heartbeat)]


def pump_of(run: Run, disk: UnreliableDisk) -> Pump:
    return Pump(run, disk, NoCommands(), lambda _: None, Telemetry())


ticks = st.lists(
    st.tuples(st.integers(0, 3), st.booleans(), st.one_of(st.none(), st.integers(0, 3))), min_size=1, max_size=12
)


@settings(max_examples=60)
@given(ticks)
def test_a_disk_that_refuses_for_a_while_loses_nothing(moves: list[tuple[int, bool, int | None]]) -> None:
    """Any pattern of refusals, also in the middle of an append: once it takes lines again, all are there, in order."""
    run, disk, step = Run(), UnreliableDisk(), 0
    pump = pump_of(run, disk)
    retry, pump_module._RETRY_SECONDS = pump_module._RETRY_SECONDS, 0.0
    try:
        paused_at = []
        for num_steps, has_fact, room in moves:
            disk.room = room
            for _ in range(num_steps):
                step += 1
                run.recorder.append(LOSS, step, float(step))
            if has_fact:
                run.publish(Paused(step=step, reason="asked"))
                paused_at.append(step)
            pump._tick()
        disk.room = None
        pump._tick()
        run.publish(RunEnded(step=step, reason="finished"))
        pump._tick()
    finally:
        pump_module._RETRY_SECONDS = retry
    stream = [decode_event(line) for line in disk.lines]
    assert [event.seq for event in stream] == list(range(1, len(stream) + 1))
    values = spread(column for event in disk.events if isinstance(event, StepsFinished) for column in event.columns)
    assert values == [(LOSS, number, float(number)) for number in range(1, step + 1)]
    assert [event.step for event in disk.events if isinstance(event, Paused)] == paused_at
    assert isinstance(disk.events[-1], RunEnded)
    assert pump.trouble == ""


def test_what_waits_for_a_full_disk_is_limited_and_what_is_shed_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is not the price of a full disk."""
    monkeypatch.setattr(pump_module, "_HELD_LIMIT_BYTES", 100 * pump_module._BYTES_PER_VALUE)
    run, disk = Run(), UnreliableDisk()
    pump = pump_of(run, disk)
    disk.room = 0
    for step in range(1, 1001):
        run.recorder.append(LOSS, step, float(step))
        if step % 10 == 0:
            pump._tick()
            held = sum(len(column.values) for event in pump._held for column in event.columns)
            assert held <= 100
    disk.room = None
    pump._next_try = 0.0
    pump._tick()
    values = [event for event in disk.events if isinstance(event, StepsFinished)]
    num_left_out = sum(event.num_left_out for event in disk.events if isinstance(event, StepsThinned))
    assert num_left_out > 0
    assert len(spread(column for event in values for column in event.columns)) + num_left_out == 1000


def test_a_command_is_delivered_in_the_tick_that_finds_it() -> None:
    """And is said to be queued before anything else is said of it."""
    run, disk = Run(), UnreliableDisk()
    control = Control(run, "s", [], Pace(None, lambda: False))
    request = Request(id="7", session="s", actor="user", time=0.0, command=Pause())
    waiting = [[request]]

    class Once:
        def poll(self) -> Iterable[Request]:
            return waiting.pop() if waiting else []

    Pump(run, disk, Once(), control.deliver, Telemetry())._tick()
    assert [event.command for event in disk.events if isinstance(event, CommandQueued)] == ["7"]


def test_facts_are_stamped_and_the_best_value_is_never_a_nan() -> None:
    """Wall time and seconds since the start by the run's clocks; lower and higher each as their metric means it."""
    now = [100.0]
    run = Run(clock=lambda: 1e9, timer=lambda: now[0])
    now[0] = 102.5
    for loss, accuracy in ((0.5, 0.8), (float("nan"), 0.9), (0.7, 0.85)):
        metrics = {"eval/loss": loss, "eval/accuracy": accuracy}
        run.publish(EvalFinished(step=1, metrics=metrics, eval_seconds=0.1, num_samples=5))
    first = run.take_facts()[0]
    assert (first.time, first.seconds, first.seq) == (1e9, 2.5, 0)
    assert run.progress.best == {"eval/loss": 0.5, "eval/accuracy": 0.9}
    assert run.progress.last == {"eval/loss": 0.7, "eval/accuracy": 0.85}
    assert [run.numbered(first).seq, run.numbered(first).seq] == [1, 2]
