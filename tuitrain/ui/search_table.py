"""The trials of a search as lines of a table, and what is said of the whole. No widgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content

from tuitrain.board.trials import Trial, Trials
from tuitrain.cells import beginning, right
from tuitrain.protocol.plan import Value
from tuitrain.ui import text
from tuitrain.ui.search_figures import SearchView, marker_of

_QUIET = "$foreground 55%"
_STYLES = {
    "loss": "$primary", "norm": "bold $success", "alarm": "$error", "mark": "$warning", "text-faint": _QUIET,
}  # fmt: skip
_FIXED, _STEPS = 34, 8
"""Cells of marker, number, state, value and steps; of the steps alone, which a narrow terminal does without."""
_SIGNS = {
    "◆": "best", "●": "finished", "·": "coarse", "▼": "pruned", "□": "stopped", "×": "diverged or failed",
    "○": "at work",
}  # fmt: skip
_LEAST_COLUMN = 9
_GAP = "   "


@dataclass(frozen=True)
class TrialTable:
    """What is drawn of it."""

    lines: list[Content]
    top: int
    """Place of the first trial that is shown."""
    page: int
    """How many trials are shown at most."""


def listed(found: Trials, view: SearchView) -> list[Trial]:
    """The trials in the order of the table."""
    return list(reversed(found.trials)) if view.is_by_number else found.sorted()


def trial_table(
    found: Trials, shown: Sequence[Trial], view: SearchView, width: int, height: int, top: int
) -> TrialTable:
    """A header, and a line for each trial that fits.

    Args:
        found: all trials.
        shown: the same in order.
        view: of the person.
        width: in cells.
        height: in lines, the header among them.
        top: place of the first trial that was shown last.
    """
    page = max(1, height - 1)
    place = next((index for index, trial in enumerate(shown) if trial.key == view.selected), 0)
    top = max(0, min(top, len(shown) - page))
    top = min(place, max(top, place - page + 1))
    keys = [item.key for item in found.plan.space]
    has_steps = width - _FIXED >= _LEAST_COLUMN * len(keys)
    free = width - (_FIXED if has_steps else _FIXED - _STEPS)
    keys = keys[: max(1, free // _LEAST_COLUMN)]
    room = max(_LEAST_COLUMN, min(24, free // max(1, len(keys))))
    names = "".join(f" {_name(key, room - 1):>{room - 1}}" for key in keys)
    steps = f" {'steps':>{_STEPS - 1}}" if has_steps else ""
    head = Content.styled(f"    {'#':>3} {'state':<9} {'value':>8}{names}{steps}", _QUIET).truncate(width)
    lines = [head]
    best = found.best
    for trial in shown[top : top + page]:
        is_chosen = trial.key == view.selected
        marker, role = marker_of(trial, best)
        cells = "".join(f" {right(_value(trial.parameters.get(key, '–'), room - 1), room - 1)}" for key in keys)
        value = text.number(trial.value) if trial.value is None or trial.word != "diverged" else "nan"
        state = "coarse" if trial.is_coarse and trial.counts else trial.word
        row = f"{trial.number:>3} {state:<9} {value:>8}{cells}" + (f" {trial.step:>{_STEPS - 1}}" if has_steps else "")
        is_best = best is not None and trial.key == best.key
        style = "bold $foreground" if is_best else "$foreground" if trial.counts else "$foreground 70%"
        line = Content.assemble(
            ("> " if is_chosen else "  ", "bold $warning"), (marker, _STYLES[role]), " ", (row, style)
        )
        lines.append((line.stylize("on $foreground 10%") if is_chosen else line).truncate(width, ellipsis=True))
    return TrialTable(lines, top, page)


def header_line(found: Trials, name: str, *, state: str, width: int) -> Content:
    """Which search, how far, and the best so far."""
    best = found.best
    num_working = sum(trial.state in {"starting", "running", "paused"} for trial in found.trials)
    value = text.number(best.value) if best else ""
    said = f"best {found.metric} {value}, trial {best.number}" if best else "no trial is done yet"
    short = f"best {value}" if best else said
    done = f"{found.num_done} of {found.plan.num_trials} trials"
    working = f"{done}, {num_working} at work" if num_working else done
    method = found.plan.method + (f", {found.plan.prune}" if found.plan.prune else "")
    head = Content.assemble(
        (f" {text.cut(name, max(8, width // 3))}", "bold $foreground"), _GAP,
        (state, "$warning" if state == "searching" else "$foreground 75%"),
    )  # fmt: skip
    for words in ((working, said, method), (working, said), (done, said), (working, short), (done, short), (short,)):
        if head.cell_length + sum(len(_GAP) + len(each) for each in words) <= width:
            for each in words:
                head = Content.assemble(head, _GAP, (each, _QUIET if each == method else ""))
            break
    return head.truncate(width)


def signs(found: Trials, width: int) -> str:
    """What the markers of the trials mean, as many as fit; only of those that are there."""
    there = {marker_of(trial, found.best)[0] for trial in found.trials}
    words = [f"{marker} {meaning}" for marker, meaning in _SIGNS.items() if marker in there]
    while words and len("  ".join(words)) > width:
        words.pop()
    return "  ".join(words)


def _name(key: str, room: int) -> str:
    """The key, or its last part where there is no room."""
    return key if len(key) <= room else beginning(key.partition(".")[2], room)


def _value(value: Value, room: int) -> str:
    words = text.plain(value)
    return beginning(f"{value:.3g}" if isinstance(value, float) and len(words) > room else words, room)
