"""Ray: one detached actor a run, which starts the trainer on its node and answers for it.

A cluster that is there outlives the scheduler, and so do the actors: another scheduler finds them by name. Where none
is there a small one is started on this machine; it dies with this process, while trainers in it go on to their end.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import sys
import threading
import time
from pathlib import Path
from typing import Any, cast

from tuitrain.comparing.carrying import Carrier
from tuitrain.comparing.executor import Job, JobState
from tuitrain.comparing.far import FarTrainer
from tuitrain.comparing.slots import usable_cores
from tuitrain.errors import RunBusyError, RunFolderError, TuitrainError, UsageError
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.session.start import check_resumable

NAMESPACE = "tuitrain"
_TICK_SECONDS = 0.25
_FIRST_WORD_SECONDS = 10.0
_LINGER_SECONDS = 60.0
"""So long after its trainer is done an actor waits to be asked, before it gives its core back."""
_KEPT_SECONDS = 86_400.0
"""Likewise where what it trained was not carried back yet."""


class RayExecutor:
    """Runs trainers in a Ray cluster.

    Args:
        address: "ray://HOST:PORT"; empty takes the cluster of this machine or of RAY_ADDRESS, else starts one here.
        num_parallel: so many runs are at once: they share the GPUs of the cluster where these are fewer.
        is_carried: whether runs are carried back even where the nodes see their folders.

    Raises:
        UsageError: Ray is not installed.
        TuitrainError: the cluster cannot be reached.
    """

    name = "ray"

    def __init__(self, address: str = "", *, num_parallel: int = 1, is_carried: bool = False) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError as error:
            raise UsageError("Ray is not installed.", hint='pip install "tuitrain[ray]"') from error
        self._ray = ray
        self._is_carried = is_carried
        self._is_ours = not ray.is_initialized()
        if self._is_ours:
            _connect(ray, address, num_parallel)
        num_gpus = float(ray.cluster_resources().get("GPU", 0.0))
        self._gpu_share = min(1.0, num_gpus / max(1, num_parallel))
        self._attendants: dict[str, _Attendant] = {}

    def submit(self, job: Job) -> str:
        """Ask for an actor that trains in the folder, or in a copy of it where its node does not see the folder.

        Raises:
            RunBusyError: a trainer is at work in there.
            UsageError: it has no checkpoint to go on from.
            TuitrainError: Ray refuses.
        """
        key = f"{job.folder.id}-{secrets.token_hex(4)}"
        marker = f".seen-by-{key}"
        with RunLock.acquire(job.folder):
            if job.is_resumed:
                check_resumable(job.folder)
            if not self._is_carried:
                (job.folder.path / marker).touch()
        handle = f"{key} {job.folder.path}"
        place = {"name": key, "namespace": NAMESPACE, "lifetime": "detached", "max_restarts": 0, "num_cpus": 1}
        trainer = self._ray.remote(_TrainerActor).options(**place, num_gpus=self._num_gpus(job.folder))
        try:
            actor = trainer.remote(
                str(job.folder.path), "" if self._is_carried else marker, job.environment, is_resumed=job.is_resumed
            )
        except Exception as error:
            raise TuitrainError(f"{job.folder.id}: Ray does not take the run: {error}", hint="ray status") from error
        self._attendants[handle] = _Attendant(self._ray, actor, job.folder, job.folder.path / marker)
        return handle

    def state(self, handle: str) -> JobState:
        """By the actor; where that is gone it is done, or unknown to an executor that came later."""
        attendant = self._attendant(handle)
        return "unknown" if attendant is None else attendant.state

    def cancel(self, handle: str) -> None:
        """Asked to stop, the trainer evaluates and saves, and is killed where that takes too long."""
        attendant = self._attendant(handle)
        if attendant is not None:
            attendant.cancel()

    def close(self) -> None:
        """Let go of the cluster once what is done was carried back; trainers go on."""
        for attendant in self._attendants.values():
            attendant.leave()
        if self._is_ours and self._ray.is_initialized():
            self._ray.shutdown()

    def _num_gpus(self, folder: RunFolder) -> float:
        """Share of a GPU for a run; none for one that is to be on the CPU."""
        train = read_info(folder).preset.get("train", {})
        is_on_cpu = isinstance(train, dict) and train.get("device") == "cpu"
        # Ray counts in ten-thousandths, and shares that were rounded up would not fit together.
        return 0.0 if is_on_cpu else int(self._gpu_share * 10_000) / 10_000

    def _attendant(self, handle: str) -> _Attendant | None:
        if handle not in self._attendants:
            key, _, path = handle.partition(" ")
            if not path:
                return None
            try:
                actor = self._ray.get_actor(key, namespace=NAMESPACE)
            except Exception:  # noqa: BLE001 - a ValueError where it is gone, others where the cluster is
                return None
            folder = RunFolder(Path(path))
            found = self._attendants[handle] = _Attendant(self._ray, actor, folder, folder.path / f".seen-by-{key}")
            found.wait_for_first_word()
        return self._attendants[handle]


class _Attendant:
    """A thread that follows one actor to its end, and carries where the folder is not shared."""

    def __init__(self, ray: Any, actor: Any, folder: RunFolder, marker: Path) -> None:
        self.state: JobState = "waiting"
        self._ray = ray
        self._actor = actor
        self._folder = folder
        self._marker = marker
        self._has_word = threading.Event()
        self._leaving = threading.Event()
        self._is_cancelled = threading.Event()
        self._far = cast("FarTrainer", _Far(ray, actor))
        self._thread = threading.Thread(target=self._attend, name=f"ray {folder.id}", daemon=True)
        self._thread.start()

    def wait_for_first_word(self) -> None:
        """Until the actor answered, or for some seconds."""
        self._has_word.wait(_FIRST_WORD_SECONDS)

    def cancel(self) -> None:
        """One that waits for its node is taken out of the queue."""
        self._is_cancelled.set()
        if self.state == "waiting":
            self._ray.kill(self._actor)

    def leave(self) -> None:
        """Stop following; what a trainer that is done has said is carried first."""
        self._leaving.set()
        if self._has_word.is_set():
            self._thread.join(_FIRST_WORD_SECONDS)

    def _attend(self) -> None:
        is_shared = False
        try:
            first = self._actor.where.remote()
            while not self._ray.wait([first], timeout=1.0)[0]:
                if self._leaving.is_set():
                    return
            where = self._ray.get(first)
            is_shared = where == "shared"
            self._marker.unlink(missing_ok=True)
            if is_shared:
                self._follow()
            else:
                with RunLock.acquire(self._folder):
                    self._carry(is_empty=where == "empty")
        except RunBusyError as error:
            self._say(error)
            self.state = "unknown"
        except Exception as error:  # noqa: BLE001 - Ray has many ways to say that an actor or its node is gone
            self._say(error)
            self._note(error)
            # In the folder itself its trainer may go on without it; one in a copy ends with it.
            self.state = "unknown" if is_shared and not self._is_cancelled.is_set() else "done"
        finally:
            self._has_word.set()

    def _follow(self) -> None:
        while self._far.exit_code() is None:
            self._heard()
            if self._leaving.wait(_TICK_SECONDS):
                return
        self._end()

    def _carry(self, *, is_empty: bool) -> None:
        carrier = Carrier(self._folder, self._far)
        try:
            if is_empty:
                carrier.send()
                self._far.start()
            while not self._is_carried(carrier):
                self._heard()
                if self._leaving.wait(_TICK_SECONDS) and not carrier.has_last_word and self._far.exit_code() is None:
                    carrier.leave()
                    return
        except Exception:
            carrier.close()
            raise
        carrier.close()
        self._far.clean()
        self._end()

    def _is_carried(self, carrier: Carrier) -> bool:
        try:
            return carrier.carry() is not None
        except (OSError, RunFolderError) as error:
            if isinstance(error, self._ray.exceptions.RayError):
                raise
            self._say(error)  # e.g. a full disk here: the copy there keeps it
            time.sleep(1.0)
            return False

    def _heard(self) -> None:
        self.state = "running"
        self._has_word.set()
        if self._is_cancelled.is_set():
            self._far.cancel()

    def _end(self) -> None:
        self.state = "done"
        self._ray.kill(self._actor)

    def _say(self, error: Exception) -> None:
        if not (self._is_cancelled.is_set() or self._leaving.is_set()):
            sys.stderr.write(f"{self._folder.id}: {type(error).__name__}: {error}\n")

    def _note(self, error: Exception) -> None:
        """Where somebody looks who wonders what became of the run."""
        if not self._is_cancelled.is_set():
            with contextlib.suppress(OSError), self._folder.output_path.open("a", encoding="utf-8") as output:
                output.write(f"Ray: {error}\n")


class _Far:
    """Calls of the methods of an actor, as if it were here."""

    def __init__(self, ray: Any, actor: Any) -> None:
        self._ray = ray
        self._actor = actor

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._actor, name)
        return lambda *args, **kwargs: self._ray.get(method.remote(*args, **kwargs))


class _TrainerActor(FarTrainer):
    """The far side in Ray; it ends itself where nobody asks any more."""

    def __init__(self, path: str, marker: str, environment: dict[str, str], *, is_resumed: bool) -> None:
        super().__init__(path, marker, environment, is_resumed=is_resumed)
        self._asked_at = time.monotonic()
        threading.Thread(target=self._linger, daemon=True).start()

    def exit_code(self) -> int | None:
        """Of the trainer; asking keeps the actor alive."""
        self._asked_at = time.monotonic()
        return super().exit_code()

    def _linger(self) -> None:
        patience = _LINGER_SECONDS if self.is_shared else _KEPT_SECONDS
        while time.monotonic() - self._asked_at < patience or super().exit_code() is None:
            time.sleep(1.0)
        self.clean()
        import ray

        ray.kill(ray.get_runtime_context().current_actor)


def _connect(ray: Any, address: str, num_parallel: int) -> None:
    said = {"namespace": NAMESPACE, "log_to_driver": False, "logging_level": logging.ERROR}
    try:
        with contextlib.redirect_stdout(sys.stderr):
            if address:
                ray.init(address=address, **said)
                return
            try:
                ray.init(address="auto", **said)
            except ConnectionError:
                if os.environ.get("RAY_ADDRESS"):
                    raise
                # Trainers are to outlive this process, and to be as fast, as local ones.
                os.environ.setdefault("RAY_kill_child_processes_on_worker_exit", "false")
                os.environ.setdefault("RAY_worker_niceness", "0")
                num_cpus = max(usable_cores(), num_parallel)
                ray.init(address="local", num_cpus=num_cpus, include_dashboard=False, **said)
    except Exception as error:
        raise TuitrainError(
            f"--on {address or 'ray'}: the cluster cannot be reached: {error}",
            hint="ray status there; the port (10001 unless it was chosen); RAY_AUTH_MODE, alike on both sides.",
        ) from error
