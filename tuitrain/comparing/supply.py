"""Where members come from: a fixed list, or a search that learns from those that are done."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from tuitrain.protocol.comparing import Member, MemberState


class Supply(Protocol):
    """Gives the scheduler one member after another."""

    def next(self) -> Member | None:
        """The next member to launch; None where there is none now. It has been journalled when it is launched."""
        ...

    @property
    def is_exhausted(self) -> bool:
        """Whether there will be none any more, whatever becomes of those at work."""
        ...

    def is_hopeless(self, member: Member, evaluations: Sequence[tuple[int, float]]) -> bool:
        """Whether a member at work is to be ended early.

        Args:
            member: one that was given.
            evaluations: (step, value) of the comparison's metric so far; called when there is a new one.
        """
        ...

    def told(self, member: Member, state: MemberState, last: Mapping[str, float], best: Mapping[str, float]) -> None:
        """A member is done with; metrics as in the summary of a run."""
        ...

    def remarks(self) -> list[str]:
        """What a person should know and has not been told."""
        ...


class FixedSupply:
    """Members that are known from the beginning, in their order."""

    def __init__(self, members: Iterable[Member]) -> None:
        self._members = deque(members)

    def next(self) -> Member | None:
        """The next one."""
        return self._members.popleft() if self._members else None

    @property
    def is_exhausted(self) -> bool:
        """Whether all were given."""
        return not self._members

    def is_hopeless(self, member: Member, evaluations: Sequence[tuple[int, float]]) -> bool:
        """Never: a comparison runs what it was asked for."""
        del member, evaluations
        return False

    def told(self, member: Member, state: MemberState, last: Mapping[str, float], best: Mapping[str, float]) -> None:
        """Nothing follows from it."""

    def remarks(self) -> list[str]:
        """None."""
        return []
