"""NaN, a refusing disk, a slow reader: named, counted, survived."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
import torch

from tests.training.harness import asked, build, finish, weights
from tests.training.test_undisturbed import wait_until
from tuitrain.protocol.codec import decode_event
from tuitrain.protocol.commands import Request, Resume
from tuitrain.protocol.events import AlarmRaised, Paused, RunEnded, StepsFinished, StepsThinned
from tuitrain.training.nonfinite import first_nonfinite_module
from tuitrain.training.pump import Pump
from tuitrain.training.recorder import Recorder
from tuitrain.training.run import LOSS, Run
from tuitrain.training.telemetry import Telemetry
from tuitrain.training.trainer import Trainer


def poisoned(at_step: int, **options: Any) -> Trainer:
    """A trainer whose batch of step `at_step` holds a NaN."""
    trainer = build(**options)
    draw = trainer.batches.next
    drawn = 0

    def draw_poisoned() -> tuple[torch.Tensor, torch.Tensor]:
        nonlocal drawn
        drawn += 1
        x, y = draw()
        if drawn == at_step:
            x = x.clone()
            x[0] = math.nan
        return x, y

    trainer.batches.next = draw_poisoned  # type: ignore[method-assign]
    return trainer


def test_a_bad_update_is_not_applied_and_the_run_pauses() -> None:
    """The step is named, the weights are those of the step before, and the person decides."""
    trainer = poisoned(20, on_nonfinite="pause")
    reference = build()
    reference.task.model.train()
    for _ in range(19):
        reference._take_step()
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(finish(trainer)))
    thread.start()
    wait_until(lambda: trainer.control.is_paused)
    assert trainer.step == 20
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(weights(trainer), weights(reference), strict=True))
    asked(trainer, Resume())
    thread.join(60)
    result = results[0]
    alarm = result.all(AlarmRaised)[0]
    assert (alarm.step, alarm.kind, alarm.action, alarm.module) == (20, "nonfinite_loss", "pause", "the input")
    assert [fact.step for fact in result.all(Paused)] == [20]
    assert result.ended.reason == "finished"
    assert math.isnan(result.values[LOSS][20])
    assert all(math.isfinite(value) for step, value in result.values[LOSS].items() if step != 20)


def test_stopping_at_a_nan_is_a_failed_run() -> None:
    """Without a person there is nobody to ask."""
    result = finish(poisoned(20, on_nonfinite="stop"))
    assert (result.ended.reason, result.ended.step) == ("failed", 20)


def test_going_on_after_a_nan_says_it_once() -> None:
    """And the planned number of steps is reached."""
    result = finish(poisoned(20, on_nonfinite="continue"))
    assert len(result.all(AlarmRaised)) == 1
    assert (result.ended.reason, result.ended.step) == ("finished", 40)


def test_a_gradient_alone_can_be_caught() -> None:
    """The loss is finite, its gradient is not: the update is held back all the same."""
    trainer = build(on_nonfinite="continue")
    trainer.task.model.train()
    trainer._take_step()
    before = weights(trainer)
    model: Any = trainer.task.model
    model.act_1.register_full_backward_hook(lambda *_: (torch.full((64, 256), math.inf),))
    trainer._take_step()
    alarms = [fact for fact in trainer.run.take_facts() if isinstance(fact, AlarmRaised)]
    assert alarms[0].kind == "nonfinite_gradient"
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(before, weights(trainer), strict=True))


def test_the_module_that_runs_non_finite_is_named() -> None:
    """The first one in order of execution, not the last one to notice."""
    trainer = build()
    model: Any = trainer.task.model
    x, y = trainer.batches.next()

    def loss_of(outputs: torch.Tensor) -> torch.Tensor:
        return trainer.task.training_loss(outputs, y)

    assert first_nonfinite_module(trainer.task.model, x, loss_of) == ""
    model.act_1.register_forward_hook(lambda _module, _inputs, output: output / 0.0)
    assert first_nonfinite_module(trainer.task.model, x, loss_of) == "act_1"
    with torch.no_grad():
        model.lin_1.weight[0, 0] = math.nan
    assert first_nonfinite_module(trainer.task.model, x, loss_of) == "parameter lin_1.weight"


def test_the_recorder_gives_back_what_it_was_given() -> None:
    """Columns with their stride, up to a step or all; a change of stride begins a new column."""
    recorder = Recorder()
    for step in range(1, 11):
        recorder.append("loss", step, step / 4)
    for step in (2, 4, 6, 10, 14):
        recorder.append("norm", step, float(step))
    first = recorder.take(4)
    assert [(column.metric, column.first_step, column.stride, column.values) for column in first] == [
        ("loss", 1, 1, [0.25, 0.5, 0.75, 1.0]),
        ("norm", 2, 2, [2.0, 4.0]),
    ]
    rest = {(column.metric, column.first_step): (column.stride, column.values) for column in recorder.take()}
    assert rest[("loss", 5)] == (1, [1.25, 1.5, 1.75, 2.0, 2.25, 2.5])
    assert rest[("norm", 6)] == (1, [6.0])
    assert rest[("norm", 10)] == (4, [10.0, 14.0])
    assert recorder.take() == []


def test_a_reader_that_never_comes_costs_values_but_says_how_many() -> None:
    """Above its limit the recorder thins the oldest and counts what it left out."""
    recorder = Recorder(limit_bytes=4 * 4096 * 4)
    for step in range(1, 60_001):
        recorder.append("loss", step, float(step))
    kept = sum(len(column.values) for column in recorder.take())
    assert kept + recorder.take_left_out()["loss"] == 60_000
    assert kept <= 5 * 4096


class FakeDisk:
    """A sink that can be full."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.is_full = False
        self.has_reserve = False

    def append(self, lines: Sequence[bytes]) -> None:
        if self.is_full and self.has_reserve:
            raise OSError(28, "No space left on device")
        self.lines += lines

    def sync(self) -> None:
        pass

    def hold_reserve(self) -> bool:
        self.has_reserve = not self.is_full
        return self.has_reserve

    def release_reserve(self) -> None:
        self.has_reserve = False


class NoCommands:
    """An inbox that stays empty."""

    def poll(self) -> Iterable[Request]:
        return []


def pump_into(disk: FakeDisk, run: Run) -> Pump:
    return Pump(run, disk, NoCommands(), lambda _: None, Telemetry())


def test_facts_come_after_the_steps_that_led_to_them() -> None:
    """Columns are cut at the step of each fact, and the numbering has no gaps."""
    run, disk = Run(), FakeDisk()
    for step in range(1, 11):
        run.recorder.append(LOSS, step, float(step))
        if step == 4:
            run.publish(Paused(step=4, reason="asked"))
    run.publish(RunEnded(step=10, reason="finished"))
    pump = pump_into(disk, run)
    pump.start()
    pump.close()
    events = [decode_event(line) for line in disk.lines]
    told = [(type(event).__name__, getattr(event, "step", 0)) for event in events]
    assert told == [("StepsFinished", 4), ("Paused", 4), ("StepsFinished", 10), ("RunEnded", 10)]
    assert [event.seq for event in events] == [1, 2, 3, 4]


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_full_disk_keeps_decisions_and_counts_what_is_lost(comes_back: bool) -> None:
    """While it is full only measurements wait; once there is space they follow, else their number is written."""
    run, disk = Run(), FakeDisk()
    troubles: list[str] = []
    pump = Pump(run, disk, NoCommands(), lambda _: None, Telemetry(), troubles.append)
    pump.start()
    disk.is_full = True
    run.recorder.append(LOSS, 1, 1.0)
    wait_until(lambda: bool(troubles))
    run.recorder.append(LOSS, 2, 2.0)
    run.progress.step = 2
    run.publish(Paused(step=2, reason="asked"))
    wait_until(lambda: any(b'"Paused"' in line for line in disk.lines))
    disk.is_full = not comes_back
    run.publish(RunEnded(step=2, reason="finished"))
    pump.close()
    events = [decode_event(line) for line in disk.lines]
    assert isinstance(events[-1], RunEnded)
    values = [value for event in events if isinstance(event, StepsFinished) for value in event.columns[0].values]
    left_out = sum(event.num_left_out for event in events if isinstance(event, StepsThinned))
    assert len(values) + left_out == 2
    assert (left_out == 0) == comes_back
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


class SlowDisk(FakeDisk):
    """A sink whose promise takes until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.may_sync = threading.Event()

    def append(self, lines: Sequence[bytes]) -> None:
        self.may_sync.wait()
        super().append(lines)


def test_the_last_word_is_waited_for_and_a_disk_that_hangs_is_told() -> None:
    """Whoever closes the file while it is written to would let the rest go into another one."""
    run, disk = Run(), SlowDisk()
    pump = pump_into(disk, run)
    pump.start()
    run.publish(RunEnded(step=0, reason="finished"))
    assert not pump.close(timeout=0.01)
    threading.Timer(0.2, disk.may_sync.set).start()
    assert pump.close()
    assert isinstance(decode_event(disk.lines[-1]), RunEnded)
