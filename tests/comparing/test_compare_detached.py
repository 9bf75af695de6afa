"""`tuitrain compare` as people use it: whole processes, kill -9 of the scheduler and of a run, and the way back."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tuitrain.board.comparison import Comparison
from tuitrain.comparing.folder import find_comparison
from tuitrain.comparing.reading import ComparisonReader
from tuitrain.comparing.starting import is_scheduled
from tuitrain.errors import TuitrainError
from tuitrain.protocol.commands import Resume
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.rundir.summary import summarize
from tuitrain.session.asking import send
from tuitrain.session.recorded import recorded

SHORT = ("train.steps=40", "eval.every_steps=20", "train.device=cpu")
LONG = ("train.steps=1500", "eval.every_steps=500", "train.device=cpu", "checkpoint.every_minutes=0.005")
HELD = (*LONG, 'moment=[{at_step=300,do="save_checkpoint"},{at_step=1400,do="pause"}]')
"""The same, which waits near its end to be woken: it is at work whenever a test comes to ending it."""


def tuitrain(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tuitrain.cli", *arguments], capture_output=True, text=True, check=False
    )


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tuitrain.cli", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture(autouse=True)
def nothing_is_left(home: Path) -> Iterator[None]:
    """Whatever a test started is ended with it."""
    yield
    for process in psutil.process_iter(["cmdline"]):
        if any(str(home) in part for part in process.info["cmdline"] or []):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def until(condition: Callable[[], object], seconds: float = 100.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


def seen(name: str) -> Comparison:
    reader = ComparisonReader.of_folder(find_comparison(name))
    while reader.poll(1.0):
        pass
    return reader.comparison


def woken_to_the_end(process: subprocess.Popen[str], name: str) -> tuple[str, str]:
    """What a comparison prints, whose runs are woken wherever one pauses."""

    def is_over() -> bool:
        with contextlib.suppress(TuitrainError):  # it is not there yet
            for view in seen(name).members.values():
                if view.run and summarize(RunFolder(Path(view.run))).state == "paused":
                    send(RunFolder(Path(view.run)), Resume())
        return process.poll() is not None

    until(is_over, 200.0)
    return process.communicate()


def losses(comparison: Comparison) -> dict[str, list[tuple[int, float]]]:
    """Batch losses of each member, step by step."""
    folders = {key: RunFolder(Path(view.run)) for key, view in comparison.members.items()}
    return {key: list(recorded(folder).values("batch/loss")) for key, folder in folders.items()}


def test_presets_are_run_with_seeds_and_judged(home: Path, tmp_path: Path) -> None:
    """Lines on stderr, the verdict on stdout, a report; what ran can be looked at again, and beside other runs."""
    report = tmp_path / "report.html"
    done = tuitrain(
        "compare", "lr-good", *SHORT, "--vary", "optimizer.lr=1e-4,0.1", "--seeds", "2", "--parallel", "2",
        "--name", "rates", "--report", str(report),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "4 runs, 2 at a time" in done.stderr
    assert len(re.findall(r"lr-.*-s[01] +finished +eval/loss", done.stderr)) == 4
    assert "eval/loss, lower is better" in done.stdout
    assert "<svg" in report.read_text()
    again = tuitrain("compare", "--resume", "rates", "--json")
    data: dict[str, Any] = json.loads(again.stdout)
    assert [member["state"] for member in data["members"]] == ["finished"] * 4
    assert data["rankings"]["eval/loss"]["standings"][0]["arm"] == "lr 0.1"
    runs = [member["run"] for member in data["members"]]
    beside = tuitrain("compare", *runs, "--by-seed", "--json")
    standings = json.loads(beside.stdout)["rankings"]["eval/loss"]["standings"]
    assert [len(standing["values"]) for standing in standings] == [2, 2]
    assert "rates" in tuitrain("compare").stdout
    more = json.loads(tuitrain("compare", "--resume", "rates", "--seeds", "3", "--json").stdout)
    assert [member["seed"] for member in more["members"]] == [0, 1, 0, 1, 2, 2]
    assert [len(standing["values"]) for standing in more["rankings"]["eval/loss"]["standings"]] == [3, 3]
    assert [member["run"] for member in more["members"][:4]] == [member["run"] for member in data["members"]]
    refused = tuitrain("compare", runs[0], runs[1], "--metric", "eval/los", "--headless")
    assert refused.returncode == 2
    assert '"eval/loss"' in refused.stderr


def test_after_kill_9_of_scheduler_and_run_everything_is_as_if_nothing_had_been(home: Path) -> None:
    """Bit for bit: the run that was killed goes on from its checkpoint, the other one was never disturbed."""
    name = ("--vary", "optimizer.lr=0.05,0.1", "--parallel", "2", "--name")
    process = start("compare", "lr-good", *HELD, *name, "broken", "--headless")
    until(lambda: _num_saved("broken") >= 2)
    folder = find_comparison("broken")
    killed = seen("broken")
    scheduler = killed.scheduler
    assert scheduler is not None
    os.kill(scheduler.pid, signal.SIGKILL)
    victim = read_info(RunFolder(Path(next(iter(killed.members.values())).run)))
    os.kill(victim.pid, signal.SIGKILL)
    until(lambda: not is_scheduled(folder))
    process.kill()
    process.communicate()
    again = start("compare", "--resume", "broken", "--headless")
    _, err = woken_to_the_end(again, "broken")
    assert again.returncode == 0, err
    reference = tuitrain("compare", "lr-good", *LONG, *name, "whole", "--headless")
    assert reference.returncode == 0, reference.stderr
    found, expected = losses(seen("broken")), losses(seen("whole"))
    assert found == expected
    assert all(len(values) == 1500 for values in expected.values())
    assert [view.attempt for view in seen("broken").members.values()] == [2, 1]


def _num_saved(name: str) -> int:
    """How many members have a checkpoint to go on from."""
    try:
        comparison = seen(name)
    except TuitrainError:  # it is not there yet
        return 0
    return sum(
        bool(view.run) and any((Path(view.run) / "checkpoints").glob("step-*.pt"))
        for view in comparison.members.values()
    )


def test_a_run_that_fails_is_said_and_the_others_are_compared(home: Path, tmp_path: Path) -> None:
    """Its data vanish between planning and running; the exit code says that not all is well."""
    data = tmp_path / "mine.csv"
    data.write_text("x,y\n" + "\n".join(f"{number},{number % 2}" for number in range(200)))
    preset = tmp_path / "mine.toml"
    preset.write_text(
        'title = "mine"\n[task]\ndataset = "csv"\nmodel = "mlp"\npath = "mine.csv"\n'
        '[train]\nsteps = 40\ndevice = "cpu"\n'
    )
    held = (*SHORT[:2], 'moment=[{at_step=20,do="pause"}]')
    process = start("compare", "lr-good", str(preset), *held, "--parallel", "1", "--name", "half", "--headless")
    until(lambda: _is_in("paused", "half"))
    data.unlink()
    out, err = woken_to_the_end(process, "half")
    assert process.returncode == 1
    assert "failed" in out
    assert "finished" in out
    assert "different tasks" in err


def test_an_interrupt_stops_what_is_at_work_and_resume_goes_on_with_what_waits(home: Path) -> None:
    """Ctrl-C in the terminal of --headless."""
    process = start(
        "compare",
        "lr-good",
        *HELD,
        "--vary",
        "optimizer.lr=0.05,0.1",
        "--parallel",
        "1",
        "--name",
        "slow",
        "--headless",
    )
    until(lambda: _is_in("running", "slow"))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert "stopping" in err
    states = [view.state for view in seen("slow").members.values()]
    assert states == ["stopped", "waiting"]
    _, err = woken_to_the_end(start("compare", "--resume", "slow", "--headless"), "slow")
    assert "1 of 2 runs are left" in err
    assert [view.state for view in seen("slow").members.values()] == ["stopped", "finished"]


def _is_in(state: str, name: str) -> bool:
    """Whether a member is in this state."""
    try:
        return any(view.state == state for view in seen(name).members.values())
    except TuitrainError:  # it is not there yet
        return False
