"""A fresh run folder, and processes that do not outlive their test."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.rundir.fake_trainer import play
from tuitrain.rundir.places import RunFolder

Play = Callable[[str], subprocess.Popen[bytes]]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "runs" / "20261121-1432-mnist-mlp-7f3a")


@pytest.fixture
def part(folder: RunFolder) -> Iterator[Play]:
    """Starts a part of the fake trainer as a process on the folder; killed at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def start(mode: str) -> subprocess.Popen[bytes]:
        started.append(play(mode, folder))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def doomed() -> Iterator[list[int]]:
    """Pids of grandchildren to kill at the end."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
