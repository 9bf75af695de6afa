"""A run without a screen: start it, print it, stop it on a signal, hand on its exit code."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator
from types import FrameType

from tuitrain.errors import RunOverError, TuitrainError
from tuitrain.preset import Preset
from tuitrain.protocol.commands import Stop
from tuitrain.rundir.places import RunFolder
from tuitrain.rundir.summary import summarize
from tuitrain.session.asking import send
from tuitrain.session.printer import Printer
from tuitrain.session.reading import RunReader
from tuitrain.session.start import Started, last_word, resume_detached, start_detached
from tuitrain.session.worker import EXIT_CODES

_POLL_SECONDS = 0.05


def run_headless(preset: Preset, *, as_json: bool) -> int:
    """Train without a screen; the first SIGINT or SIGTERM asks the run to stop, a second one to abort.

    Raises:
        RunFolderError: the run folder cannot be made or written.
    """
    return print_started(start_detached(preset, has_screen=False), as_json=as_json)


def resume_headless(folder: RunFolder, *, as_json: bool, here: bool = False) -> int:
    """Go on with a run without a screen; only what is new is printed. `here` is as of `resume_detached`.

    Raises:
        RunBusyError: its trainer is alive, or may be.
        UsageError: it has no intact checkpoint.
        RunFolderError: the folder cannot be read or written.
    """
    reader = RunReader(folder)
    while reader.poll():
        pass
    try:
        started = resume_detached(folder, has_screen=False, here=here)
    except RunOverError as error:
        printer, ended = Printer(folder.id), last_word(folder)
        printer.take([ended] if ended is not None else [])
        printer.say(str(error))
        printer.finish(as_json=as_json)
        return error.exit_code
    return _print_started(started, reader, as_json=as_json)


def print_started(started: Started, *, as_json: bool) -> int:
    """Print a run that was just started, to its end; signals ask it to stop. Returns its exit code."""
    return _print_started(started, RunReader(started.folder), as_json=as_json)


def _print_started(started: Started, reader: RunReader, *, as_json: bool) -> int:
    printer = Printer(started.folder.id)
    printer.say(f"run {started.folder.id}")
    with _signals_ask_to_stop(started.folder, printer):
        _print_to_the_end(reader, printer, started.process)
    printer.finish(as_json=as_json)
    code = EXIT_CODES[printer.ended.reason] if printer.ended is not None else 1
    if code == 0 and started.process.returncode == 1:
        printer.say(f"what it said last may not be on the disk: {started.folder.output_path}")
        return 1
    return code


def follow_plainly(folder: RunFolder) -> int:
    """Print a run that goes on elsewhere, until it ends or the person presses ctrl+c, which leaves it alone."""
    printer = Printer(folder.id)
    try:
        _print_to_the_end(RunReader(folder), printer, None)
    except KeyboardInterrupt:
        printer.say(f"left {folder.id}; it goes on. Come back with: tuitrain attach {folder.id}")
        return 0
    printer.finish(as_json=False)
    return EXIT_CODES[printer.ended.reason] if printer.ended is not None else 1


def _print_to_the_end(reader: RunReader, printer: Printer, process: subprocess.Popen[bytes] | None) -> None:
    has_exited = False
    while True:
        words = reader.poll()
        printer.take(words)
        if words:
            continue
        if printer.ended is not None or (printer.status is not None and printer.status.status in {"lost", "moved"}):
            break
        if has_exited:  # without a word, behind the end of the session before
            printer.step = summarize(reader.folder).step
            printer.say(f"its trainer could not go on; what it said is in {reader.folder.output_path}")
            break
        has_exited = process is not None and process.poll() is not None  # reaps it: a zombie would look alive
        time.sleep(0.0 if has_exited else _POLL_SECONDS)
    if process is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10.0)


@contextlib.contextmanager
def _signals_ask_to_stop(folder: RunFolder, printer: Printer) -> Iterator[None]:
    presses = 0

    def ask(_number: int, _frame: FrameType | None) -> None:
        nonlocal presses
        presses += 1
        printer.say("stopping: evaluate, save, end; once more to abort" if presses == 1 else "aborting")
        try:
            send(folder, Stop(abort=presses > 1))
        except TuitrainError as error:
            printer.say(str(error))

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
