"""A trainer, its pump and its folder in one process: what the worker and the in-process mode have in common."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tuitrain.errors import RunFolderError, TuitrainError
from tuitrain.preset import Preset
from tuitrain.protocol.commands import Decision, Request, Stop
from tuitrain.protocol.events import (
    AlarmRaised,
    Branched,
    CommandApplied,
    CommandRefused,
    Event,
    RunEnded,
    RunResumed,
    StageEntered,
)
from tuitrain.rundir.commands import CommandReader, DamagedCommand, new_command_id
from tuitrain.rundir.places import RunFolder, home_folder, read_info, write_info
from tuitrain.rundir.presence import PresenceWatch
from tuitrain.rundir.vanishing import VanishingWatch
from tuitrain.rundir.writer import EventWriter
from tuitrain.session.agenda import RunAgenda, decisions_of
from tuitrain.session.notifying import Notifier, NotifyingRun
from tuitrain.session.own_config import NotifyWish
from tuitrain.session.past import Past
from tuitrain.training.checkpoint_file import named
from tuitrain.training.control import Control
from tuitrain.training.moments import taken_again
from tuitrain.training.pace import Pace
from tuitrain.training.pump import Pump
from tuitrain.training.telemetry import Telemetry

if TYPE_CHECKING:
    from tuitrain.training.transfer import Weights

OnNonfinite = Literal["pause", "stop", "continue"]


class Hosting:
    """Runs a preset in a folder: the training thread here, the pump beside it.

    Args:
        folder: made by `start.create_run`; its lock is held by this process.
        preset: checked.
        on_nonfinite: what to do at a NaN where the preset leaves it open.
        notify: the program that is told of the end and of alarms; None is nobody.
        is_resumed: whether it goes on from the newest intact checkpoint of the folder.

    Raises:
        RunFolderError: the folder cannot be written.
    """

    def __init__(
        self, folder: RunFolder, preset: Preset, on_nonfinite: OnNonfinite, notify: NotifyWish | None = None, *,
        is_resumed: bool = False,
    ) -> None:  # fmt: skip
        self._folder = folder
        self._preset = preset
        self._on_nonfinite = on_nonfinite
        self._session = read_info(folder).session
        self._is_resumed = is_resumed
        self._past = Past.of(folder) if is_resumed else Past()
        self._has_begun = False
        """Whether there is a trainer: until then all is as the session before left it."""
        self._notifier = Notifier(folder, notify, preset.notify.on)
        self.run = NotifyingRun(self._notifier, sequence=self._past.sequence, seconds=self._past.seconds)
        progress = self.run.progress
        progress.step, progress.best, progress.last = self._past.step, self._past.best, self._past.last
        progress.best_step = self._past.best_step
        self._telemetry = Telemetry()
        self._agenda = RunAgenda.of(folder, preset, self._session, is_resumed=is_resumed)
        self._inbox = _Inbox(
            folder, frozenset(self._agenda.told.answered), self._warn, self._folder_is_gone, self._refuse
        )  # fmt: skip
        pace = Pace(preset.train.max_steps_per_second, lambda: self._inbox.is_watched)
        self._to_come: tuple[Decision, ...] = ()
        self.control = Control(self.run, self._session, self._agenda.moments, pace)
        self.control.required = frozenset(decision.id for decision in self._agenda.info.overrides)
        self.control.agenda.mark = self._session[:4] if self._past.step else ""
        self._writer = EventWriter(folder.events_path)
        self._pump = Pump(
            self.run, self._writer, self._inbox, self.control.deliver, self._telemetry,
            self._disk_refuses, self._sync_refuses,
        )  # fmt: skip

    def work(self) -> RunEnded:
        """Train to the end, whatever happens; returns the last word after it was written."""
        self._notifier.start()
        self._pump.start()
        self.run.publish(StageEntered(stage="importing torch"))
        try:
            ended = self._train()
        except TuitrainError as error:
            ended = self._failed(str(error), "")
        except BaseException as error:  # noqa: BLE001
            # Whatever training code may raise, SystemExit too, must end as a recorded failure.
            ended = self._failed(f"{type(error).__name__}: {error}", traceback.format_exc())
        for request in self._inbox.poll():  # what came since the pump last looked
            self.control.deliver(request)
        self.control.close(ended.step, "the run has ended")
        self.run.publish(ended)
        if self._pump.close():
            self._writer.close()  # else it is in use, and what hangs would write into whatever is opened next
            self._inbox.close()
        if self.trouble:
            sys.stderr.write(f"{self.trouble}\n")
        self._notifier.end(ended)
        return ended

    @property
    def trouble(self) -> str:
        """What the disk refused to the last; empty where all that was said is in the record, and surely kept."""
        return self._pump.trouble

    def ask_to_stop(self, *, abort: bool = False) -> None:
        """A signal asks for the end; a second one for the end at once."""
        self.control.deliver(
            Request(
                id=new_command_id(), session=self._session, actor="signal", time=time.time(), command=Stop(abort=abort)
            )
        )

    def _train(self) -> RunEnded:
        from tuitrain.training.setup import build_trainer  # imports torch

        state, facts = self._state_to_go_on() if self._is_resumed else (None, [])
        self._agenda.prepare(self.control, state)
        if state is None and self._agenda.info.parent:
            facts = [Branched(step=0, parent=self._agenda.info.parent)]

        def announce() -> None:
            """Only now, as an attempt that fails on the way here leaves the record where it was."""
            for fact in facts:
                self.run.publish(fact)
            self._has_begun = True

        trainer = build_trainer(
            self._preset,
            self.run,
            self.control,
            run_id=self._folder.id,
            session=self._session,
            data_folder=home_folder() / "data",
            checkpoint_folder=self._folder.checkpoints_path,
            on_nonfinite=self._on_nonfinite,
            state=state,
            weights=None if state is not None else self._weights(),
            versions=read_info(self._folder).versions,
            announce=announce,
        )
        self.control.agenda.add(taken_again(self._to_come, self._session, "", actor="user"))
        self._telemetry.watch_device(trainer.task.validation.x.device)
        self._complete_info(trainer.total_steps)
        return trainer.train()

    def _weights(self) -> Weights | None:
        """What the run begins with, where that is not its own initialisation."""
        from tuitrain.training.transfer import weights_in

        known = self._agenda.info.weights
        if known is None:
            return None
        self.run.publish(StageEntered(stage=f"reading the weights of {known.run}"))
        return weights_in(self._folder.weights_path, run=known.run, checkpoint=known.checkpoint, sha256=known.sha256)

    def _state_to_go_on(self) -> tuple[dict[str, Any], list[Event]]:
        """The newest intact checkpoint, and what is to be said of it; damaged ones that are newer are named."""
        from tuitrain.training.checkpoint import newest_intact

        self.run.publish(StageEntered(stage="reading the checkpoint"))
        told = self._agenda.told
        found = newest_intact(self._folder.checkpoints_path, told.sha256, told.timelines.leads_here)
        if found is None:
            raise RunFolderError(
                f"{self._folder.checkpoints_path}: there is no intact checkpoint to go on from.",
                hint=f"tuitrain rerun {self._folder.id}, which trains it again.",
            )
        path, state, problems = found
        step = int(state["step"])
        facts: list[Event] = []
        if problems:
            advice = f"{path.name} is taken in place of {'it' if len(problems) == 1 else f'these {len(problems)}'}"
            facts.append(AlarmRaised(step=step, kind="disk", message=named(problems), value=0.0, advice=advice))
        decisions = decisions_of(state)
        self._to_come = self._agenda.to_come(state)
        if state["run"] != self._folder.id:
            parent = str(state["run"])
            return state, [*facts, Branched(step=step, parent=parent, decisions=decisions, to_come=self._to_come)]
        if step > told.last_step:
            message = f"{self._folder.events_path}: ends at step {told.last_step}, the checkpoint is of step {step}"
            advice = "what was measured and decided between them is not in the record"
            facts.append(AlarmRaised(step=step, kind="disk", message=message, value=0.0, advice=advice))
        # Killed between the deed and its reply: a state was saved with it, so it is done.
        facts += [
            CommandApplied(step=item.step, command=item.id, summary="done before the run was lost")
            for item in decisions
            if item.actor == "user" and item.id not in told.answered
        ]
        lost = max(0, told.last_step - step)
        checkpoint = f"{self._folder.checkpoints_path.name}/{path.name}"
        resumed = RunResumed(
            step=step, checkpoint=checkpoint, lost_steps=lost, decisions=decisions, to_come=self._to_come
        )  # fmt: skip
        return state, [*facts, resumed]

    def _complete_info(self, total_steps: int) -> None:
        import torch

        info = read_info(self._folder)
        versions = {**info.versions, "torch": str(torch.__version__)}
        try:
            write_info(self._folder, msgspec.structs.replace(info, total_steps=total_steps, versions=versions))
        except RunFolderError as error:
            self._disk_refuses(str(error))

    def _failed(self, message: str, trace: str) -> RunEnded:
        progress = self.run.progress
        progress.state = "failed"
        if trace:
            sys.stderr.write(trace)
        if self._past.sequence and not self._has_begun:
            return self._past.after_failing(message, trace)
        return RunEnded(
            step=progress.step, reason="failed", message=message, traceback=trace, best=progress.best,
            best_step=progress.best_step, last=progress.last,
        )  # fmt: skip

    def _refuse(self, command: str, reason: str) -> None:
        self.run.publish(CommandRefused(step=self.run.progress.step, command=command, reason=reason, hint="ask again."))

    def _disk_refuses(self, message: str) -> None:
        """Said once each time it begins; the pump keeps what it cannot write, and tries again."""
        action = self._preset.train.on_disk_full
        sys.stderr.write(f"{message}\n")
        what = message.partition(" Try: ")[0].rstrip(".")
        self.run.publish(
            AlarmRaised(
                step=self.run.progress.step, kind="disk", message=what, value=0.0, action=action,
                advice="free some space: what was measured is kept in memory and written then",
            )
        )  # fmt: skip
        if action == "stop":
            self.control.end(what, is_failure=True)

    def _sync_refuses(self, message: str) -> None:
        """Said when it begins, and when it is over: what was written between may be lost all the same."""
        if message:
            self._warn(message, "what is written may be lost in a power cut: look at the disk")
        else:
            self._warn(f"{self._writer.path}: is synced again", "what was said before may be lost in a power cut")

    def _folder_is_gone(self, message: str) -> None:
        """Nobody can find the run, nor ask it anything."""
        self._warn(message, "the run stops, as nobody can find it there", "stop")
        self.control.end(message, is_failure=True)

    def _warn(self, message: str, advice: str, action: Literal["stop", "continue"] = "continue") -> None:
        sys.stderr.write(f"{message}; {advice}\n")
        step = self.run.progress.step
        self.run.publish(AlarmRaised(step=step, kind="disk", message=message, value=0.0, advice=advice, action=action))


class _Inbox:
    """What comes in through the run folder, polled by the pump: the training thread itself never touches a disk.

    A command whose file is damaged is refused under the id that its name tells.
    """

    def __init__(
        self, folder: RunFolder, answered: frozenset[str], warn: Callable[[str, str], None],
        is_gone: Callable[[str], None], refuse: Callable[[str, str], None],
    ) -> None:  # fmt: skip
        self.is_watched = False
        """Whether a screen is attached."""
        self._reader = CommandReader(folder, answered)
        self._presence = PresenceWatch(folder)
        self._folder = VanishingWatch(folder)
        self._warn = warn
        self._is_gone = is_gone
        self._refuse = refuse
        self._gone = ""
        self._is_deaf = False
        self._lock = threading.Lock()  # the last look is the training thread's

    def close(self) -> None:
        self._folder.close()

    def poll(self) -> list[Request]:
        with self._lock:
            if not self._gone and (words := self._folder.poll()):
                self._gone = words
                self._is_gone(words)
            self.is_watched = self._presence.is_attached()
            try:
                found = self._reader.poll()
            except TuitrainError as error:
                if not self._is_deaf:  # what cannot be listed now may be later
                    self._warn(str(error), "what is asked is heard when it can be")
                self._is_deaf = True
                return []
            self._is_deaf = False
        for item in found:
            if isinstance(item, DamagedCommand):
                sys.stderr.write(f"commands/{item.name!r}: not a command: {item.detail}\n")
                if item.command:
                    self._refuse(item.command, f"its file cannot be read as a command: {item.detail}")
        return [item for item in found if isinstance(item, Request)]


def work_in_thread(hosting: Hosting, name: str = "training") -> threading.Thread:
    """Start the training thread; the caller keeps its main thread for signals or for drawing."""
    thread = threading.Thread(target=hosting.work, name=name, daemon=True)
    thread.start()
    return thread
