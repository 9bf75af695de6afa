"""The learning-rate schedules: pure shapes of the step, 1 at their start, without torch.

A shape gets the step t counted from the end of its warmup, and the number of steps it has; it returns a factor.
The trainer and the chart of the planned future use these very functions.
To add one: a function and a spec here.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tuitrain.errors import UnknownNameError
from tuitrain.protocol.plan import Schedule
from tuitrain.techniques.hyperparameter import Hyperparameter

Shape = Callable[[int, int, Mapping[str, float | list[float]]], float]
"""(steps since the start of the shape, steps it has, hyper-parameters) → factor."""


@dataclass(frozen=True, kw_only=True)
class ScheduleSpec:
    """One schedule."""

    name: str
    summary: str
    shape: Shape
    hyperparameters: tuple[Hyperparameter, ...] = ()
    durations: tuple[str, ...] = ()
    """Hyper-parameters counted in steps, which a preset may give in epochs."""
    rates: tuple[str, ...] = ()
    """Hyper-parameters that are a factor per step, which a preset may give per epoch."""
    paper: str = ""
    good_for: str

    @property
    def by_name(self) -> dict[str, Hyperparameter]:
        """Hyper-parameter name → spec."""
        return {spec.name: spec for spec in self.hyperparameters}


def factor(schedule: Schedule, step: int) -> float:
    """The factor of a schedule for the step that follows `step` finished ones.

    Warmup rises linearly, (t + 1) / (warmup_steps + 1), so that no step has a rate of 0
    (Goyal et al. 2017, arXiv 1706.02677); the shape begins after it.
    """
    elapsed = max(0, step - schedule.origin_step)
    warmup = schedule.warmup_steps
    if elapsed < warmup:
        return (elapsed + 1) / (warmup + 1)
    spec = schedule_spec(schedule.name)
    return spec.shape(elapsed - warmup, max(1, schedule.num_steps - warmup), schedule.hyperparameters)


def schedule_spec(name: str) -> ScheduleSpec:
    """The spec of a schedule.

    Raises:
        UnknownNameError: it is not in the table; names the nearest one.
    """
    try:
        return SCHEDULES[name]
    except KeyError:
        raise UnknownNameError("schedule", name, SCHEDULES) from None


def _number(hyperparameters: Mapping[str, float | list[float]], name: str, default: float) -> float:
    value = hyperparameters.get(name, default)
    return default if isinstance(value, list) else value


def _constant(_step: int, _num_steps: int, _values: Mapping[str, float | list[float]]) -> float:
    return 1.0


def _step(step: int, _num_steps: int, values: Mapping[str, float | list[float]]) -> float:
    return _number(values, "gamma", 0.1) ** (step // max(1, int(_number(values, "step_size", 1))))


def _multistep(step: int, _num_steps: int, values: Mapping[str, float | list[float]]) -> float:
    milestones = values.get("milestones", [])
    passed = bisect_right(sorted(milestones), step) if isinstance(milestones, list) else 0
    return _number(values, "gamma", 0.1) ** passed


def _exponential(step: int, _num_steps: int, values: Mapping[str, float | list[float]]) -> float:
    return _number(values, "gamma", 0.999) ** step


def _cosine(step: int, num_steps: int, values: Mapping[str, float | list[float]]) -> float:
    final = _number(values, "final", 0.0)
    progress = min(1.0, step / num_steps)  # torch's CosineAnnealingLR rises again after its end; this stays down
    return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * progress))


def _linear(step: int, num_steps: int, values: Mapping[str, float | list[float]]) -> float:
    final = _number(values, "final", 0.0)
    return 1.0 + (final - 1.0) * min(1.0, step / num_steps)


def _inverse_sqrt(step: int, _num_steps: int, values: Mapping[str, float | list[float]]) -> float:
    timescale = max(1.0, _number(values, "timescale", 1.0))
    return math.sqrt(timescale / (timescale + step))


_FINAL = Hyperparameter(name="final", default=0.0, low=0.0, high=1.0, help="factor that it ends at")


def _gamma(default: float, what: str) -> Hyperparameter:
    return Hyperparameter(
        name="gamma", default=default, low=0.0, high=1.0, is_low_included=False, scale="log", help=what
    )


SCHEDULES: dict[str, ScheduleSpec] = {
    spec.name: spec
    for spec in (
        ScheduleSpec(
            name="constant",
            summary="the rate stays",
            shape=_constant,
            good_for="Adam and RMSprop; and a first run: add a decay once it works",
        ),
        ScheduleSpec(
            name="step",
            summary="× gamma every step_size steps",
            shape=_step,
            hyperparameters=(
                Hyperparameter(name="step_size", default=None, low=1, kind="float", help="steps between two decays"),
                _gamma(0.1, "factor of each decay"),
            ),
            durations=("step_size",),
            paper="He et al. 2016 (ResNet: ×0.1 every 30 epochs)",
            good_for="SGD with momentum on images",
        ),
        ScheduleSpec(
            name="multistep",
            summary="× gamma at each milestone",
            shape=_multistep,
            hyperparameters=(
                Hyperparameter(name="milestones", default=None, low=0, kind="floats", help="steps at which it decays"),
                _gamma(0.1, "factor of each decay"),
            ),
            durations=("milestones",),
            good_for="decays placed by hand",
        ),
        ScheduleSpec(
            name="exponential",
            summary="× gamma every step",
            shape=_exponential,
            hyperparameters=(_gamma(0.999, "factor a step"),),
            rates=("gamma",),
            good_for="a smooth decay without a planned end",
        ),
        ScheduleSpec(
            name="cosine",
            summary="half a cosine down to `final`",
            shape=_cosine,
            hyperparameters=(_FINAL,),
            paper="Loshchilov & Hutter 2017 (arXiv 1608.03983), without restarts",
            good_for="a run of known length",
        ),
        ScheduleSpec(
            name="linear",
            summary="a straight line down to `final`",
            shape=_linear,
            hyperparameters=(_FINAL,),
            good_for="language models, fine-tuning",
        ),
        ScheduleSpec(
            name="inverse-sqrt",
            summary="falls like 1/√t",
            shape=_inverse_sqrt,
            hyperparameters=(
                Hyperparameter(
                    name="timescale", default=1.0, low=1.0, help="steps until it has fallen to 1/√2", kind="float"
                ),
            ),
            durations=("timescale",),
            paper="Vaswani et al. 2017",
            good_for="long runs without a planned end",
        ),
    )
}
