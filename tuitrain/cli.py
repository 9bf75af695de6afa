"""The command line: argv becomes one call. Imports neither torch nor textual; stdout is data, stderr the rest."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tuitrain import (
    __version__,
    cli_again,
    cli_care,
    cli_compare,
    cli_ensemble,
    cli_learn,
    cli_measure,
    cli_search,
    cli_surface,
)
from tuitrain.echo import echo
from tuitrain.errors import CommandError, TuitrainError, UsageError
from tuitrain.guard import check_home, check_surroundings, open_closed_streams, told_unforeseen
from tuitrain.signs import fit_output, typed

if TYPE_CHECKING:
    from tuitrain.preset.sets import ComparisonSet

app = typer.Typer(
    name="tuitrain",
    help="Watch and steer PyTorch training in the terminal. Without a command: home, with presets and runs.",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_WITHOUT_HOME = frozenset({"presets", "explain", "doctor"})
"""Commands that touch no runs; `doctor` says itself what is wrong with their folder."""
_Run = Annotated[str, typer.Argument(metavar="RUN", help="An id, a name, a unique part of an id, or `last`.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]


def main() -> None:
    """Entry point: errors become one clear message and an exit code (1 the run failed, 2 usage)."""
    open_closed_streams()
    fit_output()
    try:
        check_surroundings()
        app([typed(argument) for argument in sys.argv[1:]])
    except TuitrainError as error:
        echo(str(error), err=True)
        raise SystemExit(error.exit_code) from None
    except BrokenPipeError:
        # `tuitrain runs | head`: nobody reads on, which is no error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except Exception as error:  # noqa: BLE001  # the last resort: a sentence, and the traceback in a file
        told_unforeseen(error)
        raise SystemExit(1) from None


def _show_version(wanted: bool) -> None:
    if wanted:
        echo(f"tuitrain {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _home(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version
    if context.invoked_subcommand not in _WITHOUT_HOME:
        check_home()
    if context.invoked_subcommand is None:
        if not _has_screen():
            echo(context.get_help())
            return
        from tuitrain.launch import open_home

        raise typer.Exit(open_home())


@app.command()
def run(
    preset: Annotated[str, typer.Argument(metavar="PRESET", help="A preset's name, or a .toml file.")] = "",
    overrides: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="E.g. optimizer.lr=0.01")] = None,
    headless: Annotated[bool, typer.Option("--headless", help="No dashboard: progress lines and a summary.")] = False,
    in_process: Annotated[
        bool, typer.Option("--in-process", help="Train inside the dashboard process; it ends with it.")
    ] = False,
    resume: Annotated[
        str, typer.Option("--resume", metavar="RUN", help="Go on with a run that was stopped or lost.")
    ] = "",
    here: Annotated[
        bool, typer.Option("--here", help="With --resume: its trainer, which cannot be seen from here, is gone.")
    ] = False,
    one_batch: Annotated[
        bool, typer.Option("--one-batch", help="Learn one batch by heart, nothing regularized: the first sanity check.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Start a run and watch it. It goes on when you leave (q) or the line drops."""
    from tuitrain.preset import load_preset
    from tuitrain.preset.one_batch import for_one_batch

    is_plain = headless or as_json or not _has_screen()
    if resume:
        changes = [text for text in [preset, *(overrides or [])] if "=" in text]
        if changes:
            raise UsageError(
                "--resume goes on with a run as it is; a branch goes on from there and does something otherwise.",
                hint=f"tuitrain branch {resume} --at end {' '.join(map(shlex.quote, changes))}",
            )
        if preset or overrides or in_process or one_batch:
            raise UsageError("--resume goes on with a run as it is.", hint=f"tuitrain run --resume {resume}")
        raise typer.Exit(_resume(resume, as_json=as_json, is_plain=is_plain, here=here))
    if here:
        raise UsageError("--here goes with --resume.", hint="tuitrain run --resume RUN --here")
    if not preset:
        raise UsageError("run needs a preset.", hint="tuitrain presets, or --resume RUN.")

    chosen = load_preset(preset, overrides or [])
    if one_batch:
        is_length_given = any(text.startswith("train.steps=") for text in overrides or [])
        chosen = for_one_batch(chosen, chosen.train.steps if is_length_given else None)
    if is_plain:
        from tuitrain.session.headless import run_headless

        raise typer.Exit(run_headless(chosen, as_json=as_json))
    from tuitrain.launch import watch_in_process, watch_new_run

    raise typer.Exit(watch_in_process(chosen) if in_process else watch_new_run(chosen))


def _resume(name: str, *, as_json: bool, is_plain: bool, here: bool) -> int:
    from tuitrain.rundir.catalogue import find_run

    folder = find_run(name)
    if is_plain:
        from tuitrain.session.headless import resume_headless

        return resume_headless(folder, as_json=as_json, here=here)
    from tuitrain.launch import watch_resumed_run

    return watch_resumed_run(folder, here=here)


cli_care.register(app)


@app.command()
def attach(
    run: Annotated[str, typer.Argument(metavar="[RUN]", help="Default: the newest live run, else the newest.")] = "",
) -> None:
    """Show a run's whole history and follow it. Any number of screens may watch at once."""
    from tuitrain.rundir.catalogue import find_run, newest_live_or_newest

    folder = find_run(run) if run else newest_live_or_newest()
    if not _has_screen():
        from tuitrain.session.headless import follow_plainly

        raise typer.Exit(follow_plainly(folder))
    from tuitrain.launch import watch_run

    raise typer.Exit(watch_run(folder))


@app.command()
def replay(
    run: _Run = "last",
    speed: Annotated[float, typer.Option(min=0.01, help="1 is as it was; 10 ten times faster.")] = 10.0,
) -> None:
    """Play a run again through the same screens: space pauses, the arrows seek."""
    from tuitrain.rundir.catalogue import find_run

    folder = find_run(run)
    if not _has_screen():
        raise CommandError("replay needs a terminal.", hint=f"tuitrain attach {folder.id}, which prints lines.")
    from tuitrain.launch import replay_run

    raise typer.Exit(replay_run(folder, speed))


@app.command(context_settings={"ignore_unknown_options": False})
def ask(
    run: _Run,
    command: Annotated[str, typer.Argument(metavar="COMMAND", help="`tuitrain ask last help` lists them.")],
    arguments: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE")] = None,
    timeout: Annotated[float, typer.Option(min=0.0, help="Seconds to wait for the reply.")] = 10.0,
    wait: Annotated[str, typer.Option(help="`reply`, or `swap` for the end of a hand-over.")] = "reply",
    as_json: _Json = False,
) -> None:
    """Ask a run something and wait for its reply. Exit 0 applied, 1 refused or no answer, 2 no such command."""
    from tuitrain.preset.reading import parse_value
    from tuitrain.protocol.describe import COMMANDS, command_arguments, command_help, command_name, parse_command
    from tuitrain.rundir.catalogue import find_run
    from tuitrain.session.asking import ask_and_wait
    from tuitrain.techniques.checking import check_command

    if command == "help":
        for name in COMMANDS:
            echo(f"{name}\n    {command_help(name)}")
            for argument, kind in command_arguments(name):
                echo(f"      {argument}: {kind}")
        return
    given = dict(_pair(text, parse_value) for text in arguments or [])
    checked = check_command(parse_command(command, given))
    if wait not in {"reply", "swap"}:
        raise CommandError(f"--wait {wait} is not known.", hint="reply or swap.")
    if wait == "swap" and command_name(checked) != "switch_optimizer":
        raise CommandError(f"{command_name(checked)} leads to no swap.", hint="it without --wait swap.")
    wait_for: Literal["reply", "swap"] = "swap" if wait == "swap" else "reply"
    reply = ask_and_wait(find_run(run), checked, timeout, wait_for=wait_for)
    if as_json:
        data = {"status": reply.status, "command": reply.command, "id": reply.id, "step": reply.step}
        echo(json.dumps({**data, "text": reply.text, "hint": reply.hint}))
    else:
        echo(reply.sentence())
    raise typer.Exit(0 if reply.status == "applied" else 1)


@app.command()
def presets(name: Annotated[str, typer.Argument(help="Show this one whole.")] = "") -> None:
    """List the presets and comparison sets, or show one."""
    from tuitrain.preset import list_presets, load_preset, presets_folder
    from tuitrain.preset.chapters import CHAPTERS, by_chapter
    from tuitrain.preset.sets import list_sets, load_set

    if not name:
        for chapter, found in by_chapter(list_presets()).items():
            echo(f"{chapter}: {CHAPTERS.get(chapter, '')}".rstrip(": "))
            for item in found:
                echo(f"  {item.name:<25} {item.title}")
                echo(f"  {'':<25} {item.look_for}")
        echo("Comparison sets: tuitrain compare NAME runs all of one, side by side")
        for members in list_sets():
            echo(f"  {members.name:<25} {members.title}")
            echo(f"  {'':<25} {members.look_for}")
        return
    if name in {members.name for members in list_sets()}:
        _show_set(load_set(name))
        return
    chosen = load_preset(name)
    echo(f"{chosen.title}\n\n{chosen.about}\n")
    echo(f"Look for: {chosen.look_for}\nPress:    {chosen.press}\n")
    path = presets_folder() / f"{chosen.name}.toml"
    if path.is_file():
        text = path.read_text(encoding="utf-8")
        echo(text[text.find("[task]") :].rstrip())


def _show_set(members: ComparisonSet) -> None:
    echo(f"{members.title}\n\n{members.about}\n\nLook for: {members.look_for}\n\nBy {members.metric}:")
    for item in members.run:
        echo(f"  {item.label:<20} tuitrain run {' '.join([item.preset, *item.overrides])}")
    echo(f"\nAll of them: tuitrain compare {members.name}")


@app.command()
def explain(
    name: Annotated[str, typer.Argument(help="An optimizer, schedule, loss, regularizer or average.")] = "",
) -> None:
    """Explain a technique: formula, paper, what it takes, what to watch. Without a name, list all."""
    from tuitrain.techniques.explaining import explained, known_names, summaries

    if name:
        echo("\n".join(explained(name)))
        return
    for kind in known_names():
        echo(kind)
        echo("\n".join(f"  {item:<22} {summary}" for item, summary in summaries(kind)))


@app.command()
def doctor() -> None:
    """Check this machine: versions, device, terminal, run folder, what could end a run."""
    from tuitrain.doctor import examine

    raise typer.Exit(examine())


def _has_screen() -> bool:
    return sys.stdout.isatty() and sys.stdin.isatty() and os.environ.get("TERM", "") not in {"", "dumb"}


def _pair(text: str, parse: Callable[[str], object]) -> tuple[str, object]:
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise CommandError(f'"{text}" is not of the form key=value.', hint="factor=0.1")
    return key.replace("-", "_"), parse(value)


cli_measure.register(app)
cli_again.register(app)
cli_ensemble.register(app)
cli_learn.register(app, _has_screen)
cli_compare.register(app, _has_screen)
cli_search.register(app, _has_screen)
cli_surface.register(app)

if __name__ == "__main__":
    main()
