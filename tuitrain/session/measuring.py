"""A measurement of a preset before it is run: a fresh model in this process, without a run folder."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from tuitrain.preset import Preset
from tuitrain.protocol.measured import Measurement
from tuitrain.rundir.places import home_folder
from tuitrain.training.control import Control
from tuitrain.training.measuring.answering import Ask, measured
from tuitrain.training.moments import moments_of
from tuitrain.training.pace import Pace
from tuitrain.training.run import Run
from tuitrain.training.setup import build_trainer


def measure_preset(preset: Preset, command: Ask) -> Measurement:
    """Build what a preset names, take no step, and measure.

    Raises:
        TuitrainError: it cannot be built, or the measurement makes no sense there; says what to try.
    """
    run = Run()
    control = Control(run, "", moments_of(preset, ""), Pace(None, lambda: False))
    trainer = build_trainer(preset, run, control, data_folder=home_folder() / "data")
    trainer.task.model.train()
    return measured(trainer, command, "")


def as_data(found: Measurement) -> dict[str, Any]:
    """A measurement as JSON has it: non-finite numbers are null."""
    data: dict[str, Any] = msgspec.to_builtins(found)
    return {key: _plain(value) for key, value in data.items() if key not in {"event", "cause", "seq", "time"}}


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
