"""The learning-rate plan as data: append-only segments, each complete in itself.

A segment rules from its `start_step` until the next one starts, so past and future can be drawn
and an edit never rewrites what was. `tuitrain.techniques.plan` evaluates and edits it.
"""

from __future__ import annotations

import msgspec

Value = float | int | bool | str | list[float]
"""What a hyper-parameter can be."""


class Schedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A named shape of the step, with all durations in steps."""

    name: str
    """A name of `techniques.schedules`."""
    num_steps: int
    """Steps from `origin_step` to the end of the shape, warmup included; at least 1."""
    origin_step: int = 0
    """Finished steps when the clock of the shape was at 0."""
    warmup_steps: int = 0
    """Steps of linear warmup before the shape; 0 means none."""
    hyperparameters: dict[str, float | list[float]] = {}
    """What the shape takes besides, e.g. {"gamma": 0.1}."""


class PlanSegment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """lr_g(t) = clip(base_g · shape(t − origin) · scale · multiplier_g · ramp(t), minimum, maximum)."""

    start_step: int
    """Finished steps when it was planned: it first acts in step start_step + 1."""
    schedule: Schedule
    base: dict[str, float]
    """Learning rate of each parameter group where shape and multipliers are 1; above 0."""
    scale: float = 1.0
    """Factor on the shape that keeps the rate continuous when a schedule is replaced."""
    multiplier: dict[str, float] = {}
    """Product of all manual and automatic decays, per group; a missing group has 1."""
    ramp_steps: int = 0
    """Steps of re-warmup from `ramp_start_step`; 0 means none."""
    ramp_start_step: int = 0
    """Finished steps when the re-warmup began; later edits leave it as it is."""
    minimum: float = 0.0
    maximum: float | None = None
    """Clip limits of the rate; None means no upper limit."""


class LearningRatePlan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All segments, in the order in which they were planned. At least one; the first starts at 0."""

    segments: tuple[PlanSegment, ...]
