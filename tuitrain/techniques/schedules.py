"""The learning-rate schedules: pure shapes of the step, 1 at their start, without torch.

A shape gets the step t counted from the end of its warmup, and the number of steps it has; it returns a factor.
The trainer and the chart of the planned future use these very functions.
To add one: a function in `shapes` and a spec here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tuitrain.errors import UnknownNameError
from tuitrain.protocol.plan import Schedule
from tuitrain.techniques import shapes
from tuitrain.techniques.hyperparameter import Hyperparameter
from tuitrain.techniques.shapes import Shape, Values


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
    momentum: Shape | None = None
    """Where it moves the momentum too: → the momentum itself, for optimizers that have one."""
    cycle: Callable[[int, Values], int] | None = None
    """Where it has cycles: how many of them are complete after t steps."""
    is_automatic: bool = False
    """Whether the run itself decides the decays, by recorded commands."""
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


def momentum(schedule: Schedule, step: int) -> float | None:
    """The momentum that a schedule gives the step that follows `step` finished ones; None where it gives none."""
    spec = schedule_spec(schedule.name)
    if spec.momentum is None:
        return None
    elapsed = max(0, step - schedule.origin_step - schedule.warmup_steps)
    return spec.momentum(elapsed, max(1, schedule.num_steps - schedule.warmup_steps), schedule.hyperparameters)


def ends_cycle(schedule: Schedule, step: int) -> bool:
    """Whether a cycle is complete after `step` finished steps: the rate is at its low, and rises next."""
    spec = schedule_spec(schedule.name)
    elapsed = step - schedule.origin_step - schedule.warmup_steps
    if spec.cycle is None or elapsed < 1:
        return False
    values = schedule.hyperparameters
    return spec.cycle(elapsed, values) > spec.cycle(elapsed - 1, values)


def schedule_spec(name: str) -> ScheduleSpec:
    """The spec of a schedule.

    Raises:
        UnknownNameError: it is not in the table; names the nearest one.
    """
    try:
        return SCHEDULES[name]
    except KeyError:
        raise UnknownNameError("schedule", name, SCHEDULES) from None


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
            shape=shapes.constant,
            good_for="Adam and RMSprop; and a first run: add a decay once it works",
        ),
        ScheduleSpec(
            name="step",
            summary="× gamma every step_size steps",
            shape=shapes.step,
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
            shape=shapes.multistep,
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
            shape=shapes.exponential,
            hyperparameters=(_gamma(0.999, "factor a step"),),
            rates=("gamma",),
            good_for="a smooth decay without a planned end",
        ),
        ScheduleSpec(
            name="cosine",
            summary="half a cosine down to `final`",
            shape=shapes.cosine,
            hyperparameters=(_FINAL,),
            paper="Loshchilov & Hutter 2017 (arXiv 1608.03983), without restarts",
            good_for="a run of known length",
        ),
        ScheduleSpec(
            name="linear",
            summary="a straight line down to `final`",
            shape=shapes.linear,
            hyperparameters=(_FINAL,),
            good_for="language models, fine-tuning",
        ),
        ScheduleSpec(
            name="inverse-sqrt",
            summary="falls like 1/√t",
            shape=shapes.inverse_sqrt,
            hyperparameters=(
                Hyperparameter(
                    name="timescale", default=1.0, low=1.0, help="steps until it has fallen to 1/√2", kind="float"
                ),
            ),
            durations=("timescale",),
            paper="Vaswani et al. 2017",
            good_for="long runs without a planned end",
        ),
        ScheduleSpec(
            name="one-over-t",
            summary="falls like 1/(1 + t/timescale)",
            shape=shapes.one_over_t,
            hyperparameters=(
                Hyperparameter(name="timescale", default=100.0, low=1.0, scale="log", help="steps until it is halved"),
            ),
            durations=("timescale",),
            paper="Robbins & Monro 1951",
            good_for="the guarantee in theory; in practice it decays early and then hardly",
        ),
        ScheduleSpec(
            name="polynomial",
            summary="(1 − t/T)^power down to `final`",
            shape=shapes.polynomial,
            hyperparameters=(Hyperparameter(name="power", default=2.0, low=0.0, help="1 is a straight line"), _FINAL),
            paper="Chen et al. 2017 (DeepLab)",
            good_for="segmentation; a knob between linear and early decay",
        ),
        ScheduleSpec(
            name="minus-sqrt",
            summary="1 − √(t/T): steep first, then slow, down to `final`",
            shape=shapes.minus_sqrt,
            hyperparameters=(_FINAL,),
            paper="Hägele et al. 2024 (arXiv 2405.18392)",
            good_for="cooling down after a stable stretch",
        ),
        ScheduleSpec(
            name="triangular",
            summary="up and down between `low` and the full rate",
            shape=shapes.triangular,
            cycle=shapes.triangular_cycle,
            hyperparameters=(
                Hyperparameter(name="cycle", default=None, low=2.0, help="steps of a cycle, up and down"),
                Hyperparameter(name="low", default=0.1, low=0.0, high=1.0, help="factor at the bottom"),
                Hyperparameter(
                    name="shrink",
                    default=1.0,
                    low=0.0,
                    high=1.0,
                    is_low_included=False,
                    help="height of a cycle relative to the last: 0.5 is triangular2",
                ),
            ),
            durations=("cycle",),
            paper="Smith 2017 (arXiv 1506.01186)",
            good_for="finding a good rate and using it at once",
        ),
        ScheduleSpec(
            name="sgdr",
            summary="cosine with warm restarts: each cycle starts again at the full rate",
            shape=shapes.warm_restarts,
            cycle=shapes.restarts_cycle,
            hyperparameters=(
                Hyperparameter(name="cycle", default=None, low=1.0, help="steps of the first cycle"),
                Hyperparameter(
                    name="cycle_factor", default=1.0, low=1.0, high=10.0, help="length of a cycle relative to the last"
                ),
                _FINAL,
            ),
            durations=("cycle",),
            paper="Loshchilov & Hutter 2017 (arXiv 1608.03983)",
            good_for="snapshots at the end of each cycle, for an ensemble",
        ),
        ScheduleSpec(
            name="one-cycle",
            summary="one long rise and fall, the momentum against it",
            shape=shapes.one_cycle,
            momentum=shapes.one_cycle_momentum,
            hyperparameters=(
                Hyperparameter(
                    name="rising_share",
                    default=0.3,
                    low=0.0,
                    high=1.0,
                    is_high_included=False,
                    help="share of the steps that it rises",
                ),
                Hyperparameter(name="div_factor", default=25.0, low=1.0, scale="log", help="full rate over first rate"),
                Hyperparameter(
                    name="final_div_factor", default=1e4, low=1.0, scale="log", help="first rate over last rate"
                ),
                Hyperparameter(
                    name="max_momentum",
                    default=0.95,
                    low=0.0,
                    high=1.0,
                    is_high_included=False,
                    scale="complement",
                    help="momentum at the ends",
                ),
                Hyperparameter(
                    name="base_momentum",
                    default=0.85,
                    low=0.0,
                    high=1.0,
                    is_high_included=False,
                    scale="complement",
                    help="momentum at the full rate",
                ),
            ),
            paper="Smith & Topin 2018 (arXiv 1708.07120)",
            good_for="short runs at high rates",
        ),
        ScheduleSpec(
            name="wsd",
            summary="warmup, a stable stretch, then 1 − √ over the last share of the steps",
            shape=shapes.warmup_stable_decay,
            hyperparameters=(
                Hyperparameter(
                    name="decay_share",
                    default=0.2,
                    low=0.0,
                    high=1.0,
                    is_low_included=False,
                    help="share of the steps that it cools down",
                ),
                _FINAL,
            ),
            paper="Hu et al. 2024 (MiniCPM); Hägele et al. 2024",
            good_for="runs that may go on: cool down when you have seen enough",
        ),
        ScheduleSpec(
            name="plateau",
            summary="× factor whenever the validation loss has not improved for more than `patience` evaluations",
            shape=shapes.constant,
            hyperparameters=(
                Hyperparameter(
                    name="factor",
                    default=0.1,
                    low=0.0,
                    high=1.0,
                    is_low_included=False,
                    is_high_included=False,
                    scale="log",
                    help="factor of each decay",
                ),
                Hyperparameter(
                    name="patience",
                    default=5.0,
                    low=0.0,
                    help="evaluations in a row without improvement that are put up with; the next one decays",
                ),
                Hyperparameter(
                    name="threshold",
                    default=1e-4,
                    low=0.0,
                    scale="log",
                    help="improvement that counts, as a share of the size of the best loss",
                ),
                Hyperparameter(name="cooldown", default=0.0, low=0.0, help="evaluations to wait after a decay"),
            ),
            is_automatic=True,
            paper="torch's ReduceLROnPlateau",
            good_for="when you would press the decay key yourself, but are asleep",
        ),
    )
}
