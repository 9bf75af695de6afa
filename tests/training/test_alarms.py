"""Alarms in a run: each names its number, does what the preset says, and what it does is a recorded command."""

from __future__ import annotations

import json
import re
import threading
from typing import Any

import pytest
import torch

from tests.training.harness import Told, asked, build, finish, told, trainer_of, weights
from tests.training.test_undisturbed import run_then_ask, wait_until
from tuitrain.errors import PresetError
from tuitrain.preset import load_preset, preset_from_data
from tuitrain.protocol.commands import Pause, Resume, RollBack, Stop
from tuitrain.protocol.describe import COMMANDS
from tuitrain.protocol.events import (
    AlarmRaised,
    BatchesSkipped,
    CommandQueued,
    CommandRefused,
    Event,
    LearningRatePlanned,
    Paused,
    RolledBack,
)
from tuitrain.training import points
from tuitrain.training.state import captured
from tuitrain.training.trainer import Trainer

SMALL = (
    "task.hidden=[16]", "task.num_train=640", "train.batch_size=16", "train.steps=200", "eval.every_steps=50",
    "alarms.window=60", "alarms.roll_back_steps=20", "alarms.skip_batches=7", "alarms.plateau=off",
    "alarms.overfitting=off", "alarms.gradient_explosion=off",
)  # fmt: skip
FIRST = 120
"""The step at which trouble begins."""


@pytest.fixture(autouse=True)
def dense_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """States are kept every ten steps, however busy the machine is."""
    monkeypatch.setattr(points, "_LARGEST_SHARE", 1e6)


def troubled(*overrides: str, always: bool = False, factor: float = 1e3, **options: Any) -> Trainer:
    """A trainer whose batches of three steps are far too large; after going back no more, unless always."""
    trainer = build(*SMALL, *overrides, **options)
    draw = trainer.batches.next

    def next_batch() -> tuple[torch.Tensor, torch.Tensor]:
        x, y = draw()
        is_bad = FIRST <= trainer.step + 1 < FIRST + 3 and (always or trainer.timelines.current == 0)
        return (x * factor, y) if is_bad else (x, y)

    trainer.batches.next = next_batch  # type: ignore[method-assign]
    return trainer


def only(result: Told, kind: type[Event]) -> Any:
    (found,) = result.all(kind)
    return found


def same_weights(one: Told, other: Told) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(one.trainer), weights(other.trainer), strict=True))


def until_paused(trainer: Trainer, then: Resume | Stop) -> Told:
    """Train beside this thread; once it is paused, ask for what follows."""
    results: list[Told] = []
    thread = threading.Thread(target=lambda: results.append(finish(trainer)))
    thread.start()
    wait_until(lambda: trainer.control.is_paused)
    asked(trainer, then)
    thread.join(60)
    return results[0]


def test_a_spike_is_said_with_its_number_and_changes_nothing() -> None:
    """Notify is what a preset means that says nothing; the weights are those of a run without alarms."""
    result = finish(troubled())
    alarm = only(result, AlarmRaised)
    assert (alarm.kind, alarm.step, alarm.action) == ("loss_spike", FIRST, "continue")
    loss = result.values["batch/loss"][FIRST]
    assert alarm.message.startswith(f"loss {loss:.4g} at step {FIRST}: {alarm.value:.1f} robust deviations above")
    assert re.search(r"its median [\d.]+ of the last 60$", alarm.message)
    assert "roll_back to=100 skip_batches=7" in alarm.advice
    silent = finish(troubled("alarms.loss_spike=off"))
    assert silent.all(AlarmRaised) == []
    assert same_weights(result, silent)


def test_a_spike_can_pause_the_run() -> None:
    """By a command of its own; the pause gives the reason."""
    result = until_paused(troubled("alarms.loss_spike=pause"), Resume())
    queued = [fact for fact in result.all(CommandQueued) if fact.actor == "auto"]
    assert [(fact.step, fact.request) for fact in queued] == [(FIRST, Pause())]
    paused, alarm = only(result, Paused), only(result, AlarmRaised)
    assert (paused.step, paused.reason, paused.cause) == (FIRST, alarm.message, queued[0].command)
    assert (alarm.action, result.ended.step) == ("pause", 200)


def test_a_spike_can_stop_the_run() -> None:
    """Which has failed, and its last word says why."""
    result = finish(troubled("alarms.loss_spike=stop"))
    assert (result.ended.reason, result.ended.step) == ("failed", FIRST)
    assert result.ended.message == only(result, AlarmRaised).message


def test_a_stop_that_was_asked_for_is_no_failure_of_an_alarm() -> None:
    """Whichever comes first decides, and the run's own stop never makes a person's an abort, nor the reverse."""
    trainer = troubled("alarms.loss_spike=notify")
    run_then_ask(trainer, FIRST + 1, Stop())
    assert finish(trainer).ended.reason == "stopped"
    trainer = build(*SMALL)
    trainer.control.stop()
    trainer.control.end("no space", is_failure=True)
    assert (trainer.control.stopping, finish(trainer).ended.reason) == ("stop", "stopped")
    trainer = build(*SMALL)
    trainer.control.end("no space", is_failure=True)
    trainer.control.stop()
    assert (trainer.control.stopping, finish(trainer).ended.message) == ("stop", "no space")


def test_a_spike_can_take_the_run_back_and_a_replay_comes_to_the_same() -> None:
    """The recipe of PaLM, decided by the run; what led to the end, taken again as moments, gives the same weights."""
    result = finish(troubled("alarms.loss_spike=roll_back", "alarms.roll_back_scale=0.5"))
    back, alarm = only(result, RolledBack), only(result, AlarmRaised)
    assert (alarm.action, back.from_step, back.timeline) == ("roll_back", FIRST, 1)
    assert back.step <= FIRST - 20
    assert only(result, BatchesSkipped).num_batches == 7
    assert (result.ended.reason, result.ended.step) == ("finished", 200)
    queued = [fact.request for fact in result.all(CommandQueued) if fact.actor == "auto"]
    assert queued == [RollBack(to=FIRST - 20, skip_batches=7, scale_learning_rate=0.5)]
    names = {kind: name for name, kind in COMMANDS.items()}
    moments = [
        {"at_step": decision.step, "do": names[type(decision.command)],
         **{key: getattr(decision.command, key) for key in ("num_batches", "factor") if hasattr(decision.command, key)}}
        for decision in result.trainer.control.decisions
    ]  # fmt: skip
    again = told(*SMALL, "alarms.loss_spike=roll_back", "train.automatic=false", moments=moments)
    assert same_weights(result, again)
    assert not same_weights(result, told(*SMALL))


def test_a_run_that_is_told_what_to_decide_says_its_alarms_and_does_nothing() -> None:
    """As in a replay."""
    result = finish(troubled("alarms.loss_spike=roll_back", "train.automatic=false"))
    assert only(result, AlarmRaised).action == "continue"
    assert result.all(RolledBack) == []
    assert result.ended.reason == "finished"


@pytest.mark.parametrize("with_person", [True, False])
def test_twice_back_without_getting_past_is_enough(with_person: bool) -> None:
    """Then a person decides, or where there is none the run stops, and says why."""
    options: dict[str, Any] = {"always": True, "on_nonfinite": "pause" if with_person else "stop"}
    trainer = troubled("alarms.loss_spike=roll_back", **options)
    result = until_paused(trainer, Stop()) if with_person else finish(trainer)
    assert [fact.action for fact in result.all(AlarmRaised)] == [
        "roll_back", "roll_back", "pause" if with_person else "stop",
    ]  # fmt: skip
    assert len(result.all(RolledBack)) == 2
    last = result.all(AlarmRaised)[-1].message
    assert last.endswith("it went back 2 times without getting past it")
    assert last == (only(result, Paused).reason if with_person else result.ended.message)


def test_how_often_it_went_back_is_known_in_the_next_session() -> None:
    """Else a run that is resumed would go round for ever."""
    trainer = troubled("alarms.loss_spike=roll_back", always=True)
    finish(trainer)
    state = captured(trainer)["alarms"]
    assert (state["num_attempts"], state["trouble_step"]) == (2, FIRST)
    fresh = build(*SMALL, "alarms.loss_spike=roll_back")
    fresh.alarms.load_attempts(json.loads(json.dumps(state)))
    assert fresh.alarms.possible(fresh, "roll_back", FIRST) == "stop"
    assert fresh.alarms.possible(fresh, "roll_back", FIRST + 21) == "roll_back"


def test_where_nothing_is_kept_it_stops() -> None:
    """The roll-back is refused; the run does not go on as if nothing were."""
    trainer = troubled("alarms.loss_spike=roll_back")
    trainer.points.newest = lambda *_: None  # type: ignore[method-assign]
    result = finish(trainer)
    assert "no state is kept" in only(result, CommandRefused).reason
    assert (result.ended.reason, result.ended.step) == ("failed", FIRST + 1)
    assert result.ended.message.endswith("going back was refused")


def test_with_full_batches_the_rate_is_halved_in_place_of_other_data() -> None:
    """There are no others."""
    result = finish(troubled("alarms.loss_spike=roll_back", "train.batch_size=full", factor=1e6))
    assert only(result, RolledBack).from_step == FIRST
    assert result.all(BatchesSkipped) == []
    assert any(fact.summary == "×0.5" for fact in result.all(LearningRatePlanned))
    assert result.ended.step == 200


def test_a_nan_can_take_the_run_back() -> None:
    """train.on_nonfinite = "roll_back"."""
    result = finish(troubled("train.on_nonfinite=roll_back", factor=float("nan")))
    alarm, back = only(result, AlarmRaised), only(result, RolledBack)
    assert (alarm.kind, alarm.action, back.from_step) == ("nonfinite_loss", "roll_back", FIRST)
    assert (result.ended.reason, result.ended.step) == ("finished", 200)
    stopped = finish(troubled("train.on_nonfinite=roll_back", factor=float("nan"), always=True))
    assert len(stopped.all(RolledBack)) == 2
    assert (stopped.ended.reason, stopped.ended.step) == ("failed", FIRST)


def test_a_gradient_explodes_and_clipping_holds_it() -> None:
    """An action makes the norm be measured at every step; where it is clipped the alarm only speaks."""
    explode = ("alarms.loss_spike=off", "alarms.gradient_explosion=stop", "train.telemetry_budget=0")
    result = finish(troubled(*explode))
    alarm = only(result, AlarmRaised)
    assert (alarm.kind, alarm.step, result.ended.reason) == ("gradient_explosion", FIRST, "failed")
    assert re.search(r"gradient norm .* robust deviations above its median .* times it$", alarm.message)
    clipped = finish(troubled(*explode, "regularize.gradient_clip=1.0"))
    alarm = only(clipped, AlarmRaised)
    assert (alarm.action, clipped.ended.reason) == ("continue", "finished")
    assert "clipping at 1 holds it back" in alarm.advice


def test_two_alarms_of_one_step_go_back_once() -> None:
    """The first decides."""
    both = ("alarms.loss_spike=roll_back", "alarms.gradient_explosion=roll_back")
    result = finish(troubled(*both))
    assert [(fact.kind, fact.action) for fact in result.all(AlarmRaised)] == [
        ("loss_spike", "roll_back"), ("gradient_explosion", "continue"),
    ]  # fmt: skip
    assert len(result.all(RolledBack)) == 1
    assert result.all(CommandRefused) == []


@pytest.mark.parametrize("cut", [100, FIRST, FIRST + 1])
def test_a_resumed_run_sees_what_the_whole_one_saw(cut: int) -> None:
    """The windows are part of the state; a stretch is not told twice."""
    whole = finish(troubled())
    first = troubled(moments=[{"at_step": cut, "do": "stop"}])
    before = [fact.message for fact in finish(first).all(AlarmRaised)]
    second = troubled(state=captured(first))
    after = [fact.message for fact in finish(second).all(AlarmRaised)]
    assert before + after == [fact.message for fact in whole.all(AlarmRaised)]


def test_a_command_that_changes_the_loss_is_no_spike() -> None:
    """The window begins anew where what is minimised is another thing."""
    late = ("train.steps=400", "optimizer.lr=0.003", "train.batch_size=64")
    moments = [{"at_step": 350, "do": "set_hyperparameter", "name": "label_smoothing", "value": 0.9}]
    assert told(*SMALL, *late, moments=moments).all(AlarmRaised) == []
    trainer = build(*SMALL, *late, moments=moments)
    trainer.alarms.note_command = lambda command: None  # type: ignore[method-assign]
    assert len(finish(trainer).all(AlarmRaised)) == 1


def test_overfitting_is_told_with_the_best_and_the_gap() -> None:
    """And may stop the run."""
    overrides = ("task.num_train=64", "optimizer.lr=0.01", "train.steps=600", "eval.every_steps=10",
                 "task.hidden=[64]", "alarms.overfitting=stop")  # fmt: skip
    result = told(*overrides)
    alarm = only(result, AlarmRaised)
    assert re.fullmatch(
        rf"overfitting at step {alarm.step}: validation loss [\d.]+, at best [\d.]+ at step \d+; "
        r"the gap grew from [\d.]+ to [\d.]+",
        alarm.message,
    )
    assert (result.ended.reason, result.ended.step, result.ended.message) == ("failed", alarm.step, alarm.message)


STILL = ("optimizer.name=sgd", "optimizer.lr=1e-9", "eval.every_steps=5", "train.steps=200")


@pytest.mark.parametrize(
    ("overrides", "steps"),
    [
        ((), [50]),
        (("alarms.plateau=off",), []),
        (("schedule.name=plateau",), []),
        (("regularize.early_stopping=50",), []),
        (("schedule.warmup=60",), [105]),
        (("schedule.name=exponential", "schedule.gamma=0.9"), []),
        (("schedule.name=sgdr", "schedule.cycle=20"), []),
    ],
)
def test_a_plateau_is_told_unless_something_waits_for_it(overrides: tuple[str, ...], steps: list[int]) -> None:
    """Not where a rule is in charge, in a warmup, or where the schedule has come to its end."""
    result = told(*STILL, *overrides)
    assert [fact.step for fact in result.all(AlarmRaised) if fact.kind == "plateau"] == steps
    assert {fact.kind for fact in result.all(AlarmRaised)} <= {"plateau", "underfitting"}


def test_a_decision_lets_a_plateau_begin_anew() -> None:
    """It has been answered."""
    moments = [{"at_step": 22, "do": "scale_learning_rate", "factor": 0.5}]
    alarms = told(*STILL, moments=moments).all(AlarmRaised)
    assert [fact.step for fact in alarms if fact.kind == "plateau"] == [75]


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("alarms.dead_run=pause", "a dead run never reaches"),
        ("alarms.dead_run=roll_back", "a dead run never reaches"),
        ("alarms.plateau=roll_back", "the same plateau again"),
        ("alarms.loss_spike=shout", "alarms.loss_spike"),
        ("alarms.window=3", "alarms.window"),
        ("alarms.spike=pause", "spike_z"),
    ],
)
def test_what_an_alarm_cannot_do_is_refused_with_the_reason(override: str, reason: str) -> None:
    """Before the run begins."""
    with pytest.raises(PresetError, match=re.escape(reason)):
        load_preset("mnist-mlp", [override])


def test_a_preset_of_before_has_the_usual_alarms() -> None:
    """As run.json of an older run."""
    data = load_preset("mnist-mlp").to_data()
    del data["alarms"]
    assert trainer_of(preset_from_data(data, "run.json")).alarms.watchers
