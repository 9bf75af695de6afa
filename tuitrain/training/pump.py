"""The pump: the one thread that carries measurements and facts out, and commands in.

It wakes about 20 times a second. Whatever the disk does, the training thread does not wait for it.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from tuitrain.errors import TuitrainError
from tuitrain.protocol.codec import encode_event
from tuitrain.protocol.commands import Request
from tuitrain.protocol.events import (
    AlarmRaised,
    Column,
    CommandApplied,
    CommandRefused,
    Event,
    Heartbeat,
    RolledBack,
    RunEnded,
    StepsFinished,
    StepsThinned,
)
from tuitrain.training.run import Run
from tuitrain.training.telemetry import Telemetry

_TICK_SECONDS = 0.05
_HEARTBEAT_SECONDS = 1.0
_SYNC_SECONDS = 1.0
_FRUGAL_HEARTBEAT_SECONDS = 25.0  # a run that is silent for a minute may be taken for lost
_RETRY_SECONDS = 1.0
_LAST_WORD_SECONDS = 60.0
"""A network disk under load takes seconds to promise what it has; a run without its last word looks lost."""
_HELD_LIMIT_BYTES = 64 * 1024 * 1024
_MOST_VALUES = 1 << 20
"""Of one event: some 12 MB."""
_BYTES_PER_VALUE = 32  # of a Python float in a list
_DECISIONS = (CommandApplied, CommandRefused, RunEnded, AlarmRaised)


class Sink(Protocol):
    """Where lines go, e.g. `rundir.writer.EventWriter`."""

    def append(self, lines: Sequence[bytes]) -> None:
        """Write whole lines. Where the disk refuses it raises, with the number written as `num_written`."""

    def sync(self) -> None:
        """Make them survive a power cut."""

    def hold_reserve(self) -> bool:
        """Set some space aside for what must be said on a full disk; False where there is none."""

    def release_reserve(self) -> None:
        """Give that space back."""


class Inbox(Protocol):
    """Where commands come from."""

    def poll(self) -> Iterable[Request]:
        """New requests in the order of their ids."""


class Pump:
    """Carries between a run and the outside until it is closed.

    Args:
        run: the producer's end.
        sink: where events go.
        inbox: where commands come from.
        deliver: takes each request to the training thread.
        telemetry: reads memory and utilisation.
        on_disk_trouble: called once each time the disk begins to refuse.
        on_sync_trouble: called once each time what is written is not promised to be kept, and with "" when it is again.
    """

    def __init__(
        self,
        run: Run,
        sink: Sink,
        inbox: Inbox,
        deliver: Callable[[Request], None],
        telemetry: Telemetry,
        on_disk_trouble: Callable[[str], None] = lambda _: None,
        on_sync_trouble: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._run = run
        self._sink = sink
        self._inbox = inbox
        self._deliver = deliver
        self._telemetry = telemetry
        self._on_disk_trouble = on_disk_trouble
        self._on_sync_trouble = on_sync_trouble
        self._pending: list[bytes] = []
        self._held: list[StepsFinished] = []
        self._is_frugal = False
        self._next_try = 0.0
        self._trouble = ""
        self._sync_trouble = ""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="pump", daemon=True)
        self._last_heartbeat = time.monotonic() - _HEARTBEAT_SECONDS
        self._last_sync = 0.0
        self._rate = _Rate()
        self._times_back = 0
        self._busy_seconds = 0.0

    @property
    def trouble(self) -> str:
        """What the disk refuses at the moment; empty when all is written, and surely kept."""
        return self._trouble or self._sync_trouble

    def start(self) -> None:
        """Begin to carry."""
        self._sink.hold_reserve()
        self._thread.start()

    def close(self, timeout: float = _LAST_WORD_SECONDS) -> bool:
        """Carry what is left and end; whether that was done within `timeout` seconds, or the disk hangs."""
        self._closing.set()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _loop(self) -> None:
        while not self._closing.wait(_TICK_SECONDS):
            self._guarded_tick()
        self._guarded_tick()
        self._sync()

    def _guarded_tick(self) -> None:
        """One tick; whatever goes wrong in it goes to output.log, and the next one carries on."""
        try:
            self._tick()
        except Exception:  # noqa: BLE001
            traceback.print_exc()

    def _tick(self) -> None:
        for request in self._inbox.poll():
            self._deliver(request)
        events = self._gather()
        now = time.monotonic()
        if self._is_frugal:
            events = self._without_measurements(events, now)
        self._pending += [encode_event(self._run.numbered(event)) for event in events]
        self._write()
        if now - self._last_sync > _SYNC_SECONDS or any(isinstance(event, _DECISIONS) for event in events):
            self._last_sync = now
            self._sync()

    def _gather(self) -> list[Event]:
        """Facts and measurements in the order in which they happened.

        Facts are taken first: all that was measured up to the step of a fact is recorded by then.
        """
        facts = self._run.take_facts()
        events: list[Event] = []
        for fact in facts:
            if isinstance(fact, RolledBack):
                self._add_steps(events, None)  # all that was measured before it
                self._times_back += 1
            elif not isinstance(fact, StepsFinished) and hasattr(fact, "step"):
                self._add_steps(events, fact.step)
            events.append(fact)
        if not any(isinstance(fact, RunEnded) for fact in facts):
            self._add_steps(events, None)
            events += [
                StepsThinned(step=self._run.progress.step, metric=metric, num_left_out=count)
                for metric, count in self._run.recorder.take_left_out().items()
            ]
            events += self._heartbeat()
        return events

    def _add_steps(self, events: list[Event], up_to_step: int | None) -> None:
        columns = self._run.recorder.take(up_to_step, self._times_back)
        if sum(len(column.values) for column in columns) <= _MOST_VALUES:
            events += [StepsFinished(step=_last_step(columns), columns=tuple(columns))] if columns else []
            return
        # The disk hung for long: no line may be longer than readers take.
        parts = sorted((part for column in columns for part in _parts(column)), key=lambda part: _last_step([part]))
        events += [StepsFinished(step=_last_step([part]), columns=(part,)) for part in parts]

    def _heartbeat(self) -> list[Event]:
        now = time.monotonic()
        if now - self._last_heartbeat < (_FRUGAL_HEARTBEAT_SECONDS if self._is_frugal else _HEARTBEAT_SECONDS):
            return []
        busy = time.thread_time()
        own_share = (busy - self._busy_seconds) / max(now - self._last_heartbeat, 1e-9)
        self._busy_seconds, self._last_heartbeat = busy, now
        progress = self._run.progress
        reading = self._telemetry.read()
        return [
            *self._run.watch(now),
            Heartbeat(
                step=progress.step,
                state=progress.state,
                steps_per_second=self._rate.at(progress.step, now, is_running=progress.state == "running"),
                watching_share=progress.watching_share + own_share,
                best=progress.best,
                best_step=progress.best_step,
                last=progress.last,
                process_memory_bytes=reading.process_memory_bytes,
                device_memory_bytes=reading.device_memory_bytes,
                device_utilization=reading.device_utilization,
                is_paced=progress.is_paced,
            ),
        ]

    def _write(self) -> None:
        if not self._pending:
            return
        written = len(self._pending)
        try:
            self._sink.append(self._pending)
        except (OSError, TuitrainError) as error:
            written = int(getattr(error, "num_written", 0))
            if not self._is_frugal:
                self._begin_to_save(str(error))
        del self._pending[:written]

    def _begin_to_save(self, trouble: str) -> None:
        """The disk refuses: the reserve is for decisions and alarms, measurements wait in memory."""
        self._is_frugal = True
        self._trouble = trouble
        self._sink.release_reserve()
        self._on_disk_trouble(trouble)

    def _without_measurements(self, events: list[Event], now: float) -> list[Event]:
        """What is to be written while the disk is full; everything held back once there is space again."""
        self._held += [event for event in events if isinstance(event, StepsFinished)]
        rest: list[Event] = [event for event in events if not isinstance(event, StepsFinished)]
        is_last = any(isinstance(event, RunEnded) for event in rest)
        if now >= self._next_try or is_last:
            self._next_try = now + _RETRY_SECONDS
            if self._sink.hold_reserve():
                held, self._held = self._held, []
                self._is_frugal, self._trouble = False, ""
                return [*held, *rest]
        num_values = sum(len(column.values) for event in self._held for column in event.columns)
        if is_last or num_values * _BYTES_PER_VALUE > _HELD_LIMIT_BYTES:
            step = self._run.progress.step
            rest.insert(0, StepsThinned(step=step, metric="all metrics", num_left_out=num_values))
            self._held.clear()
        return rest

    def _sync(self) -> None:
        try:
            self._sink.sync()
        except (OSError, TuitrainError) as error:
            trouble = str(error)
        else:
            trouble = ""
        if bool(trouble) != bool(self._sync_trouble):
            self._on_sync_trouble(trouble)
        self._sync_trouble = trouble


def _last_step(columns: Sequence[Column]) -> int:
    return max(column.first_step + (len(column.values) - 1) * column.stride for column in columns)


def _parts(column: Column) -> Iterator[Column]:
    for start in range(0, len(column.values), _MOST_VALUES):
        first, values = column.first_step + start * column.stride, column.values[start : start + _MOST_VALUES]
        yield Column(metric=column.metric, first_step=first, stride=column.stride, values=values)


class _Rate:
    """Steps per second over the last few seconds."""

    def __init__(self) -> None:
        self._marks: list[tuple[float, int]] = []

    def at(self, step: int, now: float, *, is_running: bool) -> float:
        if not is_running or (self._marks and step < self._marks[-1][1]):
            self._marks.clear()
            return 0.0
        self._marks = [*self._marks[-4:], (now, step)]
        (then, first), (_, last) = self._marks[0], self._marks[-1]
        return (last - first) / (now - then) if now > then else 0.0
