"""A run that dies twice right after a decision, without a word, and is resumed each time."""

from __future__ import annotations

import time

from tests.session.again import SMALL
from tuitrain.preset import load_preset
from tuitrain.protocol.commands import Command, Request, SaveCheckpoint
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.session.hosting import Hosting
from tuitrain.session.start import create_run
from tuitrain.session.worker import open_hosting


class _Died(BaseException):
    """As a kill: nothing after it is written."""


def crashed_twice(first: int, second: int, command: Command) -> RunFolder:
    """Decide at two steps; after each the trainer dies three steps later, with a checkpoint of ten steps before."""
    folder = create_run(load_preset("mnist-mlp", SMALL))
    for number, step in enumerate((first, second)):
        _work_until_it_dies(folder, step, command, f"user-{number}", is_resumed=number > 0)
    with RunLock.acquire(folder):
        open_hosting(folder, "stop", is_resumed=True).work()
    return folder


def _work_until_it_dies(folder: RunFolder, step: int, command: Command, identity: str, *, is_resumed: bool) -> None:
    with RunLock.acquire(folder):
        hosting = open_hosting(folder, "stop", is_resumed=is_resumed)
        at_safe_point = hosting.control.at_safe_point
        request = Request(id=identity, session=read_info(folder).session, actor="user", time=0.0, command=command)

        def watched(now: int, apply: object) -> None:
            if now == step:
                hosting.control.deliver(request)
            if now == step + 3:
                _wait_until_told(hosting)
                raise _Died
            at_safe_point(now, apply)  # type: ignore[arg-type]

        hosting.control.at_safe_point = watched  # type: ignore[method-assign,assignment]
        hosting._failed = _die  # type: ignore[assignment,method-assign]
        _save_at(hosting, step - 10)
        try:
            hosting.work()
        except _Died:
            hosting._pump._closing.set()
            hosting._pump._thread.join()
            hosting._writer.close()


def _save_at(hosting: Hosting, step: int) -> None:
    request = Request(id=f"save-{step}", session=hosting._session, actor="preset", time=0.0, command=SaveCheckpoint())
    hosting.control.agenda.add([(step, request)])


def _wait_until_told(hosting: Hosting) -> None:
    deadline = time.monotonic() + 10.0
    while hosting.run._facts and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.15)


def _die(message: str, trace: str) -> None:
    raise _Died(message or trace)
