"""The simple mode: the training thread inside the dashboard process. Same folder, same words, no detaching."""

from __future__ import annotations

import threading

from tuitrain.preset import Preset
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder, discard
from tuitrain.session.hosting import work_in_thread
from tuitrain.session.own_config import notify_wish
from tuitrain.session.start import create_run
from tuitrain.session.worker import open_hosting


class InProcessRun:
    """A run whose training thread lives here; it ends with this process.

    Raises:
        PresetError: one's own config has mistakes; nothing was started.
        RunFolderError: the folder cannot be made or written.
    """

    def __init__(self, preset: Preset) -> None:
        notify = notify_wish(preset)
        self.folder: RunFolder = create_run(preset)
        try:
            self._lock = RunLock.acquire(self.folder)
            self._hosting = open_hosting(self.folder, "pause", notify)
        except BaseException:
            discard(self.folder)
            raise
        self._thread: threading.Thread = work_in_thread(self._hosting)

    @property
    def is_alive(self) -> bool:
        """Whether the training thread is still at work."""
        return self._thread.is_alive()

    def stop_and_wait(self, timeout: float) -> bool:
        """Ask the run to stop and wait for its last word; False where it did not come in time."""
        if self._thread.is_alive():
            self._hosting.ask_to_stop()
        self._thread.join(timeout)
        if not self._thread.is_alive():
            self._lock.release()
        return not self._thread.is_alive()
