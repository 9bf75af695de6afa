"""Attached screens announce themselves, so that the pace of a run holds only while somebody looks.

A screen rewrites a small file about once a second. The watcher looks for change by its own clock, so
the clocks of two machines need not agree. Nothing here may hurt a run: every failure means "nobody".
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tuitrain.rundir.places import RunFolder
from tuitrain.rundir.private import open_private, open_to_read, read_at
from tuitrain.rundir.process import this_host

ATTACHED_SECONDS = 5.0
"""A screen that gave no sign for this long is not attached."""
STALE_SECONDS = 60.0
"""A file without change for this long is of a screen that was killed."""
_LOOK_SECONDS = 0.25
_SIGN_BYTES = 20


class ScreenPresence:
    """The sign of one screen; leaving the context takes it away."""

    def __init__(self, folder: RunFolder) -> None:
        self._path = folder.screens_path / f"{this_host()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._num_beats = 0

    def beat(self) -> None:
        """Give a sign of life; to be called about once a second."""
        self._num_beats += 1
        # Opened anew each time: a watcher may have removed the file while this machine slept.
        with contextlib.suppress(OSError):
            if self._path.parent.is_symlink():
                return  # a stranger's recording does not choose where we write
            descriptor = open_private(self._path, os.O_WRONLY | os.O_CREAT)
            try:
                os.pwrite(descriptor, b"%0*d" % (_SIGN_BYTES, self._num_beats), 0)
            finally:
                os.close(descriptor)

    def leave(self) -> None:
        """Take the sign away."""
        with contextlib.suppress(OSError):
            self._path.unlink()

    def __enter__(self) -> Self:
        self.beat()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()


@dataclass(slots=True)
class _Sign:
    """What was last seen of one screen."""

    content: tuple[int, bytes]
    changed_at: float
    is_fresh: bool


class PresenceWatch:
    """Tells the trainer whether a screen is attached. Cheap enough to ask at every step.

    Args:
        folder: the run.
        clock: seconds by a clock that never jumps.
        wall_clock: seconds since 1970.
    """

    def __init__(
        self,
        folder: RunFolder,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = folder.screens_path
        self._clock = clock
        self._wall_clock = wall_clock
        self._signs: dict[str, _Sign] = {}
        self._looked_at = float("-inf")

    def is_attached(self) -> bool:
        """Whether some screen gave a sign within the last seconds."""
        now = self._clock()
        if now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
            self._look(now)
        return any(sign.is_fresh and now - sign.changed_at < ATTACHED_SECONDS for sign in self._signs.values())

    def _look(self, now: float) -> None:
        try:
            # What is beyond a link are no screens, and not ours to tidy up.
            names = [] if self._path.is_symlink() else [path.name for path in self._path.iterdir()]
        except OSError:
            names = []
        before, self._signs = self._signs, {}
        for name in names:
            with contextlib.suppress(OSError):
                sign = self._seen(name, before.get(name), now)
                if now - sign.changed_at > STALE_SECONDS:
                    (self._path / name).unlink()
                else:
                    self._signs[name] = sign

    def _seen(self, name: str, before: _Sign | None, now: float) -> _Sign:
        descriptor = open_to_read(self._path / name)
        try:
            written = os.fstat(descriptor).st_mtime
            content = (int(written * 1e9), read_at(descriptor, _SIGN_BYTES, 0))
        finally:
            os.close(descriptor)
        if before is None:
            # Of a first sight only the file's own time tells whether it is of a screen that died long ago.
            return _Sign(content, now, is_fresh=abs(self._wall_clock() - written) < STALE_SECONDS)
        return before if content == before.content else _Sign(content, now, is_fresh=True)
