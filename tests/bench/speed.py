"""Training speed of `mnist-mlp` under tuitrain relative to the same loop bare: `python -m tests.bench.speed`.

Bare, headless and with the dashboard attached in a pseudo-terminal of 120×40, in turn, several times; the median of
the paired ratios is printed. The pace is lifted and evaluations are left out, so that the loop itself is compared.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pexpect

from tuitrain.protocol.events import RunEnded, StepsFinished
from tuitrain.rundir.follower import read_events
from tuitrain.rundir.places import RunFolder

_BARE = """
import sys, time, torch
from torch.nn import functional
from tuitrain.tasks.build.task import TaskOptions, build_task
torch.set_num_threads(1)
torch.manual_seed(0)
task = build_task(TaskOptions(dataset="mnist-5k", model="mlp"), torch.device("cpu"))
optimizer = torch.optim.Adam(task.model.parameters(), lr=1e-3)
generator, steps, done = torch.Generator().manual_seed(0), int(sys.argv[1]), 0
warm = steps // 5
while done < steps:
    for chosen in torch.randperm(len(task.train), generator=generator).split(64)[:-1]:
        loss = functional.cross_entropy(task.model(task.train.x[chosen]), task.train.y[chosen])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        done += 1
        if done == warm:
            began = time.perf_counter()
        if done == steps:
            break
print((steps - warm) / (time.perf_counter() - began))
"""


def bare(steps: int) -> float:
    """Steps per second of the plain loop, after warming up for a fifth of it."""
    done = subprocess.run(
        [sys.executable, "-c", _BARE, str(steps)], capture_output=True, text=True, check=True, env={**os.environ}
    )
    return float(done.stdout)


def under_tuitrain(steps: int, *, with_screen: bool) -> float:
    """Steps per second of a run, from its own recording, over the same stretch."""
    with tempfile.TemporaryDirectory() as home:
        command = ["run", "mnist-mlp", f"train.steps={steps}", f"eval.every_steps={steps}"]
        command += ["train.max_steps_per_second=1000000.0"]
        environment = {**os.environ, "TUITRAIN_HOME": home, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        if with_screen:
            _watch(command, Path(home), environment)
        else:
            subprocess.run(
                [sys.executable, "-m", "tuitrain.cli", *command, "--headless"],
                capture_output=True, check=True, env=environment,
            )  # fmt: skip
        return _speed(_folder(Path(home)), steps)


def _watch(command: list[str], home: Path, environment: dict[str, str]) -> None:
    screen = pexpect.spawn(
        sys.executable, ["-m", "tuitrain.cli", *command], dimensions=(40, 120), env=environment, timeout=300
    )
    while not _has_ended(home):
        try:
            screen.read_nonblocking(1 << 16, timeout=0.05)
        except pexpect.TIMEOUT:
            continue
    screen.send("q")
    screen.expect(pexpect.EOF)


def _folder(home: Path) -> RunFolder:
    return RunFolder(next((home / "runs").iterdir()))


def _has_ended(home: Path) -> bool:
    try:
        return b'"RunEnded"' in _folder(home).events_path.read_bytes()[-4096:]
    except (OSError, StopIteration):
        return False


def _speed(folder: RunFolder, steps: int) -> float:
    marks: list[tuple[int, float]] = []
    for event in read_events(folder):
        if isinstance(event, StepsFinished):
            marks.append((event.step, event.seconds))
        if isinstance(event, RunEnded):
            break
    start = next(mark for mark in marks if mark[0] >= steps // 5)
    return (marks[-1][0] - start[0]) / (marks[-1][1] - start[1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6000)
    arguments = parser.parse_args()
    headless: list[float] = []
    attached: list[float] = []
    for number in range(1, arguments.rounds + 1):
        base = bare(arguments.steps)
        quiet = under_tuitrain(arguments.steps, with_screen=False)
        watched = under_tuitrain(arguments.steps, with_screen=True)
        headless.append(quiet / base)
        attached.append(watched / base)
        sys.stdout.write(f"{number}: bare {base:.0f}/s  headless ×{quiet / base:.3f}  attached ×{watched / base:.3f}\n")
        sys.stdout.flush()
        time.sleep(0.5)
    for name, ratios in (("headless", headless), ("dashboard attached", attached)):
        low, high = min(ratios), max(ratios)
        sys.stdout.write(f"{name}: median ×{statistics.median(ratios):.3f} ({low:.3f} to {high:.3f})\n")


if __name__ == "__main__":
    main()
