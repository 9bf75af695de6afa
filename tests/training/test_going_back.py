"""Rolling back, undoing, skipping: what comes back is the state that was, and what was left is not forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.harness import Told, asked, build, finish, told, weights
from tuitrain.protocol.commands import Command, Pause, Resume, RollBack, ScaleLearningRate, SwitchOptimizer, Undo
from tuitrain.protocol.events import (
    BatchesSkipped,
    CommandApplied,
    CommandRefused,
    EvalFinished,
    Event,
    LearningRatePlanned,
    RolledBack,
)
from tuitrain.training import points
from tuitrain.training.state import captured
from tuitrain.training.trainer import Trainer

SMALL = ("task.hidden=[16]", "task.norm=batch", "regularize.dropout=0.3", "task.num_train=640", "train.batch_size=16")


def asked_at(trainer: Trainer, asks: dict[int, list[Command]]) -> None:
    """Ask at given steps, once each."""
    step_as_ever = trainer._take_step
    left = {step: list(commands) for step, commands in asks.items()}

    def take_step() -> None:
        step_as_ever()
        for index, command in enumerate(left.pop(trainer.step, [])):
            asked(trainer, command, f"{trainer.step:04d}-{index}")

    trainer._take_step = take_step  # type: ignore[method-assign]


def went(asks: dict[int, list[Command]], *overrides: str, **options: Any) -> Told:
    trainer = build(*SMALL, *overrides, **options)
    asked_at(trainer, asks)
    return finish(trainer)


def only(result: Told, kind: type[Event]) -> Any:
    (found,) = result.all(kind)
    return found


def same_weights(one: Told, other: Told) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(one.trainer), weights(other.trainer), strict=True))


@pytest.mark.parametrize("name", ["adam", "sgd", "muon", "schedule-free-adamw", "adagrad", "lbfgs"])
@pytest.mark.parametrize("on_disk", [False, True])
def test_a_roll_back_leads_to_the_very_run_that_would_have_been(name: str, on_disk: bool, tmp_path: Path) -> None:
    """The steps after it are those that were taken the first time, whatever happened in the stretch that was left."""
    more = ("train.batch_size=full", "regularize.dropout=0") if name == "lbfgs" else ()
    options: dict[str, Any] = {"checkpoint_folder": tmp_path} if on_disk else {}
    overrides = (f"optimizer.name={name}", *more)
    if on_disk:
        options["moments"] = [{"at_step": 20, "do": "save_checkpoint", "tag": "here"}]
    to: int | str = "here" if on_disk else 20
    result = went({30: [ScaleLearningRate(factor=0.1)], 35: [RollBack(to=to)]}, *overrides, **options)
    back = only(result, RolledBack)
    assert back.step <= 20
    assert back.from_step == 35
    assert back.source == ("checkpoints/step-00000020-here.pt" if on_disk else "memory")
    assert same_weights(result, told(*SMALL, *overrides))
    assert back.decisions == ()


def test_it_goes_back_to_the_newest_state_at_or_before_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """And says so in its reply."""
    monkeypatch.setattr(points, "_LARGEST_SHARE", 1e6)
    result = went({35: [RollBack(to=29)]})
    back = only(result, RolledBack)
    assert back.step == 20
    assert f"from step 35 to step {back.step}" in result.all(CommandApplied)[0].summary
    assert result.all(CommandApplied)[0].step == back.step


def test_the_recipe_for_a_spike_is_one_command() -> None:
    """Back, other batches, a lower rate; it is the run that skips and decays there from the start."""
    recipe = RollBack(to=0, skip_batches=7, scale_learning_rate=0.5)
    result = went({30: [recipe]})
    assert only(result, BatchesSkipped).num_batches == 7
    assert [decision.command.__struct_config__.tag for decision in only(result, RolledBack).decisions] == [
        "skip_batches", "scale_learning_rate",
    ]  # fmt: skip
    moments = [
        {"at_step": 0, "do": "skip_batches", "num_batches": 7},
        {"at_step": 0, "do": "scale_learning_rate", "factor": 0.5},
    ]
    other = told(*SMALL, moments=moments)
    assert same_weights(result, other)
    assert not same_weights(result, told(*SMALL))


def test_moments_that_were_taken_come_again_and_what_went_back_does_not() -> None:
    """The plan of a preset holds on the new timeline too; every command has one reply."""
    moments = [
        {"at_step": 25, "do": "scale_learning_rate", "factor": 0.5},
        {"at_step": 33, "do": "roll_back", "to": 20},
    ]
    result = told(*SMALL, moments=moments)
    replies = [fact.command for fact in result.all(CommandApplied)]
    assert replies == ["moment-0001", "moment-0002", "moment-0001~1"]
    assert len(result.all(RolledBack)) == 1
    assert same_weights(result, told(*SMALL, moments=moments[:1]))


def test_an_undo_leads_to_just_before_the_decision() -> None:
    """As if it had never been taken; a second one takes back the one before."""
    switch = SwitchOptimizer(name="sgd")
    once = went({15: [ScaleLearningRate(factor=0.1)], 20: [switch], 30: [Undo()]})
    back = only(once, RolledBack)
    assert (back.step, back.from_step, back.undone) == (20, 30, "switch_optimizer name=sgd")
    assert same_weights(once, told(*SMALL, moments=[{"at_step": 15, "do": "scale_learning_rate", "factor": 0.1}]))

    twice = went({15: [ScaleLearningRate(factor=0.1)], 20: [switch], 30: [Undo(), Undo()]})
    assert [fact.step for fact in twice.all(RolledBack)] == [20, 15]
    assert same_weights(twice, told(*SMALL))


def test_what_is_refused_leaves_nothing_to_undo() -> None:
    """And where there is nothing, that is said."""
    result = went({15: [SwitchOptimizer(name="sgd", hyperparameters={"momentum": 7.0})], 20: [Undo()]})
    assert [fact.reason for fact in result.all(CommandRefused)][-1] == "there is nothing to undo."


def test_a_roll_back_can_be_undone() -> None:
    """Forward again, to the state that was left."""
    forth = went({25: [ScaleLearningRate(factor=0.5)], 30: [RollBack(to=0), Undo()]})
    assert [(fact.step, fact.from_step) for fact in forth.all(RolledBack)] == [(0, 30), (30, 0)]
    moments = [{"at_step": 25, "do": "scale_learning_rate", "factor": 0.5}]
    assert same_weights(forth, told(*SMALL, moments=moments))


def test_a_hand_over_under_way_comes_back() -> None:
    """An undo within it, or a roll-back to it, restores it as it was."""
    long = ("train.steps=200", "schedule.name=cosine")
    switch = SwitchOptimizer(name="sgd")
    plain = went({50: [switch]}, *long)
    back = went({50: [switch], 55: [ScaleLearningRate(factor=0.1)], 60: [Undo()]}, *long)
    assert only(back, RolledBack).step == 55
    assert same_weights(plain, back)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (RollBack(to=99), "is not behind"),
        (RollBack(to="../x"), "no checkpoint is tagged"),
        (RollBack(to=-1), "is not behind"),
        (Undo(), "nothing to undo"),
    ],
)
def test_what_cannot_be_is_refused_with_what_there_is(command: Command, reason: str) -> None:
    """Nothing happens then."""
    result = went({20: [command]})
    refused = only(result, CommandRefused)
    assert reason in refused.reason
    assert "to=" in refused.hint
    assert same_weights(result, told(*SMALL))


def test_a_full_batch_has_nothing_to_skip() -> None:
    """It says so."""
    result = went({20: [RollBack(to=0, skip_batches=3)]}, "train.batch_size=full")
    assert "none to skip" in only(result, CommandRefused).reason


def test_what_was_left_is_on_the_disk(tmp_path: Path) -> None:
    """An undo keeps the state it left; a damaged undo point is refused."""
    result = went({20: [SwitchOptimizer(name="sgd")], 30: [Undo()]}, checkpoint_folder=tmp_path)
    names = sorted(path.name for path in tmp_path.glob("*.pt"))
    assert "step-00000030-left.pt" in names
    assert "step-00000020~1.pt" in names
    assert names[-1] == "step-00000040~1.pt"
    assert result.ended.step == 40


def test_early_stopping_restores_the_best() -> None:
    """Where the preset wants that: the run ends at the step of the best evaluation, with those weights."""
    overfit = (
        "task.num_train=64", "optimizer.lr=0.01", "train.steps=600", "eval.every_steps=10",
        "regularize.early_stopping=4", "task.hidden=[64]",
    )  # fmt: skip
    plain = told(*overfit)
    best = told(*overfit, "checkpoint.restore_best=true")
    lowest = min((value, step) for step, value in evals(plain).items())[1]
    assert plain.ended.step > lowest
    assert (best.ended.step, best.ended.reason) == (lowest, "stopped")
    assert f"the weights are those of step {lowest}" in best.ended.message
    assert best.ended.last["eval/loss"] == best.ended.best["eval/loss"]


def evals(result: Told) -> dict[int, float]:
    return {fact.step: fact.metrics["eval/loss"] for fact in result.all(EvalFinished)}


def test_the_plan_that_holds_is_told_again() -> None:
    """So that its future can be drawn."""
    result = went({20: [ScaleLearningRate(factor=0.1)], 30: [Undo()]})
    plans = result.all(LearningRatePlanned)
    assert plans[-1].plan == plans[0].plan


def test_an_undo_survives_a_crash(tmp_path: Path) -> None:
    """The state before a risky decision is on the disk; once taken back it is gone from there."""
    first = build(*SMALL, checkpoint_folder=tmp_path)
    asked_at(first, {20: [SwitchOptimizer(name="sgd")]})
    states: list[dict[str, Any]] = []
    step_as_ever = first._take_step

    def take_step() -> None:
        step_as_ever()
        if first.step == 30:
            states.append(captured(first))

    first._take_step = take_step  # type: ignore[method-assign]
    finish(first)
    second = build(*SMALL, checkpoint_folder=tmp_path, state=states[0])
    asked_at(second, {35: [Undo(), Undo()]})
    result = finish(second)
    back = only(result, RolledBack)
    assert (back.step, back.source) == (20, "checkpoints/step-00000020-undo.pt")
    assert back.undone == "switch_optimizer name=sgd"
    assert only(result, CommandRefused).reason == "there is nothing to undo."
    assert same_weights(result, told(*SMALL))


def test_a_state_that_was_gone_back_to_can_be_gone_back_to_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run does not write into what is kept."""
    monkeypatch.setattr(points, "_LARGEST_SHARE", 1e6)
    result = went({28: [RollBack(to=20)], 36: [RollBack(to=20)]})
    assert [fact.step for fact in result.all(RolledBack)] == [20, 20]
    assert same_weights(result, told(*SMALL))


def test_a_run_that_waits_still_waits_after_going_back() -> None:
    """Going back while paused: the picture changes, the run goes on when it is told to."""
    trainer = build(*SMALL)
    asked_at(trainer, {30: [Pause(), RollBack(to=0), Resume()]})
    result = finish(trainer)
    kinds = [type(fact).__name__ for fact in result.facts]
    assert kinds.index("Paused") < kinds.index("RolledBack") < kinds.index("Resumed")
    assert same_weights(result, told(*SMALL))


def test_an_undone_decision_does_not_come_back() -> None:
    """Going back to its own step finds the state before it, or an earlier one."""
    result = went({0: [], 5: [ScaleLearningRate(factor=0.5)], 15: [Undo()], 25: [RollBack(to=5)]})
    assert result.all(RolledBack)[-1].decisions == ()
    assert same_weights(result, told(*SMALL))


def test_a_second_undo_does_not_undo_the_same_again(tmp_path: Path) -> None:
    """What was taken back from memory is gone from the disk as well."""
    result = went({10: [SwitchOptimizer(name="sgd")], 15: [Undo()], 30: [Undo()]}, checkpoint_folder=tmp_path)
    assert [fact.step for fact in result.all(RolledBack)] == [10]
    assert only(result, CommandRefused).reason == "there is nothing to undo."


def test_what_the_run_had_asked_itself_is_left_with_the_stretch() -> None:
    """A decay that the plateau asked for at the end of it is refused, and comes again where it is due."""
    plateau = ("schedule.name=plateau", "schedule.patience=0", "schedule.threshold=0.9", "eval.every_steps=10")
    result = went({30: [RollBack(to=0)]}, *plateau)
    again = told(*SMALL, *plateau)
    assert same_weights(result, again)
    assert any(fact.reason == "the run went back" for fact in result.all(CommandRefused))


def test_the_best_of_a_stretch_that_was_left_is_not_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    """Early stopping goes back to the best of the run as it is, and says which step that is."""
    monkeypatch.setattr(points, "_LARGEST_SHARE", 1e6)
    overrides = (
        "train.steps=150",
        "eval.every_steps=10",
        "regularize.early_stopping=3",
        "checkpoint.restore_best=true",
    )
    asks: dict[int, list[Command]] = {65: [RollBack(to=30), ScaleLearningRate(factor=3000.0)]}
    result = went(asks, *overrides)
    assert result.ended.step <= 40
    assert f"the weights are those of step {result.ended.step}" in result.ended.message


def test_points_are_thinned_after_going_back_too() -> None:
    """Their steps no longer rise then: a point exactly one distance ahead of the newest once divided by zero."""
    kept = points.Points()
    steps = [*range(10, 241, 10), 10, 20]
    kept._recent = [points.Point(step, 0, {}, 0) for step in steps]
    kept._thin()
    assert len(kept._recent) == points._MOST_POINTS
    assert kept._recent[-1].step == 20
