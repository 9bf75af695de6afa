"""What a run says of its course: states that it keeps, goes on from, goes back to, and what leads there.

`events` has the rest, and the union of all.
"""

from __future__ import annotations

from tuitrain.protocol.commands import Decision
from tuitrain.protocol.description import OptimizerState
from tuitrain.protocol.event_base import EventBase
from tuitrain.protocol.plan import Value


class RunResumed(EventBase, frozen=True, kw_only=True):
    """A new session of the run goes on from a checkpoint; what was said of later steps is history that did not last."""

    step: int
    """Finished steps at the checkpoint."""
    checkpoint: str
    """Relative to the run folder."""
    lost_steps: int
    """Steps that had been taken beyond it, and are taken again."""
    decisions: tuple[Decision, ...] = ()
    """All that led to that state, in order."""
    to_come: tuple[Decision, ...] = ()
    """What a person had decided beyond that state: it is decided again, each at its step."""


class Branched(EventBase, frozen=True, kw_only=True):
    """The run is a branch of another: up to `step` it is that one."""

    step: int
    parent: str
    """Id of the other run."""
    decisions: tuple[Decision, ...] = ()
    """All that led to the step where they part, in order."""
    to_come: tuple[Decision, ...] = ()
    """What a person had decided in this run before it crashed: it is decided again, each at its step."""


class RolledBack(EventBase, frozen=True, kw_only=True):
    """The run went back to an earlier state, or by an undo to one that it had left, and describes itself anew."""

    step: int
    """Finished steps of that state."""
    from_step: int
    """Finished steps when it was left."""
    timeline: int
    """How often the run has gone back, this time among them."""
    origin: int | None = None
    """The timeline on which that state was; None in streams that do not tell it, as those of old."""
    source: str
    """Where the state was kept: a checkpoint relative to the run folder, or "memory"."""
    total_steps: int
    steps_per_epoch: int
    batch_size: int
    optimizer: OptimizerState
    regularizers: dict[str, Value] = {}
    frozen: tuple[str, ...] = ()
    """Names of the parameters that are not trained there."""
    decisions: tuple[Decision, ...] = ()
    """All that led to that state, in order."""
    undone: str = ""
    """What an undo took back, in words; empty for a roll-back."""
    cause: str = ""


class BatchesSkipped(EventBase, frozen=True, kw_only=True):
    """Training data that is left out."""

    step: int
    num_batches: int
    cause: str = ""


class Reseeded(EventBase, frozen=True, kw_only=True):
    """Whatever is drawn at random comes from another seed from here on."""

    step: int
    seed: int
    cause: str = ""


class CheckpointSaved(EventBase, frozen=True, kw_only=True):
    """The state of the run is safe on disk."""

    step: int
    path: str
    """Relative to the run folder."""
    num_bytes: int
    sha256: str
    save_seconds: float
    num_decisions: int = 0
    """Decisions that led to the state."""
    cause: str = ""
