"""Run a preset without a folder, and look at everything it said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np
import torch

from tuitrain.preset import Preset, load_preset, preset_from_data
from tuitrain.protocol.commands import Command, Request
from tuitrain.protocol.events import Column, Event, RunEnded
from tuitrain.training.control import Control
from tuitrain.training.moments import moments_of
from tuitrain.training.pace import Pace
from tuitrain.training.run import LOSS, Run
from tuitrain.training.setup import build_trainer
from tuitrain.training.state import copied
from tuitrain.training.trainer import Trainer
from tuitrain.training.transfer import Weights

SESSION = "session"
T = TypeVar("T")


@dataclass
class Told:
    """What a run said, whole."""

    trainer: Trainer
    ended: RunEnded
    facts: list[Event]
    values: dict[str, dict[int, float]]
    """Metric → step → value."""
    columns: list[Column]
    """The same as it was recorded."""

    def all(self, kind: type[T]) -> list[T]:
        """All facts of a kind, in order."""
        return [fact for fact in self.facts if isinstance(fact, kind)]

    @property
    def losses(self) -> list[float]:
        """The batch loss of every step, as the float32 that was measured."""
        return [float(np.float32(value)) for value in self.values[LOSS].values()]


def build(
    *overrides: str, preset: str = "mnist-mlp", moments: Sequence[dict[str, Any]] = (), **options: Any
) -> Trainer:
    """A trainer that is ready for its first step."""
    torch.set_num_threads(1)
    checked: Preset = load_preset(
        preset, ["train.steps=40", "eval.every_steps=1000", "checkpoint.keep_best=false", *overrides]
    )
    if moments:
        checked = preset_from_data({**checked.to_data(), "moment": list(moments)}, "test")
    return trainer_of(checked, **options)


def trainer_of(preset: Preset, **options: Any) -> Trainer:
    """A trainer of a whole preset, ready for its first step; the run that it begins with is trained first, once."""
    torch.set_num_threads(1)
    if preset.task.from_run and options.keys().isdisjoint({"weights", "state"}):
        options["weights"] = weights_of(preset.task.from_run)
    run = Run()
    control = Control(run, SESSION, moments_of(preset, SESSION), Pace(None, lambda: False))
    return build_trainer(preset, run, control, session=SESSION, **options)


@cache
def weights_of(preset: str) -> Weights:
    """The weights at the end of a preset."""
    trainer = finish(trainer_of(load_preset(preset))).trainer
    return Weights(preset, "step-00000000.pt", "", copied(trainer.task.model.state_dict()))


def finish(trainer: Trainer) -> Told:
    """Train to the end, and collect."""
    ended = trainer.train()
    values: dict[str, dict[int, float]] = {}
    columns = trainer.run.recorder.take()
    for column in columns:
        for index, value in enumerate(column.values):
            values.setdefault(column.metric, {})[column.first_step + index * column.stride] = value
    return Told(trainer, ended, trainer.run.take_facts(), values, columns)


def told(*overrides: str, **options: Any) -> Told:
    """Build and train."""
    return finish(build(*overrides, **options))


def asked(trainer: Trainer, command: Command, identity: str = "0001", session: str = SESSION) -> None:
    """Put a command into the trainer's inbox, as the pump would."""
    trainer.control.deliver(Request(id=identity, session=session, actor="user", time=0.0, command=command))


def weights(trainer: Trainer) -> list[torch.Tensor]:
    """Copies of all parameters."""
    return [parameter.detach().clone() for parameter in trainer.task.model.parameters()]
