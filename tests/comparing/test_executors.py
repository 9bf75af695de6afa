"""One contract for every place where runs can be: local processes, Ray, Ray without a shared disk, SLURM."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from tests.session.again import losses, work
from tuitrain.comparing.engines import open_executor
from tuitrain.comparing.executor import Executor, Job
from tuitrain.comparing.ray_executor import RayExecutor
from tuitrain.comparing.slurm import SlurmExecutor
from tuitrain.errors import UnknownNameError, UsageError
from tuitrain.preset import load_preset
from tuitrain.protocol.commands import Pause, SaveCheckpoint
from tuitrain.protocol.events import CheckpointSaved, RunEnded, RunResumed, RunStarted
from tuitrain.rundir.follower import read_events
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.rundir.status import CarrierWatch
from tuitrain.rundir.summary import summarize
from tuitrain.session.asking import ask_and_wait
from tuitrain.session.start import create_run
from tuitrain.training.checkpoint import load_checkpoint_of

SHORT = ("train.steps=300", "eval.every_steps=100")
LONG = ("train.steps=10000000", "eval.every_steps=1000000")
WIDE = ("task.hidden=[1500,1500]", "train.steps=2")
"""Over two million parameters: torch takes as many threads as the environment says."""
ENGINES = ("local", "ray", "ray-carried", "slurm")
QUICK = ("local", *(pytest.param(name, marks=pytest.mark.slow) for name in ENGINES[1:]))
"""All of them, of which every day's suite takes the first."""

pytestmark = pytest.mark.xdist_group("executors")


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[None]:
    """A cluster with room for two runs, whose sockets have short paths, and which leaves nothing behind."""
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        folder = tempfile.mkdtemp(prefix="tr-", dir="/tmp")
        ray.init(
            address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
            _temp_dir=folder,
        )  # fmt: skip
        yield
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


E = TypeVar("E")
Open = Callable[[], Executor]


@pytest.fixture
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens executors of the engine that a test is for, as one scheduler after another does."""
    executors: list[Executor] = []
    if request.param.startswith("ray"):
        request.getfixturevalue("ray_cluster")

    def open_one() -> Executor:
        match request.param:
            case "local":
                executors.append(open_executor("local", tmp_path / "engine", 2))
            case "slurm":
                executors.append(SlurmExecutor(tmp_path / "engine", "local"))
            case _:
                executors.append(RayExecutor(num_parallel=2, is_carried=request.param == "ray-carried"))
        return executors[-1]

    yield open_one
    for executor in executors:
        executor.close()


def of_engines(*names: object) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("opened", names, indirect=True)


def until(condition: Callable[[], object], seconds: float = 90.0) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


def made(*overrides: str, preset: str = "lab-wave") -> RunFolder:
    return create_run(load_preset(preset, overrides))


def told(folder: RunFolder, kind: type[E]) -> list[E]:
    return [event for event in read_events(folder) if isinstance(event, kind)]


@of_engines(*ENGINES)
def test_runs_are_trained_to_the_end_whoever_asks_for_them(opened: Open, tmp_path: Path) -> None:
    """Two at once and one that fails: bit by bit as here, with their environment, and for a later executor too."""
    data = tmp_path / "points.csv"
    data.write_text("x,y\n" + "".join(f"{i},{i * 0.5}\n" for i in range(400)))
    short, wide, failing = made(*SHORT), made(*WIDE), made("task.dataset=csv", f"task.path={data}", "train.steps=5")
    data.unlink()
    executor = opened()
    num_threads = 2 if executor.name == "ray" else 1  # not what they are without a word
    jobs = (
        Job(folder=short),
        Job(folder=wide, slot=1, environment={"OMP_NUM_THREADS": str(num_threads)}),
        Job(folder=failing),
    )
    handles = [executor.submit(job) for job in jobs]
    assert len(set(handles)) == 3
    assert executor.state("nobody knows this") == "unknown"
    until(lambda: executor.state(handles[0]) in {"running", "done"})
    executor.close()
    later = opened()
    until(lambda: [later.state(handle) for handle in handles] == ["done"] * 3)
    assert [summarize(run).state for run in (short, wide, failing)] == ["finished", "finished", "failed"]
    assert losses(short) == losses(work(made(*SHORT)))
    assert [event.torch_threads for event in told(wide, RunStarted)] == [num_threads]
    assert data.name in told(failing, RunEnded)[-1].message
    saved = told(short, CheckpointSaved)[-1]
    assert load_checkpoint_of(short.path / saved.path)[1] == saved.sha256
    later.cancel(handles[0])  # one that is done is left alone
    assert summarize(short).state == "finished"


@of_engines(*QUICK)
def test_what_is_cancelled_ends_well(opened: Open) -> None:
    """A screen follows it live, it takes commands; cancelled it evaluates, saves and ends."""
    executor = opened()
    run = made(*LONG)
    handle = executor.submit(Job(folder=run))
    until(lambda: summarize(run).step > 50)
    watch = CarrierWatch(run)
    assert (executor.state(handle), watch.poll(has_ended=False, has_grown=True).status) == ("running", "live")
    assert ask_and_wait(run, Pause(), 30).status == "applied"
    until(lambda: summarize(run).state == "paused")
    executor.cancel(handle)
    until(lambda: executor.state(handle) == "done")
    assert summarize(run).state == "stopped"
    assert list(run.checkpoints_path.glob("step-*.pt"))


@of_engines(*QUICK)
def test_a_killed_trainer_is_done_and_can_be_gone_on_with(opened: Open) -> None:
    """Its folder says lost; submitted again it goes on from its checkpoint."""
    executor = opened()
    run = made(*LONG)
    handle = executor.submit(Job(folder=run))
    until(lambda: summarize(run).step > 50)
    assert ask_and_wait(run, SaveCheckpoint(), 30).status == "applied"
    until(lambda: told(run, CheckpointSaved) and list(run.checkpoints_path.glob("step-*.pt")))
    os.kill(read_info(run).pid, signal.SIGKILL)
    until(lambda: executor.state(handle) == "done")
    assert summarize(run).state == "lost"
    step = summarize(run).step
    again = executor.submit(Job(folder=run, is_resumed=True))
    until(lambda: summarize(run).step > step + 50)
    assert len(told(run, RunResumed)) == 1
    assert executor.state(again) == "running"
    executor.cancel(again)
    until(lambda: executor.state(again) == "done")
    assert summarize(run).state == "stopped"
    numbers = [getattr(event, "seq", 0) for event in read_events(run)]
    assert numbers == sorted(set(numbers))


@of_engines("local", "slurm")
def test_what_cannot_be_gone_on_with_is_said_at_once(opened: Open) -> None:
    """No checkpoint: nothing is started."""
    with pytest.raises(UsageError, match="no checkpoint"):
        opened().submit(Job(folder=made(*SHORT), is_resumed=True))


@pytest.mark.parametrize("text", ["", "loacl", "ray:", "ray://", "local:4", "slurm:partiton=gpu"])
def test_engines_that_are_not_there_are_named(text: str, tmp_path: Path) -> None:
    """With the nearest that is."""
    with pytest.raises(UnknownNameError):
        open_executor(text, tmp_path, 1)
