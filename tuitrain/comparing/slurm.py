"""SLURM through submitit: one job a run, in its own folder, which must lie on a file system that the nodes share.

Before its time is up a job is warned: the trainer stops, evaluates and saves, and submitit puts the job back into the
queue, where it goes on from there under the same number. A job that SLURM itself began again goes on, too.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from tuitrain.comparing.executor import Job, JobState
from tuitrain.comparing.local import GRACE_SECONDS, ProcessHandle, send
from tuitrain.errors import TuitrainError, UnknownNameError, UsageError
from tuitrain.rundir.follower import last_events_backwards
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder
from tuitrain.session.start import check_resumable, spawn

OPTIONS: dict[str, tuple[str, type[str | int | float]]] = {
    "time": ("timeout_min", int),
    "cpus_per_task": ("cpus_per_task", int),
    "gpus_per_node": ("gpus_per_node", int),
    "mem_gb": ("mem_gb", float),
    "partition": ("slurm_partition", str),
    "account": ("slurm_account", str),
    "qos": ("slurm_qos", str),
    "constraint": ("slurm_constraint", str),
    "gres": ("slurm_gres", str),
    "nodelist": ("slurm_nodelist", str),
    "exclude": ("slurm_exclude", str),
    "signal_delay_s": ("slurm_signal_delay_s", int),
}
"""What a person may say of the jobs → the name that submitit has for it. `time` is in minutes; `signal_delay_s` is how
long before it is up the job is warned."""
_DEFAULTS: dict[str, str | int | float] = {"time": 60, "cpus_per_task": 1}
_MOST_TIMES_BACK = 1000
"""So often a job that ran out of time goes back into the queue."""
_ASK_SECONDS = 3.0
_WAITING = frozenset({
    "PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT",
})  # fmt: skip
_RUNNING = frozenset({"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"})


def parse_options(text: str) -> dict[str, str | int | float]:
    """Options of the jobs, as "partition=gpu,time=120".

    Raises:
        UnknownNameError: there is no such option.
        UsageError: one has no value, or none that it can have.
    """
    options: dict[str, str | int | float] = {}
    for part in filter(None, text.split(",")):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in OPTIONS:
            raise UnknownNameError("option of slurm", name, OPTIONS)
        kind = OPTIONS[name][1]
        try:
            options[name] = kind(value)
        except ValueError:
            options[name] = ""
        if value == "" or (kind is not str and not float(options[name] or 0) > 0):
            what = {str: "text", int: "a whole number above 0", float: "a number above 0"}[kind]
            raise UsageError(f'--on slurm: {name} = "{value}" is not {what}.', hint="--on slurm:partition=gpu,time=120")
    return options


class SlurmExecutor:
    """Submits a job a run.

    Args:
        folder: for what submitit keeps: scripts, pickles, what the jobs print; on the shared file system.
        cluster: "local" runs the jobs here, in processes: for tests.
        options: as `parse_options` gave them.
        clock: seconds by a clock that never jumps.

    Raises:
        UsageError: submitit is not installed, or there is no SLURM here.
    """

    name = "slurm"

    def __init__(
        self, folder: Path, cluster: Literal["slurm", "local"] = "slurm", options: Mapping[str, str | int | float] = {},
        *, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        try:
            import submitit
        except ImportError as error:
            raise UsageError("SLURM needs submitit.", hint='pip install "tuitrain[slurm]"') from error
        if cluster == "slurm" and shutil.which("sbatch") is None:
            raise UsageError("--on slurm: there is no sbatch here.", hint="a login node of the cluster, or --on local.")
        self._engine = submitit.AutoExecutor(
            folder=folder,
            cluster=cluster,
            slurm_max_num_timeout=_MOST_TIMES_BACK,
            local_max_num_timeout=_MOST_TIMES_BACK,
        )
        said = {OPTIONS[name][0]: value for name, value in {**_DEFAULTS, **options}.items()}
        self._engine.update_parameters(name="tuitrain", **said)
        self._queue = _Processes(clock) if cluster == "local" else _Queue(clock)

    def submit(self, job: Job) -> str:
        """Queue a job that trains in the folder; the trainer takes the lock of it when it begins.

        Raises:
            RunBusyError: a trainer is at work in there.
            UsageError: it has no checkpoint to go on from.
            TuitrainError: SLURM refuses the job.
        """
        with RunLock.acquire(job.folder):
            if job.is_resumed:
                check_resumable(job.folder)
        training = Training(str(job.folder.path), job.environment, is_resumed=job.is_resumed)
        try:
            submitted = self._engine.submit(training)
        except Exception as error:
            raise TuitrainError(
                f"{job.folder.id}: SLURM does not take the job: {error}",
                hint="other options, as --on slurm:partition=gpu,time=120; sinfo lists the partitions.",
            ) from error
        return self._queue.took(submitted)

    def state(self, handle: str) -> JobState:
        """By the queue of SLURM; a job that is no longer in it is done. While it does not answer: as it was."""
        return self._queue.state(handle)

    def cancel(self, handle: str) -> None:
        """`scancel`: asked to stop, the trainer evaluates and saves; SLURM kills it after its KillWait, 30 s."""
        self._queue.cancel(handle)

    def close(self) -> None:
        """Nothing to let go of: the jobs are SLURM's."""
        self._queue.close()


class Training:
    """What a job does; submitit calls it on the node.

    Args:
        path: of the run folder.
        environment: variables of the trainer.
        is_resumed: whether it goes on from the newest checkpoint.
    """

    def __init__(self, path: str, environment: dict[str, str], *, is_resumed: bool) -> None:
        self.path = path
        self.environment = environment
        self.is_resumed = is_resumed
        self._pid = 0

    def __call__(self) -> int:
        """Train to the end; the exit code of the trainer."""
        folder = RunFolder(Path(self.path))
        is_resumed = self.is_resumed or _was_cut_off(folder)
        started = spawn(
            folder, None, None, has_screen=False, is_resumed=is_resumed, environment=self.environment,
            ends_with_parent=True,
        )  # fmt: skip
        self._pid = started.process.pid
        # Not `wait`: a warning comes in here, and would wait for its own lock.
        while not _has_exited(self._pid):
            time.sleep(0.1)
        return started.process.wait()

    def checkpoint(self) -> Any:
        """The time is nearly up: end the trainer well, and say what is to be done in the time to come."""
        import submitit

        if self._pid:
            send(self._pid, signal.SIGUSR2)  # a second one, besides that of SLURM itself, counts for nothing
            while not _has_exited(self._pid):
                time.sleep(0.05)
        return submitit.helpers.DelayedSubmission(Training(self.path, self.environment, is_resumed=bool(self._pid)))


def _has_exited(pid: int) -> bool:
    """Whether a child is done; it stays to be waited for."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _was_cut_off(folder: RunFolder) -> bool:
    """Whether it began before, and can go on: SLURM begins a job anew when its node has failed."""
    has_begun = next(last_events_backwards(folder.events_path), None) is not None
    return has_begun and any(folder.checkpoints_path.glob("step-*.pt"))


class _Queue:
    """The queue of SLURM, asked for all jobs at once and not too often."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._states: dict[str, JobState] = {}
        self._asked_at = float("-inf")

    def took(self, submitted: Any) -> str:
        handle = str(submitted.job_id)
        self._states[handle] = "waiting"
        return handle

    def state(self, handle: str) -> JobState:
        if not handle.isdecimal():
            return "unknown"
        is_new = handle not in self._states
        before = self._states.setdefault(handle, "unknown")
        if before != "done" and (is_new or self._clock() - self._asked_at >= _ASK_SECONDS):
            self._ask([job for job, state in self._states.items() if state != "done"])
        return self._states[handle]

    def cancel(self, handle: str) -> None:
        if handle.isdecimal():
            _told(["scancel", handle])

    def close(self) -> None:
        """Nothing is held."""

    def _ask(self, handles: Iterable[str]) -> None:
        self._asked_at = self._clock()
        handles = list(handles)
        done = _told(["squeue", "--noheader", "--states=all", "--format=%i %T", f"--jobs={','.join(handles)}"])
        if done is None or (done.returncode and "Invalid job id" not in done.stderr):
            return
        lines = (line.split() for line in done.stdout.splitlines())
        found = {line[0]: line[1] for line in lines if len(line) == 2}
        for handle in handles:
            word = found.get(handle, "")
            self._states[handle] = "waiting" if word in _WAITING else "running" if word in _RUNNING else "done"


class _Processes:
    """The jobs of submitit's local engine, ended as `scancel` does: every process of a job hears of it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._jobs: dict[str, Any] = {}
        self._asked_at: dict[str, float] = {}

    def took(self, submitted: Any) -> str:
        handle = str(ProcessHandle.of(int(submitted.job_id)))
        self._jobs[handle] = submitted
        return handle

    def state(self, handle: str) -> JobState:
        known = ProcessHandle.parse(handle)
        if known is None:
            return "unknown"
        if handle in self._jobs:
            self._jobs[handle].get_info()  # reaps it
        if not known.is_alive():
            return "done"
        if self._clock() - self._asked_at.get(handle, float("inf")) >= GRACE_SECONDS:
            self._send(known.pid, signal.SIGKILL)
        return "running"

    def cancel(self, handle: str) -> None:
        known = ProcessHandle.parse(handle)
        if known is not None and known.is_alive() and handle not in self._asked_at:
            self._asked_at[handle] = self._clock()
            self._send(known.pid, signal.SIGTERM)

    def close(self) -> None:
        for job in self._jobs.values():
            job.get_info()  # reaps what is done

    def _send(self, pid: int, number: signal.Signals) -> None:
        import psutil

        try:
            members = psutil.Process(pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return
        for member in members:
            send(member.pid, number)


def _told(command: list[str]) -> subprocess.CompletedProcess[str] | None:
    """What a program of SLURM says; None where it does not answer."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
