"""The learning-rate plan: torch's schedulers where they agree, and edits that torch's cannot take."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler as torch_schedules

from tuitrain.protocol.plan import LearningRatePlan, Schedule
from tuitrain.techniques import plan as plans
from tuitrain.techniques.schedules import SCHEDULES, factor

STEPS = 100
BASE = 0.5
Make = Callable[[torch.optim.Optimizer], torch_schedules.LRScheduler]

AGREEMENTS: dict[str, tuple[dict[str, Any], Make]] = {
    "constant": ({}, lambda opt: torch_schedules.ConstantLR(opt, factor=1.0)),
    "step": ({"step_size": 30, "gamma": 0.1}, lambda opt: torch_schedules.StepLR(opt, 30, 0.1)),
    "multistep": (
        {"milestones": [20, 50, 51], "gamma": 0.3},
        lambda opt: torch_schedules.MultiStepLR(opt, [20, 50, 51], 0.3),
    ),
    "exponential": ({"gamma": 0.97}, lambda opt: torch_schedules.ExponentialLR(opt, 0.97)),
    "cosine": ({"final": 0.1}, lambda opt: torch_schedules.CosineAnnealingLR(opt, STEPS, eta_min=0.1 * BASE)),
    "linear": ({"final": 0.2}, lambda opt: torch_schedules.LinearLR(opt, 1.0, 0.2, STEPS)),
    "inverse-sqrt": (
        {"timescale": 10},
        lambda opt: torch_schedules.LambdaLR(opt, lambda step: math.sqrt(10 / (10 + step))),
    ),
    "one-over-t": ({"timescale": 20}, lambda opt: torch_schedules.LambdaLR(opt, lambda step: 1 / (1 + step / 20))),
    "polynomial": ({"power": 3.0}, lambda opt: torch_schedules.PolynomialLR(opt, STEPS, 3.0)),
    "minus-sqrt": (
        {"final": 0.2},
        lambda opt: torch_schedules.LambdaLR(opt, lambda step: 1 - 0.8 * math.sqrt(step / STEPS)),
    ),
    "triangular": (
        {"cycle": 20, "low": 0.2},
        lambda opt: torch_schedules.CyclicLR(opt, 0.2 * BASE, BASE, 10, cycle_momentum=False),
    ),
    "sgdr": (
        {"cycle": 7, "cycle_factor": 2, "final": 0.1},
        lambda opt: torch_schedules.CosineAnnealingWarmRestarts(opt, 7, 2, 0.1 * BASE),
    ),
    "one-cycle": ({}, lambda opt: torch_schedules.OneCycleLR(opt, BASE, STEPS, cycle_momentum=False)),
    "wsd": (
        {"decay_share": 0.25},
        lambda opt: torch_schedules.LambdaLR(opt, lambda step: 1 - math.sqrt(max(0, step - 75) / 25)),
    ),
    "plateau": ({}, lambda opt: torch_schedules.ConstantLR(opt, factor=1.0)),
}


def torch_rates(make: Make, num_steps: int) -> list[float]:
    """The rate of each step under a torch scheduler."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=BASE)
    scheduler = make(optimizer)
    rates = []
    for _ in range(num_steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def plan_of(name: str = "cosine", warmup: int = 0, **values: Any) -> LearningRatePlan:
    schedule = Schedule(name=name, num_steps=STEPS + warmup, warmup_steps=warmup, hyperparameters=values)
    return plans.first_plan(schedule, {"all": BASE, "head": BASE / 10})


def test_every_schedule_is_compared_with_torch() -> None:
    """A new entry of the table must be added above."""
    assert set(AGREEMENTS) == set(SCHEDULES)


@pytest.mark.parametrize("name", list(AGREEMENTS))
def test_a_schedule_is_that_of_torch(name: str) -> None:
    """Step by step."""
    values, make = AGREEMENTS[name]
    mine = [plans.learning_rate(plan_of(name, **values), "all", step) for step in range(STEPS)]
    assert mine == pytest.approx(torch_rates(make, STEPS), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", list(AGREEMENTS))
def test_warmup_is_torchs_linear_and_sequential(name: str) -> None:
    """SequentialLR of LinearLR from 1/(W + 1) and the schedule after it."""
    warmup = 9
    values, make = AGREEMENTS[name]

    def with_warmup(optimizer: torch.optim.Optimizer) -> torch_schedules.LRScheduler:
        rise = torch_schedules.LinearLR(optimizer, 1 / (warmup + 1), 1.0, warmup)
        return torch_schedules.SequentialLR(optimizer, [rise, make(optimizer)], [warmup])

    mine = [plans.learning_rate(plan_of(name, warmup, **values), "all", step) for step in range(STEPS + warmup)]
    if name in {"cosine", "polynomial", "triangular", "sgdr", "one-cycle"}:
        # torch's starts from the warmed-up rate, or writes one of its own; ours is the closed form of the same curve
        rise = [BASE * (step + 1) / (warmup + 1) for step in range(warmup)]
        assert mine[:warmup] == pytest.approx(rise, rel=1e-9)
        assert mine[warmup:] == pytest.approx(torch_rates(make, STEPS), rel=1e-9, abs=1e-12)
    else:
        assert mine == pytest.approx(torch_rates(with_warmup, STEPS + warmup), rel=1e-9, abs=1e-12)


def test_a_cosine_stays_down_after_its_end() -> None:
    """torch's rises again."""
    assert factor(Schedule(name="cosine", num_steps=10), 15) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("name", list(AGREEMENTS))
def test_a_decay_survives_under_every_schedule(name: str) -> None:
    """The trap of writing into torch's param groups: undone at the next step by half of its schedulers."""
    values, _ = AGREEMENTS[name]
    plan = plan_of(name, **values)
    decayed = plans.scaled(plan, 40, 0.1)
    for step in (40, 41, 45, STEPS - 1):
        assert plans.learning_rate(decayed, "all", step) == pytest.approx(0.1 * plans.learning_rate(plan, "all", step))
    assert plans.learning_rate(decayed, "all", 39) == plans.learning_rate(plan, "all", 39)


def test_decays_are_a_product_and_may_be_of_one_group() -> None:
    """Three are three."""
    plan = plan_of("constant")
    for _ in range(3):
        plan = plans.scaled(plan, 10, 0.5)
    plan = plans.scaled(plan, 10, 0.1, ["head"])
    assert plans.learning_rates(plan, 10) == pytest.approx({"all": BASE / 8, "head": BASE / 80 / 10})


def test_a_set_rate_keeps_shape_and_ratios_or_holds() -> None:
    """Keeping scales the schedule; holding ends it."""
    kept = plans.set_to(plan_of(), 50, 0.01)
    held = plans.set_to(plan_of(), 50, 0.01, hold=True)
    for plan in (kept, held):
        assert plans.learning_rates(plan, 50) == pytest.approx({"all": 0.01, "head": 0.001})
    assert plans.learning_rate(kept, "all", 99) < 1e-4
    assert plans.learning_rate(held, "all", 99) == pytest.approx(0.01)


def test_at_a_rate_of_zero_only_hold_and_restart_have_a_meaning() -> None:
    """Said, with what to do."""
    plan = plan_of()
    with pytest.raises(plans.PlanEditError, match="hold=true"):
        plans.set_to(plan, STEPS, 0.1)
    with pytest.raises(plans.PlanEditError, match="restart=true"):
        plans.rescheduled(plan, STEPS, Schedule(name="linear", num_steps=10), restart=False)
    assert plans.learning_rates(plans.set_to(plan, STEPS, 0.1, hold=True), STEPS)["all"] == pytest.approx(0.1)


def test_a_replaced_schedule_is_continuous_or_restarts() -> None:
    """From the rate as it is, with its decays, or from the base."""
    plan = plans.scaled(plan_of(), 30, 0.1)
    before = plans.learning_rate(plan, "all", 50)
    goes_on = plans.rescheduled(plan, 50, Schedule(name="linear", num_steps=50), restart=False)
    restarts = plans.rescheduled(plan, 50, Schedule(name="linear", num_steps=50), restart=True)
    assert plans.learning_rate(goes_on, "all", 50) == pytest.approx(before)
    assert plans.learning_rate(goes_on, "all", 75) == pytest.approx(before / 2)
    assert plans.learning_rate(restarts, "all", 50) == pytest.approx(BASE)


def test_a_ramp_rises_to_the_rate() -> None:
    """After a switch, linearly, never from 0."""
    plan = plans.rebased(plan_of("constant"), 20, {"all": 1.0, "head": 0.1}, ramp_steps=4)
    rates = [plans.learning_rate(plan, "all", step) for step in range(19, 26)]
    assert rates == pytest.approx([BASE, 0.2, 0.4, 0.6, 0.8, 1.0, 1.0])


edits = st.lists(
    st.tuples(
        st.integers(0, STEPS - 1),
        st.sampled_from(["scale", "set", "hold", "schedule", "restart", "rebase"]),
        st.floats(0.01, 10.0),
    ),
    max_size=6,
)


@given(edits)
def test_no_edit_rewrites_the_past(changes: list[tuple[int, str, float]]) -> None:
    """Whatever is edited at step t, the rates of the steps up to t stay."""
    plan = plan_of("linear")
    for step, what, number in sorted(changes, key=lambda change: change[0]):
        past = [plans.learning_rates(plan, earlier) for earlier in range(step)]
        try:
            match what:
                case "scale":
                    plan = plans.scaled(plan, step, number)
                case "set":
                    plan = plans.set_to(plan, step, number)
                case "hold":
                    plan = plans.set_to(plan, step, number, hold=True)
                case "rebase":
                    plan = plans.rebased(plan, step, {"all": number, "head": number}, ramp_steps=3)
                case _:
                    schedule = Schedule(name="cosine", num_steps=50)
                    plan = plans.rescheduled(plan, step, schedule, restart=what == "restart")
        except plans.PlanEditError:
            continue
        assert [plans.learning_rates(plan, earlier) for earlier in range(step)] == past


def test_the_drawn_plan_shows_both_sides_of_every_edit() -> None:
    """And ends at the last step; without its last edit it is the plan before."""
    plan = plans.scaled(plan_of("constant"), 33, 0.1)
    drawn = dict(plans.sampled(plan, "all", 1, STEPS, 10))
    assert drawn[33] == BASE
    assert drawn[34] == pytest.approx(BASE / 10)
    assert max(drawn) == STEPS
    without = dict(plans.without_last_edit(plan, "all", 34, STEPS, 10))
    assert set(without.values()) == {BASE}
