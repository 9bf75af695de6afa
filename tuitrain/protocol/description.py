"""How a run describes itself before any value arrives."""

from __future__ import annotations

from typing import Literal

import msgspec

from tuitrain.protocol.plan import Value


class MetricInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One metric that the run will report."""

    name: str
    """E.g. "train/loss", "eval/accuracy"."""
    unit: str = ""
    better: Literal["lower", "higher", "neither"] = "neither"
    description: str = ""


class LayerInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One named parameter tensor of the model."""

    name: str
    shape: tuple[int, ...]
    """Sizes as torch gives them, e.g. (256, 784) for a linear map of 784 to 256."""


class GroupState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One parameter group of the optimizer, as it stands."""

    name: str
    num_tensors: int
    num_parameters: int
    hyperparameters: dict[str, Value]
    """Everything but the learning rate, which the plan owns."""
    num_frozen: int = 0
    """Of those parameters, how many are frozen."""
    inner: str = ""
    """The optimizer that works on it where one name stands for two, e.g. "adamw" within "muon"."""


class OptimizerState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The optimizer with its current hyper-parameters, group by group."""

    name: str
    groups: tuple[GroupState, ...]
    gradient_clip: float | None = None
    """Largest global gradient norm; None means no clipping."""


class CommandInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A command that the run accepts, or why it does not."""

    name: str
    refused_because: str = ""
    """Empty where it is accepted."""
