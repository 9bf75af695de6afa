"""Joins a session and the dashboard: what `tuitrain`, `run`, `attach` and `replay` open on a terminal."""

from __future__ import annotations

import subprocess
import sys

from tuitrain.board.board import Board
from tuitrain.preset import Preset, list_presets
from tuitrain.rundir.places import RunFolder
from tuitrain.session.start import start_detached


def open_home() -> int:
    """Home: presets and runs."""
    from tuitrain.ui.app import TuitrainApp

    app = TuitrainApp(presets=list_presets())
    app.run()
    _say_goodbye(app.run_id, app.board)
    return app.return_code or 0


def watch_new_run(preset: Preset) -> int:
    """Start a detached run and watch it; the exit code is the run's where it has ended."""
    started = start_detached(preset, has_screen=True)  # first: torch is imported while textual is
    return watch_run(started.folder, started.process)


def watch_run(folder: RunFolder, process: subprocess.Popen[bytes] | None = None) -> int:
    """Watch a run that goes on without us."""
    from tuitrain.ui.app import TuitrainApp
    from tuitrain.ui.source import LiveSource

    app = TuitrainApp(LiveSource(folder))
    app.run()
    if process is not None:
        process.poll()
    _say_goodbye(folder.id, app.board)
    return app.return_code or _exit_code(app.board)


def watch_in_process(preset: Preset) -> int:
    """Train inside the dashboard process; leaving ends the run."""
    from tuitrain.session.in_process import InProcessRun
    from tuitrain.ui.app import TuitrainApp
    from tuitrain.ui.source import LiveSource

    run = InProcessRun(preset)
    app = TuitrainApp(LiveSource(run.folder), stop_and_wait=run.stop_and_wait)
    app.run()
    run.stop_and_wait(30.0)
    _say_goodbye(run.folder.id, app.board)
    return app.return_code or _exit_code(app.board)


def replay_run(folder: RunFolder, speed: float) -> int:
    """Play a recording."""
    from tuitrain.ui.app import TuitrainApp
    from tuitrain.ui.source import ReplaySource

    app = TuitrainApp(ReplaySource(folder, speed))
    app.run()
    return app.return_code or 0


def _exit_code(board: Board | None) -> int:
    return 1 if board is not None and board.state in {"failed", "lost"} else 0


def _say_goodbye(run: str, board: Board | None) -> None:
    """What became of the run, and how to come back."""
    if not run or board is None:
        return
    if board.is_live:
        sys.stdout.write(f"{run} goes on at step {board.step}. Come back with: tuitrain attach {run}\n")
        return
    ended = board.ended
    told = f": {ended.message}" if ended is not None and ended.message else ""
    sys.stdout.write(f"{run}: {board.state} at step {board.step}{told}\n")
    for metric in ("eval/loss", "eval/accuracy"):
        value = board.last_eval(metric)
        if value is not None:
            sys.stdout.write(f"  {metric:<14} {value:.4g}\n")
