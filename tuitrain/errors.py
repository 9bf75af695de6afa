"""Every exception that tuitrain raises on purpose.

TuitrainError                 place, what is wrong, what to try; exit code 1
├── UsageError                the person asked for something that cannot be; exit code 2
│   ├── PresetError           one or more mistakes in a preset or an override
│   ├── CommandError          an unknown command, or an argument it does not take
│   └── UnknownNameError      a name that is in none of our tables; carries the nearest one
├── RunNotFoundError          no run with that id, prefix or position
├── RunBusyError              a second trainer on one folder
├── RunOverError              a run that is to go on has ended as its preset wanted; exit code 0
├── RunFolderError            the folder cannot be written or read
│   └── EventsNotWrittenError the stream in part (rundir.writer): carries how many lines made it
└── DataError                 a dataset that cannot be loaded
    └── OwnDataError          one's own data (tasks.own): carries everything that is wrong with them
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LONGEST_NAME = 200
_LONGEST_LINE = 2000


class TuitrainError(Exception):
    """An error with a place, a statement and a way out.

    Args:
        message: *place: what is wrong*, one sentence, ending without a full stop or with one.
        hint: what to try, without the word "Try"; empty where nothing sensible can be said.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = "\n".join(map(_brief, message.split("\n")))
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} Try: {self.hint}" if self.hint else self.message


class UsageError(TuitrainError):
    """The request itself is wrong; nothing was started."""

    exit_code = 2


class PresetError(UsageError):
    """All mistakes of a preset together.

    Args:
        problems: one line each, *file: key: what is wrong. Try: …*.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(map(_brief, problems))
        super().__init__("\n".join(self.problems))


class CommandError(UsageError):
    """A command, or an argument of it, that does not exist or has a wrong value."""


class UnknownNameError(UsageError):
    """A name that is not in a table.

    Args:
        kind: what was looked for, e.g. "optimizer".
        name: what was asked for.
        known: every name of the table.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind = kind
        self.name = name
        self.known = tuple(known)
        super().__init__(f'No {kind} named "{name}".', hint=suggestion(name, self.known))


class RunNotFoundError(TuitrainError):
    """No such run."""


class RunBusyError(TuitrainError):
    """Another trainer lives in that folder."""


class RunOverError(TuitrainError):
    """A run that is to go on has ended as its preset wanted: nothing is left to do, which is no failure."""

    exit_code = 0


class RunFolderError(TuitrainError):
    """The run folder cannot be made, written or read."""


class DataError(TuitrainError):
    """A dataset is missing, damaged or cannot be downloaded."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name closest to `name`, or None when none is close."""
    if len(name) > _LONGEST_NAME:  # comparing takes time with the length of both
        return None
    folded = {candidate.lower().replace("-", "_"): candidate for candidate in known}
    wanted = name.lower().replace("-", "_")
    matches = difflib.get_close_matches(wanted, folded, n=5, cutoff=0.5)
    # Of several that are as close, one with the same letters: "sdg" is sgd, and not wsd.
    same = [match for match in matches if sorted(match) == sorted(wanted)]
    return folded[(same or matches)[0]] if matches else None


def suggestion(name: str, known: Iterable[str]) -> str:
    """What to try instead of `name`: the nearest known name, else the whole list."""
    known = tuple(known)
    close = nearest(name, known)
    return f'"{close}".' if close else f"one of {', '.join(known)}."


def _brief(line: str) -> str:
    """A line that can be read: of one that repeats something endless both ends, as its advice stands last."""
    half = _LONGEST_LINE // 2
    return line if len(line) <= _LONGEST_LINE else f"{line[:half]} … {line[-half:]}"
