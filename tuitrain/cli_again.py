"""Commands on a run that was: branch it, train it again, hand it on."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuitrain.cells import left, num_cells
from tuitrain.echo import echo
from tuitrain.errors import UsageError

if TYPE_CHECKING:
    from tuitrain.rundir.places import RunFolder
    from tuitrain.session.arms import Standing

_Run = Annotated[str, typer.Argument(metavar="RUN", help="An id, a unique part of one, or `last`.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
_NOTHING = "as it was"


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command()(branch)
    app.command()(rerun)
    app.command()(export)


def branch(
    run: _Run,
    changes: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="What it does otherwise: optimizer.lr=0.01")
    ] = None,
    at: Annotated[str, typer.Option("--at", metavar="STEP|TAG", help="`end` is where the run is now.")] = "end",
    arms: Annotated[
        list[str] | None,
        typer.Option("--arms", metavar="COMMAND", help='E.g. --arms "switch_optimizer name=sgd" "nothing"'),
    ] = None,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Of each arm.")] = 500,
    headless: Annotated[bool, typer.Option("--headless", help="No dashboard: progress lines and a summary.")] = False,
    as_json: _Json = False,
) -> None:
    """Start a second run where a run was at some step, and do something otherwise from there."""
    from tuitrain.rundir.catalogue import find_run
    from tuitrain.session.branching import start_wanted

    folder = find_run(run)
    if arms:
        # `--arms A B`: what follows the option is taken for changes.
        texts = [*arms, *(text for text in changes or [] if not _is_change(text))]
        if any(_is_change(text) for text in changes or []):
            raise UsageError(
                "--arms takes commands, not changes of a preset.", hint='--arms "set_learning_rate lr=0.01"'
            )
        _run_arms(folder, at, texts, steps, as_json=as_json)
        return
    has_screen = sys.stdout.isatty() and sys.stdin.isatty() and not (headless or as_json)
    started = start_wanted(folder, at, changes or [], has_screen=has_screen, say=_say)
    if has_screen:
        from tuitrain.launch import watch_run

        raise typer.Exit(watch_run(started.folder, started.process))
    from tuitrain.session.headless import print_started

    raise typer.Exit(print_started(started, as_json=as_json))


def rerun(run: _Run = "last", as_json: _Json = False) -> None:
    """Train a run again from its record, and say whether it is the same: bit for bit on the CPU. Exit 0 if it is."""
    from tuitrain.rundir.catalogue import find_run
    from tuitrain.session.rerunning import rerun as train_again

    folder = find_run(run)
    started, result = train_again(folder, say=_say)
    if as_json:
        data = {"run": folder.id, "rerun": started.folder.id, "identical": result.is_same, "steps": result.num_steps}
        further = {"checksums": result.num_checksums, "difference": result.first_difference, "notes": result.notes}
        echo(json.dumps({**data, **further}))
    else:
        echo(f"{folder.id}: {result.sentence()}")
    raise typer.Exit(0 if result.is_same else 1)


def export(
    run: _Run,
    to: Annotated[str, typer.Option("--to", metavar="preset|safetensors")],
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="`-` prints a preset.")] = "",
    at: Annotated[str, typer.Option("--at", metavar="STEP|TAG", help="Of which checkpoint the weights are.")] = "",
    weights: Annotated[
        str,
        typer.Option(
            "--weights",
            metavar="evaluated|raw|ema|swa",
            help="Those of the evaluations; raw, where gradients are taken, of an optimizer that averages; an average.",
        ),
    ] = "evaluated",
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a run as a preset whose moments are its decisions, or its weights as safetensors."""
    from tuitrain.rundir.catalogue import find_run
    from tuitrain.session.exporting import preset_text, write_text, write_weights

    folder = find_run(run)
    if to == "preset":
        text = preset_text(folder)
        if out == "-":
            echo(text, nl=False)
            return
        path = Path(out or f"{folder.id}.toml")
        write_text(path, text, force=force)
        _say(f"{path}: `tuitrain run {path}` trains it again")
    elif to == "safetensors":
        path = Path(out or f"{folder.id}.safetensors")
        name, step, what = write_weights(folder, at, path, force=force, which=weights, say=_say)
        _say(f"{path}: the {what} of step {step}, from {name}")
    else:
        raise UsageError(f"--to {to} is not known.", hint="preset or safetensors.")


def _run_arms(folder: RunFolder, at: str, texts: list[str], steps: int, *, as_json: bool) -> None:
    from tuitrain.session.arms import Arm, run_arms, verdict
    from tuitrain.session.branching import branch_point, command_of

    if len(texts) < 2:
        raise UsageError("One arm has nothing to be compared with.", hint='--arms "COMMAND" "nothing"')
    arms = [Arm(_NOTHING, []) if text in {"nothing", "", _NOTHING} else Arm(text, [command_of(text)]) for text in texts]
    point = branch_point(folder, at, _say)
    found = run_arms(point, arms, steps, say=_say)
    if as_json:
        rows = [_as_data(item) for item in found]
        echo(json.dumps({"run": folder.id, "step": point.step, "steps": steps, "arms": rows}))
        return
    for line in _table(found):
        echo(line)
    echo(verdict(found))


def _table(found: list[Standing]) -> list[str]:
    names = [name for name in ("eval/loss", "eval/accuracy") if any(name in item.metrics for item in found)]
    rows = [("ARM", "BATCH LOSS", "BEHIND", *(name.upper() for name in names), "RUN")]
    for item in found:
        behind = "-" if item.behind == 0.0 else f"{item.behind:+.3g} ± {item.error:.2g}"
        numbers = [f"{item.metrics.get(name, math.nan):.4g}" for name in names]
        rows.append((item.arm.text, f"{item.batch_loss:.4g}", behind, *numbers, f"{item.arm.run} ({item.arm.state})"))
    widths = [max(num_cells(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(left(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _as_data(item: Standing) -> dict[str, object]:
    def plain(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return {
        "arm": item.arm.text, "run": item.arm.run, "state": item.arm.state, "batch_loss": plain(item.batch_loss),
        "behind": plain(item.behind), "standard_error": plain(item.error),
        "metrics": {name: plain(value) for name, value in item.metrics.items()},
    }  # fmt: skip


def _is_change(text: str) -> bool:
    """Whether it is `key=value`, and not a command with arguments."""
    return "=" in text.split(" ", maxsplit=1)[0]


def _say(text: str) -> None:
    echo(text, err=True)
