"""The part of the command line that compares: runs what does not exist yet, draws all, says which is better."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuitrain.echo import echo
from tuitrain.errors import TuitrainError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuitrain.board.comparison import MemberView
    from tuitrain.comparing.planning import Wish
    from tuitrain.comparing.reading import ComparisonReader

_MOST_LISTED = 20


def register(app: typer.Typer, has_screen: Callable[[], bool]) -> None:
    """Add the command of this file to the program.

    Args:
        app: the program.
        has_screen: whether there is a terminal to draw on.
    """

    @app.command()
    def compare(
        what: Annotated[
            list[str] | None,
            typer.Argument(metavar="WHAT", help="Presets, files, sets, runs; and KEY=VALUE for all that are started."),
        ] = None,
        vary: Annotated[
            list[str] | None, typer.Option("--vary", metavar="KEY=A,B", help="An arm for each; combined if repeated.")
        ] = None,
        seeds: Annotated[
            int, typer.Option("--seeds", min=0, help="Repeat each arm with so many seeds; with --resume, too.")
        ] = 0,
        folds: Annotated[int, typer.Option("--folds", min=0, help="Cross-validate each arm on so many folds.")] = 0,
        metric: Annotated[str, typer.Option("--metric", help="To rank by. Default: that of the set, eval/loss.")] = "",
        target: Annotated[float | None, typer.Option("--target", help="Of that metric: when was it reached?")] = None,
        parallel: Annotated[int, typer.Option("--parallel", min=0, help="Runs at once. 0: as suits the machine.")] = 0,
        where: Annotated[
            str, typer.Option("--on", help="local, ray, ray://ADDRESS, slurm or slurm:key=value.")
        ] = "local",
        by_seed: Annotated[
            bool, typer.Option("--by-seed", help="Existing runs that differ in the seed alone are one arm.")
        ] = False,
        name: Annotated[str, typer.Option("--name", help="Of the comparison. Default: what is compared.")] = "",
        resume: Annotated[
            str, typer.Option("--resume", metavar="NAME", help="Watch a comparison; go on with what is left of it.")
        ] = "",
        stop: Annotated[
            str, typer.Option("--stop", metavar="NAME", help="End a comparison: runs at work evaluate, save and end.")
        ] = "",
        retry_failed: Annotated[bool, typer.Option("--retry-failed", help="With --resume: failed runs, too.")] = False,
        retry_stopped: Annotated[
            bool, typer.Option("--retry-stopped", help="With --resume: runs that were stopped go on, too.")
        ] = False,
        headless: Annotated[bool, typer.Option("--headless", help="No screen: lines, and the verdict.")] = False,
        report: Annotated[
            list[Path] | None,
            typer.Option("--report", metavar="FILE", help="Write .html, .md, .svg or .png at the end; no screen."),
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON on stdout.")] = False,
    ) -> None:
        """Compare presets and runs: curves side by side, and which is better. Without WHAT, list the comparisons."""
        if stop:
            from tuitrain.comparing.stopping import stop_comparison

            if what or resume or name or as_json:
                raise UsageError("--stop NAME stands alone.", hint=f"tuitrain compare --stop {stop}")
            echo(stop_comparison(stop))
            return
        given = what or []
        subjects = [text for text in given if "=" not in text]
        for path in report or []:
            _check_report(path)
        if (retry_failed or retry_stopped) and not resume:
            raise UsageError(
                "--retry-failed and --retry-stopped come with --resume.", hint="tuitrain compare --resume NAME"
            )
        if resume:
            is_changed = parallel or where != "local" or target is not None or by_seed or name
            if given or vary or folds or is_changed:
                raise UsageError(
                    "--resume goes on with a comparison as it is, but for --seeds.",
                    hint=f"tuitrain compare --resume {resume}",
                )
            retries = [*(["failed"] if retry_failed else []), *(["stopped"] if retry_stopped else [])]
            reader, process = _resumed(resume, retries, seeds)
        elif not given:
            _list()
            return
        else:
            from tuitrain.comparing.planning import Wish
            from tuitrain.comparing.slots import default_parallel

            reader, process = _started(
                Wish(
                    subjects=subjects, overrides=[text for text in given if "=" in text], vary=vary or [],
                    num_seeds=max(1, seeds), num_folds=folds, metric=metric, target=target, name=name,
                    num_parallel=parallel or default_parallel(), executor=where, is_by_seed=by_seed,
                )
            )  # fmt: skip
        if has_screen() and not headless and not as_json and not report:
            from tuitrain.launch import watch_comparison

            raise typer.Exit(watch_comparison(reader, process))
        raise typer.Exit(_headless(reader, process, report or [], metric, as_json=as_json))


def _started(wish: Wish) -> tuple[ComparisonReader, subprocess.Popen[bytes] | None]:
    """Plan, and start what is to be run."""
    from tuitrain.comparing.engines import check_engine
    from tuitrain.comparing.folder import check_name, create_comparison
    from tuitrain.comparing.headless import say
    from tuitrain.comparing.planning import plan_comparison
    from tuitrain.comparing.reading import ComparisonReader
    from tuitrain.comparing.starting import start_scheduler

    if wish.name:
        check_name(wish.name)
    check_engine(wish.executor)
    plan = plan_comparison(wish)
    if not plan.name:
        return ComparisonReader.of_plan(plan), None
    folder = create_comparison(plan, is_named=bool(wish.name))
    num_new = sum(not member.run for member in plan.members)
    say(f"comparison {folder.name}: {num_new} runs, {plan.num_parallel} at a time")
    return ComparisonReader.of_folder(folder), start_scheduler(folder)


def _resumed(name: str, retries: list[str], num_seeds: int) -> tuple[ComparisonReader, subprocess.Popen[bytes] | None]:
    """Go on with what is left; where nothing is, or a scheduler is at it, only look."""
    from tuitrain.comparing.folder import find_comparison
    from tuitrain.comparing.headless import say
    from tuitrain.comparing.more_seeds import further_members
    from tuitrain.comparing.reading import ComparisonReader
    from tuitrain.comparing.starting import is_scheduled, start_scheduler

    folder = find_comparison(name)
    reader = ComparisonReader.of_folder(folder)
    reader.read_all()
    open_ones = {"waiting", "lost", *retries}
    left = [view for view in reader.comparison.members.values() if not view.member.run and _is_open(view, open_ones)]
    further = further_members(reader.comparison, num_seeds) if num_seeds else []
    if further and is_scheduled(folder):
        raise UsageError(f"{folder.name} is at work.", hint="more seeds when it is done.")
    if is_scheduled(folder) or not (left or further or _has_more(reader)):
        return reader, None
    num_stopped = sum(view.state == "stopped" for view in reader.comparison.members.values())
    has_stopped = num_stopped and "stopped" not in retries
    stay = f"; {num_stopped} that somebody stopped stay so without --retry-stopped" if has_stopped else ""
    num_left, num_all = len(left) + len(further), len(reader.comparison.members) + len(further)
    say(f"comparison {folder.name}: {num_left} of {num_all} runs are left{stay}")
    return reader, start_scheduler(folder, retries, further)


def _is_open(view: MemberView, open_ones: set[str]) -> bool:
    return view.state in open_ones or (view.ended is None and bool(view.run))


def _has_more(reader: ComparisonReader) -> bool:
    """Whether a search may think of more."""
    comparison = reader.comparison
    return comparison.plan.search is not None and (comparison.ended is None or comparison.ended.reason != "finished")


def _headless(
    reader: ComparisonReader,
    process: subprocess.Popen[bytes] | None,
    reports: list[Path],
    metric: str,
    *,
    as_json: bool,
) -> int:
    from tuitrain.comparing.headless import follow, say
    from tuitrain.comparing.leaving import leaving_words
    from tuitrain.comparing.outcome import check_metric, outcome_data, outcome_lines
    from tuitrain.comparing.starting import is_scheduled

    if reports:
        reader.want(["batch/gradient_norm", "batch/learning_rate"])
    is_seen = follow(reader, process)
    comparison = reader.comparison
    if not is_seen:
        is_at_work = reader.folder is not None and is_scheduled(reader.folder)
        say(leaving_words(comparison, "", is_scheduled=is_at_work) or "left; what was at work goes on")
        return 0
    chosen = metric or comparison.plan.metric
    check_metric(comparison, chosen, reader.offered())
    reader.want([chosen])
    reader.read_all()
    for path in reports:
        from tuitrain.comparing.report.from_comparison import contents_of, shared_metrics
        from tuitrain.comparing.report.writing import write_report

        write_report(contents_of(comparison, dict.fromkeys([chosen, *shared_metrics(comparison)])), path)
        say(f"wrote {path}")
    if as_json:
        echo(json.dumps(outcome_data(comparison, chosen)))
    else:
        echo("\n".join(outcome_lines(comparison, chosen)))
    return int(comparison.has_gone_wrong or reader.is_incomplete)


def _check_report(path: Path) -> None:
    from tuitrain.comparing.report.writing import check_report_path

    check_report_path(path)


def _list() -> None:
    """All comparisons, the newest first."""
    from tuitrain.comparing.folder import list_comparisons
    from tuitrain.comparing.listing import standing_of
    from tuitrain.preset.sets import list_sets

    found = list_comparisons()
    width = max((len(folder.name) for folder in found[:_MOST_LISTED]), default=0)
    for folder in found[:_MOST_LISTED]:
        try:
            standing = standing_of(folder)
        except TuitrainError as error:
            echo(f"{folder.name:<{width}}  {error}")
            continue
        words = ", ".join(filter(None, (standing.num_done, standing.others)))
        echo(f"{folder.name:<{width}}  {standing.state:<8} {words:<26}  {standing.comparison.plan.title}")
    if len(found) > _MOST_LISTED:
        echo(f"and {len(found) - _MOST_LISTED} older ones")
    if not found:
        echo("No comparisons yet.")
    echo(f"Sets to compare: {', '.join(members.name for members in list_sets())}")
    echo("Try: tuitrain compare optimizers, or tuitrain compare mnist-mlp --vary optimizer.name=sgd,adam --seeds 3")
