"""What weakens a verdict: runs that count although they are not what their arm says."""

from __future__ import annotations

from tuitrain.board.comparison import Comparison, MemberView
from tuitrain.board.curves import Curves

_MOST_NAMED = 3


def cautions(comparison: Comparison) -> list[str]:
    """A sentence for each kind of run that a person should know of before believing the ranking; empty mostly."""
    views = list(comparison.members.values())
    cut = [
        f"{view.key} at step {view.curves.step} of {view.curves.total_steps}" for view in views if is_cut_short(view)
    ]
    steered = [f"{view.key} ({'; '.join(view.curves.steered.values())})" for view in views if view.curves.steered]
    found = []
    if cut:
        found.append(f"stopped early, and counted as they stood: {_named(cut)}")
    if steered:
        found.append(f"steered by hand: {_named(steered)}")
    return found


def is_cut_short(view: MemberView) -> bool:
    """Whether somebody stopped it before its end: not a pruner, and no rule of its preset."""
    return view.state == "stopped" and has_steps_left(view.curves)


def has_steps_left(curves: Curves) -> bool:
    """Whether a run is before its last step, and no rule of its preset ended it there."""
    ended = curves.ended
    is_own_rule = ended is not None and ended.message.startswith("early stopping")
    return curves.step < curves.total_steps and not is_own_rule


def _named(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f", and {more} more" if more > 0 else "")
