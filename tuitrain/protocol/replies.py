"""What became of what was asked: each command is queued once, and then applied or refused."""

from __future__ import annotations

from tuitrain.protocol.commands import Command
from tuitrain.protocol.event_base import EventBase


class CommandQueued(EventBase, frozen=True, kw_only=True):
    """The run has read a command; it will be answered at the next safe point."""

    step: int
    command: str
    """Its id."""
    request: Command
    actor: str


class CommandApplied(EventBase, frozen=True, kw_only=True):
    """The final reply to a command that was carried out."""

    step: int
    command: str
    summary: str


class CommandRefused(EventBase, frozen=True, kw_only=True):
    """The final reply to a command that was not carried out."""

    step: int
    command: str
    reason: str
    hint: str = ""
