"""Edits of the learning-rate plan that meet each other: ramps, groups, limits, and what is drawn of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuitrain.protocol.codec import decode_plan, encode
from tuitrain.protocol.plan import LearningRatePlan, PlanSegment, Schedule
from tuitrain.techniques import plan as plans
from tuitrain.techniques.schedules import SCHEDULES

REQUIRED: dict[str, dict[str, float | list[float]]] = {
    "step": {"step_size": 10.0},
    "multistep": {"milestones": [20.0, 60.0]},
}


def ramped(at: int = 10, steps: int = 4) -> LearningRatePlan:
    """A constant plan with a ramp after a switch."""
    plan = plans.first_plan(Schedule(name="constant", num_steps=100), {"all": 1.0, "head": 0.1})
    return plans.rebased(plan, at, {"all": 2.0, "head": 0.2}, ramp_steps=steps)


def rates(plan: LearningRatePlan, first: int, last: int, group: str = "all") -> list[float]:
    return [plans.learning_rate(plan, group, step) for step in range(first, last + 1)]


def test_a_decay_after_a_ramp_does_not_ramp_again() -> None:
    """A switch with a ramp at step 10, a decay at step 50: the rate is a tenth at once and stays."""
    assert rates(plans.scaled(ramped(), 50, 0.1), 49, 52) == pytest.approx([2.0, 0.2, 0.2, 0.2])


@pytest.mark.parametrize("at", range(10, 17))
def test_a_decay_within_a_ramp_is_a_factor_on_it(at: int) -> None:
    """The ramp goes on where it is, times the factor."""
    plan = ramped()
    assert rates(plans.scaled(plan, at, 0.5), at, 30) == pytest.approx([rate * 0.5 for rate in rates(plan, at, 30)])


@pytest.mark.parametrize("hold", [False, True])
def test_a_rate_set_within_a_ramp_is_the_rate_of_the_next_step(hold: bool) -> None:
    """For every group in its ratio; held, it stays there."""
    plan = plans.set_to(ramped(), 12, 0.5, hold=hold)
    assert plans.learning_rates(plan, 12) == pytest.approx({"all": 0.5, "head": 0.05})
    if hold:
        assert rates(plan, 12, 90) == pytest.approx([0.5] * 79)


@pytest.mark.parametrize("restart", [False, True])
def test_a_schedule_that_replaces_a_ramp_is_continuous_or_starts_from_the_base(restart: bool) -> None:
    """Continuing takes the height of the ramp as it is."""
    plan = plans.rescheduled(ramped(), 12, Schedule(name="linear", num_steps=10), restart=restart)
    now = plans.learning_rate(ramped(), "all", 12)
    assert plans.learning_rate(plan, "all", 12) == pytest.approx(2.0 if restart else now)


def test_another_switch_within_a_ramp_keeps_it_replaces_it_or_ends_it() -> None:
    """None goes on with it, a number begins another, 0 ends it."""
    base = {"all": 4.0, "head": 0.4}
    assert rates(plans.rebased(ramped(), 12, base), 11, 16) == pytest.approx([0.8, 2.4, 3.2, 4.0, 4.0, 4.0])
    assert rates(plans.rebased(ramped(), 12, base, ramp_steps=1), 11, 14) == pytest.approx([0.8, 2.0, 4.0, 4.0])
    assert rates(plans.rebased(ramped(), 12, base, ramp_steps=0), 11, 13) == pytest.approx([0.8, 4.0, 4.0])


@pytest.mark.parametrize("at", [12, 40])
def test_the_base_for_a_rate_gives_that_rate(at: int) -> None:
    """Without the ramp, which a switch ends."""
    plan = plans.scaled(ramped(), at, 0.25)
    base = plans.base_for(plan, at, "all", 0.03)
    assert rates(plans.rebased(plan, at, {"all": base, "head": base}, ramp_steps=0), at, at + 5) == pytest.approx(
        [0.03] * 6
    )


@pytest.mark.parametrize("name", list(SCHEDULES))
@given(edits=st.lists(st.tuples(st.sampled_from(["scale", "set", "hold", "go on"]), st.floats(0.1, 3.0)), max_size=5))
def test_groups_keep_their_ratio_through_edits_of_all(name: str, edits: list[tuple[str, float]]) -> None:
    """One fine-tuning rate stays a tenth of the other whatever is decayed, set, held or replaced."""
    schedule = Schedule(name=name, num_steps=100, hyperparameters=REQUIRED.get(name, {}))
    plan = plans.first_plan(schedule, {"body": 0.1, "head": 1.0})
    for step, (what, number) in zip(range(5, 80, 13), edits, strict=False):
        match what:
            case "scale":
                plan = plans.scaled(plan, step, number)
            case "go on":
                plan = plans.rescheduled(plan, step, schedule, restart=False)
            case _:
                plan = plans.set_to(plan, step, number, hold=what == "hold")
    for step in range(100):
        found = plans.learning_rates(plan, step)
        assert found["body"] * 10 == pytest.approx(found["head"])


def test_limits_clip_the_rate_and_nothing_else() -> None:
    """Minimum and maximum of a segment, without an effect on the shape after them."""
    schedule = Schedule(name="linear", num_steps=10)
    plan = LearningRatePlan(
        segments=(PlanSegment(start_step=0, schedule=schedule, base={"all": 1.0}, minimum=0.25, maximum=0.75),)
    )
    assert rates(plan, 0, 10) == pytest.approx([0.75, 0.75, 0.75, 0.7, 0.6, 0.5, 0.4, 0.3, 0.25, 0.25, 0.25])


def test_a_plan_survives_the_wire_with_all_its_edits() -> None:
    """What a checkpoint and a screen read gives the same rates."""
    plan = plans.scaled(plans.set_to(ramped(), 30, 0.3), 40, 0.5, ["head"])
    back = decode_plan(encode(plan))
    assert back == plan
    assert rates(back, 0, 60, "head") == rates(plan, 0, 60, "head")


@given(
    edits=st.lists(st.integers(0, 99), max_size=6),
    first=st.integers(1, 100),
    length=st.integers(-5, 100),
    num_points=st.integers(1, 40),
)
def test_what_is_drawn_is_the_plan_at_those_steps(edits: list[int], first: int, length: int, num_points: int) -> None:
    """In order, within the range, both ends and both sides of every edit among them, about as many as asked."""
    plan = plans.first_plan(Schedule(name="cosine", num_steps=100), {"all": 1.0})
    for step in sorted(edits):
        plan = plans.scaled(plan, step, 0.5)
    last = first + length
    drawn = plans.sampled(plan, "all", first, last, num_points)
    if last < first:
        assert drawn == []
        return
    steps = [point.step for point in drawn]
    assert steps == sorted(set(steps))
    assert (steps[0], steps[-1]) == (first, last)
    assert {edge for step in edits for edge in (step, step + 1) if first <= edge <= last} <= set(steps)
    assert len(steps) <= 2 * num_points + 2 * len(edits) + 2
    assert all(point.learning_rate == plans.learning_rate(plan, "all", point.step - 1) for point in drawn)


def test_a_plan_without_edits_has_nothing_to_compare_with() -> None:
    """The ghost line of the chart is empty until something was changed."""
    plan = plans.first_plan(Schedule(name="constant", num_steps=10), {"all": 1.0})
    assert plans.without_last_edit(plan, "all", 1, 10, 5) == []
    twice = plans.scaled(plans.scaled(plan, 3, 0.5), 6, 0.5)
    assert {point.learning_rate for point in plans.without_last_edit(twice, "all", 7, 10, 5)} == {0.5}


def test_a_thousand_edits_at_one_step_leave_the_last_and_the_one_before() -> None:
    """The rate is that of all of them, and the plan as it would have been is that without the last alone."""
    plan = plans.first_plan(Schedule(name="cosine", num_steps=100), {"all": 0.1})
    for _ in range(1000):
        plan = plans.scaled(plan, 5, 0.999)
    assert [segment.start_step for segment in plan.segments] == [0, 5, 5]
    once = plans.scaled(plans.first_plan(Schedule(name="cosine", num_steps=100), {"all": 0.1}), 5, 0.999**1000)
    assert plans.learning_rate(plan, "all", 50) == pytest.approx(plans.learning_rate(once, "all", 50))
    before = plans.without_last_edit(plan, "all", 1, 100, 100)[50].learning_rate
    assert before == pytest.approx(plans.learning_rate(plan, "all", 50) / 0.999)
    at_zero = plans.first_plan(Schedule(name="constant", num_steps=100), {"all": 0.1})
    for _ in range(3):
        at_zero = plans.scaled(at_zero, 0, 0.5)
    assert plans.learning_rate(at_zero, "all", 0) == pytest.approx(0.1 / 8)
