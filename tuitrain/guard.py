"""What stands around the command line: where it cannot work at all, and whatever nobody foresaw, in a sentence."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import traceback
from pathlib import Path

from tuitrain.echo import echo
from tuitrain.errors import UsageError
from tuitrain.protocol.printable import printable
from tuitrain.rundir.places import home_folder

_STDERR = 2
_WITHOUT_DOCSTRINGS = 2


def open_closed_streams() -> None:
    """Make stdin, stdout and stderr lead nowhere where they are closed, as after `>&-`.

    The next file that is opened would take the number of the closed one, and be written into.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass
    os.close(descriptor)
    sys.stdin = sys.stdin or open(0, encoding="utf-8")  # noqa: SIM115  # as long as the process
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8")  # noqa: SIM115


def check_surroundings() -> None:
    """Make sure that there is a folder to stand in, and say what Python leaves out.

    Raises:
        UsageError: the current folder was deleted.
    """
    try:
        Path.cwd()
    except OSError:
        raise UsageError("The folder that you are in was deleted.", hint="cd to one that is there.") from None
    if sys.flags.optimize >= _WITHOUT_DOCSTRINGS:
        echo("Python leaves out the help of commands here (-OO, PYTHONOPTIMIZE=2). Try: PYTHONOPTIMIZE=1", err=True)


def check_home() -> None:
    """Make sure that the home of tuitrain is a folder, or can become one; else "no runs" would be a wrong answer.

    Raises:
        UsageError: it is not.
    """
    chosen = os.environ.get("TUITRAIN_HOME", "")
    hint = "TUITRAIN_HOME=/path/to/a/folder, or `unset TUITRAIN_HOME`." if chosen else "TUITRAIN_HOME=/path/to/a/folder"
    try:
        home = home_folder()
    except RuntimeError:  # ~nobody
        raise UsageError(f"TUITRAIN_HOME = {chosen}: there is no such user.", hint=hint) from None
    if not home.is_absolute():
        raise UsageError("There is no home folder: HOME is not set.", hint=hint)
    try:
        there = next(place for place in (home, *home.parents) if os.path.lexists(place))
        if not there.is_dir():
            kind = "a link that leads nowhere" if there.is_symlink() else "no folder"
            where = "it" if there == home else home
            raise UsageError(f"{there} is {kind}, and the runs would be in {where}.", hint=hint)
        if there == home:
            os.scandir(home).close()
    except OSError as error:
        raise UsageError(f"{home} cannot be read: {error.strerror}.", hint=hint) from None


def told_unforeseen(error: Exception) -> None:
    """Say in a sentence what nobody foresaw; the traceback goes into a file."""
    if isinstance(error, OSError) and error.filename is None:
        what = f"The output cannot be written: {error.strerror or error}."
        _leave_output()
    else:
        name = type(error).__name__
        lines = printable(str(error)).strip()[:500]
        what = f"tuitrain has failed, which is a mistake of its own: {name}{': ' if lines else ''}{lines}."
        place = _written("".join(traceback.format_exception(error)))
        what += f" Try: a report with {place}" if place else ""
    with contextlib.suppress(OSError):
        echo(what, err=True)


def _written(trace: str) -> str:
    """Where a traceback was written, among the temporary files; empty where it could not be."""
    with contextlib.suppress(OSError):
        descriptor, name = tempfile.mkstemp(prefix="tuitrain-traceback-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(trace)
        return name
    return ""


def _leave_output() -> None:
    """What waits to be written is dropped: Python would complain of it once more when it ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
