"""What is said to a person who leaves a comparison or a search: how it stands, and how to come back."""

from __future__ import annotations

from tuitrain.board.comparison import Comparison
from tuitrain.board.trials import trials_of


def leaving_words(comparison: Comparison, sentence: str, *, is_scheduled: bool) -> str:
    """One line; empty where there is nothing to come back to, as of runs that were only put side by side.

    Args:
        comparison: which, or a search.
        sentence: the verdict; empty where there is none.
        is_scheduled: whether its scheduler is at work.
    """
    plan = comparison.plan
    if not plan.name:
        return ""
    back = f"tuitrain {'compare' if plan.search is None else 'search'} --resume {plan.name}"
    if is_scheduled:
        return f"left {plan.name}; it goes on. Come back with: {back}"
    mine = [view for view in comparison.members.values() if not view.member.run]
    num_working = sum(not view.is_final and view.state != "waiting" for view in mine)
    num_waiting = sum(view.state in {"waiting", "lost"} for view in mine)
    left = f", {num_waiting} left" if num_waiting else ""
    if num_working:
        return f"{plan.name}: its scheduler is gone, {num_working} at work{left}. Go on with: {back}"
    # A search may think of more.
    is_left = plan.search is not None and (comparison.ended is None or comparison.ended.reason != "finished")
    if num_waiting or is_left:
        was_stopped = comparison.ended is not None and comparison.ended.reason == "stopped"
        return f"{plan.name}: {'it was stopped' if was_stopped else 'its scheduler is gone'}{left}. Go on with: {back}"
    return f"{plan.name}: {sentence or 'done.'} Look again with: {back}"


def best_words(comparison: Comparison) -> str:
    """The best trial of a search so far, in a sentence; empty where none is done."""
    best = trials_of(comparison).best
    if best is None:
        return ""
    return f"The best is trial {best.number}, {comparison.plan.metric} {best.value:.4g}."
