"""When things happen: the pace, the evaluations, the norm within its budget, the order of the data."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.training.harness import build, told
from tuitrain.errors import UsageError
from tuitrain.protocol import codec
from tuitrain.protocol.events import EvalFinished
from tuitrain.training import probes
from tuitrain.training.batches import Batches
from tuitrain.training.devices import choose_device, choose_threads
from tuitrain.training.evaluation import EvalCadence
from tuitrain.training.pace import Pace
from tuitrain.training.probes import GradientNormProbe
from tuitrain.training.run import GRADIENT_NORM, LEARNING_RATE, LOSS


class Clock:
    """A clock that a test turns on by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def perf_counter(self) -> float:
        return self.now


def test_the_pace_waits_for_what_is_left_of_a_period() -> None:
    """Ten steps a second: a step of 20 ms waits 80; one that came late waits nothing and hurries nobody."""
    clock = Clock()
    pace = Pace(10.0, lambda: True, timer=clock.perf_counter)
    assert pace.delay() == 0.0
    clock.now += 0.02
    assert pace.delay() == pytest.approx(0.08)
    clock.now += 0.08 + 0.5
    assert pace.delay() == 0.0
    clock.now += 0.02
    assert pace.delay() == pytest.approx(0.08)


def test_the_pace_holds_only_while_someone_watches() -> None:
    """And begins without a debt when a screen comes back."""
    clock, watched = Clock(), [False]
    pace = Pace(10.0, lambda: watched[0], timer=clock.perf_counter)
    assert (pace.delay(), pace.delay(), pace.is_holding) == (0.0, 0.0, False)
    watched[0] = True
    assert (pace.delay(), pace.is_holding) == (0.0, True)
    clock.now += 0.04
    assert pace.delay() == pytest.approx(0.06)
    pace.max_steps_per_second = None
    assert (pace.delay(), pace.is_holding) == (0.0, False)


@given(total=st.integers(1, 200_000))
def test_without_a_cadence_a_run_is_evaluated_at_least_twenty_times(total: int) -> None:
    """Or after every step, where it has fewer; and never more than twice as often."""
    cadence = EvalCadence.of(
        every_steps=None, every_epochs=None, every_seconds=None, steps_per_epoch=10, total_steps=total
    )
    assert cadence.every_steps is not None
    count = total // cadence.every_steps
    assert min(total, 20) <= count < 40


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"every_epochs": 0.25}, (15, None)),
        ({"every_epochs": 1e-6}, (1, None)),
        ({"every_steps": 7}, (7, None)),
        ({"every_seconds": 2.0}, (None, 2.0)),
    ],
)
def test_a_cadence_is_what_the_preset_says(given: dict[str, Any], expected: tuple[int | None, float | None]) -> None:
    """In steps, epochs of 62 steps, or seconds."""
    none: dict[str, Any] = {"every_steps": None, "every_epochs": None, "every_seconds": None}
    cadence = EvalCadence.of(**{**none, **given}, steps_per_epoch=62, total_steps=620)
    assert (cadence.every_steps, cadence.every_seconds) == expected


def test_evaluations_are_at_step_0_at_the_cadence_and_at_the_end_each_once() -> None:
    """Also where an asked one falls on a due one."""
    result = told("train.steps=10", "eval.every_steps=4", moments=[{"at_step": 8, "do": "evaluate"}])
    assert [fact.step for fact in result.all(EvalFinished)] == [0, 4, 8, 8, 10]
    assert [fact.cause for fact in result.all(EvalFinished)] == ["", "", "", "moment-0001", ""]


def test_the_evaluation_counts_every_sample_once() -> None:
    """Batches of a size that does not divide the data give the same mean."""
    whole, parts = told("train.steps=1"), told("train.steps=1", "eval.batch_size=37")
    first, other = whole.all(EvalFinished)[0], parts.all(EvalFinished)[0]
    assert first.sizes == other.sizes == (1000, 1000)
    assert first.metrics == pytest.approx(other.metrics, rel=1e-5)


@pytest.mark.parametrize(
    ("preset", "overrides", "sizes"),
    [
        ("bias-width-3", (), (25, 200)),
        ("lr-good", ("task.num_train=64",), (64, 797)),
        ("lr-good", ("eval.batch_size=10", "eval.max_batches=3"), (30, 30)),
        ("bias-width-3", ("eval.batch_size=10", "eval.max_batches=3"), (25, 30)),
        ("lr-good", ("eval.max_batches=7",), (797, 797)),
        ("lr-good", ("train.bootstrap=true", "task.num_train=64"), (64, 797)),
        ("one-fold", ("task.label_noise=0.2",), (360, 360)),
    ],
)
def test_all_validation_samples_are_judged_and_of_the_others_as_many(
    preset: str, overrides: tuple[str, ...], sizes: tuple[int, int]
) -> None:
    """Or as many as there are; both numbers are told, and both means are over these samples, in eval mode."""
    trainer = build(*overrides, preset=preset)
    task, found = trainer.task, trainer.evaluate()
    assert found.sizes == sizes
    task.model.eval()
    for side, split in (("train", task.train_sample(sizes[0])), ("eval", task.validation.drawn(sizes[1]))):
        with torch.no_grad():
            loss = task.criterion.summed_metrics(task.model(split.x), split.y)["loss"] / len(split)
        assert found.metrics[f"{side}/loss"] == pytest.approx(float(loss), rel=1e-5)


def test_an_older_record_tells_one_size_for_both_sides() -> None:
    """It took as many of each."""
    old = codec.decode_event(b'{"event":"EvalFinished","step":1,"metrics":{},"eval_seconds":0.0,"num_samples":25}')
    assert isinstance(old, EvalFinished)
    assert old.sizes == (25, 25)


def probe_with(monkeypatch: pytest.MonkeyPatch, budget: float) -> tuple[GradientNormProbe, Clock]:
    clock = Clock()
    monkeypatch.setattr(probes, "time", clock)
    return GradientNormProbe(budget), clock


def note(probe: GradientNormProbe, clock: Clock, cost: float, step: float, times: int = 200) -> list[int | None]:
    """Norms that cost `cost` seconds, steps that take `step`; a review after each."""
    changes = []
    for _ in range(times):
        probe._cost_seconds = cost
        clock.now += 1.5
        changes.append(probe.note_step(step))
    return [change for change in changes if change is not None]


def test_the_norm_is_taken_as_often_as_its_budget_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of a step at 3 %: at every fourth step. A cheaper one goes back, but only by a clear margin."""
    probe, clock = probe_with(monkeypatch, 0.03)
    assert note(probe, clock, 0.001, 0.01) == [4]
    assert probe.share == pytest.approx(0.025)
    assert [probe.is_due(step) for step in range(1, 9)] == [False, False, False, True] * 2
    assert note(probe, clock, 0.00045, 0.01) == []  # wants 1.5: 2 would do, but not by a margin
    assert note(probe, clock, 0.0001, 0.01) == [1]
    assert note(probe, clock, 10.0, 0.01) == [1024]


def test_a_budget_of_nothing_takes_no_norm(monkeypatch: pytest.MonkeyPatch) -> None:
    """And never changes its mind."""
    probe, clock = probe_with(monkeypatch, 0.0)
    assert not any(probe.is_due(step) for step in range(1, 100))
    assert note(probe, clock, 0.001, 0.01) == []


def test_with_clipping_the_norm_is_recorded_at_every_step() -> None:
    """It is needed anyway, and is the one before clipping."""
    result = told("train.telemetry_budget=0.0", "regularize.gradient_clip=0.01")
    assert sorted(result.values[GRADIENT_NORM]) == sorted(result.values[LOSS]) == list(range(1, 41))
    assert min(result.values[GRADIENT_NORM].values()) > 0.01
    assert GRADIENT_NORM not in told("train.telemetry_budget=0.0").values


def test_an_epoch_shows_each_sample_once_and_the_next_in_another_order() -> None:
    """What does not fill a batch is left out; the seed decides the order, the shift does not disturb it."""
    task = build(preset="mnist-mlp").task
    labels = torch.arange(len(task.train))
    object.__setattr__(task.train, "y", labels)
    batches, shifted = Batches(task, 300, seed=5), Batches(task, 300, seed=5)
    object.__setattr__(shifted, "_task", build("regularize.shift=2").task)
    first = [batches.next()[1] for _ in range(batches.steps_per_epoch)]
    assert batches.steps_per_epoch == 13
    assert len(set(torch.cat(first).tolist())) == 13 * 300
    assert all(torch.equal(mine, shifted.next()[1]) for mine in first)
    assert not torch.equal(first[0], batches.next()[1])


def test_durations_in_epochs_become_steps() -> None:
    """Milestones, warmup, and a factor an epoch that becomes one a step: 62 steps each."""
    steps = build("schedule.name=multistep", "schedule.unit=epochs", "schedule.milestones=[0.5, 1]").updater.plan
    assert steps.segments[0].schedule.hyperparameters["milestones"] == [31.0, 62.0]
    decaying = ["schedule.name=exponential", "schedule.unit=epochs", "schedule.gamma=0.5", "schedule.warmup=0.1"]
    rates = told(*decaying, "train.steps=100").values[LEARNING_RATE]
    assert rates[7] == pytest.approx(1e-3, rel=1e-6)
    assert rates[7 + 62] == pytest.approx(0.5e-3, rel=1e-5)


def test_a_device_that_is_not_there_is_said_with_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong number too; small models get one thread on the CPU, others torch's."""
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **_: None)
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    with pytest.raises(UsageError, match="not on this machine"):
        choose_device("cuda")
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **_: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    assert choose_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(UsageError, match="there are only 2"):
        choose_device("cuda:2")
    assert choose_threads(0, 1_000, torch.device("cpu")) == 1
    assert choose_threads(0, 10_000_000, torch.device("cpu")) == torch.get_num_threads()
    assert choose_threads(3, 1_000, torch.device("cpu")) == 3
