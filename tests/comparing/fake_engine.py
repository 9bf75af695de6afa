"""An engine that trains nothing: a test decides when a run begins, evaluates, ends or dies."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.comparing.made_up import started
from tuitrain.comparing.executor import Job, JobState
from tuitrain.errors import TuitrainError
from tuitrain.protocol.codec import encode_event
from tuitrain.protocol.commands import Request, Stop
from tuitrain.protocol.events import EvalFinished, Event, RunEnded
from tuitrain.rundir.commands import CommandReader
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder
from tuitrain.training.checkpoint_file import sealed


@dataclass
class FakeRun:
    """One job, as the engine has it."""

    job: Job
    state: JobState = "running"
    lock: RunLock | None = None


@dataclass
class FakeEngine:
    """Outlives any executor, as a real engine does."""

    runs: dict[str, FakeRun] = field(default_factory=dict)
    most_at_once: int = 0

    def of(self, folder: RunFolder) -> FakeRun:
        """The newest job of a folder."""
        return [run for run in self.runs.values() if run.job.folder == folder][-1]

    def say(self, run: FakeRun, event: Event) -> None:
        """The run writes an event."""
        with run.job.folder.events_path.open("ab") as file:
            file.write(encode_event(event) + b"\n")

    def evaluate(self, run: FakeRun, step: int, loss: float) -> None:
        """The run evaluates."""
        self.say(
            run,
            EvalFinished(seq=step, time=0.0, step=step, metrics={"eval/loss": loss}, eval_seconds=0.0, num_samples=1),
        )

    def begin(self, run: FakeRun, total_steps: int) -> None:
        """The run describes itself."""
        self.say(run, started(total_steps, seed=0))

    def end(self, run: FakeRun, reason: str = "finished", message: str = "", step: int = 9) -> None:
        """The run says its last word and its process is gone."""
        ended = RunEnded(
            seq=999, time=0.0, step=step, message=message, last={"eval/loss": 1.0}, reason=reason  # type: ignore[arg-type]
        )  # fmt: skip
        self.say(run, ended)
        self.kill(run)

    def obey(self, run: FakeRun) -> None:
        """The run ends as the stop in its folder asks it to."""
        asked = CommandReader(run.job.folder, set()).poll()[-1]
        assert isinstance(asked, Request)
        assert isinstance(asked.command, Stop)
        self.end(run, "stopped", f"{asked.command.because}; no sharpness: the batch is too large")

    def kill(self, run: FakeRun) -> None:
        """Its process is gone, without a word."""
        run.state = "done"
        if run.lock is not None:
            run.lock.release()
            run.lock = None

    def is_asked_to_stop(self, run: FakeRun) -> bool:
        """Whether a stop lies in its folder."""
        return bool(CommandReader(run.job.folder, set()).poll())

    @property
    def working(self) -> list[FakeRun]:
        """Those at work, in the order in which they began."""
        return [run for run in self.runs.values() if run.state == "running"]


class FakeExecutor:
    """The scheduler's side of it."""

    name = "fake"

    def __init__(self, engine: FakeEngine, refusal: str = "") -> None:
        self._engine = engine
        self._refusal = refusal

    def submit(self, job: Job) -> str:
        """Takes the lock, as the trainer would."""
        if self._refusal:
            raise TuitrainError(self._refusal)
        handle = str(len(self._engine.runs))
        self._engine.runs[handle] = FakeRun(job, lock=RunLock.acquire(job.folder))
        self._engine.most_at_once = max(self._engine.most_at_once, len(self._engine.working))
        return handle

    def state(self, handle: str) -> JobState:
        """As the test has set it."""
        run = self._engine.runs.get(handle)
        return run.state if run is not None else "unknown"

    def cancel(self, handle: str) -> None:
        """At once."""
        self._engine.kill(self._engine.runs[handle])

    def close(self) -> None:
        """Nothing is held."""


def keep_state(folder: RunFolder) -> None:
    """A checkpoint that is whole, as far as can be told without torch."""
    (folder.checkpoints_path / "step-00000005.pt").write_bytes(sealed(bytes(2)))
