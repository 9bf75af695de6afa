"""Ray clusters: one of one's own dies with its scheduler, another one is found again; trainers outlive both."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.comparing.test_carrying import until
from tuitrain.errors import UsageError
from tuitrain.preset import load_preset
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.rundir.summary import summarize
from tuitrain.session.start import create_run

pytestmark = pytest.mark.xdist_group("executors")

SCHEDULER = """
import sys, time
from pathlib import Path
from tuitrain.comparing.engines import open_executor
from tuitrain.comparing.executor import Job
from tuitrain.rundir.places import RunFolder
executor = open_executor(sys.argv[1], Path(sys.argv[2]), 1)
handle = sys.argv[4] if len(sys.argv) > 4 else executor.submit(Job(folder=RunFolder(Path(sys.argv[3]))))
while executor.state(handle) == "waiting":
    time.sleep(0.1)
print(handle, executor.state(handle), sep="\\n", flush=True)
if len(sys.argv) == 4:
    time.sleep(1000)
executor.cancel(handle)
while executor.state(handle) == "running":
    time.sleep(0.1)
print(executor.state(handle))
executor.close()
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunFolder]:
    """A long one, just made; nobody trains it afterwards."""
    monkeypatch.setenv("TUITRAIN_HOME", str(tmp_path / "home"))
    folder = create_run(load_preset("lab-wave", ("train.steps=10000000", "eval.every_steps=1000000")))
    yield folder
    if summarize(folder).is_live and read_info(folder).pid:
        os.kill(read_info(folder).pid, signal.SIGKILL)


def is_free(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) != 0


def scheduler(engine: str, run: RunFolder, handle: str = "") -> subprocess.Popen[str]:
    words = [engine, str(run.path.parent / "engine"), str(run.path), *([handle] if handle else [])]
    return subprocess.Popen([sys.executable, "-c", SCHEDULER, *words], stdout=subprocess.PIPE, text=True)


def killed_in_the_middle(engine: str, run: RunFolder) -> str:
    """A scheduler is killed while its run trains; gives the handle."""
    with scheduler(engine, run) as first:
        assert first.stdout is not None
        handle, state = first.stdout.readline().strip(), first.stdout.readline().strip()
        assert state == "running"
        until(lambda: summarize(run).step > 50)
        first.kill()
    step = summarize(run).step
    until(lambda: summarize(run).step > step + 200)
    assert summarize(run).state == "running"
    return handle


@pytest.mark.slow
def test_a_trainer_outlives_the_cluster_of_its_scheduler(run: RunFolder) -> None:
    """kill -9 of the scheduler takes its own cluster with it; the run goes on, and its folder tells."""
    pytest.importorskip("ray")
    handle = killed_in_the_middle("ray", run)
    with scheduler("ray", run, handle) as later:
        assert later.communicate(timeout=120)[0].split("\n")[1:3] == ["unknown", "unknown"]
    assert summarize(run).state == "running"


@pytest.mark.slow
def test_another_scheduler_finds_a_run_in_the_cluster(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """By ray://, after kill -9 of the one that had asked for it."""
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # clients of some versions do not send the token
    folder = tempfile.mkdtemp(prefix="tr-", dir="/tmp")  # a socket has a short path
    port = next(number for number in range(20500, 30000, 7) if is_free(number))  # others are for Ray's own processes
    words = ["start", "--head", "--port=0", f"--ray-client-server-port={port}", "--num-cpus=2", "--block",
             "--include-dashboard=false", "--disable-usage-stats", f"--temp-dir={folder}"]  # fmt: skip
    program = str(Path(sys.executable).with_name("ray"))
    with subprocess.Popen([program, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as cluster:
        try:
            until(lambda: not is_free(port))
            handle = killed_in_the_middle(f"ray://127.0.0.1:{port}", run)
            with scheduler(f"ray://127.0.0.1:{port}", run, handle) as later:
                assert later.communicate(timeout=120)[0].split("\n")[1:3] == ["running", "done"]
            assert summarize(run).state == "stopped"
        finally:
            cluster.terminate()
            cluster.wait(60)
            shutil.rmtree(folder, ignore_errors=True)


def test_without_ray_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is imported to find out."""
    from tuitrain.comparing import engines

    monkeypatch.setattr(engines, "find_spec", lambda _: None)
    for text, extra in (("ray", "ray"), ("ray://somewhere:10001", "ray"), ("slurm:time=5", "slurm")):
        with pytest.raises(UsageError, match=rf'pip install "tuitrain\[{extra}\]"'):
            engines.open_executor(text, tmp_path, 1)
    assert engines.is_installed("local")
    assert not engines.is_installed("ray")
