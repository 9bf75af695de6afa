"""The runs of a comparison, by its name: "five" for all of them, "five/adam" for those of one arm."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tuitrain.comparing.folder import list_comparisons
from tuitrain.comparing.reading import ComparisonReader
from tuitrain.errors import UsageError

_HAS_WEIGHTS = frozenset({"finished", "stopped"})


@dataclass
class NamedRuns:
    """Runs that were asked for, some of them as those of a comparison."""

    names: list[str] = field(default_factory=list)
    """As `find_run` takes them."""
    labels: dict[str, str] = field(default_factory=dict)
    """Id of a run of a comparison → what it is called there, e.g. "adam-s0"."""
    notes: list[str] = field(default_factory=list)
    """What was left out."""


def with_runs_of_comparisons(names: Iterable[str]) -> NamedRuns:
    """Names of runs as they are; in the place of a comparison, or of an arm of it, the paths of its runs.

    Raises:
        UsageError: the comparison has no such arm, or no run of it has ended.
        RunFolderError: the comparison cannot be read.
    """
    known = {folder.name: folder for folder in list_comparisons()}
    found = NamedRuns()
    for name in names:
        head, _, arm = name.partition("/")
        if head in known:
            reader = ComparisonReader.of_folder(known[head])
            while reader.read_journal():
                pass
            _take(found, reader, name, arm)
        else:
            found.names.append(name)
    return found


def _take(found: NamedRuns, reader: ComparisonReader, name: str, arm: str) -> None:
    arms = reader.comparison.arms
    meant = [label for label in arms if label == arm] or [label for label in arms if _plain(label) == _plain(arm)]
    if arm and len(meant) != 1:
        head = name.partition("/")[0]
        raise UsageError(
            f'The comparison {head} has no arm "{arm}".', hint="; ".join(f"{head}/{_plain(label)}" for label in arms)
        )
    views = [view for label, members in arms.items() if not arm or label in meant for view in members]
    taken = [view for view in views if view.member.run or view.ended in _HAS_WEIGHTS]
    if not taken:
        head = name.partition("/")[0]
        raise UsageError(f"No run of {name} has ended yet.", hint=f"tuitrain compare --resume {head}")
    found.names += [view.run for view in taken]
    known = {*found.labels.values()}
    for view in taken:
        label = f"{name.partition('/')[0]}/{view.key}" if view.key in known else view.key
        found.labels[Path(view.run).name] = label
    left = Counter(view.ended or "not done" for view in views if view not in taken)
    if left:
        words = ", ".join(f"{count} {state}" for state, count in left.items())
        found.notes.append(f"{left.total()} of the {len(views)} runs of {name} are left out: {words}")


def _plain(label: str) -> str:
    """As it can be typed: "sgd · lr 0.1" is "sgd-lr-0.1"."""
    return re.sub(r"[^a-z0-9._]+", "-", label.lower()).strip("-")
