"""Executors by name."""

from __future__ import annotations

from pathlib import Path

from tuitrain.comparing.executor import Executor
from tuitrain.comparing.local import LocalExecutor
from tuitrain.errors import UnknownNameError


def open_executor(text: str, engine_folder: Path, num_parallel: int) -> Executor:
    """The executor that is meant by a text such as "local".

    Args:
        text: as on the command line, after --on.
        engine_folder: for what the engine needs to keep.
        num_parallel: runs at once.

    Raises:
        UnknownNameError: there is none of that name.
    """
    del engine_folder, num_parallel
    if text == "local":
        return LocalExecutor()
    raise UnknownNameError("executor", text, ("local",))
