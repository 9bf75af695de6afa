"""Which kept states lie on the way to where a run is: going back begins a new timeline, and leaves the rest of one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


class Timelines:
    """Numbered from 0; each but the first begins at a step of an earlier one."""

    def __init__(self) -> None:
        self.current = 0
        """Number of the timeline on which the run is."""
        self._origins: dict[int, tuple[int, int]] = {}

    def begin(self, origin: int, step: int) -> None:
        """Go on from a step of a timeline on a new one."""
        self.current = max((0, *self._origins)) + 1
        self._origins[self.current] = (origin, step)

    def leads_here(self, timeline: int, step: int) -> bool:
        """Whether a state of a timeline is part of the history of the run as it is now."""
        number, limit = self.current, math.inf
        while number != timeline:
            if number not in self._origins:
                return False
            number, begun = self._origins[number]
            limit = min(limit, begun)
        return step <= limit

    def is_on_the_way(self, timeline: int, step: int) -> bool:
        """The same of a state that may also be of after a decision at the step where a timeline was left."""
        return self.leads_here(timeline, step) and (timeline == self.current or self.leads_here(timeline, step + 1))

    def go_on(self, timeline: int) -> None:
        """Be on a timeline that is known, as when a run is resumed."""
        self.current = timeline

    def state_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {"current": self.current, "origins": {str(key): list(value) for key, value in self._origins.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on in a new session."""
        self.current = state["current"]
        self._origins = {int(key): (value[0], value[1]) for key, value in state["origins"].items()}
