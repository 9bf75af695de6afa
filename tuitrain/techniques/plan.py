"""The learning-rate plan: evaluated at any step, past or future, and edited by appending.

lr_g(t) = clip(base_g · shape(t − t0) · scale · multiplier_g · ramp(t), minimum, maximum)

One writer, closed form, no torch: a manual decay composes with every schedule, and the future can be drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

import msgspec

from tuitrain.protocol.plan import LearningRatePlan, PlanSegment, Schedule
from tuitrain.techniques import schedules
from tuitrain.techniques.hyperparameter import problems_with
from tuitrain.techniques.schedules import factor

_SHORTEST_COOL_DOWN = 10
_COOL_DOWN_SHARE = 0.2


class PlanEditError(ValueError):
    """An edit that has no meaning at this step; the message says why and what to do."""


class Point(NamedTuple):
    """One point of the drawn plan."""

    step: int
    learning_rate: float


def first_plan(schedule: Schedule, base: Mapping[str, float]) -> LearningRatePlan:
    """The plan of a run that begins: `base` is the learning rate of each parameter group."""
    return LearningRatePlan(segments=(PlanSegment(start_step=0, schedule=schedule, base=dict(base)),))


def problem_with(plan: LearningRatePlan) -> str:
    """Why a plan cannot be evaluated, as one of a later version or of a damaged record; empty where it can."""
    for segment in plan.segments:
        spec = schedules.SCHEDULES.get(segment.schedule.name)
        if spec is None:
            return f'the schedule "{segment.schedule.name}" is not known here'
        if wrong := problems_with(segment.schedule.name, spec.hyperparameters, segment.schedule.hyperparameters):
            return f"{segment.schedule.name}: {wrong[0][0]}: {wrong[0][1]}"
        numbers = (*segment.base.values(), *segment.multiplier.values(), segment.scale, segment.minimum)
        if not all(0.0 <= number < math.inf for number in numbers):
            return "a rate in it is no rate"
        if not segment.base:
            return "it plans for no parameters"
    return "" if plan.segments else "it plans nothing"


def segment_at(plan: LearningRatePlan, step: int) -> PlanSegment:
    """The segment that rules the step after `step` finished ones: the last one planned by then."""
    for segment in reversed(plan.segments):
        if segment.start_step <= step:
            return segment
    return plan.segments[0]


def learning_rate(plan: LearningRatePlan, group: str, step: int) -> float:
    """The rate of a group for step `step` + 1."""
    return segment_rate(segment_at(plan, step), group, step)


def learning_rates(plan: LearningRatePlan, step: int) -> dict[str, float]:
    """The rate of every group for step `step` + 1."""
    segment = segment_at(plan, step)
    return {group: segment_rate(segment, group, step) for group in segment.base}


def momentum(plan: LearningRatePlan, step: int) -> float | None:
    """The momentum that the schedule wants for step `step` + 1; None where it leaves it alone."""
    return schedules.momentum(segment_at(plan, step).schedule, step)


def segment_rate(segment: PlanSegment, group: str, step: int) -> float:
    """The rate that one segment alone gives, also beyond where it rules: the plan as it would have been."""
    rate = segment.base[group] * shape(segment, group, step)
    if segment.maximum is not None:
        rate = min(rate, segment.maximum)
    return max(rate, segment.minimum)


def shape(segment: PlanSegment, group: str, step: int) -> float:
    """Everything but the base: schedule · scale · multiplier · ramp."""
    multiplier = segment.multiplier.get(group, 1.0)
    return factor(segment.schedule, step) * segment.scale * multiplier * _ramp(segment, step)


def scaled(plan: LearningRatePlan, step: int, by: float, groups: Iterable[str] | None = None) -> LearningRatePlan:
    """Multiply the rate of some groups, or all, from step `step` + 1; shape and clock stay."""
    now = segment_at(plan, step)
    chosen = set(now.base if groups is None else groups)
    multiplier = {group: now.multiplier.get(group, 1.0) * (by if group in chosen else 1.0) for group in now.base}
    return _appended(plan, step, now, multiplier=multiplier)


def set_to(plan: LearningRatePlan, step: int, rate: float, *, hold: bool = False) -> LearningRatePlan:
    """Give the first group the rate `rate` from step `step` + 1; the others keep their ratio to it.

    Args:
        plan: the plan so far.
        step: finished steps.
        rate: above 0.
        hold: False scales the schedule, which goes on; True ends it: constant from now on.

    Raises:
        PlanEditError: the schedule is at 0 here, so no factor can give the rate.
    """
    now = segment_at(plan, step)
    first = next(iter(now.base))
    current = segment_rate(now, first, step)
    if hold:
        ratios = _ratios(now, step, first)
        base = {group: rate * ratio for group, ratio in ratios.items()}
        constant = Schedule(name="constant", num_steps=now.schedule.num_steps, origin_step=step)
        return _appended(plan, step, now, schedule=constant, base=base, scale=1.0, multiplier={}, ramp_steps=0)
    if current <= 0.0:
        raise PlanEditError("The schedule is at 0 here, so no factor gives that rate. Try: hold=true.")
    multiplier = {group: now.multiplier.get(group, 1.0) * rate / current for group in now.base}
    return _appended(plan, step, now, multiplier=multiplier)


def rescheduled(plan: LearningRatePlan, step: int, schedule: Schedule, *, restart: bool) -> LearningRatePlan:
    """Replace the schedule from step `step` + 1.

    Args:
        plan: the plan so far.
        step: finished steps.
        schedule: the new shape; its clock starts at `step`.
        restart: True starts from the full base rate with no multipliers; False continues from the rate
            as it is, which becomes the height of the new shape.

    Raises:
        PlanEditError: it should continue from a rate of 0.
    """
    now = segment_at(plan, step)
    fresh = msgspec.structs.replace(schedule, origin_step=step)
    if restart:
        return _appended(plan, step, now, schedule=fresh, scale=1.0, multiplier={}, ramp_steps=0)
    first = next(iter(now.base))
    if segment_rate(now, first, step) <= 0.0:
        raise PlanEditError("The rate is 0 here, and a schedule that continues from it stays 0. Try: restart=true.")
    height = factor(now.schedule, step) * now.scale * _ramp(now, step)
    return _appended(plan, step, now, schedule=fresh, scale=height, ramp_steps=0)


def default_cool_down(step: int, total_steps: int) -> int:
    """Steps of a cool-down that begins after `step` steps: a fifth of them, at least 10, at most those that remain."""
    wanted = max(_SHORTEST_COOL_DOWN, round(step * _COOL_DOWN_SHARE))
    return max(1, min(wanted, total_steps - step))


def batch_size_factor(rule: Literal["keep", "linear", "sqrt"], before: int, after: int) -> float:
    """Factor on the rate when the batch size changes: linear for SGD (Goyal et al. 2017), its root for Adam."""
    share = after / max(1, before)
    return {"keep": 1.0, "linear": share, "sqrt": math.sqrt(share)}[rule]


def rebased(
    plan: LearningRatePlan, step: int, base: Mapping[str, float], *, ramp_steps: int | None = None
) -> LearningRatePlan:
    """Give the groups other base rates from step `step` + 1, as after a switch of the optimizer.

    Args:
        plan: the plan so far.
        step: finished steps.
        base: learning rate of each group where shape and multipliers are 1.
        ramp_steps: length of a re-warmup that begins here, 0 for none; None lets one under way go on.
    """
    now = segment_at(plan, step)
    if ramp_steps is None:
        return _appended(plan, step, now, base=dict(base))
    return _appended(plan, step, now, base=dict(base), ramp_steps=ramp_steps, ramp_start_step=step)


def with_groups(plan: LearningRatePlan, step: int, groups: Iterable[str], new: Mapping[str, float]) -> LearningRatePlan:
    """Plan for other groups from step `step` + 1, as after unfreezing.

    Args:
        plan: the plan so far.
        step: finished steps.
        groups: those that stay, in their order; they keep their rates.
        new: further groups, each with its rate relative to that of the first group, whose decays it shares.
    """
    now = segment_at(plan, step)
    first = next(iter(now.base))
    base = {group: now.base[group] for group in groups} | {name: now.base[first] * by for name, by in new.items()}
    multiplier = {group: now.multiplier.get(group if group in now.base else first, 1.0) for group in base}
    return _appended(plan, step, now, base=base, multiplier=multiplier if now.multiplier else {})


def base_for(plan: LearningRatePlan, step: int, group: str, rate: float) -> float:
    """The base that gives `group` the rate `rate` at step `step` + 1 under the schedule as it is, after any ramp.

    Raises:
        PlanEditError: the schedule is at 0 here.
    """
    now = segment_at(plan, step)
    height = shape(now, group, step) / _ramp(now, step)
    if height <= 0.0:
        raise PlanEditError("The schedule is at 0 here, so no base rate gives that rate.")
    return rate / height


def sampled(plan: LearningRatePlan, group: str, first: int, last: int, num_points: int) -> list[Point]:
    """At most about `num_points` points of the rate used in steps `first`..`last`, with both sides of every edit."""
    if last < first:
        return []
    stride = max(1, (last - first) // max(1, num_points - 1))
    steps = set(range(first, last + 1, stride)) | {last}
    for segment in plan.segments:
        steps |= {edge for edge in (segment.start_step, segment.start_step + 1) if first <= edge <= last}
    return [Point(step, learning_rate(plan, group, step - 1)) for step in sorted(steps)]


def without_last_edit(plan: LearningRatePlan, group: str, first: int, last: int, num_points: int) -> list[Point]:
    """The plan as it would have been without its newest segment, for steps `first`..`last`."""
    if len(plan.segments) < 2:
        return []
    before = LearningRatePlan(segments=plan.segments[:-1])
    return sampled(before, group, first, last, num_points)


def _ramp(segment: PlanSegment, step: int) -> float:
    if segment.ramp_steps <= 0:
        return 1.0
    return min(1.0, (step - segment.ramp_start_step + 1) / (segment.ramp_steps + 1))


def _ratios(segment: PlanSegment, step: int, first: str) -> dict[str, float]:
    """Rate of each group relative to the first one; by the bases where the rate is 0."""
    rates = {group: segment_rate(segment, group, step) for group in segment.base}
    if rates[first] > 0.0:
        return {group: rate / rates[first] for group, rate in rates.items()}
    return {group: base / segment.base[first] for group, base in segment.base.items()}


def _appended(plan: LearningRatePlan, step: int, now: PlanSegment, **changes: object) -> LearningRatePlan:
    segment = msgspec.structs.replace(now, start_step=step, **changes)
    kept = plan.segments
    # Of several edits at one step only the last one rules, and the one before it is what it is undone to. Thousands of
    # commands at once must not make thousands of segments, each told anew with every further one.
    if len(kept) > 1 and kept[-1].start_step == kept[-2].start_step == step:
        kept = (*kept[:-2], kept[-1])
    return LearningRatePlan(segments=(*kept, segment))
