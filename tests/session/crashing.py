"""A run that dies again and again, without a word, and is resumed each time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from tests.session.again import SMALL
from tuitrain.preset import load_preset
from tuitrain.protocol.commands import Command, Request, SaveCheckpoint
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.session.hosting import Hosting
from tuitrain.session.start import create_run, renew
from tuitrain.session.worker import open_hosting


class _Died(BaseException):
    """As a kill: nothing after it is written."""


@dataclass(frozen=True)
class Session:
    """What happens in one session before it dies."""

    decided: tuple[int, ...]
    """Steps at which a person decides."""
    saved: int
    """Step at which it is saved; 0 is never."""
    dies: int
    """Step at which it dies."""


def crashed(sessions: Sequence[Session], command: Command) -> RunFolder:
    """Each session in turn, and a last one that goes on to the end."""
    folder = create_run(load_preset("mnist-mlp", SMALL))
    for number, session in enumerate(sessions):
        die_in(folder, session, command, is_resumed=number > 0)
    with RunLock.acquire(folder):
        renew(folder)
        open_hosting(folder, "stop", is_resumed=True).work()
    return folder


def die_in(folder: RunFolder, session: Session, command: Command, *, is_resumed: bool) -> None:
    """One session, to its death."""
    with RunLock.acquire(folder):
        if is_resumed:
            renew(folder)
        hosting = open_hosting(folder, "stop", is_resumed=is_resumed)
        at_safe_point = hosting.control.at_safe_point

        def watched(now: int, apply: object) -> None:
            if now in session.decided:
                hosting.control.deliver(
                    Request(
                        id=f"user-{now}", session=read_info(folder).session, actor="user", time=0.0, command=command
                    )
                )
            if now == session.saved > 0:
                _save_at(hosting, now)
            if now == session.dies:
                _wait_until_saved()
                raise _Died
            at_safe_point(now, apply)  # type: ignore[arg-type]

        hosting.control.at_safe_point = watched  # type: ignore[method-assign,assignment]
        hosting._failed = _die  # type: ignore[assignment,method-assign]
        try:
            hosting.work()
        except _Died:
            hosting._pump._closing.set()
            hosting._pump._thread.join()  # its last tick tells everything up to the death
            hosting._writer.close()


def _save_at(hosting: Hosting, step: int) -> None:
    request = Request(id=f"save-{step}", session=hosting._session, actor="preset", time=0.0, command=SaveCheckpoint())
    hosting.control.agenda.add([(step, request)])


def _wait_until_saved() -> None:
    """A thread that writes a checkpoint would outlive this death, and write into the next session."""
    for thread in threading.enumerate():
        if thread.name == "saving":
            thread.join()


def _die(message: str, trace: str) -> None:
    raise _Died(message or trace)
