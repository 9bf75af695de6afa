"""What a run says of the weights that it began with, and of which of them it trains."""

from __future__ import annotations

from tuitrain.protocol.description import OptimizerState
from tuitrain.protocol.event_base import EventBase


class WeightsLoaded(EventBase, frozen=True, kw_only=True):
    """The run began with weights that were trained before; those that did not fit keep their initialisation."""

    step: int
    source: str
    """Id of the run they are of, or who gives them away, e.g. "torchvision"."""
    checkpoint: str
    """Name of the file."""
    sha256: str = ""
    """Of that file; empty where its name holds a part of it."""
    taken: tuple[str, ...]
    """Names of the tensors that were taken, in the order of the model."""
    left: tuple[str, ...] = ()
    """Parameters of this model that keep their initialisation, each with why: "lin_1.bias: …"."""


class TrainableChanged(EventBase, frozen=True, kw_only=True):
    """Parameters were frozen, or unfrozen: from the next step they stay as they are, or are trained."""

    step: int
    changed: tuple[str, ...]
    """Names of the parameters that it is about."""
    is_frozen: bool
    """Whether they are frozen now."""
    frozen: tuple[str, ...]
    """All parameters that are frozen now, in the order of the model."""
    summary: str
    """In words, e.g. "froze conv_1, conv_2"."""
    optimizer: OptimizerState
    notes: tuple[str, ...] = ()
    """What a person should know, one sentence each."""
    cause: str = ""
