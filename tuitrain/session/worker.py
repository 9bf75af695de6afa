"""The trainer process: `python -m tuitrain.session.worker FOLDER --lock-descriptor N`.

Its main thread handles signals and waits; the training thread does the rest. A hang-up of the terminal is ignored.
"""

from __future__ import annotations

import argparse
import os
import signal
import threading
import time
import traceback
from pathlib import Path
from types import FrameType

import msgspec

from tuitrain.preset import preset_from_data
from tuitrain.protocol.codec import encode_event
from tuitrain.protocol.events import RunEnded
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder, read_info, remove_drafts, write_info
from tuitrain.rundir.status import current_boot_id, process_created
from tuitrain.rundir.writer import EventWriter
from tuitrain.session.hosting import Hosting, OnNonfinite
from tuitrain.session.own_config import NOTIFY_VARIABLE, NotifyWish, taken_over

EXIT_CODES = {"finished": 0, "stopped": 0, "aborted": 1, "failed": 1}


def main() -> int:
    """Train in the given folder; the exit code is the run's."""
    parser = argparse.ArgumentParser(description="The trainer process of one run; `tuitrain run` starts it.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lock-descriptor", type=int, required=True)
    parser.add_argument("--on-nonfinite", choices=("pause", "stop", "continue"), default="stop")
    parser.add_argument("--resume", action="store_true")
    arguments = parser.parse_args()
    folder = RunFolder(arguments.folder)
    lock = RunLock.from_descriptor(arguments.lock_descriptor)
    notify = taken_over(os.environ.pop(NOTIFY_VARIABLE, ""))
    try:
        hosting = open_hosting(folder, arguments.on_nonfinite, notify, is_resumed=arguments.resume)
    except Exception as error:
        _record_failure(folder, error)
        raise
    _handle_signals(hosting)

    ended: list[RunEnded] = []
    thread = threading.Thread(target=lambda: ended.append(hosting.work()), name="training", daemon=True)
    thread.start()
    # A join without a timeout would keep Python from running signal handlers on some systems.
    while thread.is_alive():
        thread.join(0.2)
    lock.release()
    return EXIT_CODES[ended[0].reason] if ended else 1


def open_hosting(
    folder: RunFolder, on_nonfinite: OnNonfinite, notify: NotifyWish | None = None, *, is_resumed: bool = False
) -> Hosting:
    """Sign `run.json` as this process and make ready to train the preset recorded there."""
    info = read_info(folder)
    remove_drafts(folder)
    write_info(
        folder,
        msgspec.structs.replace(
            info, pid=os.getpid(), pid_created=process_created(os.getpid()) or 0.0, boot_id=current_boot_id()
        ),
    )
    preset = preset_from_data(info.preset, str(folder.info_path))
    return Hosting(folder, preset, on_nonfinite, notify, is_resumed=is_resumed)


def _record_failure(folder: RunFolder, error: Exception) -> None:
    """Before there is a pump: write the last word by hand, so that nobody has to guess."""
    ended = RunEnded(
        seq=1,
        time=time.time(),
        step=0,
        reason="failed",
        message=f"the trainer could not start: {error}",
        traceback="".join(traceback.format_exception(error)),
    )
    with EventWriter(folder.events_path) as writer:
        writer.append([encode_event(ended)])


def _handle_signals(hosting: Hosting) -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        hosting.ask_to_stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


if __name__ == "__main__":
    raise SystemExit(main())
