"""`tuitrain search`: trials of a preset over a space, thought of by a sampler; the best of them as a preset."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuitrain.echo import echo
from tuitrain.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuitrain.comparing.reading import ComparisonReader
    from tuitrain.protocol.comparing import ComparisonPlan

_EXAMPLE = "tuitrain search lr-good --space optimizer.lr=log:1e-4:1 --trials 12"


def register(app: typer.Typer, has_screen: Callable[[], bool]) -> None:
    """Add the command of this file to the program.

    Args:
        app: the program.
        has_screen: whether there is a terminal to draw on.
    """

    @app.command()
    def search(
        what: Annotated[
            list[str] | None,
            typer.Argument(metavar="PRESET", help="A preset or a file; and KEY=VALUE for all trials."),
        ] = None,
        space: Annotated[
            list[str] | None,
            typer.Option(
                "--space", metavar="KEY=RANGE",
                help="log:LOW:HIGH, lin:, int:, logint:, with :POINTS for a grid; or A,B,C. Repeat it for more.",
            ),
        ] = None,
        method: Annotated[str, typer.Option("--method", help="random, grid, tpe or coarse-to-fine.")] = "random",
        trials: Annotated[
            int | None, typer.Option("--trials", help="How many. Default: 20, or all points of a grid.")
        ] = None,
        prune: Annotated[str, typer.Option("--prune", help="End hopeless trials early: asha or median.")] = "",
        metric: Annotated[str, typer.Option("--metric", help="To search for.")] = "eval/loss",
        seed: Annotated[int, typer.Option("--seed", min=0, help="Of the sampler; train.seed is the preset's.")] = 0,
        parallel: Annotated[int, typer.Option("--parallel", min=0, help="At once. 0: as suits the machine.")] = 0,
        where: Annotated[
            str, typer.Option("--on", help="local, ray, ray://ADDRESS, slurm or slurm:key=value.")
        ] = "local",
        name: Annotated[str, typer.Option("--name", help="Of the search. Default: PRESET-METHOD.")] = "",
        resume: Annotated[
            str, typer.Option("--resume", metavar="NAME", help="Watch a search; go on with what is left of it.")
        ] = "",
        stop: Annotated[
            str, typer.Option("--stop", metavar="NAME", help="End a search: trials at work evaluate, save and end.")
        ] = "",
        export: Annotated[
            str, typer.Option("--export", metavar="NAME", help="Write the best of a search as the preset FILE.")
        ] = "",
        force: Annotated[bool, typer.Option("--force", help="With --export: replace FILE.")] = False,
        headless: Annotated[bool, typer.Option("--headless", help="No screen: lines, and the best trials.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print all trials as JSON on stdout.")] = False,
    ) -> None:  # fmt: skip
        """Search for good hyper-parameters. Without PRESET, list the searches."""
        given = what or []
        if stop:
            from tuitrain.comparing.stopping import stop_comparison

            if what or resume or name or as_json:
                raise UsageError("--stop NAME stands alone.", hint=f"tuitrain search --stop {stop}")
            echo(stop_comparison(stop))
            return
        if export:
            _export(export, given, force=force)
            return
        if resume:
            is_changed = trials is not None or prune or parallel or name or (method, where) != ("random", "local")
            if given or space or is_changed or seed or metric != "eval/loss":
                raise UsageError("--resume goes on with a search as it is.", hint=f"tuitrain search --resume {resume}")
            reader, process = _resumed(resume)
        elif not given and not space:
            _list()
            return
        else:
            plan = _plan(
                given, space or [], method=method, num_trials=trials, prune=prune, metric=metric, seed=seed,
                num_parallel=parallel, executor=where, name=name,
            )  # fmt: skip
            reader, process = _started(plan, is_named=bool(name))
        if has_screen() and not headless and not as_json:
            from tuitrain.launch import watch_search

            raise typer.Exit(watch_search(reader, process))
        raise typer.Exit(_headless(reader, process, as_json=as_json))


def _plan(
    given: Sequence[str], space: Sequence[str], *, method: str, num_trials: int | None, prune: str, metric: str,
    seed: int, num_parallel: int, executor: str, name: str,
) -> ComparisonPlan:  # fmt: skip
    from tuitrain.comparing.engines import check_engine
    from tuitrain.comparing.folder import check_name, free_name
    from tuitrain.comparing.planning import is_preset
    from tuitrain.comparing.search_plan import search_plan
    from tuitrain.comparing.slots import default_parallel
    from tuitrain.comparing.study import import_optuna
    from tuitrain.preset import load_preset
    from tuitrain.techniques.optimizers import OPTIMIZERS

    subjects = [text for text in given if "=" not in text]
    if len(subjects) != 1:
        what = "no preset" if not subjects else f"{len(subjects)} presets"
        raise UsageError(f"A search varies one preset, and {what} {'are' if subjects else 'is'} given.", hint=_EXAMPLE)
    if name:
        check_name(name)
    if subjects[0] in OPTIMIZERS and not is_preset(subjects[0]):
        again = f"tuitrain search mnist-mlp optimizer.name={subjects[0]} --space optimizer.lr=log:1e-4:1"
        raise UsageError(f"{subjects[0]} is an optimizer, and a search varies a preset.", hint=again)
    preset = load_preset(subjects[0], [text for text in given if "=" in text])
    import_optuna()  # said before anything is made, and so is where it cannot run
    check_engine(executor)
    return search_plan(
        preset, space, name=name or free_name(f"{preset.name}-{method}"), method=method, num_trials=num_trials,
        prune=prune, metric=metric, seed=seed, num_parallel=num_parallel or default_parallel(), executor=executor,
    )  # fmt: skip


def _started(plan: ComparisonPlan, *, is_named: bool) -> tuple[ComparisonReader, subprocess.Popen[bytes]]:
    from tuitrain.comparing.folder import create_comparison
    from tuitrain.comparing.headless import say
    from tuitrain.comparing.reading import ComparisonReader
    from tuitrain.comparing.starting import start_scheduler

    assert plan.search is not None
    folder = create_comparison(plan, is_named=is_named)
    say(f"search {folder.name}: {plan.search.num_trials} trials, {plan.num_parallel} at a time")
    return ComparisonReader.of_folder(folder), start_scheduler(folder)


def _resumed(name: str) -> tuple[ComparisonReader, subprocess.Popen[bytes] | None]:
    """Go on with what is left; where nothing is, or a scheduler is at it, only look."""
    from tuitrain.comparing.headless import say
    from tuitrain.comparing.starting import is_scheduled, start_scheduler
    from tuitrain.comparing.study import import_optuna

    reader = _read(name)
    assert reader.folder is not None
    ended = reader.comparison.ended
    is_lost = any(view.ended == "lost" for view in reader.comparison.members.values())
    if is_scheduled(reader.folder) or (ended is not None and ended.reason == "finished" and not is_lost):
        return reader, None
    import_optuna()
    say(f"search {reader.folder.name}: goes on")
    return reader, start_scheduler(reader.folder)


def _read(name: str) -> ComparisonReader:
    """A search, read to its end."""
    from tuitrain.comparing.folder import find_comparison
    from tuitrain.comparing.reading import ComparisonReader

    folder = find_comparison(name)
    reader = ComparisonReader.of_folder(folder)
    if reader.comparison.plan.search is None:
        raise UsageError(f"{folder.name} is no search.", hint=f"tuitrain compare --resume {folder.name}")
    reader.read_all()
    return reader


def _headless(reader: ComparisonReader, process: subprocess.Popen[bytes] | None, *, as_json: bool) -> int:
    from tuitrain.board.trials import trials_of
    from tuitrain.comparing.headless import follow, say
    from tuitrain.comparing.search_outcome import SearchTold, outcome_data, outcome_lines, path_of_best

    comparison = reader.comparison
    if not follow(reader, process, SearchTold().tell):
        say(f"left {comparison.plan.name}; it goes on. Come back with: tuitrain search --resume {comparison.plan.name}")
        return 0
    path = path_of_best(reader)
    if as_json:
        echo(json.dumps(outcome_data(comparison, path)))
    else:
        echo("\n".join(outcome_lines(comparison, path)))
    return 0 if trials_of(comparison).best is not None else 1


def _export(name: str, given: Sequence[str], *, force: bool) -> None:
    from tuitrain.comparing.best_preset import export_best
    from tuitrain.preset import load_preset

    if len(given) != 1 or not given[0].endswith(".toml"):
        raise UsageError("--export writes one .toml file.", hint=f"tuitrain search --export {name} best.toml")
    export_best(_read(name).comparison, Path(given[0]), force=force)
    load_preset(str(Path(given[0])))  # what was written can be read
    echo(f"{given[0]}\nRun it with: tuitrain run {given[0]}")


def _list() -> None:
    """All searches, the newest first."""
    from tuitrain.board.trials import trials_of
    from tuitrain.comparing.folder import list_comparisons, read_plan
    from tuitrain.comparing.reading import ComparisonReader
    from tuitrain.comparing.search_outcome import value_words
    from tuitrain.comparing.starting import is_scheduled
    from tuitrain.errors import TuitrainError

    num_shown = 0
    for folder in list_comparisons():
        try:
            if read_plan(folder).search is None:
                continue
            reader = ComparisonReader.of_folder(folder)
            reader.read_all()
        except TuitrainError as error:
            echo(f"{folder.name:<28} {error}")
            continue
        found = trials_of(reader.comparison)
        best = found.best
        ended = reader.comparison.ended
        state = "running" if is_scheduled(folder) else "done" if ended and ended.reason == "finished" else "stopped"
        words = f"best {found.metric} {value_words(best.value)}, trial {best.number}" if best else "no trial is done"
        echo(f"{folder.name:<28} {state:<8} {found.num_done} of {found.plan.num_trials} trials   {words}")
        num_shown += 1
    if not num_shown:
        echo("No searches yet.")
    echo(f"Try: {_EXAMPLE}")


__all__ = ["register"]
