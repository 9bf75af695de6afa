"""A trainer that kills itself within a write: called in the child, before it trains."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, Self

from tuitrain.protocol.commands import Request
from tuitrain.rundir.writer import EventWriter
from tuitrain.training.control import Apply, Control

MOMENTS = ("checkpoint write", "event append", "command")
"""Where a trainer can be made to kill itself."""


def sabotage(moment: str, dice: random.Random) -> Callable[[], None]:
    """What makes the child die in one of `MOMENTS`; the dice decide how often it passes before, and at which byte."""
    turn, share = dice.randint(1, 6), dice.random()
    match moment:
        case "checkpoint write":
            how = dice.choice([_within_the_bytes, _before_the_sync, _before_the_rename, _after_the_rename])
            return lambda: how(turn, share)
        case "event append":
            return lambda: _within_an_append(turn * 2, share)
        case "command":
            where = dice.choice(["before", "applied", "answered"])
            return lambda: _within_an_answer(where)
        case _:
            raise ValueError(moment)


def die() -> NoReturn:
    """As kill -9 from outside: nothing is flushed, nothing is cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("it outlived kill -9")


def _within_the_bytes(turn: int, share: float) -> None:
    real, passed = os.fdopen, _turns(turn)

    def fdopen(descriptor: int, *arguments: Any, **options: Any) -> Any:
        file = real(descriptor, *arguments, **options)
        if _is_saving() and passed():
            real_write = file.write

            def write(data: bytes) -> int:
                real_write(data[: int(share * len(data))])
                file.flush()
                die()

            return _Written(file, write)
        return file

    os.fdopen = fdopen  # type: ignore[assignment]


class _Written:
    """An open file with another `write`."""

    def __init__(self, file: Any, write: Callable[[bytes], int]) -> None:
        self._file = file
        self.write = write

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _before_the_sync(turn: int, share: float) -> None:
    del share
    real, passed = os.fsync, _turns(turn)

    def fsync(fd: Any) -> None:
        if _is_saving() and passed():
            die()
        real(fd)

    os.fsync = fsync


def _before_the_rename(turn: int, share: float) -> None:
    del share
    _around_the_rename(turn, is_after=False)


def _after_the_rename(turn: int, share: float) -> None:
    del share
    _around_the_rename(turn, is_after=True)


def _around_the_rename(turn: int, *, is_after: bool) -> None:
    real, passed = Path.replace, _turns(turn)

    def replace(self: Path, target: Any) -> Path:
        is_hit = _is_saving() and passed()
        if is_hit and not is_after:
            die()
        found = real(self, target)
        if is_hit:
            die()
        return found

    Path.replace = replace  # type: ignore[method-assign, assignment]


def _within_an_append(turn: int, share: float) -> None:
    real, passed = EventWriter.append, _turns(turn)

    def append(self: EventWriter, lines: Sequence[bytes]) -> None:
        if lines and passed():
            data = b"".join(line + b"\n" for line in lines)
            os.write(self._descriptor, data[: int(share * len(data))])
            die()
        real(self, lines)

    EventWriter.append = append  # type: ignore[method-assign]


def _within_an_answer(where: str) -> None:
    real = Control._answer

    def answer(self: Control, request: Request, step: int, apply: Apply) -> int:
        if request.actor != "user":
            return real(self, request, step, apply)
        if where == "before":
            die()

        def apply_and_die(request: Request) -> str:
            summary = apply(request)
            if where == "applied":
                die()
            return summary

        real(self, request, step, apply_and_die)
        die()

    Control._answer = answer  # type: ignore[method-assign]


def _is_saving() -> bool:
    return threading.current_thread().name == "saving"


def _turns(turn: int) -> Callable[[], bool]:
    """True at the call of that number, counted from 1."""
    count = 0

    def passed() -> bool:
        nonlocal count
        count += 1
        return count == turn

    return passed
