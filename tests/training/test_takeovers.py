"""How each optimizer follows another one live: matched, with empty state, at its own rate, or not at all."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.training.harness import told
from tests.training.switching import NEWCOMERS
from tests.training.test_switching import assert_the_bar_holds
from tuitrain.protocol.events import (
    CommandApplied,
    CommandRefused,
    HandoverStarted,
    OptimizerSwitched,
    SwitchPreviewed,
    UpdateMeasured,
)
from tuitrain.techniques.optimizers import OPTIMIZERS, optimizer_spec
from tuitrain.training.run import LEARNING_RATE

AT = 20
FULL = ("train.batch_size=full", "task.num_train=100", "task.hidden=[16]")
COLD = [name for name, spec in OPTIMIZERS.items() if spec.takeover == "cold"]


def switch(name: str, at: int = AT, **values: Any) -> dict[str, Any]:
    return {"at_step": at, "do": "switch_optimizer", "name": name, **values}


def refusals(*overrides: str, moments: list[dict[str, Any]]) -> list[str]:
    return [fact.reason for fact in told(*overrides, moments=moments).all(CommandRefused)]


@pytest.mark.parametrize("name", list(NEWCOMERS))
def test_a_later_optimizer_holds_the_bar_too(name: str) -> None:
    """From Adam and back, two seeds: the first update keeps its size, and the loss does not jump."""
    assert_the_bar_holds("adam", name, "mid-cosine", seeds=2)
    assert_the_bar_holds(name, "momentum", "mid-cosine", seeds=2)


def test_every_optimizer_has_its_way_of_taking_over() -> None:
    """Those whose state would be of another path start empty; those whose step is not the rate's keep their own."""
    assert set(COLD) == {"asgd", "rprop", "schedule-free-sgd", "schedule-free-adamw"}
    assert {name for name, spec in OPTIMIZERS.items() if spec.takeover == "rate"} == {"adafactor", "lbfgs", "newton"}
    unmeasured = {name for name, spec in OPTIMIZERS.items() if not spec.is_step_its_rate}
    assert unmeasured == {"rprop", "adafactor", "lbfgs", "newton"}
    assert {name for name, spec in OPTIMIZERS.items() if spec.needs_closure} == {"lbfgs", "newton"}


@pytest.mark.parametrize("name", COLD)
def test_what_starts_empty_is_matched_on_one_step_and_says_so(name: str) -> None:
    """Whatever hand-over was asked for; the average begins where it takes over."""
    result = told(moments=[switch(name)])
    assert result.all(HandoverStarted)[0].num_steps == 1
    switched = result.all(OptimizerSwitched)[0]
    assert (switched.step, switched.handover) == (AT + 1, "cold")
    assert any("starts with empty state" in note for note in switched.notes)
    # One step tells less than twenty, but the size stays the same.
    assert 0.3 < result.all(UpdateMeasured)[0].ratio < 3.0
    state = next(iter(result.trainer.updater.optimizer.parts[0].optimizer.state.values()))
    assert float(state["step"]) == 40 - switched.step


@pytest.mark.parametrize(("name", "ramp"), [("adafactor", 50)])
def test_what_cannot_be_matched_starts_at_its_own_rate(name: str, ramp: int) -> None:
    """At once, with a re-warmup where the rate is a size, and with the reason among the notes."""
    result = told("train.steps=100", moments=[switch(name)])
    switched = result.all(OptimizerSwitched)[0]
    assert (switched.step, switched.handover) == (AT, "explicit")
    assert math.isnan(switched.expected_ratio)
    assert "could not be matched" in switched.notes[-1]
    rates = [result.values[LEARNING_RATE][step] for step in range(AT + 1, 101)]
    own = optimizer_spec(name).learning_rate
    expected = [own * min(1.0, (step + 1) / (ramp + 1)) for step in range(80)]
    assert rates == pytest.approx(expected, rel=1e-6)
    if ramp:
        assert max(result.losses[AT:]) < 2 * result.losses[AT]


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        (("optimizer.name=rprop",), "adamw"),
        (("optimizer.name=rprop",), "sgd"),
        (("optimizer.name=adamw",), "rprop"),
        ((*FULL, "optimizer.name=lbfgs"), "adamw"),
        ((*FULL, "optimizer.name=lbfgs"), "rprop"),
        ((*FULL, "optimizer.name=rprop"), "lbfgs"),
        ((*FULL, "optimizer.name=adamw"), "lbfgs"),
    ],
)
def test_weight_decay_begins_or_ends_where_only_one_has_it(overrides: tuple[str, ...], name: str) -> None:
    """And is said, where there is any."""
    result = told(*overrides, "train.steps=60", moments=[switch(name, at=2)])
    switched = result.all(OptimizerSwitched)[0]
    assert result.ended.reason == "finished"
    said = [note for note in switched.notes if "weight decay" in note]
    assert len(said) == ("adamw" in (switched.from_name, name))
    decay = switched.optimizer.groups[0].hyperparameters.get("weight_decay", 0.0)
    assert decay == (0.01 if name == "adamw" else 0.0)


@pytest.mark.parametrize(
    "before",
    [("optimizer.name=lbfgs", "optimizer.max_iter=4"), ("optimizer.name=rprop",), ("optimizer.name=adafactor",)],
)
@pytest.mark.parametrize("after", ["adamw", "sgd", "schedule-free-adamw"])
def test_what_was_never_matched_is_left_without_a_jump(before: tuple[str, ...], after: str) -> None:
    """The distance of a search or of a sign is no measure for a gradient step: the next one begins at its own rate."""
    at = 3 if "lbfgs" in before[0] else 15
    result = told(*FULL, *before, "train.steps=60", moments=[switch(after, at=at)])
    switched = result.all(OptimizerSwitched)[0]
    assert (switched.step, switched.handover) == (at, "explicit")
    own = optimizer_spec(after).learning_rate
    assert result.values[LEARNING_RATE][at + 1] == pytest.approx(own / 51, rel=1e-6)
    assert max(result.losses[at:]) < 1.5 * result.losses[at] + 0.01


def test_lbfgs_takes_over_where_all_data_are_one_batch() -> None:
    """Within a few steps it is where the first optimizer does not get."""
    plain = told(*FULL, "train.steps=40")
    result = told(*FULL, "train.steps=40", moments=[switch("lbfgs")])
    assert result.all(OptimizerSwitched)[0].to_name == "lbfgs"
    assert result.ended.last["train/loss"] < 0.1 * plain.ended.last["train/loss"]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ((), "needs all data at once"),
        ((*FULL, "regularize.dropout=0.5"), "no dropout, noise"),
        ((*FULL, "regularize.shift=1"), "no dropout, noise"),
        ((*FULL, "regularize.weight_noise=0.1"), "no dropout, noise"),
        ((*FULL, "regularize.gradient_noise=0.1"), "no dropout, noise"),
        ((*FULL, "regularize.gradient_clip=1"), "clipping"),
        ((*FULL, "regularize.gradient_clip_value=1"), "clipping"),
        ((*FULL, "regularize.l1=0.1"), "L1"),
        ((*FULL, "optimizer.decay_only_weights=true"), "one group"),
        ((*FULL, "optimizer.lookahead_steps=5"), "Lookahead"),
    ],
)
def test_lbfgs_is_refused_where_losses_cannot_be_compared(overrides: tuple[str, ...], said: str) -> None:
    """The run goes on with what it has."""
    result = told(*overrides, moments=[switch("lbfgs")])
    assert said in result.all(CommandRefused)[0].reason
    assert not result.all(OptimizerSwitched)
    assert (result.ended.reason, result.ended.step) == ("finished", 40)


@pytest.mark.parametrize("name", ["dropout", "cutout", "l1", "gradient_clip", "gradient_noise", "weight_noise"])
def test_what_lbfgs_does_not_go_with_cannot_be_switched_on_under_it(name: str) -> None:
    """Nor can smaller batches; switching something off is no problem."""
    moments: list[dict[str, Any]] = [
        {"at_step": 3, "do": "set_hyperparameter", "name": name, "value": 0.5 if name != "cutout" else 2},
        {"at_step": 3, "do": "set_batch_size", "batch_size": 10},
        {"at_step": 4, "do": "set_hyperparameter", "name": name, "value": 0},
    ]
    result = told(*FULL, "optimizer.name=lbfgs", "train.steps=6", moments=moments)
    assert [fact.command for fact in result.all(CommandRefused)] == ["moment-0001", "moment-0002"]
    assert [fact.command for fact in result.all(CommandApplied)] == ["moment-0003"]


@pytest.mark.parametrize("name", ["schedule-free-sgd", "schedule-free-adamw"])
def test_lookahead_does_not_go_with_what_averages_itself(name: str) -> None:
    """Moving its weights would move its average."""
    assert "Lookahead" in refusals("optimizer.lookahead_steps=5", moments=[switch(name)])[0]


@pytest.mark.parametrize("name", [name for name, spec in OPTIMIZERS.items() if not spec.needs_closure])
def test_every_optimizer_can_be_previewed_and_leaves_the_run_alone(name: str) -> None:
    """Those that start at their own rate say which."""
    moment = {"at_step": AT, "do": "preview_switch", "name": name}
    result = told("task.hidden=[16, 16]", moments=[moment])
    assert result.all(SwitchPreviewed)[0].cold_ratio > 0.0
    assert ("own rate" in result.all(CommandApplied)[0].summary) == (optimizer_spec(name).takeover == "rate")
    assert result.losses == told("task.hidden=[16, 16]").losses


@pytest.mark.parametrize(("at_work", "asked"), [("adam", "lbfgs"), ("lbfgs", "adam")])
def test_a_search_cannot_be_previewed(at_work: str, asked: str) -> None:
    """It takes more than one gradient; the run goes on."""
    moment = {"at_step": 3, "do": "preview_switch", "name": asked}
    result = told(*FULL, "train.steps=5", f"optimizer.name={at_work}", moments=[moment])
    assert "search of its own" in result.all(CommandRefused)[0].reason
    assert result.ended.reason == "finished"
