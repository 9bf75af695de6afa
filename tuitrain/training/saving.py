"""When a run saves itself: every few minutes, at its best validation, before what is risky, and on demand.

Training does not wait for a disk: the state is copied between two steps, and another thread writes what waits, in
order. Only where several wait already does the run wait for the oldest.
"""

from __future__ import annotations

import math
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tuitrain.errors import RunFolderError
from tuitrain.protocol.events import AlarmRaised, Event
from tuitrain.training.automatic import BEST
from tuitrain.training.checkpoint import checkpoint_paths, is_full_disk, name_of, save_checkpoint
from tuitrain.training.state import captured

if TYPE_CHECKING:
    from tuitrain.training.control import Control
    from tuitrain.training.trainer import Trainer

UNDO = "undo"
"""The state before a risky decision."""
LEFT = "left"
"""The state that an undo left."""
OWN_TAGS = frozenset({BEST, UNDO, LEFT})
_KEPT = {BEST: 1, UNDO: 4, LEFT: 1}
_MOST_WAITING = 2
_WAIT_SECONDS = 30.0
_LARGEST_SHARE = 0.05
"""Of the time that saving the best may take."""


class Saver:
    """Saves a run as it goes.

    Args:
        folder: of the checkpoints; None saves nothing.
        every_seconds: between two saves; 0 is never.
        keep_last: so many of them, apart from those with a tag.
        keep_best: whether the state at the best validation loss is kept.
        publish: takes the facts.
        stamp: of which run a state is: "run", "preset" and "versions".
        on_full: called with why where the disk is full; returns what the run does.
    """

    def __init__(
        self, folder: Path | None, every_seconds: float, keep_last: int, *, keep_best: bool,
        publish: Callable[[Event], None], stamp: Mapping[str, Any],
        on_full: Callable[[str], Literal["continue", "stop"]] = lambda _: "continue",
    ) -> None:  # fmt: skip
        self.folder = folder
        """Where the checkpoints are; None where nothing is saved."""
        self.stamp = stamp
        """Of which run a state is; part of every state."""
        self._every_seconds = every_seconds
        self._keep_last = keep_last
        self._keep_best = keep_best
        self._publish = publish
        self._on_full = on_full
        self._last_time = time.monotonic()
        self._last_best_time = -math.inf
        self._is_best = False
        self._cost_seconds = 0.0
        self._waiting: deque[tuple[dict[str, Any], str, str, float]] = deque()
        self._lock = threading.Lock()
        self._is_refused = False
        self._thread: threading.Thread | None = None

    def note_evaluation(self, loss: float, best_before: float) -> None:
        """Take in a validation loss; the state at the best one is kept at the next safe point."""
        self._is_best = loss < best_before

    def at_safe_point(self, trainer: Trainer) -> None:
        """Keep and save what is due."""
        is_best, self._is_best = self._is_best, False  # a step later it is another state
        trainer.points.at_safe_point(trainer, is_best=is_best)
        if self.folder is None or trainer.step == 0:
            return
        now = time.monotonic()
        is_needed = trainer.points.keeps_best  # early stopping goes back to it, in a later session too
        is_cheap = now - self._last_best_time > self._cost_seconds / _LARGEST_SHARE
        if is_best and (is_needed or (self._keep_best and is_cheap)):
            self._last_best_time = now
            self.save(trainer, tag=BEST)
        elif self._every_seconds and now - self._last_time >= self._every_seconds and not self._is_busy:
            self._last_time = now
            self.save(trainer)

    def save(self, trainer: Trainer, tag: str = "", cause: str = "") -> None:
        """Copy the state now, and have it written."""
        if self.folder is not None:
            self.write(captured(trainer), tag, cause)

    def write(self, state: dict[str, Any], tag: str = "", cause: str = "") -> None:
        """Have a state written that is not touched any more; waits only where several wait already."""
        if self.folder is None:
            return
        if len(self._waiting) >= _MOST_WAITING:
            self.wait(_WAIT_SECONDS)
        with self._lock:
            self._waiting.append((state, tag, cause, time.monotonic()))
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_all, args=(self.folder,), name="saving", daemon=True)
                self._thread.start()

    def wait(self, timeout: float | None = None) -> None:
        """Until nothing is being written, and nothing waits for it; at most so many seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (thread := self._thread) is not None and thread.is_alive():
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
            if deadline is not None and time.monotonic() >= deadline:
                return

    @property
    def _is_busy(self) -> bool:
        return self._thread is not None

    def _write_all(self, folder: Path) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                state, tag, cause, asked = self._waiting[0]
            try:
                self._write(folder, state, tag, cause, asked)
            except Exception:  # noqa: BLE001
                traceback.print_exc()  # to output.log; what waits behind it is written all the same
            finally:
                with self._lock:
                    self._waiting.popleft()

    def _write(self, folder: Path, state: dict[str, Any], tag: str, cause: str, asked: float) -> None:
        try:
            saved = save_checkpoint(folder, state, tag=tag, cause=cause)
        except RunFolderError as error:
            if cause or not self._is_refused:  # what nobody asked for is told once, until it works again
                self._tell(error, state["step"])
            self._is_refused = True
            return
        self._is_refused = False
        self._publish(saved)
        self._cost_seconds = time.monotonic() - asked
        if tag and tag not in OWN_TAGS:
            return
        # What lies beyond this one was damaged, or not told of, when the run was resumed: it takes no place here.
        here = (state["timelines"]["current"], state["step"])
        same = [
            path
            for path in checkpoint_paths(folder)
            if (name := name_of(path)) and name.tag == tag and (name.timeline, name.step) <= here
        ]
        for path in same[_KEPT.get(tag, self._keep_last) :]:
            with suppress(OSError):
                path.unlink()

    def _tell(self, error: RunFolderError, step: int) -> None:
        message = error.message.rstrip(".")
        action = self._on_full(message) if is_full_disk(error.__cause__) else "continue"
        self._publish(
            AlarmRaised(step=step, kind="disk", message=message, value=math.nan, advice=error.hint, action=action)
        )


def full_disk_action(
    control: Control, wanted: Literal["continue", "stop"]
) -> Callable[[str], Literal["continue", "stop"]]:
    """What a run does where its disk is full, whatever was to be written: as its preset says."""

    def act(why: str) -> Literal["continue", "stop"]:
        if wanted == "stop":
            control.end(why, is_failure=True)
        return wanted

    return act
