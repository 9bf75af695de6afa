"""Joins a session and the dashboard: what `tuitrain`, `run`, `attach` and `replay` open on a terminal."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tuitrain.echo import echo
from tuitrain.preset import Preset, list_presets
from tuitrain.rundir.places import RunFolder
from tuitrain.rundir.summary import summarize
from tuitrain.session.start import resume_detached, start_detached

if TYPE_CHECKING:
    from tuitrain.comparing.reading import ComparisonReader
    from tuitrain.ui.app import TuitrainApp
    from tuitrain.ui.source import Source

_STOP_SECONDS = 30.0


def open_home(station: str | None = None) -> int:
    """Home: presets and runs; with a station the walk through the lecture above it (empty: where it was left)."""
    from tuitrain.ui.app import TuitrainApp

    app = TuitrainApp(presets=list_presets(), station=station)
    app.run()
    if app.source is not None:
        _say_goodbye(app.source)
    return app.return_code or 0


def watch_new_run(preset: Preset) -> int:
    """Start a detached run and watch it; the exit code is the run's where it has ended."""
    import tuitrain.ui.app  # noqa: F401  # before torch is imported beside us: the first frame comes sooner

    started = start_detached(preset, has_screen=True)
    return watch_run(started.folder, started.process)


def watch_resumed_run(folder: RunFolder, *, here: bool = False) -> int:
    """Go on with a run, and watch it. `here` is as of `resume_detached`."""
    import tuitrain.ui.app  # noqa: F401  # as above

    started = resume_detached(folder, has_screen=True, here=here)
    return watch_run(started.folder, started.process)


def watch_run(folder: RunFolder, process: subprocess.Popen[bytes] | None = None) -> int:
    """Watch a run that goes on without us."""
    from tuitrain.ui.app import TuitrainApp
    from tuitrain.ui.source import LiveSource

    source = LiveSource(folder)
    app = _run_and_reap(TuitrainApp(source), process)
    return _say_goodbye(source, app.return_code)


def watch_in_process(preset: Preset) -> int:
    """Train inside the dashboard process; leaving ends the run."""
    from tuitrain.session.in_process import InProcessRun
    from tuitrain.ui.app import TuitrainApp
    from tuitrain.ui.source import LiveSource

    run = InProcessRun(preset)
    source = LiveSource(run.folder)
    app = TuitrainApp(source, stop_and_wait=run.stop_and_wait)
    app.run()
    run.stop_and_wait(_STOP_SECONDS)
    return _say_goodbye(source, app.return_code)


def replay_run(folder: RunFolder, speed: float) -> int:
    """Play a recording."""
    from tuitrain.ui.app import TuitrainApp
    from tuitrain.ui.source import ReplaySource

    app = TuitrainApp(ReplaySource(folder, speed))
    app.run()
    return app.return_code or 0


def watch_comparison(reader: ComparisonReader, process: subprocess.Popen[bytes] | None = None) -> int:
    """Watch a comparison that goes on without us; of one that ended badly the exit code is 1.

    Args:
        reader: of it.
        process: its scheduler, where it was started here.
    """
    from tuitrain.comparing.leaving import leaving_words
    from tuitrain.comparing.starting import is_scheduled
    from tuitrain.ui.app import TuitrainApp
    from tuitrain.ui.comparison_source import ComparisonSource
    from tuitrain.ui.screens.compare import CompareScreen

    app = _run_and_reap(TuitrainApp(first=CompareScreen(ComparisonSource(reader))), process)
    comparison = reader.comparison
    if reader.folder is None:
        return app.return_code or 0
    sentence = comparison.ranking(comparison.plan.metric).sentence if comparison.is_done else ""
    words = leaving_words(comparison, sentence, is_scheduled=is_scheduled(reader.folder))
    echo(words)
    return app.return_code or int(comparison.is_done and comparison.has_gone_wrong)


def watch_search(reader: ComparisonReader, process: subprocess.Popen[bytes] | None) -> int:
    """Watch a search that goes on without us; the exit code is 1 where it is done and no trial finished."""
    from tuitrain.board.trials import trials_of
    from tuitrain.comparing.leaving import best_words, leaving_words
    from tuitrain.comparing.starting import is_scheduled
    from tuitrain.ui.app import TuitrainApp
    from tuitrain.ui.comparison_source import ComparisonSource
    from tuitrain.ui.screens.search import SearchScreen

    app = _run_and_reap(TuitrainApp(first=SearchScreen(ComparisonSource(reader))), process)
    comparison, best = reader.comparison, trials_of(reader.comparison).best
    is_at_work = reader.folder is not None and is_scheduled(reader.folder)
    echo(leaving_words(comparison, best_words(comparison), is_scheduled=is_at_work))
    if comparison.ended is not None and best is not None and reader.folder is not None:
        echo(f"Run it with: tuitrain run {reader.folder.path / 'best.toml'}")
    return app.return_code or int(comparison.ended is not None and best is None)


def _run_and_reap(app: TuitrainApp, process: subprocess.Popen[bytes] | None) -> TuitrainApp:
    """Show an app to its end; a process that was started here and has ended does not stay as a zombie."""
    app.run()
    if process is not None:
        process.poll()
    return app


def _say_goodbye(source: Source, left_with: int | None = None) -> int:
    """Say what became of a run, and how to come back.

    Args:
        source: of the run.
        left_with: exit code of the app, as after a signal; it goes before that of a run that has ended.
    """
    folder = source.folder
    if not folder.path.exists():
        echo(f"{folder.id}: its folder is gone; the last step that was seen is {source.board.step}")
        return left_with or 1
    summary = summarize(folder)
    if summary.is_live:
        echo(f"{folder.id} goes on at step {summary.step}.\nCome back with: tuitrain attach {folder.id}")
        return left_with or 0
    echo(f"{folder.id}: {summary.state} at step {summary.step}")
    for metric in ("eval/loss", "eval/accuracy"):
        if metric in summary.last:
            best = f" best {summary.best[metric]:.4g}" if metric in summary.best else ""
            echo(f"  {metric:<14} last {summary.last[metric]:<9.4g}{best}".rstrip())
    return left_with or int(summary.state in {"failed", "lost"})
