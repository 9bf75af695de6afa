"""Ask a run something, and wait for its answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tuitrain.errors import TuitrainError
from tuitrain.protocol.commands import Command, Request, SetEnd
from tuitrain.protocol.describe import command_name
from tuitrain.protocol.events import (
    CommandApplied,
    CommandRefused,
    Event,
    HandoverCancelled,
    OptimizerSwitched,
    RunEnded,
)
from tuitrain.rundir.commands import ask, new_command_id
from tuitrain.rundir.follower import last_events
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.rundir.summary import RunSummary, summarize

_POLL_SECONDS = 0.03


@dataclass(frozen=True)
class Reply:
    """The final reply to a command, or that none came."""

    status: Literal["applied", "refused", "no answer"]
    command: str
    """Name of the command."""
    id: str
    step: int | None
    text: str
    hint: str = ""

    def sentence(self) -> str:
        """E.g. "applied at step 1234: ×0.1: learning rate 0.001 → 0.0001"."""
        place = "" if self.step is None else f" at step {self.step}"
        hint = f" Try: {self.hint}" if self.hint else ""
        return f"{self.status}{place}: {self.text}{hint}"


def send(folder: RunFolder, command: Command) -> str:
    """Put a command into a run's folder, for the session that is at work now; returns its id.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    request = Request(
        id=new_command_id(), session=read_info(folder).session, actor="user", time=time.time(), command=command
    )
    ask(folder, request)
    return request.id


def ask_and_wait(
    folder: RunFolder,
    command: Command,
    timeout: float,
    *,
    wait_for: Literal["reply", "swap"] = "reply",
    timer: Callable[[], float] = time.monotonic,
) -> Reply:
    """Ask, and wait for the final reply, or for the swap that a switch of optimizers leads to.

    A run that is not alive refuses at once; nothing is written then.

    Args:
        folder: the run.
        command: checked.
        timeout: seconds.
        wait_for: "swap" waits on, after "applied", until the new optimizer has taken over or the hand-over was dropped.
        timer: seconds by a clock that never jumps.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    name = command_name(command)
    summary = summarize(folder)
    if not summary.is_live:
        why = f": {summary.problem}" if summary.problem else "."
        return Reply("refused", name, "", summary.step, f"the run is {summary.state}{why}", _way_on(summary, command))
    told = max((event.seq for event in _recent(folder)), default=0)
    identity = send(folder, command)
    deadline = timer() + timeout
    reply: Reply | None = None
    while timer() < deadline:
        # Before reading: what a trainer wrote just before its end is there once it is known to be gone.
        is_live = summarize(folder).is_live
        for event in _recent(folder):
            reply = _reply_in(event, identity, name) or reply
            if reply is not None and (wait_for == "reply" or reply.status == "refused"):
                return reply
            swap = _swap_in(event, identity, name) if wait_for == "swap" else None
            if swap is not None:
                return swap
            # Not the end of a session before: the run may just be going on from it.
            if isinstance(event, RunEnded) and event.seq > told and reply is None:
                return Reply("refused", name, identity, event.step, "the run has ended.")
        if not is_live:
            text = "the trainer is gone." if reply is None else f"{reply.text}; the run is gone before the swap."
            return Reply("no answer", name, identity, reply.step if reply else None, text, hint="tuitrain runs.")
        time.sleep(_POLL_SECONDS)
    if reply is not None:
        text = f"{reply.text}; the swap did not come within {timeout:g} s"
        return Reply("no answer", name, identity, reply.step, text, hint="a longer --timeout.")
    text = f"no answer within {timeout:g} s; the run may be busy with a long step"
    return Reply("no answer", name, identity, None, text, hint="a longer --timeout, or tuitrain attach.")


def _way_on(summary: RunSummary, command: Command) -> str:
    """What to do with a run that is no longer at work."""
    wanted = f"train.steps={command.step}" if isinstance(command, SetEnd) else "KEY=VALUE"
    branch = f"tuitrain branch {summary.id} --at end {wanted}"
    if isinstance(command, SetEnd) or summary.state == "finished":
        return f"{branch}, which goes on in a run of its own."
    if not summary.step:
        return f"tuitrain run {summary.preset}, which starts it anew."
    return f"tuitrain run --resume {summary.id}, and ask again."


def _recent(folder: RunFolder) -> list[Event]:
    try:
        return last_events(folder.events_path)
    except (OSError, TuitrainError):
        return []


def _reply_in(event: Event, identity: str, name: str) -> Reply | None:
    if isinstance(event, CommandApplied) and event.command == identity:
        return Reply("applied", name, identity, event.step, event.summary)
    if isinstance(event, CommandRefused) and event.command == identity:
        return Reply("refused", name, identity, event.step, event.reason, event.hint)
    return None


def _swap_in(event: Event, identity: str, name: str) -> Reply | None:
    if isinstance(event, OptimizerSwitched) and event.cause == identity:
        text = f"{event.from_name} → {event.to_name}, asked at step {event.asked_step}; first update ×"
        return Reply("applied", name, identity, event.step, f"{text}{event.expected_ratio:.2f}")
    if isinstance(event, HandoverCancelled) and event.cause == identity:
        return Reply("refused", name, identity, event.step, event.reason)
    return None
