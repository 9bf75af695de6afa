"""What a run says of weights that it keeps beside those that are trained."""

from __future__ import annotations

from tuitrain.protocol.event_base import EventBase


class SnapshotTaken(EventBase, frozen=True, kw_only=True):
    """The weights at the end of a cycle of the schedule are kept for the ensemble."""

    step: int
    num_kept: int
    """Snapshots that are kept now, this one among them; the oldest one goes where there are too many."""
