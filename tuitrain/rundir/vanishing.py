"""Tells a trainer that its folder is gone, so that it does not train on for nobody.

Deleted or moved, for a minute, is gone. A disk that refuses, hangs or is not mounted is none of that: it comes back,
and the trainer trains on.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from tuitrain.rundir.places import RunFolder

GONE_SECONDS = 60.0
_LOOK_SECONDS = 1.0


class VanishingWatch:
    """Looks for the folder of a run that trains here.

    Args:
        folder: is there.
        clock: seconds by a clock that never jumps.

    Raises:
        OSError: it is not there.
    """

    def __init__(self, folder: RunFolder, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = folder.path
        self._clock = clock
        self._device = folder.path.parent.stat().st_dev
        self._descriptor = os.open(folder.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._gone_since: float | None = None
        self._next_look = clock()

    def poll(self) -> str:
        """What became of the folder once it is gone for a minute, in words; empty before."""
        now = self._clock()
        if now < self._next_look:
            return ""
        self._next_look = now + _LOOK_SECONDS
        if not self._is_missing():
            self._gone_since = None
            return ""
        self._gone_since = now if self._gone_since is None else self._gone_since
        return self._words() if now - self._gone_since >= GONE_SECONDS else ""

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._descriptor)

    def _is_missing(self) -> bool:
        """Whether it is surely not there: what cannot be asked, or has lost its mount, may come back."""
        try:
            self._path.lstat()
        except FileNotFoundError:
            with contextlib.suppress(OSError):
                parent = self._path.parent
                return parent.stat().st_dev == self._device and self._path not in parent.iterdir()
        except OSError:
            pass
        return False

    def _words(self) -> str:
        place = ""
        with contextlib.suppress(OSError):
            place = str(Path(f"/proc/self/fd/{self._descriptor}").readlink())
        if not place or place.endswith(" (deleted)"):
            return f"{self._path}: was deleted"
        return f"{self._path}: was moved to {place}"
