"""The safe point: between two steps, the only place where commands act.

drain → apply → (paused: wait, still draining). Moments of the preset come first, then commands by id;
each gets exactly one final reply.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from tuitrain.errors import TuitrainError
from tuitrain.protocol.codec import decode_decision, decode_request, encode
from tuitrain.protocol.commands import DECIDING, Command, Decision, Pause, Request, RollBack, Stop, Undo, original_id
from tuitrain.protocol.describe import command_name
from tuitrain.protocol.events import CommandApplied, CommandQueued, CommandRefused, Paused, Resumed
from tuitrain.training.moments import Agenda, Moment
from tuitrain.training.pace import Pace
from tuitrain.training.run import Run

Apply = Callable[[Request], str]
"""Carries out a request; returns what was done, in words, or raises TuitrainError with why not."""


class Control:
    """Holds what was asked until the training thread is at a safe point.

    Args:
        run: where replies are published.
        session: requests meant for another session are refused.
        moments: what is to happen at given steps, in order.
        pace: slows the run down while it is watched.
    """

    def __init__(self, run: Run, session: str, moments: Sequence[Moment], pace: Pace) -> None:
        self.pace = pace
        self.stopping: Literal["", "stop", "abort"] = ""
        self.stopped_because = ""
        """Why the run itself stopped; empty where somebody asked."""
        self.has_failed = False
        """Whether it stopped as something went wrong."""
        self.required: frozenset[str] = frozenset()
        """Ids of what a branch is there to do: where one of them is refused, there is no branch to train."""
        self.agenda = Agenda(moments)
        self.decisions: list[Decision] = []
        """All that led to where the run is, in order."""
        self.decides_from: float = 0
        """Step from which the run may decide by itself."""
        self._run = run
        self._session = session
        self._inbox: deque[Request] = deque()
        self._wake = threading.Event()
        self._is_asked_to_stop = False
        self._lock = threading.Lock()
        self._is_closed = False
        self._num_decided = 0
        self._is_paused = False
        self._steps_until_pause: int | None = None

    @property
    def is_paused(self) -> bool:
        """Whether the run waits."""
        return self._is_paused

    def deliver(self, request: Request) -> None:
        """Take a request from any thread; it is answered at the next safe point.

        After the last word nothing is said: whoever asked sees the end, and a session that goes on refuses it.
        """
        with self._lock:
            if self._is_closed:
                return
            if request.session == self._session:  # else it may have been told already, by the session it is of
                self._run.publish(
                    CommandQueued(
                        step=self._run.progress.step, command=request.id, request=request.command, actor=request.actor
                    )
                )
            self._inbox.append(request)
        self._wake.set()

    @property
    def num_decisions(self) -> int:
        """How many led to where the run is; an end that was asked for is none of them, as the run may go on."""
        return sum(not isinstance(decision.command, Stop) for decision in self.decisions)

    def state_dict(self) -> dict[str, Any]:
        """Which moments are still to come, what was decided, and how often the run did so itself."""
        return {
            "moments_left": self.agenda.state_dict(),
            "num_decided": self._num_decided,
            "decisions": [encode(decision).decode() for decision in self.decisions],
            "waiting": [encode(request).decode() for request in self._inbox if request.actor == "auto"],
        }

    def load_state_dict(self, state: Mapping[str, Any], *, is_own: bool = True) -> None:
        """Go on from there in a new session: what is done is left out; an end that was asked for is over.

        Args:
            state: as `state_dict` gave it.
            is_own: False where it is of another run, whose moments are not ours.
        """
        if is_own:
            self.agenda.load_state_dict(state["moments_left"])
        self._num_decided = state["num_decided"]
        decisions = [decode_decision(text.encode()) for text in state["decisions"]]
        self.decisions = [decision for decision in decisions if not isinstance(decision.command, Stop)]
        self._decide_again(state, is_chosen=not is_own)

    def go_back(self, state: Mapping[str, Any], *, keep_stop: bool = False) -> None:
        """Go on from there in this session: what comes after it comes again, under ids of its own.

        What the run itself had asked on the way that it leaves is refused.

        Args:
            state: as `state_dict` gave it.
            keep_stop: whether an end that it asked for belongs to going back, as in early stopping.
        """
        self.agenda.go_back(state["moments_left"])
        self.decisions = [decode_decision(text.encode()) for text in state["decisions"]]
        waiting = list(self._inbox)
        self._inbox.clear()
        for request in waiting:
            if request.actor == "auto" and not (keep_stop and isinstance(request.command, Stop)):
                reason = "the run went back"
                self._run.publish(CommandRefused(step=self._run.progress.step, command=request.id, reason=reason))
            else:
                self._inbox.append(request)
        self._decide_again(state, is_chosen=True)

    def _decide_again(self, state: Mapping[str, Any], *, is_chosen: bool) -> None:
        """What the run had asked itself when the state was kept, and was not answered yet.

        Args:
            state: as `state_dict` gave it.
            is_chosen: whether somebody wants to be there, and so not to leave it at once or to stand still.
        """
        for text in state["waiting"]:
            command = decode_request(text.encode()).command
            if not (is_chosen and isinstance(command, Stop | Pause | RollBack)):
                self.decide(self._run.progress.step, command)

    def decide_upon(self, identity: str, actor: str, step: int, command: Command) -> None:
        """Record something that was carried out."""
        self.decisions.append(Decision(step=step, command=command, actor=actor, id=identity))

    def decide(self, step: int, command: Command) -> None:
        """The run itself asks for something: answered at the next safe point, and recorded like a person's."""
        if step < self.decides_from:
            return
        self._num_decided += 1
        request = Request(
            id="~".join([f"auto-{self._num_decided:06d}", *([mark] if (mark := self.agenda.mark) else [])]),
            session=self._session,
            actor="auto",
            time=0.0,
            command=command,
        )
        self._run.publish(CommandQueued(step=step, command=request.id, request=command, actor="auto"))
        self._inbox.append(request)

    def at_safe_point(self, step: int, apply: Apply) -> None:
        """Answer everything asked so far; return when the next step may be taken, or when the run shall stop."""
        deadline: float | None = None
        while not self.stopping:
            self._wake.clear()  # before draining: what is delivered from here on wakes the wait below
            step = self._apply_moments(step, apply)
            while self._inbox:
                step = self._answer(self._inbox.popleft(), step, apply)
            if self._must_stop():
                return
            if self._is_paused:
                self._wake.wait()
                continue
            if deadline is None:
                deadline = time.monotonic() + self.pace.delay()
            remaining = deadline - time.monotonic()
            self._run.progress.is_paced = remaining > 0.0
            if remaining <= 0.0 or not self.pace.is_holding:
                return
            self._wake.wait(remaining)

    def _must_stop(self) -> bool:
        """Whether a command just answered, or another thread, asked for the end."""
        return bool(self.stopping)

    def step_taken(self, step: int) -> None:
        """Count a step against a step-once; pauses after the last one."""
        if self._steps_until_pause is None:
            return
        self._steps_until_pause -= 1
        if self._steps_until_pause <= 0:
            self.pause(step, "stepped")

    def pause(self, step: int, reason: str, cause: str = "") -> None:
        """Wait from the next safe point on."""
        self._is_paused = True
        self._steps_until_pause = None
        self._run.progress.state = "paused"
        self._run.publish(Paused(step=step, reason=reason, cause=cause))

    def resume(self, step: int, num_steps: int | None = None, cause: str = "") -> None:
        """Go on, until the end or for some steps."""
        self._is_paused = False
        self._steps_until_pause = num_steps
        self._run.progress.state = "running"
        self._run.publish(Resumed(step=step, num_steps=num_steps, cause=cause))

    def stop(self, *, abort: bool = False) -> None:
        """End at the next safe point; asked a second time, without evaluating or saving. Any thread may call it."""
        self.stopping = "abort" if abort or self._is_asked_to_stop else "stop"
        self._is_asked_to_stop = True
        self._wake.set()

    def end(self, because: str, *, is_failure: bool = False) -> None:
        """The run itself ends at the next safe point, unless it does so already. Any thread may call it."""
        if not self.stopping:
            self.stopped_because, self.has_failed, self.stopping = because, is_failure, "stop"
            self._wake.set()

    def close(self, step: int, reason: str) -> None:
        """Refuse what waits, and take nothing any more: the last word comes next."""
        with self._lock:
            self._is_closed = True
            self.refuse_the_rest(step, reason)

    def refuse_the_rest(self, step: int, reason: str) -> None:
        """Give every request still waiting its final reply, when the run ends."""
        while self._inbox:
            request = self._inbox.popleft()
            self._run.publish(CommandRefused(step=step, command=request.id, reason=reason))

    def _apply_moments(self, step: int, apply: Apply) -> int:
        while (request := self.agenda.next(step)) is not None:
            self._run.publish(
                CommandQueued(step=step, command=request.id, request=request.command, actor=request.actor)
            )
            step = self._answer(request, step, apply)
        return step

    def _answer(self, request: Request, step: int, apply: Apply) -> int:
        """Give a request its final reply; returns the step at which the run is then, as it may have gone back."""
        if request.session != self._session:
            if all(decision.id != request.id for decision in self.decisions):  # else it is done, and told as such
                reason = "it was asked of another session of this run"
                self._run.publish(CommandRefused(step=step, command=request.id, reason=reason, hint="ask again."))
            return step
        try:
            summary = apply(request)
        except TuitrainError as error:
            self._run.publish(CommandRefused(step=step, command=request.id, reason=error.message, hint=error.hint))
            if original_id(request.id) in self.required:
                raise RequiredRefusedError(
                    f"{command_name(request.command)} at step {step} was refused: {error.message}", hint=error.hint
                ) from error
            return step
        if isinstance(request.command, DECIDING):
            self.decide_upon(request.id, request.actor, step, request.command)
        if isinstance(request.command, RollBack | Undo):
            step = self._run.progress.step
        self._run.publish(CommandApplied(step=step, command=request.id, summary=summary))
        return step


class RequiredRefusedError(TuitrainError):
    """What a branch is there to do cannot be done."""
