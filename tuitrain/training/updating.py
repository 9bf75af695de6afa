"""The one writer of learning rates and weights: the plan, the clip, the step, and a switch under way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from tuitrain.protocol.events import (
    Event,
    HandoverCancelled,
    LearningRatePlanned,
    OptimizerSwitched,
    UpdateMeasured,
)
from tuitrain.protocol.plan import LearningRatePlan, Schedule
from tuitrain.techniques import plan as plans
from tuitrain.techniques.build.optimizers import OptimizerSet
from tuitrain.techniques.build.own_optimizers import Closure
from tuitrain.training.following import Follower
from tuitrain.training.frozen import Frozen
from tuitrain.training.handover import Handover


@dataclass(frozen=True)
class Switch:
    """A switch under way, with what its end must say."""

    handover: Handover
    to_name: str
    asked_step: int
    cause: str
    ramp_steps: int
    explicit_rate: float | None
    notes: tuple[str, ...]


class Updater:
    """Turns gradients into a step.

    Args:
        optimizer: at work on all parameters.
        plan: the learning-rate plan.
        gradient_clip: largest global gradient norm; None means no clipping.
        publish: takes the facts of a switch.
        followers: told after every update, in this order, whatever optimizer is at work.
        frozen: which parameters of the model stay as they are.
    """

    def __init__(
        self,
        optimizer: OptimizerSet,
        plan: LearningRatePlan,
        gradient_clip: float | None,
        publish: Callable[[Event], None],
        followers: Sequence[Follower] = (),
        frozen: Frozen | None = None,
    ) -> None:
        self.frozen = frozen or Frozen(nn.Module())
        self.followers = {follower.name: follower for follower in followers}
        self.optimizer = optimizer
        self.plan = plan
        self.gradient_clip = gradient_clip
        self.switch: Switch | None = None
        self._publish = publish
        self._to_measure: tuple[Handover, float, str] | None = None

    @property
    def parameters(self) -> list[Tensor]:
        """All that is trained, by whatever optimizer; what is frozen meanwhile has no gradient."""
        return self.optimizer.parameters

    def schedule(self, step: int) -> Schedule:
        """The schedule that rules step `step` + 1."""
        return plans.segment_at(self.plan, step).schedule

    def rates(self, step: int) -> dict[str, float]:
        """The learning rate of each logical group for step `step` + 1."""
        return plans.learning_rates(self.plan, step)

    def update(self, step: int, norm: Tensor | None, closure: Closure | None = None) -> None:
        """Take step `step` + 1 from the gradients as they are.

        Args:
            step: finished steps.
            norm: global gradient norm; needed where `gradient_clip` is set.
            closure: for an optimizer that evaluates the loss several times a step.
        """
        rates = self.rates(step)
        self.optimizer.write_rates(rates)
        momentum = plans.momentum(self.plan, step)
        if momentum is not None:
            self.optimizer.write_momentum(momentum)
        if self.gradient_clip is not None and norm is not None:
            torch.nn.utils.clip_grads_with_norm_(self.parameters, self.gradient_clip, norm)
        if self.switch is None:
            self._plain_step(step, closure)
        else:
            handover = self.switch.handover
            handover.observe_gradients()
            self._plain_step(step, closure)
            handover.observe_update(rates)
        for follower in self.followers.values():
            follower.after_step(step + 1)
        if self.switch is not None and self.switch.handover.is_complete:
            self._complete(self.switch, step + 1)

    def forget_measurement(self) -> None:
        """The first update after a switch is no longer to be measured: the run is elsewhere."""
        self._to_measure = None

    def begin(self, switch: Switch) -> None:
        """Start a hand-over; one under way is dropped first."""
        self.cancel(switch.asked_step, f"a switch to {switch.to_name} was asked", switch.cause)
        self.switch = switch

    def cancel(self, step: int, reason: str, cause: str = "") -> None:
        """Drop a hand-over under way, if there is one."""
        if self.switch is not None:
            self._publish(HandoverCancelled(step=step, to_name=self.switch.to_name, reason=reason, cause=cause))
            self.switch = None

    def take_over(
        self, new: OptimizerSet, plan: LearningRatePlan, step: int, *, asked_step: int,
        handover: Literal["match", "cold", "explicit"], expected_ratio: float, notes: tuple[str, ...], cause: str,
    ) -> None:  # fmt: skip
        """Put another optimizer to work from step `step` + 1, and say so."""
        from_name = self.optimizer.name
        self.optimizer, self.plan, self.switch = new, plan, None
        first = next(iter(self.rates(step).values()))
        self._to_measure = None
        self._publish(
            OptimizerSwitched(
                step=step, asked_step=asked_step, from_name=from_name, to_name=new.name, handover=handover,
                expected_ratio=expected_ratio, optimizer=new.state(self.gradient_clip), notes=notes, cause=cause,
            )
        )  # fmt: skip
        self._publish(
            LearningRatePlanned(step=step, plan=plan, summary=f"{new.name} takes over at {first:.2g}", cause=cause)
        )

    def _plain_step(self, step: int, closure: Closure | None) -> None:
        if self._to_measure is None:
            self.optimizer.step(closure)
            return
        handover, before, cause = self._to_measure
        self._to_measure = None
        handover.remember_weights()
        self.optimizer.step(closure)
        ratio = handover.moved_since() / before if before > 0.0 else float("nan")
        self._publish(UpdateMeasured(step=step + 1, ratio=ratio, cause=cause))

    def _complete(self, switch: Switch, step: int) -> None:
        """The shadow has seen enough: give it the live weights at the matched rate, or say why not."""
        handover = switch.handover
        factors = handover.factors()
        if factors is None:
            self.cancel(step, "the updates could not be matched: the present ones are 0 or not finite", switch.cause)
            return
        new = handover.successor(self.optimizer)
        base = dict(plans.segment_at(self.plan, step).base)
        if switch.explicit_rate is None:
            first_factors: dict[str, float] = {}
            for part, factor in zip(new.parts, factors, strict=True):
                part.ratio = factor / first_factors.setdefault(part.group, factor)
            base = {group: rate * first_factors[group] for group, rate in base.items()}
            plan = plans.rebased(self.plan, step, base, ramp_steps=switch.ramp_steps or None)
            kind: Literal["match", "cold", "explicit"] = handover.mode
            expected = handover.expected_ratio(factors)
        else:
            try:
                plan = plan_with_rate(self.plan, step, switch.explicit_rate, switch.ramp_steps)
            except plans.PlanEditError as error:
                self.cancel(step, str(error), switch.cause)
                return
            kind, expected = "explicit", float("nan")
        self.take_over(
            new, plan, step, asked_step=switch.asked_step, handover=kind, expected_ratio=expected, notes=switch.notes,
            cause=switch.cause,
        )  # fmt: skip
        self._to_measure = (handover, handover.last_update_norm(), switch.cause)


def plan_with_rate(plan: LearningRatePlan, step: int, rate: float, ramp_steps: int) -> LearningRatePlan:
    """The plan with bases such that the first group has `rate` at step `step` + 1; the others keep their ratio.

    Raises:
        PlanEditError: the schedule is at 0 here.
    """
    base = plans.segment_at(plan, step).base
    first = next(iter(base))
    scale = plans.base_for(plan, step, first, rate) / base[first]
    return plans.rebased(plan, step, {group: value * scale for group, value in base.items()}, ramp_steps=ramp_steps)
