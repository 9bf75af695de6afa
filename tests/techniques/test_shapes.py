"""The shapes of the schedules: torch's where it has them, bounded whatever their numbers are."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler as torch_schedules

from tuitrain.protocol.plan import Schedule
from tuitrain.techniques import plan as plans
from tuitrain.techniques.build.groups import ParameterGroup
from tuitrain.techniques.build.optimizers import OptimizerSet
from tuitrain.techniques.schedules import SCHEDULES, factor, momentum

STEPS = 200


def heights(name: str, num_steps: int = STEPS, upto: int = STEPS, **values: Any) -> list[float]:
    """The factor of each step."""
    schedule = Schedule(name=name, num_steps=num_steps, hyperparameters=values)
    return [factor(schedule, step) for step in range(upto)]


def sgd(momentum: float = 0.0) -> torch.optim.SGD:
    """An optimizer whose full rate is 1."""
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0, momentum=momentum)


def followed(scheduler: Any, key: str = "lr") -> list[float]:
    """What a torch scheduler writes before each step."""
    found = []
    for _ in range(STEPS):
        found.append(scheduler.optimizer.param_groups[0][key])
        scheduler.optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize(("mode", "shrink"), [("triangular", 1.0), ("triangular2", 0.5)])
@pytest.mark.parametrize("half", [1, 7, 30])
def test_cycles_are_those_of_torch(mode: str, shrink: float, half: int) -> None:
    """CyclicLR, and triangular2 as halves."""
    theirs = torch_schedules.CyclicLR(sgd(), 0.1, 1.0, half, mode=mode, cycle_momentum=False)  # type: ignore[arg-type]
    assert heights("triangular", cycle=2.0 * half, low=0.1, shrink=shrink) == pytest.approx(followed(theirs), abs=1e-12)


@pytest.mark.parametrize("growth", [1, 2, 3])
@pytest.mark.parametrize("first", [1, 5, 8])
def test_warm_restarts_are_those_of_torch(growth: int, first: int) -> None:
    """CosineAnnealingWarmRestarts, each cycle as long as the last or longer; exact at every restart."""
    theirs = torch_schedules.CosineAnnealingWarmRestarts(sgd(), first, growth, eta_min=0.05)
    mine = heights("sgdr", cycle=float(first), cycle_factor=float(growth), final=0.05)
    assert mine == pytest.approx(followed(theirs), abs=1e-9)


@pytest.mark.parametrize("rising", [0.1, 0.3, 0.45])
def test_one_cycle_is_that_of_torch_with_its_momentum(rising: float) -> None:
    """OneCycleLR: the rate up and down, the momentum down and up."""
    values: dict[str, float | list[float]] = {
        "rising_share": rising, "div_factor": 20.0, "final_div_factor": 500.0, "max_momentum": 0.9,
        "base_momentum": 0.8,
    }  # fmt: skip
    options: dict[str, Any] = {
        "pct_start": rising, "div_factor": 20.0, "final_div_factor": 500.0, "max_momentum": 0.9, "base_momentum": 0.8,
    }  # fmt: skip
    theirs = [
        followed(torch_schedules.OneCycleLR(sgd(0.9), 1.0, STEPS, **options), key=key) for key in ("lr", "momentum")
    ]
    schedule = Schedule(name="one-cycle", num_steps=STEPS, hyperparameters=values)
    assert [factor(schedule, step) for step in range(STEPS)] == pytest.approx(theirs[0], abs=1e-9)
    assert [momentum(schedule, step) for step in range(STEPS)] == pytest.approx(theirs[1], abs=1e-9)


def test_only_one_cycle_moves_the_momentum() -> None:
    """Of the others it is left alone; within a warmup it is that of the start."""
    moving = [name for name in SCHEDULES if momentum(Schedule(name=name, num_steps=10), 3) is not None]
    assert moving == ["one-cycle"]
    warming = Schedule(name="one-cycle", num_steps=30, warmup_steps=10)
    assert [momentum(warming, step) for step in (0, 9, 10)] == pytest.approx([0.95] * 3)


@pytest.mark.parametrize(("name", "key"), [("sgd", "momentum"), ("adam", "betas"), ("muon", None)])
def test_a_momentum_of_the_plan_reaches_the_optimizer(name: str, key: str | None) -> None:
    """SGD's momentum, Adam's beta1 with beta2 as it is; an optimizer without a place for it takes no harm."""
    tensors = [("w", torch.zeros(2, 2, requires_grad=True)), ("b", torch.zeros(2, requires_grad=True))]
    optimizer = OptimizerSet(name, [ParameterGroup("all", tuple(tensors))], {}, frozenset({"w"}))
    optimizer.write_momentum(0.87)
    for part in optimizer.parts:
        group = part.optimizer.param_groups[0]
        if key is not None:
            assert group[key] == (0.87 if key == "momentum" else (0.87, 0.999))
    optimizer.step()


def test_warmup_stable_decay_is_flat_and_ends_at_final() -> None:
    """Full height for the first share, then 1 − √, and down from there on."""
    shape = heights("wsd", upto=STEPS + 50, decay_share=0.25, final=0.1)
    assert shape[:151] == [1.0] * 151
    assert shape[175] == pytest.approx(0.1 + 0.9 * (1 - (25 / 50) ** 0.5))
    assert shape[STEPS:] == pytest.approx([0.1] * 50)


@pytest.mark.parametrize("name", list(SCHEDULES))
def test_a_shape_without_a_value_has_the_default_of_its_table(name: str) -> None:
    """What a preset leaves out is not resolved: the shape itself must know the same default."""
    spec = SCHEDULES[name]
    needed: dict[str, Any] = {"step_size": 7.0, "milestones": [5.0, 50.0], "cycle": 15.0}
    required = {item.name: needed[item.name] for item in spec.hyperparameters if item.default is None}
    resolved = {**required, **{item.name: item.default for item in spec.hyperparameters if item.default is not None}}
    assert heights(name, **required) == heights(name, **resolved)
    bare, whole = (Schedule(name=name, num_steps=50, hyperparameters=values) for values in (required, resolved))
    assert [momentum(bare, step) for step in range(50)] == [momentum(whole, step) for step in range(50)]


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Any schedule of the table with values within their ranges."""
    spec = SCHEDULES[draw(st.sampled_from(sorted(SCHEDULES)))]
    values: dict[str, float | list[float]] = {}
    for item in spec.hyperparameters:
        low, high = max(item.low, -1e6), min(item.high, 1e6)
        number = st.floats(
            low, high, exclude_min=not item.is_low_included and low == item.low,
            exclude_max=not item.is_high_included and high == item.high,
        )  # fmt: skip
        if item.kind == "floats":
            values[item.name] = draw(st.lists(number, min_size=1, max_size=4))
        elif item.default is None or draw(st.booleans()):
            values[item.name] = draw(number)
    num_steps = draw(st.integers(1, 10**6))
    return Schedule(
        name=spec.name, num_steps=num_steps, origin_step=draw(st.integers(0, 100)),
        warmup_steps=draw(st.integers(0, num_steps)), hyperparameters=values,
    )  # fmt: skip


@given(schedule=schedules(), step=st.integers(0, 10**7))
def test_any_schedule_is_between_0_and_1_at_any_step(schedule: Schedule, step: int) -> None:
    """Finite and within bounds, before, within and after it; its momentum too."""
    assert 0.0 <= factor(schedule, step) <= 1.0
    moved = momentum(schedule, step)
    assert moved is None or 0.0 <= moved < 1.0


@given(schedule=schedules(), step=st.integers(0, 10**4))
def test_a_warmup_rises_to_the_beginning_of_any_schedule(schedule: Schedule, step: int) -> None:
    """Never 0; after it the shape begins as it would without it, on the steps that are left."""
    elapsed = max(0, step - schedule.origin_step)
    if elapsed < schedule.warmup_steps:
        assert factor(schedule, step) == (elapsed + 1) / (schedule.warmup_steps + 1)
    left = max(1, schedule.num_steps - schedule.warmup_steps)
    bare = Schedule(name=schedule.name, num_steps=left, hyperparameters=schedule.hyperparameters)
    begun = schedule.origin_step + schedule.warmup_steps
    assert factor(schedule, begun + step) == factor(bare, step)


def test_a_plan_asks_for_momentum_only_where_its_segment_does() -> None:
    """Until the schedule is replaced."""
    plan = plans.first_plan(Schedule(name="one-cycle", num_steps=100), {"all": 0.1})
    plan = plans.rescheduled(plan, 40, Schedule(name="linear", num_steps=60), restart=False)
    assert plans.momentum(plan, 39) is not None
    assert plans.momentum(plan, 40) is None
