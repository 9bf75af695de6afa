"""SLURM: what is asked of it, what its words mean, and a job whose time is up goes on in the next."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.comparing.test_carrying import until
from tuitrain.comparing.executor import Job
from tuitrain.comparing.slurm import OPTIONS, SlurmExecutor, Training, parse_options
from tuitrain.errors import TuitrainError, UnknownNameError, UsageError
from tuitrain.preset import load_preset
from tuitrain.protocol.events import RunResumed
from tuitrain.rundir.follower import read_events
from tuitrain.rundir.places import RunFolder
from tuitrain.rundir.summary import summarize
from tuitrain.session.start import create_run

Fake = Callable[[str, str], None]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A long one, just made."""
    monkeypatch.setenv("TUITRAIN_HOME", str(tmp_path / "home"))
    return create_run(load_preset("lab-wave", ("train.steps=10000000", "eval.every_steps=1000000")))


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Puts a program of SLURM on the PATH that says its arguments to a file and does what a test wants."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    def put(name: str, script: str) -> None:
        program = programs / name
        program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/{name}.said\n{script}\n')
        program.chmod(0o700)

    put("srun", "")
    put("sbatch", 'echo "Submitted batch job 4711"')
    return put


def test_options_are_checked() -> None:
    """Names, and that numbers are some."""
    wanted = {"partition": "gpu", "time": 120, "gpus_per_node": 1, "mem_gb": 1.5}
    assert parse_options("partition=gpu, time=120,gpus_per_node=1,mem_gb=1.5") == wanted
    assert parse_options("") == {}
    for text in ("time=2h", "time=0", "partition=", "cpus_per_task", "mem_gb=-1", "mem_gb=nan"):
        with pytest.raises(UsageError, match="is not"):
            parse_options(text)
    with pytest.raises(UnknownNameError, match='"partition"'):
        parse_options("partiton=gpu")


def test_a_job_asks_for_what_was_said(run: RunFolder, fake: Fake, tmp_path: Path) -> None:
    """Every option is one that submitit knows; what sbatch refuses is said."""
    every = {name: 3 if kind is int else 2.0 if kind is float else f"a-{name}" for name, (_, kind) in OPTIONS.items()}
    SlurmExecutor(tmp_path / "engine", options=every).submit(Job(folder=run))
    script = next((tmp_path / "engine").glob("*.sh")).read_text()
    for line in ("time=3", "mem=2GB", "partition=a-partition", "gpus-per-node=3", "qos=a-qos", "signal=USR2@3"):
        assert f"#SBATCH --{line}\n" in script
    fake("sbatch", "echo 'invalid partition' >&2; exit 1")
    with pytest.raises(TuitrainError, match="invalid partition"):
        SlurmExecutor(tmp_path / "engine").submit(Job(folder=run))


def test_the_queue_tells_the_state(run: RunFolder, fake: Fake, tmp_path: Path) -> None:
    """Its words in ours; silence changes nothing; what is no longer in it is done, and is not asked for again."""
    now = [0.0]
    executor = SlurmExecutor(tmp_path / "engine", clock=lambda: now[0])
    handle = executor.submit(Job(folder=run))
    assert handle == "4711"

    def state(script: str) -> str:
        fake("squeue", script)
        now[0] += 10.0
        return executor.state(handle)

    assert state("echo 4711 PENDING") == "waiting"
    assert state("echo 4711 RUNNING") == "running"
    assert state("echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1") == "running"
    assert state("echo 4711 REQUEUED; echo 4711 PENDING") == "waiting"
    assert state("echo 4711 COMPLETED") == "done"
    assert state("echo 4711 RUNNING") == "done"
    later = SlurmExecutor(tmp_path / "engine")
    fake("squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    assert [later.state(one) for one in ("4711", "no job; rm -rf", "")] == ["done", "unknown", "unknown"]
    fake("scancel", "")
    later.cancel("4711")
    later.cancel("no job; rm -rf")
    assert (tmp_path / "scancel.said").read_text() == "4711\n"


def test_without_sbatch_it_is_said_before_anything_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With where to go."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="login node"):
        SlurmExecutor(tmp_path / "engine")


def test_a_job_that_did_not_begin_is_not_resumed() -> None:
    """Warned before its trainer is there, it begins in the next time."""
    assert not Training("/nowhere", {}, is_resumed=False).checkpoint().function.is_resumed


@pytest.mark.slow
def test_a_job_whose_time_is_up_goes_on_in_the_next(run: RunFolder, tmp_path: Path) -> None:
    """Warned, the trainer stops, evaluates and saves; the job goes back into the queue, and on from there.

    Every process of a job hears the warning, as SLURM sends it: the trainer twice.
    """
    executor = SlurmExecutor(tmp_path / "engine", "local")
    handle = executor.submit(Job(folder=run))
    until(lambda: summarize(run).step > 50)
    for member in psutil.Process(int(handle.partition("/")[0])).children(recursive=True):
        member.send_signal(signal.SIGUSR2)
    until(lambda: [event for event in read_events(run) if isinstance(event, RunResumed)])
    step = summarize(run).step
    until(lambda: summarize(run).step > step)
    assert executor.state(handle) == "running"
    executor.cancel(handle)
    until(lambda: executor.state(handle) == "done")
    assert summarize(run).state == "stopped"
