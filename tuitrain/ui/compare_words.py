"""What the compare screen says in words: its header, what a person should know, the chosen row, the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from textual.content import Content

from tuitrain.board.cautions import cautions
from tuitrain.board.comparison import Comparison
from tuitrain.ui import text
from tuitrain.ui.compare_rows import STATE_ORDER, Row, member_label
from tuitrain.ui.compare_table import STATE_STYLES, spread_text
from tuitrain.ui.compare_view import CompareView
from tuitrain.ui.comparison_source import ComparisonSource

_QUIET = "$foreground 55%"
_GAP = "   "
_MOST_NAMED = 4


def header_line(source: ComparisonSource, width: int) -> Content:
    """Name, size, how many members are in which state, reading; as many words as fit."""
    comparison = source.comparison
    counts = Counter(member.state for member in comparison.members.values())
    is_done = not comparison.members or all(member.is_final for member in comparison.members.values())
    style = "$primary" if is_done else "$success" if counts["running"] else "$warning"
    line = Content.assemble(("● ", style), (comparison.plan.name or "runs", "bold"), _GAP, size_text(comparison))
    words = [Content.styled(f"{counts[state]} {state}", STATE_STYLES[state]) for state in STATE_ORDER if counts[state]]
    if words and not is_done and comparison.plan.name:
        words.append(Content.styled(f"{comparison.plan.num_parallel} at a time", _QUIET))
    if source.num_unread_bytes and source.read_share < 1:
        words.insert(0, Content.styled(f"reading {source.read_share * 100:.0f} %", "$warning"))
    if comparison.plan.title:
        words.append(Content.styled(comparison.plan.title, _QUIET))
    for word in words:
        if line.cell_length + len(_GAP) + word.cell_length > width:
            break
        line = Content.assemble(line, _GAP, word)
    return line


def size_text(comparison: Comparison) -> str:
    """3 arms × 4 seeds, 3 arms × 5 folds, 12 runs."""
    arms = comparison.arms
    sizes = {len(members) for members in arms.values()}
    num_arms, num_members = len(arms), len(comparison.members)
    if num_members == num_arms:
        return f"{num_members} run{'' if num_members == 1 else 's'}"
    num_seeds = len({member.member.seed for member in comparison.members.values()})
    folds = comparison.plan.num_folds
    what = f"{folds} folds" + (f" × {num_seeds} seeds" if num_seeds > 1 else "") if folds else f"{max(sizes)} seeds"
    named = f"{num_arms} arm{'' if num_arms == 1 else 's'}"
    return f"{named} × {what}" if len(sizes) == 1 else f"{named}, {num_members} runs"


def warnings(source: ComparisonSource, rows: Sequence[Row], view: CompareView) -> list[str]:
    """What a person should know, the most urgent first."""
    comparison, found = source.comparison, []
    name = comparison.plan.name
    if source.problem:
        found.append(f"{source.problem}")
    members = comparison.members.values()
    num_waiting = sum(member.state == "waiting" for member in members)
    if num_waiting and not source.is_scheduled and source.is_caught_up and source.folder is not None:
        found.append(f"the scheduler is gone, {num_waiting} wait: tuitrain compare --resume {name}")
    elif comparison.ended is not None and comparison.ended.reason == "failed":
        found.append(f"the scheduler failed: {comparison.ended.message}")
    tasks = comparison.tasks()
    if len(tasks) > 1:
        found.append(f"runs of different tasks: {_named(tasks)}; their losses are not comparable")
    if members and source.is_caught_up:
        without = [row.label for row in rows if not row.is_member and row.last is None and _has_begun(row)]
        if without and len(without) < sum(not row.is_member for row in rows):
            found.append(f"no {view.metric}: {_named(without)}")
    vanished = [member.key for member in members if member.state == "gone"]
    if vanished:
        found.append(f"gone: {_named(vanished)}; drawn as far as was read")
    return [*found, *cautions(comparison), *comparison.remarks[::-1]]


def detail_line(row: Row | None, view: CompareView, width: int) -> Content:
    """Key facts of the chosen row, in as many words as fit."""
    if row is None:
        return Content("")
    words = _member_words(row) if len(row.members) == 1 else _arm_words(row, view)
    line = Content.assemble(
        (f"{row.marker} ", f"$chart-{row.role}"), (f"{row.arm} {row.label}" if row.is_member else row.label, "bold")
    )
    for word in words:
        if line.cell_length + len(_GAP) + word.cell_length > width:
            break
        line = Content.assemble(line, _GAP, word)
    return line


def _member_words(row: Row) -> list[Content]:
    member, facts = row.members[0], row.facts[0]
    curves = member.curves
    words = [Content.styled(member.state, STATE_STYLES[member.state])]
    if member.message or (curves.ended is not None and curves.ended.message):
        message = member.message or (curves.ended.message if curves.ended is not None else "")
        words.append(Content.styled(message, "$error" if member.state in {"failed", "lost"} else _QUIET))
    if curves.total_steps:
        words.append(Content(f"step {text.count(curves.step)} of {text.count(curves.total_steps)}"))
    if curves.seconds:
        words.append(Content(text.duration(curves.seconds)))
    if facts.best is not None:
        words.append(Content(f"best {text.number(facts.best.value)} at step {text.count(facts.best.step)}"))
    words += [Content(f"{key} {text.plain(value)}") for key, value in member.member.parameters.items()]
    if not row.is_member and not member.member.parameters and not member.member.run:
        words.append(Content(member_label(member)))
    if member.run:
        words.append(Content.styled(member.run_id, _QUIET))
    return words


def _arm_words(row: Row, view: CompareView) -> list[Content]:
    states = row.states
    words = [Content.styled(f"{states[state]} {state}", STATE_STYLES[state]) for state in STATE_ORDER if states[state]]
    if row.best is not None:
        words.append(Content(f"best {view.metric} {spread_text(row.best)} over {row.best.num} of {len(row.members)}"))
    if row.best_seconds is not None:
        words.append(Content(f"after {text.duration(row.best_seconds.mean)}"))
    failed = next((member for member in row.members if member.message), None)
    if failed is not None:
        words.append(Content.styled(f"{failed.key}: {failed.message}", "$warning"))
    words.append(Content.styled("enter lists its members", _QUIET) if row.id not in view.opened else Content(""))
    return [word for word in words if word.cell_length]


def _has_begun(row: Row) -> bool:
    return any(member.curves.step > 0 and member.is_final for member in row.members)


def _named(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
