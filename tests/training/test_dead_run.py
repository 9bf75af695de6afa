"""A run that does nothing is told from one that is slow, paused or evaluating. Time is given, not waited for."""

from __future__ import annotations

from tests.training.harness import build
from tests.training.test_trouble import FakeDisk, pump_into
from tuitrain.preset.schema import AlarmsSection
from tuitrain.protocol.commands import Stop
from tuitrain.protocol.events import AlarmRaised, CommandQueued, Event, RunState
from tuitrain.training.dead_run import DeadRunWatch
from tuitrain.training.run import Progress, Run


def running(step: int = 10) -> Progress:
    return Progress(step=step, state="running")


def watch(progress: Progress, asks: list[str] | None = None, **settings: object) -> DeadRunWatch:
    def ask(why: str) -> bool:
        if asks is not None:
            asks.append(why)
        return True

    return DeadRunWatch(AlarmsSection.model_validate({"dead_seconds": 60.0, **settings}), progress, ask)


def looked(dead: DeadRunWatch, first: int, last: int) -> list[Event]:
    return [event for now in range(first, last) for event in dead.look(float(now))]


def test_it_is_told_once_and_once_when_it_lives_again() -> None:
    """With the seconds and the step."""
    progress = running()
    dead = watch(progress)
    (alarm,) = looked(dead, 0, 200)
    assert isinstance(alarm, AlarmRaised)
    assert (alarm.kind, alarm.step, alarm.value, alarm.action) == ("dead_run", 10, 60.0, "continue")
    assert alarm.message == "no step is finished for 60 s, since step 10"
    progress.step = 11
    (again,) = looked(dead, 200, 250)
    assert isinstance(again, AlarmRaised)
    assert (again.message, again.value) == ("it goes on at step 11 after 200 s without a step", 0.0)


def test_signs_of_life_keep_it_silent() -> None:
    """Steps, batches of an evaluation, a pause, a pace, a start that takes long."""
    for sign in ("step", "num_batches_evaluated"):
        progress = running()
        dead = watch(progress)
        for now in range(0, 600, 50):
            setattr(progress, sign, now)
            assert looked(dead, now, now + 50) == []
    states: tuple[RunState, ...] = ("starting", "paused", "finished", "stopped", "failed")
    for state in states:
        assert looked(watch(Progress(state=state)), 0, 500) == []
    paced = running()
    paced.is_paced = True
    assert looked(watch(paced), 0, 500) == []
    assert looked(watch(running(), dead_run="off"), 0, 500) == []


def test_a_slow_step_may_take_twenty_times_the_usual() -> None:
    """At 30 seconds a step a minute is nothing."""
    progress = running(0)
    dead = watch(progress)
    for step in range(1, 6):
        assert looked(dead, 30 * step - 30, 30 * step) == []
        progress.step = step
    (alarm,) = looked(dead, 150, 1500)
    assert isinstance(alarm, AlarmRaised)
    assert 600.0 <= alarm.value <= 602.0
    assert "usually one takes 30 s" in alarm.message


def test_after_a_pause_the_count_begins_anew() -> None:
    """However long it was."""
    progress = running()
    dead = watch(progress)
    looked(dead, 0, 50)
    progress.state = "paused"
    looked(dead, 50, 500)
    progress.state = "running"
    assert looked(dead, 500, 560) == []
    assert len(looked(dead, 560, 570)) == 1


def test_it_can_be_asked_to_stop() -> None:
    """By a request of the run itself, which it answers if it ever gets that far; not where it may not decide."""
    asks: list[str] = []
    (alarm,) = looked(watch(running(), asks, dead_run="stop"), 0, 100)
    assert isinstance(alarm, AlarmRaised)
    assert (alarm.action, asks) == ("stop", ["dead run: no step is finished for 60 s, since step 10"])

    trainer = build("alarms.dead_run=stop", "alarms.dead_seconds=60")
    trainer.run.progress.state = "running"
    said = [event for now in range(100) for event in trainer.run.watch(float(now))]
    queued = [fact for fact in trainer.run.take_facts() if isinstance(fact, CommandQueued)]
    assert [(fact.actor, type(fact.request)) for fact in queued] == [("auto", Stop)]
    ended = trainer.train()
    assert (len(said), ended.reason, ended.step) == (1, "failed", 0)
    assert ended.message.startswith("dead run: no step is finished for 60 s")

    trainer = build("alarms.dead_run=stop", "alarms.dead_seconds=60", "train.automatic=false")
    trainer.run.progress.state = "running"
    said = [event for now in range(100) for event in trainer.run.watch(float(now))]
    assert [event.action for event in said if isinstance(event, AlarmRaised)] == ["continue"]


def test_the_pump_looks() -> None:
    """Whatever the training thread does."""
    run, disk = Run(), FakeDisk()
    run.watch = lambda _: [AlarmRaised(step=3, kind="dead_run", message="no step", value=9.0)]
    pump = pump_into(disk, run)
    pump.start()
    pump.close()
    assert any(b'"dead_run"' in line for line in disk.lines)
