"""Runs in a home of the test, and no trainer left behind."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuitrain.errors import TuitrainError
from tuitrain.rundir.places import RunFolder, read_info, runs_folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """TUITRAIN_HOME in the test's own folder; whatever still trains there is ended afterwards."""
    folder = tmp_path / "home"
    monkeypatch.setenv("TUITRAIN_HOME", str(folder))
    yield folder
    for run in runs_folder().glob("*") if runs_folder().is_dir() else ():
        with contextlib.suppress(TuitrainError, ProcessLookupError):
            pid = read_info(RunFolder(run)).pid
            if pid and pid != os.getpid():
                os.kill(pid, signal.SIGKILL)
