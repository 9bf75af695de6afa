"""The part of the command line that takes care of runs: list, rename, note, tag, delete, restore, prune."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from tuitrain.cells import left, num_cells
from tuitrain.echo import echo
from tuitrain.errors import TuitrainError, UsageError

if TYPE_CHECKING:
    from tuitrain.rundir.pruning import Step, Wish
    from tuitrain.rundir.summary import RunSummary

_Run = Annotated[str, typer.Argument(metavar="RUN", help="An id, a name, a unique part of an id, or `last`.")]
_Runs = Annotated[list[str], typer.Argument(metavar="RUN...", help="Ids, names, unique parts of ids, or `last`.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
_MOST_LISTED = 20


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the program."""
    for command in (runs, rename, note, tag, delete, restore):
        app.command()(command)


def runs(
    tag: Annotated[str, typer.Option("--tag", metavar="TAG", help="Only runs with this tag.")] = "",
    disk: Annotated[bool, typer.Option("--disk", help="Show the space that each run takes.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Say what could go, and how much space that frees.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --prune: do it.")] = False,
    older_than: Annotated[
        float | None,
        typer.Option("--older-than", metavar="DAYS", min=0.0, help="With --prune: older runs go to the trash."),
    ] = None,
    keep: Annotated[
        int, typer.Option("--keep", metavar="N", min=0, help="With --prune: all but the newest N go to the trash.")
    ] = 0,
    checkpoints: Annotated[
        bool, typer.Option("--checkpoints", help="With --prune: keep the final, the best and tagged checkpoints only.")
    ] = False,
    trash_days: Annotated[
        float, typer.Option("--trash-days", metavar="DAYS", min=0.0, help="With --prune: how long the trash keeps.")
    ] = 30.0,
    as_json: _Json = False,
) -> None:
    """List runs, newest first, or prune them: what is live, named, noted or tagged always stays."""
    if prune:
        if tag or disk:
            raise UsageError("--prune goes without --tag and --disk.", hint="tuitrain runs --prune")
        from tuitrain.rundir.pruning import Wish

        wish = Wish(trash_days=trash_days, older_than_days=older_than, keep=keep, checkpoints=checkpoints)
        _prune(wish, is_meant=yes, as_json=as_json)
        return
    if yes or checkpoints or keep or older_than is not None:
        raise UsageError("--yes, --older-than, --keep and --checkpoints need --prune.", hint="tuitrain runs --prune")
    _list(tag, shows_disk=disk, as_json=as_json)


def rename(
    run: _Run, name: Annotated[str, typer.Argument(metavar="NAME", help='Shown and found; "" takes it away.')]
) -> None:
    """Give a run a name. Its folder keeps its id."""
    from tuitrain.rundir.catalogue import find_run
    from tuitrain.rundir.labels import renamed

    folder = find_run(run)
    labels = renamed(folder, name)
    echo(f'{folder.id} is now named "{labels.name}".' if labels.name else f"{folder.id} has no name now.")


def note(
    run: _Run,
    words: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help='Without it, print the note; "" removes it.')
    ] = None,
) -> None:
    """Write a note on a run, or print it."""
    from tuitrain.rundir.catalogue import find_run
    from tuitrain.rundir.labels import noted, read_labels

    folder = find_run(run)
    if words is None:
        labels, problem = read_labels(folder)
        if problem:
            echo(problem, err=True)
        echo(labels.note or f"{folder.id} has no note.", err=not labels.note)
        return
    labels = noted(folder, words)
    echo(f"{folder.id}: {labels.note}" if labels.note else f"{folder.id} has no note now.")


def tag(
    run: _Run,
    tags: Annotated[list[str], typer.Argument(metavar="TAG...", help="Words without spaces.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take them off.")] = False,
) -> None:
    """Tag a run; what is tagged is never pruned."""
    from tuitrain.rundir.catalogue import find_run
    from tuitrain.rundir.labels import tagged, untagged

    folder = find_run(run)
    labels = untagged(folder, tags) if remove else tagged(folder, tags)
    echo(f"{folder.id}: {' '.join(labels.tags)}" if labels.tags else f"{folder.id} has no tags now.")


def delete(run: _Runs) -> None:
    """Move runs to the trash; `restore` brings them back. A run at work is refused."""
    from tuitrain.rundir.catalogue import find_run
    from tuitrain.rundir.trash import delete as move_to_trash

    # All are looked up first: a slip of the pen in one of them moves none, and "last" is one run only.
    folders = {folder.path: folder for folder in map(find_run, run)}
    errors: list[TuitrainError] = []
    for folder in folders.values():
        try:
            item = move_to_trash(folder)
        except TuitrainError as error:
            errors.append(error)
        else:
            echo(f"{folder.id} is in the trash. It comes back with: tuitrain restore {item.folder.id}")
    _raise_all(errors)


def restore(run: Annotated[str, typer.Argument(metavar="RUN", help="An id or a name of a run in the trash.")]) -> None:
    """Bring a run back from the trash."""
    from tuitrain.rundir.trash import find_in_trash
    from tuitrain.rundir.trash import restore as bring_back

    folder = bring_back(find_in_trash(run))
    echo(f"{folder.id} is back.")


def _list(tag: str, *, shows_disk: bool, as_json: bool) -> None:
    from pathlib import Path

    from tuitrain.rundir.catalogue import list_runs
    from tuitrain.rundir.disk import bytes_on_disk

    found = [item for item in list_runs() if not tag or tag in item.tags]
    sizes = {item.id: bytes_on_disk(Path(item.path)) for item in found} if shows_disk else {}
    if as_json:
        extras = {identity: {"disk_bytes": size} for identity, size in sizes.items()}
        echo(json.dumps([{**_run_as_data(item), **extras.get(item.id, {})} for item in found]))
        return
    if not found:
        wanted = f' with the tag "{tag}"' if tag else " yet"
        echo(f"No runs{wanted}. Try: tuitrain run{'s' if tag else ' mnist-mlp'}", err=True)
    else:
        _print_table(found, sizes)
    if shows_disk:
        _print_space(sum(sizes.values()), len(found))


_OPTIONAL = frozenset({"NAME", "COMPARISON", "DISK", "TAGS"})


def _print_table(found: list[RunSummary], sizes: dict[str, int]) -> None:
    from tuitrain.rundir.disk import in_words
    from tuitrain.session.best import shortfall_in_list

    # Columns of what people wrote, or began, only where they did.
    columns: dict[str, list[str]] = {
        "RUN": [item.id for item in found],
        "NAME": [item.name for item in found],
        "PRESET": [item.preset for item in found],
        "COMPARISON": [item.comparison for item in found],
        "STATE": [item.state for item in found],
        "STEP": [f"{item.step}/{item.total_steps}" if item.total_steps else str(item.step) for item in found],
        "BEST VALIDATION": [_best(item) for item in found],
        "AGE": [_age(time.time() - item.created) for item in found],
        "DISK": [in_words(sizes[item.id]) if sizes else "" for item in found],
        "TAGS": [" ".join(item.tags) for item in found],
    }
    shown = {title: cells for title, cells in columns.items() if any(cells) or title not in _OPTIONAL}
    widths = {title: max(map(num_cells, [title, *cells])) for title, cells in shown.items()}
    echo("  ".join(left(title, widths[title]) for title in shown).rstrip())
    for index, item in enumerate(found):
        text = "  ".join(left(cells[index], widths[title]) for title, cells in shown.items()).rstrip()
        notes = " ".join(filter(None, (item.problem, shortfall_in_list(item))))
        echo(f"{text}  ({notes})" if notes else text)


def _print_space(num_bytes: int, num_runs: int) -> None:
    from tuitrain.rundir.disk import bytes_on_disk, free_bytes, in_words
    from tuitrain.rundir.places import home_folder
    from tuitrain.rundir.trash import list_trash, trash_folder

    trash = list_trash()
    held = in_words(bytes_on_disk(trash_folder())) if trash else "nothing"
    echo(
        f"{in_words(num_bytes)} in {_number(num_runs, 'run')}, {held} in the trash, "
        f"{in_words(free_bytes(home_folder()))} free on the disk."
    )


def _prune(wish: Wish, *, is_meant: bool, as_json: bool) -> None:
    from tuitrain.rundir.disk import in_words
    from tuitrain.rundir.pruning import carry_out, plan

    steps = plan(wish)
    done: list[Step] = []
    errors: list[TuitrainError] = []
    for step in steps if is_meant else []:
        try:
            carry_out(step)
            done.append(step)
        except TuitrainError as error:
            errors.append(error)
    freed = sum(step.frees_bytes for step in (done if is_meant else steps))
    if as_json:
        found = [
            {
                "does": step.does, "run": step.run, "path": str(step.path), "bytes": step.num_bytes,
                "frees_bytes": step.frees_bytes, "days": round(step.days, 2), "done": step in done,
            }
            for step in steps
        ]  # fmt: skip
        echo(json.dumps({"is_dry_run": not is_meant, "frees_bytes": freed, "steps": found}))
    elif not steps:
        echo("Nothing to prune.")
    else:
        _print_steps(done if is_meant else steps, was_done=is_meant)
        waiting = sum(step.num_bytes - step.frees_bytes for step in (done if is_meant else steps))
        later = f"; {in_words(waiting)} wait in the trash for {wish.trash_days:g} days" if waiting else ""
        echo(f"{'Freed' if is_meant else 'That frees'} {in_words(freed)}{later}.")
        if not is_meant:
            echo("Nothing was touched. Try: the same with --yes, which does it.", err=True)
    _raise_all(errors)


def _print_steps(steps: list[Step], *, was_done: bool) -> None:
    from tuitrain.rundir.disk import in_words

    words = {
        "remove": ("removed for good", "would be removed for good", "in the trash"),
        "trash": ("moved to the trash", "would go to the trash", "ended"),
        "thin": ("checkpoint removed", "checkpoint would go", "ended"),
    }
    for step in steps[:_MOST_LISTED]:
        did, would, since = words[step.does]
        name = f"{step.run}/{step.path.name}" if step.does == "thin" else step.run
        age = f"{since} {_number(round(step.days), 'day')}" + ("" if since == "in the trash" else " ago")
        echo(f"{did if was_done else would}: {name}  {in_words(step.num_bytes)}  {age}")
    if len(steps) > _MOST_LISTED:
        echo(f"… and {len(steps) - _MOST_LISTED} more")


def _raise_all(errors: Iterable[TuitrainError]) -> None:
    """One error for all that went wrong, after everything else was done."""
    found = list(errors)
    if len(found) == 1:
        raise found[0]
    if found:
        raise TuitrainError("\n".join(map(str, found)))


def _best(item: RunSummary) -> str:
    names = [name for name in ("eval/loss", "eval/accuracy") if name in item.best]
    return " ".join(f"{name} {item.best[name]:.4g}" for name in names) or "-"


def _run_as_data(item: RunSummary) -> dict[str, object]:
    """The documented keys first; `started` in ISO 8601, null for a number that is not finite."""
    import msgspec

    from tuitrain.session.best import shortfall_in_list

    data: dict[str, object] = msgspec.json.decode(msgspec.json.encode(item))  # JSON has no NaN
    started = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(item.created))
    return {**data, "best_shortfall": shortfall_in_list(item), "started": started}


def _number(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _age(seconds: float) -> str:
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
