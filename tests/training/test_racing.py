"""A race is part of its run: the lecture's numbers, the same again after going back, nothing lost without a word."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.training.harness import Told, asked, finish, trainer_of
from tests.training.test_state import stored
from tuitrain.preset import load_preset, preset_from_data
from tuitrain.protocol.commands import Command, MoveTo, RollBack, SetHyperparameter, SwitchOptimizer, Undo
from tuitrain.protocol.events import (
    CommandApplied,
    CommandRefused,
    OptimizerSwitched,
    RacerLost,
    RaceStarted,
    RolledBack,
    RunStarted,
)
from tuitrain.protocol.racing import coordinate_metric
from tuitrain.techniques.optimizers import OPTIMIZERS
from tuitrain.training.state import captured
from tuitrain.training.trainer import Trainer


def race(name: str = "ravine", *overrides: str, steps: int = 40, **options: Any) -> Trainer:
    return trainer_of(load_preset(name, [f"train.steps={steps}", "checkpoint.keep_best=false", *overrides]), **options)


def went(asks: dict[int, list[Command]], *overrides: str, name: str = "ravine", **options: Any) -> Told:
    """Asks commands after given steps, once each."""
    trainer = race(name, *overrides, **options)
    step_as_ever, left = trainer._take_step, dict(asks)

    def take_step() -> None:
        step_as_ever()
        for index, command in enumerate(left.pop(trainer.step, [])):
            asked(trainer, command, f"{trainer.step:04d}-{index}")

    trainer._take_step = take_step  # type: ignore[method-assign]
    return finish(trainer)


def standing(trainer: Trainer) -> list[list[float]]:
    """Where all are, in float64: the run itself, then its rivals."""
    state = captured(trainer)
    rivals = [runner["point"].tolist() for runner in state["followers"]["race"]["runners"]]
    return [state["model"]["point"].tolist(), *rivals]


def test_all_begin_at_one_start_and_are_recorded_at_every_step() -> None:
    """Two coordinates a racer and step; the race is described before it begins."""
    told = finish(race())
    started = told.all(RaceStarted)[0]
    assert (started.surface, started.start, started.since) == ("ravine", (-8.0, 1.5), 0)
    assert [racer.label for racer in started.racers][:3] == ["sgd", "momentum", "nesterov"]
    for index in range(len(started.racers)):
        assert list(told.values[coordinate_metric(index, 1)]) == list(range(1, 41))


def test_a_rival_takes_the_steps_that_the_run_itself_would_take() -> None:
    """Momentum as a rival and momentum as the run: one way, to the last digit."""
    own = finish(race("ravine", "optimizer.momentum=0.9", "optimizer.lr=0.2"))
    beside = finish(race())
    assert standing(own.trainer)[0] == standing(beside.trainer)[1]


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_noise_is_one_for_all(noise: float) -> None:
    """The same samples reach the run and its rivals: the same optimizer beside itself stays beside itself."""
    more = ('rival=[{name="sgd", lr=0.1}, {name="sgd", lr=0.1}]', f"regularize.gradient_noise={noise}")
    own, first, second = standing(finish(race("noisy-quadratic", *more)).trainer)
    assert own == first == second
    assert (own == standing(finish(race("noisy-quadratic", *more, "train.seed=1")).trainer)[0]) == (noise == 0.0)


def test_rivals_leave_the_run_alone() -> None:
    """With and without them: the same losses, bit for bit, also under noise."""
    more = ("regularize.gradient_noise=0.5",)
    assert finish(race("ravine", *more)).losses == finish(race("ravine", "rival=[]", *more)).losses


def test_a_roll_back_takes_the_race_along() -> None:
    """From there it is the race that would have been, for every racer."""
    back = went({30: [SetHyperparameter(name="momentum", value=0.9)], 35: [RollBack(to=20)]})
    assert back.all(RolledBack)[0].step <= 20
    assert standing(back.trainer) == standing(finish(race()).trainer)
    facts = [fact for fact in back.facts if isinstance(fact, RolledBack | RaceStarted)]
    assert isinstance(facts[-1], RaceStarted)  # told anew after it


def test_a_race_goes_on_from_its_state() -> None:
    """As if nothing had been, with noise and with a rival that is lost."""
    more = ("regularize.gradient_noise=0.1", 'rival=[{name="adam", lr=0.2}, {name="sgd", lr=1.4}]')
    whole = finish(race("ravine", *more, steps=60))
    half = finish(race("ravine", *more, "train.steps=60", steps=60)).trainer
    first = race("ravine", *more, steps=25)
    finish(first)
    state = captured(first)
    state["total_steps"] = 60
    on = race("ravine", *more, steps=60, state=state)
    finish(on)
    assert standing(on) == standing(whole.trainer) == standing(half)
    assert captured(on)["followers"]["race"]["runners"][1]["lost_at"] is not None


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name not in {"muon", "sam"}])
def test_every_optimizer_goes_on_from_its_state_on_a_point_in_float64(name: str) -> None:
    """As the run's own and as a rival, whatever precision its state is in."""
    more = (f"optimizer.name={name}", f'rival=[{{name="{name}"}}]')
    whole = finish(race("ravine", *more))
    first = race("ravine", *more, steps=20)
    finish(first)
    state = stored(captured(first))
    state["total_steps"] = 40
    assert standing(finish(race("ravine", *more, state=state)).trainer) == standing(whole.trainer)


def test_moments_move_a_race_as_a_person_would() -> None:
    """What rerun and branches rely on: a move by a moment is the move by hand."""
    by_hand = went({10: [MoveTo(x=-4.0, y=1.0)]})
    moment = {"at_step": 10, "do": "move_to", "x": -4.0, "y": 1.0}
    preset = preset_from_data({**load_preset("ravine", ["train.steps=40"]).to_data(), "moment": [moment]}, "test")
    assert standing(by_hand.trainer) == standing(finish(trainer_of(preset)).trainer)
    assert by_hand.losses != finish(race()).losses


def test_after_a_move_all_begin_afresh() -> None:
    """The velocity is gone: 30 steps after a move to the start are the first 30 steps."""
    moved = went({10: [MoveTo(x=-8.0, y=1.5)]}, "optimizer.momentum=0.9", "optimizer.lr=0.2")
    assert standing(moved.trainer) == standing(
        finish(race("ravine", "optimizer.momentum=0.9", "optimizer.lr=0.2", steps=30)).trainer
    )
    assert (moved.all(RaceStarted)[-1].since, moved.all(RaceStarted)[-1].cause) == (10, "0010-0")


def test_a_move_can_be_undone() -> None:
    """The state before it comes back, velocity and all."""
    undone = went({10: [MoveTo(x=1.0, y=1.0)], 15: [Undo()]}, "optimizer.momentum=0.9", "optimizer.lr=0.2")
    assert standing(undone.trainer) == standing(
        finish(race("ravine", "optimizer.momentum=0.9", "optimizer.lr=0.2")).trainer
    )
    assert undone.all(RaceStarted)[-1].since == 0


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (MoveTo(x=1.0), "ravine has 2 coordinates"),
        (MoveTo(x=1e9, y=0.0), "far outside"),
        (MoveTo(x=float("nan"), y=0.0), "not a finite number"),
    ],
)
def test_a_move_to_nowhere_is_refused(command: MoveTo, said: str) -> None:
    """And the race goes on as if it had not been asked."""
    told = went({10: [command]})
    assert said in told.all(CommandRefused)[0].reason
    assert standing(told.trainer) == standing(finish(race()).trainer)


def test_only_a_point_can_be_moved() -> None:
    """Other runs say so before they are asked, and when they are."""
    trainer = trainer_of(load_preset("linreg", ["train.steps=5"]))
    asked(trainer, MoveTo(x=1.0))
    told = finish(trainer)
    assert "surface" in told.all(CommandRefused)[0].reason
    refused = {info.name for info in told.all(RunStarted)[0].commands if info.refused_because}
    assert refused == {"move_to"}


def test_a_rival_that_diverges_is_said_and_stays() -> None:
    """Once; its last place is inside of what is finite, and the others go on."""
    told = finish(race("ravine", 'rival=[{name="sgd", lr=1.5}, {name="adam", lr=0.2}]'))
    (lost,) = told.all(RacerLost)
    assert (lost.index, lost.label) == (1, "sgd 1.5")
    assert max(told.values[coordinate_metric(1, 0)]) == lost.step - 1
    assert max(told.values[coordinate_metric(2, 0)]) == 40
    assert told.ended.reason == "finished"


def test_the_run_itself_may_diverge_as_any_run() -> None:
    """It ends as failed; nothing else breaks."""
    told = finish(race("rosenbrock", "optimizer.lr=0.01", steps=100))
    assert told.ended.reason == "failed"
    assert told.ended.step < 20


def test_newton_takes_over_live_and_hands_over_again() -> None:
    """At its own rate of 1, as no norm of its step can be matched; then SGD at its own."""
    told = went({5: [SwitchOptimizer(name="newton")], 8: [SwitchOptimizer(name="sgd")]}, name="rosenbrock")
    assert [fact.to_name for fact in told.all(OptimizerSwitched)] == ["newton", "sgd"]
    assert "newton at 1" in told.all(CommandApplied)[0].summary


def test_newton_is_refused_where_there_are_many_parameters() -> None:
    """Live as in a preset; and where a Hessian would be of noise."""
    more = ("task.num_train=100", "train.batch_size=full", "train.steps=5")
    trainer = trainer_of(load_preset("mnist-mlp", more))
    asked(trainer, SwitchOptimizer(name="newton"))
    told = finish(trainer)
    assert "takes a Hessian, of at most 200" in told.all(CommandRefused)[0].reason
    assert "newton" not in told.all(RunStarted)[0].optimizers
    noisy = went({5: [SwitchOptimizer(name="newton")]}, name="noisy-quadratic")
    assert "noise" in noisy.all(CommandRefused)[0].reason


def test_newton_solves_a_least_squares_line_in_one_step() -> None:
    """More than one tensor: the Hessian is of all parameters together."""
    told = finish(
        trainer_of(
            load_preset("linreg", ["optimizer.name=newton", "optimizer.lr=1.0", "train.steps=2", "eval.every_steps=1"])
        )
    )
    assert told.losses[1] == pytest.approx(1.115, abs=1e-4)


def test_what_a_race_costs_on_disk_is_little() -> None:
    """Two numbers a racer and step, as columns: below 30 bytes for both."""
    from tuitrain.protocol.codec import encode_event
    from tuitrain.protocol.events import StepsFinished

    told = finish(race(steps=200))
    columns = tuple(column for column in told.columns if column.metric.startswith("race/"))
    size = len(encode_event(StepsFinished(step=200, columns=columns)))
    assert size / 200 / 7 < 30


def test_the_same_race_twice_is_one() -> None:
    """Bit for bit, with noise."""
    one, two = (finish(race("noisy-quadratic", steps=60)) for _ in range(2))
    assert standing(one.trainer) == standing(two.trainer)
    assert torch.equal(torch.tensor(one.losses), torch.tensor(two.losses))
