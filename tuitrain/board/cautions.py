"""What weakens a verdict: runs that count although they are not what their arm says."""

from __future__ import annotations

from tuitrain.board.comparison import Comparison, MemberView
from tuitrain.board.curves import Curves
from tuitrain.protocol.commands import OWN_ENDS
from tuitrain.protocol.events import RunState

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
    return curves.step < curves.total_steps and not _is_own_end(curves)


def state_of(curves: Curves) -> RunState:
    """As the run itself says; one that a rule of its preset ended has finished, like one at its last step.

    One that could not go on is lost as before, and can be resumed.
    """
    if curves.ended is not None and curves.ended.could_not_begin:
        return "lost"
    return "finished" if curves.state == "stopped" and _is_own_end(curves) else curves.state


def _is_own_end(curves: Curves) -> bool:
    return curves.ended is not None and curves.ended.message.startswith(OWN_ENDS)


def _named(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f", and {more} more" if more > 0 else "")
