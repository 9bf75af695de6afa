"""A trainer, its pump and its folder in one process: what the worker and the in-process mode have in common."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tuitrain.errors import RunFolderError, TuitrainError
from tuitrain.preset import Preset
from tuitrain.protocol.commands import Decision, Request, Stop
from tuitrain.protocol.events import AlarmRaised, Branched, RunEnded, RunResumed, StageEntered
from tuitrain.rundir.commands import CommandReader, DamagedCommand, new_command_id
from tuitrain.rundir.follower import last_events
from tuitrain.rundir.places import RunFolder, home_folder, read_info, write_info
from tuitrain.rundir.presence import PresenceWatch
from tuitrain.rundir.vanishing import VanishingWatch
from tuitrain.rundir.writer import EventWriter
from tuitrain.session.agenda import RunAgenda, decisions_of
from tuitrain.session.notifying import Notifier, NotifyingRun
from tuitrain.session.own_config import NotifyWish
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
        self._past = _Past.of(folder) if is_resumed else None
        past = self._past or _Past()
        self._notifier = Notifier(folder, notify, preset.notify.on)
        self.run = NotifyingRun(self._notifier, sequence=past.sequence, seconds=past.seconds)
        self._telemetry = Telemetry()
        self._inbox = inbox = _Inbox(folder, past.answered, self._warn, self._folder_is_gone)
        pace = Pace(preset.train.max_steps_per_second, lambda: inbox.is_watched)
        self._agenda = RunAgenda.of(folder, preset, self._session, is_resumed=is_resumed)
        self._to_come: tuple[Decision, ...] = ()
        self.control = Control(self.run, self._session, self._agenda.moments, pace)
        self.control.agenda.mark = self._session[:4] if is_resumed and self._past and self._past.step else ""
        self._writer = EventWriter(folder.events_path)
        self._pump = Pump(
            self.run, self._writer, inbox, self.control.deliver, self._telemetry,
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
        self.control.refuse_the_rest(ended.step, "the run has ended")
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

        state = None if self._past is None else self._state_to_go_on(self._past)
        self._agenda.prepare(self.control, state)
        if state is None and self._agenda.info.parent:
            self.run.publish(Branched(step=0, parent=self._agenda.info.parent))
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

    def _state_to_go_on(self, past: _Past) -> dict[str, Any]:
        """The newest intact checkpoint; damaged ones are named."""
        from tuitrain.training.checkpoint import newest_intact

        self.run.publish(StageEntered(stage="reading the checkpoint"))
        told = self._agenda.told
        found = newest_intact(self._folder.checkpoints_path, told.sha256, told.timelines.leads_here)
        if found is None:
            raise RunFolderError(
                f"{self._folder.checkpoints_path}: there is no intact checkpoint to go on from.", hint="a new run."
            )
        path, state, problems = found
        step = int(state["step"])
        self.run.progress.step = step
        for problem in problems:
            advice = f"{path.name} is taken in its place"
            self.run.publish(AlarmRaised(step=step, kind="disk", message=problem, value=0.0, advice=advice))
        decisions = decisions_of(state)
        self._to_come = self._agenda.to_come(state)
        if state["run"] != self._folder.id:
            parent = str(state["run"])
            self.run.publish(Branched(step=step, parent=parent, decisions=decisions, to_come=self._to_come))
            return state
        if step > past.step:
            message = f"{self._folder.events_path}: ends at step {past.step}, the checkpoint is of step {step}"
            advice = "what was measured and decided between them is not in the record"
            self.run.publish(AlarmRaised(step=step, kind="disk", message=message, value=0.0, advice=advice))
        lost = max(0, self._agenda.told.last_step - step)
        checkpoint = f"{self._folder.checkpoints_path.name}/{path.name}"
        self.run.publish(
            RunResumed(step=step, checkpoint=checkpoint, lost_steps=lost, decisions=decisions, to_come=self._to_come)
        )
        return state

    def _complete_info(self, total_steps: int) -> None:
        import torch

        info = read_info(self._folder)
        versions = {**info.versions, "torch": str(torch.__version__)}
        write_info(self._folder, msgspec.structs.replace(info, total_steps=total_steps, versions=versions))

    def _failed(self, message: str, trace: str) -> RunEnded:
        progress = self.run.progress
        progress.state = "failed"
        if trace:
            sys.stderr.write(trace)
        return RunEnded(
            step=progress.step, reason="failed", message=message, traceback=trace, best=progress.best,
            last=progress.last,
        )  # fmt: skip

    def _disk_refuses(self, message: str) -> None:
        """Said once each time it begins; the pump keeps what it cannot write, and tries again."""
        action = self._preset.train.on_disk_full
        sys.stderr.write(f"{message}\n")
        self.run.publish(
            AlarmRaised(
                step=self.run.progress.step, kind="disk", message=message, value=0.0, action=action,
                advice="free some space: what was measured is kept in memory and written then",
            )
        )  # fmt: skip
        if action == "stop":
            self.control.stop()

    def _sync_refuses(self, message: str) -> None:
        """Said when it begins, and when it is over: what was written between may be lost all the same."""
        if message:
            self._warn(message, "what is written may be lost in a power cut: look at the disk")
        else:
            self._warn(f"{self._writer.path}: is synced again", "what was said before may be lost in a power cut")

    def _folder_is_gone(self, message: str) -> None:
        """Nobody can find the run, nor ask it anything."""
        self._warn(message, "the run stops, as nobody can find it there", "stop")
        self.control.stop()

    def _warn(self, message: str, advice: str, action: Literal["stop", "continue"] = "continue") -> None:
        sys.stderr.write(f"{message}; {advice}\n")
        step = self.run.progress.step
        self.run.publish(AlarmRaised(step=step, kind="disk", message=message, value=0.0, advice=advice, action=action))


@dataclass(frozen=True)
class _Past:
    """What a folder tells of the sessions before."""

    sequence: int = 0
    seconds: float = 0.0
    step: int = 0
    answered: frozenset[str] = frozenset()
    """Commands that were asked of them: none is carried out twice."""

    @classmethod
    def of(cls, folder: RunFolder) -> _Past:
        events = last_events(folder.events_path)
        return cls(
            sequence=max((event.seq for event in events), default=0),
            seconds=max((event.seconds for event in events), default=0.0),
            step=max((getattr(event, "step", 0) for event in events), default=0),
            answered=frozenset(path.stem for path in folder.commands_path.glob("*.json")),
        )


class _Inbox:
    """What comes in through the run folder, polled by the pump: the training thread itself never touches a disk.

    A damaged command is told on stderr, which is output.log.
    """

    def __init__(
        self, folder: RunFolder, answered: frozenset[str], warn: Callable[[str, str], None],
        is_gone: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.is_watched = False
        """Whether a screen is attached."""
        self._reader = CommandReader(folder, answered)
        self._presence = PresenceWatch(folder)
        self._folder = VanishingWatch(folder)
        self._warn = warn
        self._is_gone = is_gone
        self._gone = ""
        self._is_deaf = False

    def close(self) -> None:
        self._folder.close()

    def poll(self) -> Iterable[Request]:
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
        return [item for item in found if isinstance(item, Request)]


def work_in_thread(hosting: Hosting, name: str = "training") -> threading.Thread:
    """Start the training thread; the caller keeps its main thread for signals or for drawing."""
    thread = threading.Thread(target=hosting.work, name=name, daemon=True)
    thread.start()
    return thread
