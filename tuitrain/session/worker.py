"""The trainer process: `python -m tuitrain.session.worker FOLDER`.

Its main thread handles signals and waits; the training thread does the rest. A hang-up of the terminal is ignored.
Whoever starts it on this machine hands over the lock of the folder; one that an engine started elsewhere takes it.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from types import FrameType

import msgspec

from tuitrain.errors import RunBusyError, TuitrainError
from tuitrain.preset import preset_from_data
from tuitrain.protocol.codec import encode_event
from tuitrain.protocol.events import RunEnded
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder, read_info, remove_drafts, write_info
from tuitrain.rundir.process import Process
from tuitrain.rundir.writer import EventWriter
from tuitrain.session.hosting import Hosting, OnNonfinite
from tuitrain.session.own_config import NOTIFY_VARIABLE, NotifyWish, taken_over
from tuitrain.session.past import Past
from tuitrain.session.start import renew

EXIT_CODES = {"finished": 0, "stopped": 0, "aborted": 1, "failed": 1}


def main() -> int:
    """Train in the given folder; the exit code is the run's."""
    parser = argparse.ArgumentParser(description="The trainer process of one run; `tuitrain run` starts it.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lock-descriptor", type=int, help="an open one that is locked; without it, it locks itself")
    parser.add_argument("--on-nonfinite", choices=("pause", "stop", "continue"), default="stop")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--ends-with-parent", action="store_true", help="stop where the process that started it dies")
    arguments = parser.parse_args()
    signals = _Signals()
    folder, parent = RunFolder(arguments.folder), os.getppid()
    is_handed_over = arguments.lock_descriptor is not None
    try:
        lock = RunLock.from_descriptor(arguments.lock_descriptor) if is_handed_over else RunLock.acquire(folder)
        if not (is_handed_over or arguments.resume) and folder.events_path.exists():
            raise RunBusyError(f"{folder.path}: this run has begun before.", hint=f"tuitrain run --resume {folder.id}")
    except RunBusyError as error:
        sys.stderr.write(f"{error}\n")  # and not into the record, which is of the other
        return 1
    notify = taken_over(os.environ.pop(NOTIFY_VARIABLE, ""))
    try:
        if arguments.resume and not is_handed_over:
            renew(folder)
    except TuitrainError as error:
        sys.stderr.write(f"{error}\n")  # and not into the record: the run stands as it stood
        return error.exit_code
    try:
        hosting = open_hosting(folder, arguments.on_nonfinite, notify, is_resumed=arguments.resume)
    except Exception as error:
        try:
            _record_failure(folder, error, is_resumed=arguments.resume)
        except TuitrainError as unrecorded:
            sys.stderr.write(f"{unrecorded}\n")  # and the run stands as it stood
        raise
    signals.go_to(hosting)

    ended: list[RunEnded] = []
    thread = threading.Thread(target=lambda: ended.append(hosting.work()), name="training", daemon=True)
    thread.start()
    # A join without a timeout would keep Python from running signal handlers on some systems.
    while thread.is_alive():
        thread.join(0.2)
        if arguments.ends_with_parent and os.getppid() != parent:
            arguments.ends_with_parent = False
            hosting.ask_to_stop()
    lock.release()
    return EXIT_CODES[ended[0].reason] if ended and not hosting.trouble else 1


def open_hosting(
    folder: RunFolder, on_nonfinite: OnNonfinite, notify: NotifyWish | None = None, *, is_resumed: bool = False
) -> Hosting:
    """Sign `run.json` as this process and make ready to train the preset recorded there."""
    info = read_info(folder)
    remove_drafts(folder)
    write_info(
        folder,
        msgspec.structs.replace(info, **msgspec.structs.asdict(Process.of(os.getpid()))),
    )
    preset = preset_from_data(info.preset, str(folder.info_path))
    return Hosting(folder, preset, on_nonfinite, notify, is_resumed=is_resumed)


def _record_failure(folder: RunFolder, error: Exception, *, is_resumed: bool) -> None:
    """Before there is a pump: write the last word by hand, so that nobody has to guess."""
    past = Past.of(folder) if is_resumed else Past()
    message, trace = f"the trainer could not start: {error}", "".join(traceback.format_exception(error))
    if past.sequence:
        ended = past.after_failing(message, trace)
    else:
        ended = RunEnded(step=0, reason="failed", message=message, traceback=trace)
    ended = msgspec.structs.replace(ended, seq=past.sequence + 1, seconds=past.seconds, time=time.time())
    with EventWriter(folder.events_path) as writer:
        writer.append([encode_event(ended)])


class _Signals:
    """What signals ask for: the end of the run, also of one that is still being made ready."""

    def __init__(self) -> None:
        self._hosting: Hosting | None = None
        self._num_waiting = 0
        self._has_warned = False
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGUSR1, self._warned)
        signal.signal(signal.SIGUSR2, self._warned)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def go_to(self, hosting: Hosting) -> None:
        """From now on the run hears of them, and of those before."""
        self._hosting = hosting
        for _ in range(self._num_waiting):
            hosting.ask_to_stop()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        if self._hosting is None:
            self._num_waiting += 1
        else:
            self._hosting.ask_to_stop()

    def _warned(self, number: int, frame: FrameType | None) -> None:
        """An engine says that time is nearly up, maybe more than once: a second stop would be an abort."""
        if not self._has_warned:
            self._has_warned = True
            self._stop(number, frame)


if __name__ == "__main__":
    raise SystemExit(main())
