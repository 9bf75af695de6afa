"""What all events share."""

from __future__ import annotations

import msgspec


class EventBase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="event", tag=True):
    """What every event carries; the run stamps it on publishing."""

    seq: int = 0
    """Position in the run's stream, from 1, without gaps."""
    time: float = 0.0
    """Seconds since 1970 by the trainer's clock."""
    seconds: float = 0.0
    """Seconds since the session began, by a clock that never jumps."""
