"""How comparisons stand, for a list of them: their journals are read, and none of their runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tuitrain.board.comparison import Comparison, MemberView
from tuitrain.comparing.folder import ComparisonFolder
from tuitrain.comparing.reading import ComparisonReader
from tuitrain.comparing.starting import is_scheduled
from tuitrain.protocol.comparing import MemberState
from tuitrain.rundir.places import RunFolder
from tuitrain.rundir.status import has_trainer

_DONE: tuple[MemberState, ...] = ("finished", "pruned")
_TOLD: tuple[MemberState, ...] = ("stopped", "failed", "lost", "cancelled")


@dataclass(frozen=True)
class Standing:
    """One comparison, or search."""

    name: str
    state: Literal["running", "done", "stopped"]
    """running: its scheduler is at work, or a run of it. stopped: neither, and something is left that --resume does, of
    what somebody stopped --retry-stopped."""
    num_done: str
    """E.g. "3 of 12 runs"; "12 runs" where that is all of them."""
    others: str
    """What became of those that came to no end, e.g. "1 failed, 2 stopped"."""
    comparison: Comparison


def _state_of(view: MemberView) -> MemberState:
    """As the journal has it; of what it launched and has seen no end of, whether its trainer is there."""
    if view.member.run:
        return "finished"
    is_open = view.ended is None and bool(view.run)
    return "running" if is_open and has_trainer(RunFolder(Path(view.run))) else view.ended or "waiting"


def standing_of(folder: ComparisonFolder) -> Standing:
    """How a comparison stands.

    Raises:
        RunFolderError: its plan cannot be read.
    """
    reader = ComparisonReader.of_folder(folder)
    while reader.read_journal():
        pass
    comparison = reader.comparison
    plan, members = comparison.plan, comparison.members.values()
    states = [_state_of(view) for view in members]
    counts = Counter(states)
    num_done, is_search = sum(counts[state] for state in _DONE), plan.search is not None
    total = len(members) if plan.search is None else max(plan.search.num_trials, len(members))
    is_over = comparison.ended is not None and comparison.ended.reason == "finished"
    is_left = counts["stopped"] + counts["lost"] + counts["waiting"] > 0 or (is_search and not is_over)
    share = f"{total}" if num_done == total else f"{num_done} of {total}"
    others = ", ".join(f"{counts[state]} {state}" for state in _TOLD if counts[state])
    state: Literal["running", "done", "stopped"] = "stopped" if is_left else "done"
    state = "running" if is_scheduled(folder) or counts["running"] else state
    return Standing(folder.name, state, f"{share} {'trials' if is_search else 'runs'}", others, comparison)
