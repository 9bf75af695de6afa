"""How long a run has trained: evaluations count, what came before the first step and pauses do not."""

from __future__ import annotations

from dataclasses import dataclass

from tuitrain.protocol.events import Event, Paused, Resumed, RolledBack, RunEnded, RunStarted


@dataclass
class TrainingTime:
    """Seconds and steps of all sessions of a run together."""

    seconds: float = 0.0
    num_steps: int = 0
    """Steps that were taken, those that going back has left among them."""
    _step: int = 0
    _since: float | None = None
    """Up to which second of the session it is counted; None while it does not train."""

    @property
    def steps_per_second(self) -> float:
        """Over all of that time; 0 before a step is done."""
        return self.num_steps / self.seconds if self.seconds > 0.0 else 0.0

    def take(self, event: Event) -> None:
        """Take in one event."""
        match event:
            case RunStarted():
                self._since, self._step = event.seconds, event.step
            case Resumed():
                self._since = event.seconds
            case RolledBack():
                self._step = event.step
            case Paused() | RunEnded():
                self.note(self._step, event.seconds)
                self._since = None
            case _:
                self.note(getattr(event, "step", self._step), event.seconds)

    def note(self, step: int, seconds: float) -> None:
        """At `seconds` of the session `step` steps were finished."""
        self.num_steps += max(0, step - self._step)
        self._step = max(self._step, step)
        if self._since is not None and seconds > self._since:
            self.seconds += seconds - self._since
            self._since = seconds
