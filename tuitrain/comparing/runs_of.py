"""The runs of a comparison, by its name: "five" for all of them, "five/adam" for those of one arm."""

from __future__ import annotations

from collections.abc import Iterable

from tuitrain.comparing.folder import list_comparisons
from tuitrain.comparing.reading import ComparisonReader
from tuitrain.errors import UsageError, suggestion

_HAS_WEIGHTS = frozenset({"finished", "stopped"})


def with_runs_of_comparisons(names: Iterable[str]) -> list[str]:
    """Names of runs as they are; in the place of a comparison, or of an arm of it, the paths of its runs.

    Raises:
        UsageError: the comparison has no such arm, or no run of it has ended.
        RunFolderError: the comparison cannot be read.
    """
    known = {folder.name: folder for folder in list_comparisons()}
    found: list[str] = []
    for name in names:
        head, _, arm = name.partition("/")
        if head in known:
            reader = ComparisonReader.of_folder(known[head])
            reader.read_journal()
            found += _runs(reader, head, arm)
        else:
            found.append(name)
    return found


def _runs(reader: ComparisonReader, name: str, arm: str) -> list[str]:
    arms = reader.comparison.arms
    if arm and arm not in arms:
        raise UsageError(f'The comparison {name} has no arm "{arm}".', hint=suggestion(arm, arms))
    views = [view for label, members in arms.items() if label == arm or not arm for view in members]
    runs = [view.run for view in views if view.member.run or view.ended in _HAS_WEIGHTS]
    if not runs:
        raise UsageError(f"No run of {name} has ended yet.", hint=f"tuitrain compare --resume {name}")
    return runs
