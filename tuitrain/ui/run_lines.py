"""A run in one line of a list, and in the few lines below it."""

from __future__ import annotations

import time

from textual.content import Content

from tuitrain.cells import beginning, num_cells
from tuitrain.protocol.printable import printable
from tuitrain.rundir.disk import in_words
from tuitrain.rundir.summary import RunSummary
from tuitrain.ui import text
from tuitrain.ui.widgets.header import STATE_STYLES, short_name

_OTHER_CELLS = 32
_LEAST_NAME_CELLS = 20


def run_line(run: RunSummary, width: int) -> Content:
    """State, name with tags, how far, how good and how old.

    Args:
        run: which.
        width: cells that there are; the name takes what the rest leaves.
    """
    style = STATE_STYLES[run.state]
    done = f"{100 * run.step // run.total_steps} %" if run.total_steps else ""
    best = next((f"{run.best[name]:.3g}" for name in ("eval/accuracy", "eval/loss") if name in run.best), "")
    age = text.age(time.time() - run.created)
    return Content.assemble(
        ("● ", style),
        _named(run, max(_LEAST_NAME_CELLS, width - _OTHER_CELLS - 1)),
        " ",
        (f"{run.state:<9}", style),
        f"{done:>5} {best:>8}",
        (f"{age:>7}", "$foreground 55%"),
    )


def run_details(run: RunSummary, num_bytes: int | None) -> list[Content]:
    """What is known of a run without reading all of it.

    Args:
        run: which.
        num_bytes: that it takes on the disk; None while that is not measured.
    """
    best = "   ".join(f"{name} {value:.4g}" for name, value in sorted(run.best.items()))
    disk = f"   {in_words(num_bytes)} on disk" if num_bytes is not None else ""
    lines = [
        Content.assemble(
            (f"{run.name}   " if run.name else "", "bold $accent"),
            (run.title, "bold"),
            f"   {run.state} at step {text.count(run.step)}{disk}",
        ),
        Content(f"best   {best}" if best else "not evaluated yet"),
    ]
    if run.comparison:
        name, _, key = run.comparison.partition("/")
        lines.append(Content(f"{key} of the comparison {name}   tuitrain compare --resume {name}"))
    if run.tags or run.note:
        lines.append(Content.assemble(_tags(run), "   " if run.tags else "", run.note.replace("\n", "  ")))
    lines.append(Content.styled(f"{printable(run.path)}   {run.host}   pid {run.pid}", "$foreground 55%"))
    return [*lines, Content.styled(run.problem, "$error")] if run.problem else lines


def _named(run: RunSummary, cells: int) -> Content:
    """The name that people gave it, else that of its preset, and as many of its tags as fit."""
    words = run.name or _member_name(run.comparison, cells) or short_name(run.id)
    name = Content.styled(words, "bold" if run.is_live or run.name else "")
    name = name.truncate(cells, ellipsis=True)
    if run.tags and cells - name.cell_length > 2:
        name = Content.assemble(name, " ", _tags(run)).truncate(cells, ellipsis=True)
    return name.pad_right(cells - name.cell_length)


def _member_name(comparison: str, cells: int) -> str:
    """Of a long name the beginning of the comparison and the whole key, which tells its runs apart."""
    name, _, key = comparison.rpartition("/")
    room = cells - num_cells(key) - 1
    return comparison if num_cells(comparison) <= cells or room < 2 else f"{beginning(name, room)}/{key}"


def _tags(run: RunSummary) -> Content:
    return Content.styled(" ".join(f"#{tag}" for tag in run.tags), "$accent")
