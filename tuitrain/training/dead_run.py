"""A run that finishes no step for long: seen from the pump's thread, as a thread that hangs cannot say so itself."""

from __future__ import annotations

from collections.abc import Callable

from tuitrain.preset.schema import AlarmsSection
from tuitrain.protocol.commands import Request, Stop
from tuitrain.protocol.events import AlarmRaised, Event
from tuitrain.training.control import Control
from tuitrain.training.nonfinite import Action
from tuitrain.training.run import Progress, Run

_TIMES_USUAL = 20.0
_SMOOTHING = 0.8
_PATIENCE = "w shows its output; what it waits for, such as a disk, may come back; else end its process and resume it"
_ASKED = "it stops if the step ever ends; else end its process, and resume it from its last checkpoint"


class DeadRunWatch:
    """Told once when it begins, and once when the run lives again.

    A batch of an evaluation is a sign of life like a step. A run that is paused, paced or not yet begun is not dead.

    Args:
        settings: after how long, and what to do.
        progress: where the run stands.
        ask_to_stop: called with why, where the settings say stop; returns whether it was asked.
    """

    def __init__(self, settings: AlarmsSection, progress: Progress, ask_to_stop: Callable[[str], bool]) -> None:
        self._settings = settings
        self._progress = progress
        self._ask_to_stop = ask_to_stop
        self._seen = (-1, -1)
        self._since: float | None = None
        self._usual = 0.0
        self._is_dead = False

    def look(self, now: float) -> list[Event]:
        """What there is to say.

        Args:
            now: seconds by a clock that never jumps.
        """
        progress = self._progress
        if self._settings.dead_run == "off":
            return []
        seen = (progress.step, progress.num_batches_evaluated)
        if progress.state != "running" or progress.is_paced or self._since is None:
            self._since, self._seen, self._is_dead = (now if progress.state == "running" else None), seen, False
            return []
        silent = now - self._since
        if seen != self._seen:
            return self._moved(seen, now, silent)
        if self._is_dead or silent < max(self._settings.dead_seconds, _TIMES_USUAL * self._usual):
            return []
        self._is_dead = True
        return [self._alarm(silent)]

    def _moved(self, seen: tuple[int, int], now: float, silent: float) -> list[Event]:
        num_steps = seen[0] - self._seen[0]
        self._since, self._seen = now, seen
        if self._is_dead:
            self._is_dead = False
            message = f"it goes on at step {seen[0]} after {silent:.0f} s without a step"
            return [AlarmRaised(step=seen[0], kind="dead_run", message=message, value=0.0)]
        if num_steps > 0:
            usual = silent / num_steps
            self._usual = usual if not self._usual else _SMOOTHING * self._usual + (1.0 - _SMOOTHING) * usual
        return []

    def _alarm(self, silent: float) -> AlarmRaised:
        step = self._progress.step
        usual = f", usually one takes {self._usual:.2g} s" if self._usual else ""
        message = f"no step is finished for {silent:.0f} s, since step {step}{usual}"
        action: Action = "continue"
        if self._settings.dead_run == "stop" and self._ask_to_stop(f"dead run: {message}"):
            action = "stop"
        advice = _ASKED if action == "stop" else _PATIENCE
        return AlarmRaised(step=step, kind="dead_run", message=message, value=silent, advice=advice, action=action)


def stop_dead_run(control: Control, run: Run, session: str, why: str) -> bool:
    """Ask a run to stop as the run itself would; from any thread. False where it may not decide."""
    step = run.progress.step
    if step < control.decides_from:
        return False
    identity = f"auto-dead-{step:06d}"
    control.deliver(Request(id=identity, session=session, actor="auto", time=0.0, command=Stop(because=why)))
    return True
