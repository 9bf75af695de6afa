"""When a run saves itself: every few minutes, at its best validation, and on demand. Training does not wait for a disk.

The state is copied between two steps; another thread writes it, one at a time. What was asked for while the disk was
busy is written next, the newest state only.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuitrain.errors import RunFolderError
from tuitrain.protocol.events import AlarmRaised, Event
from tuitrain.training.checkpoint import checkpoint_paths, save_checkpoint
from tuitrain.training.state import captured

if TYPE_CHECKING:
    from tuitrain.training.trainer import Trainer

BEST = "best"
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
    """

    def __init__(
        self, folder: Path | None, every_seconds: float, keep_last: int, *, keep_best: bool,
        publish: Callable[[Event], None],
    ) -> None:  # fmt: skip
        self.folder = folder
        """Where the checkpoints are; None where nothing is saved."""
        self._every_seconds = every_seconds
        self._keep_last = keep_last
        self._keep_best = keep_best
        self._publish = publish
        self._last_time = time.monotonic()
        self._last_best_time = -math.inf
        self._wants_best = False
        self._cost_seconds = 0.0
        self._is_refused = False
        self._thread: threading.Thread | None = None

    def note_evaluation(self, loss: float, best_before: float) -> None:
        """Take in a validation loss; the state at the best one is saved at the next safe point."""
        self._wants_best = self._keep_best and loss < best_before

    def at_safe_point(self, trainer: Trainer) -> None:
        """Save what is due."""
        is_best, self._wants_best = self._wants_best, False  # a step later it is another state
        if self.folder is None or trainer.step == 0:
            return
        now = time.monotonic()
        if is_best and now - self._last_best_time > self._cost_seconds / _LARGEST_SHARE:
            self._last_best_time = now
            self.save(trainer, tag=BEST)
        elif self._every_seconds and now - self._last_time >= self._every_seconds and not self._is_busy:
            self._last_time = now
            self.save(trainer)

    def save(self, trainer: Trainer, tag: str = "", cause: str = "") -> None:
        """Copy the state now, and have it written; waits only for one that is still being written."""
        if self.folder is None:
            return
        self.wait()
        began = time.monotonic()
        state = captured(trainer)
        self._thread = threading.Thread(
            target=self._write, args=(self.folder, state, tag, cause, began), name="saving", daemon=True
        )
        self._thread.start()

    def wait(self) -> None:
        """Until nothing is being written."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    @property
    def _is_busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _write(self, folder: Path, state: dict[str, Any], tag: str, cause: str, began: float) -> None:
        try:
            saved = save_checkpoint(folder, state, tag=tag, cause=cause)
        except RunFolderError as error:
            if cause or not self._is_refused:  # what nobody asked for is told once, until it works again
                self._publish(AlarmRaised(step=state["step"], kind="disk", message=str(error), value=math.nan))
            self._is_refused = True
            return
        self._is_refused = False
        self._publish(saved)
        self._cost_seconds = time.monotonic() - began
        same = [path for path in checkpoint_paths(folder) if _tag_of(path) == tag]
        for path in same[1 if tag == BEST else self._keep_last :] if tag in {"", BEST} else []:
            with suppress(OSError):
                path.unlink()


def _tag_of(path: Path) -> str:
    return path.stem.split("-", 2)[2] if path.stem.count("-") > 1 else ""
