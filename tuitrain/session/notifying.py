"""The trainer's end of telling a person: it writes a line into a pipe and goes on.

The command itself runs in `notify_worker`, a process of its own: it can neither slow training nor delay its end, and
it is still there to tell when the trainer was killed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from contextlib import suppress

from tuitrain.protocol.events import AlarmRaised, Event, RunEnded
from tuitrain.rundir.places import RunFolder
from tuitrain.rundir.private import open_private
from tuitrain.session.children import module_command, module_environment
from tuitrain.session.occasions import Occasions
from tuitrain.session.own_config import NotifyWish
from tuitrain.training.run import Run

TIMEOUT_SECONDS = 30.0
_MOST_CHARACTERS = 500
"""Of a message, so that a line goes into the pipe whole."""


class Notifier:
    """Tells a program of a run's end and of its alarms; without a wish it does nothing.

    Args:
        folder: the run.
        wish: the program.
        on: of the preset: at what it is told; None leaves that to the wish.
        timeout_seconds: for which the program may run.
        occasions: what is worth telling.
    """

    def __init__(
        self,
        folder: RunFolder,
        wish: NotifyWish | None,
        on: Sequence[str] | None = None,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        occasions: Occasions | None = None,
    ) -> None:
        self._folder = folder
        self._wish = wish
        self._on = tuple(on) if on is not None else (wish.on if wish is not None else ())
        self._timeout_seconds = timeout_seconds
        self._occasions = occasions or Occasions()
        self._descriptor = -1
        _open.add(self)

    def start(self) -> None:
        """Start the process that runs the command, where there is one. What goes wrong is told in output.log."""
        if self._wish is None or not self._on:
            return
        head = {
            "run": self._folder.id, "command": self._wish.command, "on": self._on,
            "timeout_seconds": self._timeout_seconds,
        }  # fmt: skip
        try:
            self._descriptor = self._spawned()
            self._write(head)
            os.set_blocking(self._descriptor, False)
        except OSError as error:
            self.close()
            sys.stderr.write(f"notify.command cannot be run: {error.strerror}\n")

    def note(self, fact: Event, state: str) -> None:
        """Tell an alarm, if this is one; returns at once.

        Args:
            fact: anything that a run says.
            state: of the run.
        """
        if self._descriptor >= 0 and isinstance(fact, AlarmRaised) and self._occasions.of(fact) is not None:
            self._tell("alarm", state, fact.message, fact.step)

    def end(self, ended: RunEnded) -> None:
        """Tell the end, and let go of the process: it ends by itself."""
        if self._descriptor >= 0:
            values = ", ".join(f"{name} {value:.4g}" for name, value in ended.last.items() if name.startswith("eval/"))
            message = ended.message or f"{ended.reason} at step {ended.step}" + (f": {values}" if values else "")
            self._tell("end", ended.reason, message, ended.step)
        self.close()

    def close(self) -> None:
        """Let go of the process; without an end it tells that the trainer is gone."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _spawned(self) -> int:
        """The end of a pipe that the new process reads."""
        reading, writing = os.pipe()
        try:
            output = open_private(self._folder.output_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            try:
                process = subprocess.Popen(
                    module_command("tuitrain.session.notify_worker"), env=module_environment(),
                    stdin=reading, stdout=output, stderr=output, start_new_session=True,
                )  # fmt: skip
            finally:
                os.close(output)
        except OSError:
            os.close(writing)
            raise
        finally:
            os.close(reading)
        # Somebody must take its exit code, where this process lives longer.
        threading.Thread(target=process.wait, name="notify", daemon=True).start()
        return writing

    def _tell(self, event: str, state: str, message: str, step: int) -> None:
        words = "".join(sign if sign.isprintable() else " " for sign in message[:_MOST_CHARACTERS])
        with suppress(OSError):  # full, as the command hangs, or nobody reads: training goes on
            self._write(
                {
                    "TUITRAIN_EVENT": event, "TUITRAIN_STATE": state, "TUITRAIN_MESSAGE": words,
                    "TUITRAIN_STEP": str(step),
                }
            )  # fmt: skip

    def _write(self, said: dict[str, object]) -> None:
        rest = json.dumps(said).encode("ascii") + b"\n"
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]


class NotifyingRun(Run):
    """A run whose alarms are told besides.

    Args:
        notifier: told of every fact.
        sequence: as of `Run`.
        seconds: as of `Run`.
    """

    def __init__(self, notifier: Notifier, *, sequence: int = 0, seconds: float = 0.0) -> None:
        super().__init__(sequence=sequence, seconds=seconds)
        self._notifier = notifier

    def publish(self, fact: Event) -> None:
        """Say a fact. Returns at once."""
        super().publish(fact)
        self._notifier.note(fact, self.progress.state)


def _close_all() -> None:
    for notifier in list(_open):
        notifier.close()


_open: weakref.WeakSet[Notifier] = weakref.WeakSet()
# A forked child, such as a worker of a DataLoader, would hide the death of its trainer.
os.register_at_fork(after_in_child=_close_all)
