"""When a run saves itself: every few minutes, at its best validation, before what is risky, and on demand.

Training does not wait for a disk: the state is copied between two steps, and another thread writes what waits, in
order. Only where several wait already does the run wait for the oldest. The best is copied at its evaluation, and
written when that is cheap, at the latest when it is asked for or the run ends.
"""

from __future__ import annotations

import math
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tuitrain.errors import RunFolderError
from tuitrain.protocol.events import AlarmRaised, Event
from tuitrain.training.automatic import BEST, WATCHED
from tuitrain.training.best import Best, is_of_best, shortfall
from tuitrain.training.checkpoint import (
    UNDO,
    CheckpointName,
    checkpoint_paths,
    is_full_disk,
    load_checkpoint,
    name_of,
    save_checkpoint,
)
from tuitrain.training.points import is_kept_whole
from tuitrain.training.state import captured

if TYPE_CHECKING:
    from tuitrain.training.control import Control
    from tuitrain.training.trainer import Trainer

LEFT = "left"
"""The state that an undo left."""
OWN_TAGS = frozenset({BEST, UNDO, LEFT})
_KEPT = {UNDO: 4, LEFT: 1}
_MOST_WAITING = 2
WAIT_SECONDS = 30.0
"""For a disk that hangs; then the run goes on without it."""
_LARGEST_SHARE = 0.05
"""Of the time that saving the best may take."""
_SECONDS_AFTER_REFUSAL = 10.0
"""Until a disk that refused the best is tried again."""


class Saver:
    """Saves a run as it goes.

    Args:
        folder: of the checkpoints; None saves nothing.
        every_seconds: between two saves; 0 is never.
        keep_last: so many of them, apart from those with a tag.
        keep_best: whether the state at the best validation loss is kept.
        restore_best: whether the run may go back to it by itself, in a later session too: it is written at once.
        publish: takes the facts.
        stamp: of which run a state is: "run", "preset" and "versions".
        on_full: called with why where the disk is full; returns what the run does.
    """

    def __init__(
        self, folder: Path | None, every_seconds: float, keep_last: int, *, keep_best: bool,
        restore_best: bool, publish: Callable[[Event], None], stamp: Mapping[str, Any],
        on_full: Callable[[str], Literal["continue", "stop"]] = lambda _: "continue",
    ) -> None:  # fmt: skip
        self.folder = folder
        """Where the checkpoints are; None where nothing is saved."""
        self.stamp = stamp
        """Of which run a state is; part of every state."""
        self._every_seconds = every_seconds
        self._keep_last = keep_last
        self._keep_best = keep_best or restore_best
        self._restore_best = restore_best
        self._publish = publish
        self._on_full = on_full
        self._last_time = time.monotonic()
        self._last_best_time = -math.inf
        self._cost_seconds = 0.0
        self._is_best_unwritten = False
        """Whether the best state in memory may not be on the disk yet."""
        self._on_disk: Best | None = None
        self._in_queue: Best | None = None
        self._is_left_out_told = False
        self._waiting: deque[tuple[dict[str, Any], str, str]] = deque()
        self._lock = threading.Lock()
        self._is_refused = False
        self._thread: threading.Thread | None = None

    def note_evaluation(self, trainer: Trainer, loss: float) -> None:
        """Keep the state of a validation loss that is lower than that of any state that is kept."""
        if not self._keep_best or not math.isfinite(loss):
            return
        kept = self.kept_best(trainer)
        if kept is not None and kept.loss <= loss:
            return
        if self._restore_best or is_kept_whole(trainer):
            trainer.points.keep_best(trainer)
            self._is_best_unwritten = True
        elif self._is_cheap or trainer.step >= trainer.total_steps or trainer.control.stopping:
            began = time.monotonic()
            self._write_best(captured(trainer))
            self._cost_seconds += time.monotonic() - began
        else:
            self._tell_left_out(trainer.step)

    def at_safe_point(self, trainer: Trainer) -> None:
        """Keep and save what is due."""
        trainer.points.at_safe_point(trainer)
        if self.folder is None or trainer.step == 0:
            return
        now = time.monotonic()
        is_needed = self._restore_best and not self._is_refused
        if self._is_best_unwritten and not self._is_busy and (is_needed or self._is_cheap):
            self.save_best(trainer)
        elif self._every_seconds and now - self._last_time >= self._every_seconds and not self._is_busy:
            self._last_time = now
            self.save(trainer)

    def kept_best(self, trainer: Trainer) -> Best | None:
        """The best state of the run's history that is kept, in memory or on the disk."""
        point = trainer.points.best(trainer)
        found = [self._on_disk, self._in_queue, None if point is None else Best.of(point.state)]
        here = [best for best in found if best and trainer.timelines.leads_here(best.timeline, best.step)]
        return min(here, key=lambda best: best.loss, default=None)

    def best_on_disk(self, trainer: Trainer) -> Best | None:
        """The best state of the run's history that is on the disk."""
        best = self._on_disk
        return best if best and trainer.timelines.leads_here(best.timeline, best.step) else None

    def best_words(self, trainer: Trainer) -> str:
        """What to say where the best state that is kept is not that of the best evaluation; else empty."""
        progress, kept = trainer.run.progress, self.kept_best(trainer)
        known = None if progress.best_step is None else (progress.best_step, progress.best[WATCHED])
        return shortfall(kept and kept[1:], known) if self._keep_best else ""

    def before_pause(self, trainer: Trainer) -> None:
        """Have the best state written where the run is about to stand still: it costs no time then."""
        if trainer.control.is_paused:
            self.save_best(trainer)

    def save_best(self, trainer: Trainer) -> None:
        """Have the best state written where it is in memory alone."""
        self._is_best_unwritten = False
        point = trainer.points.best(trainer)
        if point is not None and Best.of(point.state) not in {self._on_disk, self._in_queue}:
            self._write_best(point.state)

    @contextmanager
    def rescuing_best(self, trainer: Trainer) -> Iterator[None]:
        """Have it written as well where training fails within; whatever goes wrong then, that failure counts."""
        try:
            yield
        except Exception:
            with suppress(Exception):
                self.save_best(trainer)
                self.wait(WAIT_SECONDS)
            raise

    def went_back(self) -> None:
        """The best state of the run's history may be another one than that on the disk."""
        self._is_best_unwritten = True

    def take_up(self, trainer: Trainer, state: Mapping[str, Any]) -> None:
        """In a new session: look for the best state on the disk, and say so where it is not of the best evaluation.

        Args:
            trainer: with the state in it.
            state: that it goes on from; in a branch that of another run.
        """
        if not self._keep_best:
            return
        is_own, is_to_come = state["run"] == self.stamp["run"], False
        for path, name in _named(self.folder) if is_own and self.folder is not None else []:
            if name.tag == BEST and trainer.timelines.leads_here(name.timeline, name.step):
                is_to_come = is_to_come or name.step > trainer.step  # with the steps that are taken again
                if name.step <= trainer.step and self._on_disk is None:
                    self._on_disk = _best_of(path, trainer)
        if is_of_best(state):
            self.note_evaluation(trainer, state["progress"]["last"][WATCHED])
        words = self.best_words(trainer)
        if words and is_own and not is_to_come:
            self._publish(AlarmRaised(step=trainer.step, kind="disk", message=words, value=math.nan))

    def save(self, trainer: Trainer, tag: str = "", cause: str = "") -> None:
        """Copy the state now, and have it written."""
        if self.folder is not None:
            self.write(captured(trainer), tag, cause)

    def write(self, state: dict[str, Any], tag: str = "", cause: str = "") -> None:
        """Have a state written that is not touched any more; waits only where several wait already."""
        if self.folder is None:
            return
        if len(self._waiting) >= _MOST_WAITING:
            self.wait(WAIT_SECONDS)
        with self._lock:
            self._waiting.append((state, tag, cause))
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

    @property
    def _is_cheap(self) -> bool:
        """Whether another best may be written within its share of the time."""
        return time.monotonic() - self._last_best_time > self._cost_seconds / _LARGEST_SHARE

    def _write_best(self, state: dict[str, Any]) -> None:
        if self.folder is not None:
            self._last_best_time = time.monotonic()
            self._in_queue = Best.of(state)
            self.write(state, BEST)

    def _tell_left_out(self, step: int) -> None:
        if self.folder is None or self._is_left_out_told:
            return
        self._is_left_out_told = True
        message = (
            f"the state at the best validation loss, step {step}, is not kept: it is too large to be held in memory, "
            f"and writing it, {self._cost_seconds:.2g} s, is more than {_LARGEST_SHARE:.0%} of the time"
        )
        self._publish(
            AlarmRaised(
                step=step, kind="disk", message=message, value=self._cost_seconds,
                advice="fewer evaluations, or save_checkpoint at a step that counts",
            )
        )  # fmt: skip

    def _write_all(self, folder: Path) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                state, tag, cause = self._waiting[0]
            try:
                self._write(folder, state, tag, cause)
            except Exception:  # noqa: BLE001
                traceback.print_exc()  # to output.log; what waits behind it is written all the same
            finally:
                with self._lock:
                    self._waiting.popleft()

    def _write(self, folder: Path, state: dict[str, Any], tag: str, cause: str) -> None:
        try:
            saved = save_checkpoint(folder, state, tag=tag, cause=cause)
        except RunFolderError as error:
            if cause or not self._is_refused:  # what nobody asked for is told once, until it works again
                self._tell(error, state["step"])
            self._is_refused = True
            if tag == BEST:
                self._cost_seconds = max(self._cost_seconds, _LARGEST_SHARE * _SECONDS_AFTER_REFUSAL)
                self._is_best_unwritten = True
                self._leaves_queue(Best.of(state))
            return
        self._is_refused = False
        self._publish(saved)
        if tag == BEST:
            self._cost_seconds = saved.save_seconds
            self._on_disk = Best.of(state)
            self._leaves_queue(self._on_disk)
            old = [path for path, name in _named(folder) if name.tag == BEST and path.name != Path(saved.path).name]
        elif tag and tag not in OWN_TAGS:
            return
        else:
            # What lies beyond this one was damaged, or not told of, when the run was resumed: it takes no place here.
            here = (state["timelines"]["current"], state["step"])
            same = [path for path, name in _named(folder) if name.tag == tag and (name.timeline, name.step) <= here]
            old = same[_KEPT.get(tag, self._keep_last) :]
        for path in old:
            with suppress(OSError):
                path.unlink()

    def _tell(self, error: RunFolderError, step: int) -> None:
        message = error.message.rstrip(".")
        action = self._on_full(message) if is_full_disk(error.__cause__) else "continue"
        self._publish(
            AlarmRaised(step=step, kind="disk", message=message, value=math.nan, advice=error.hint, action=action)
        )

    def _leaves_queue(self, best: Best) -> None:
        if self._in_queue == best:  # else a better one waits already
            self._in_queue = None


def full_disk_action(
    control: Control, wanted: Literal["continue", "stop"]
) -> Callable[[str], Literal["continue", "stop"]]:
    """What a run does where its disk is full, whatever was to be written: as its preset says."""

    def act(why: str) -> Literal["continue", "stop"]:
        if wanted == "stop":
            control.end(why, is_failure=True)
        return wanted

    return act


def _named(folder: Path) -> list[tuple[Path, CheckpointName]]:
    """All checkpoints with what their names tell, the newest first."""
    return [(path, name) for path in checkpoint_paths(folder) if (name := name_of(path)) is not None]


def _best_of(path: Path, trainer: Trainer) -> Best | None:
    """Of which evaluation a best state is, with the number that the run tells; None where it is damaged."""
    try:
        best, progress = Best.of(load_checkpoint(path)), trainer.run.progress
    except RunFolderError:
        return None
    return best._replace(loss=progress.best[WATCHED]) if best.step == progress.best_step else best
