"""Wait for what a run says."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from tuitrain.board.board import Board
from tuitrain.preset import load_preset
from tuitrain.rundir.places import RunFolder
from tuitrain.session.reading import RunReader
from tuitrain.session.start import Started, start_detached

T = TypeVar("T")
LONG = ("train.steps=1000000", "eval.every_steps=500")


class Watched:
    """A run with its board, read on demand."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.board = Board()
        self._reader = RunReader(folder)

    def until(self, condition: Callable[[Board], T], seconds: float = 60.0) -> T:
        """Read until a condition on the board holds; gives what it returned."""
        deadline = time.monotonic() + seconds
        while True:
            for word in self._reader.poll():
                self.board.apply(word)
            found = condition(self.board)
            if found:
                return found
            assert time.monotonic() < deadline, f"it did not come: {self.board.state} at step {self.board.step}"
            time.sleep(0.02)


def started(*overrides: str, preset: str = "lab-wave", has_screen: bool = False) -> tuple[Started, Watched]:
    """A detached run and its watcher."""
    run = start_detached(load_preset(preset, overrides), has_screen=has_screen)
    return run, Watched(run.folder)
