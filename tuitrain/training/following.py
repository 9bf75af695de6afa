"""What follows the weights from step to step: slow weights, averages, a bound on norms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Follower(Protocol):
    """Is told after every update, and may look at the weights or move them.

    It is part of the run: its state is in every checkpoint under its name, and a run that goes back takes it along.
    """

    @property
    def name(self) -> str:
        """Its own among the followers of a run, e.g. "lookahead"."""

    def after_step(self, step: int) -> None:
        """Step `step` (counted from 1) has been taken; one whose update was held back is not told."""

    def state_dict(self) -> dict[str, Any]:
        """All that decides what it will do, as plain data and tensors."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there; the tensors of the state may be kept."""
