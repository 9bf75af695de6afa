"""A search as text and as data: a line for each trial that is done, a table of the best, what mattered."""

from __future__ import annotations

import math
from typing import Any

from tuitrain.board.comparison import Comparison
from tuitrain.board.trials import Trial, Trials, trials_of
from tuitrain.comparing.best_preset import best_path, parameter_words
from tuitrain.comparing.headless import say
from tuitrain.comparing.reading import ComparisonReader

_MOST_SHOWN = 5


class SearchTold:
    """Prints what is new of a search: each trial when it is done, each remark, each problem."""

    def __init__(self) -> None:
        self._done: set[str] = set()
        self._num_remarks = 0
        self._problem = ""

    def tell(self, reader: ComparisonReader) -> None:
        """Print what is new."""
        comparison = reader.comparison
        found = trials_of(comparison)
        for trial in found.trials:
            view = comparison.members[trial.key]
            # The run says that it stopped; that it was pruned says the scheduler, a little later.
            is_told = view.ended is not None or not reader.is_scheduled
            if view.is_final and is_told and trial.key not in self._done:
                self._done.add(trial.key)
                why = f"   {view.message}" if view.message else ""
                say(f"{trial_line(trial, found)}{why}")
        for text in comparison.remarks[self._num_remarks :]:
            say(text)
        self._num_remarks = len(comparison.remarks)
        problem = reader.problem or (comparison.ended.message if comparison.ended is not None else "")
        if problem and problem != self._problem:
            say(problem)
        self._problem = problem


def trial_line(trial: Trial, found: Trials) -> str:
    """E.g. "trial 3 of 20   eval/loss 0.2134   optimizer.lr=0.003   best so far 0.1985, trial 1"."""
    parts = [f"trial {trial.number} of {found.plan.num_trials}"]
    if trial.is_coarse:
        parts.append("coarse")
    if trial.word != "finished":
        parts.append(f"{trial.word} at step {trial.step} of {trial.total_steps}" if trial.total_steps else trial.word)
    parts += [f"{found.metric} {value_words(trial.value)}", parameter_words(trial.parameters)]
    best = found.best
    if best is not None:
        parts.append(
            "the best so far" if best is trial else f"best so far {value_words(best.value)}, trial {best.number}"
        )
    return "   ".join(parts)


def outcome_lines(comparison: Comparison, path: str) -> list[str]:
    """For people: the best trials, what mattered, and the way to run the best.

    Args:
        comparison: a search, read to its end.
        path: of the preset of the best; empty where there is none.
    """
    found = trials_of(comparison)
    better = "lower" if found.is_lower_better else "higher"
    lines = [f"{found.num_done} of {found.plan.num_trials} trials, {found.metric}, {better} is better"]
    shown = [trial for trial in found.sorted() if trial.counts][:_MOST_SHOWN]
    for place, trial in enumerate(shown, start=1):
        coarse = "   coarse" if trial.is_coarse else ""
        lines.append(
            f"{place:>3}. trial {trial.number:<4} {value_words(trial.value):>10}   "
            f"{parameter_words(trial.parameters)}{coarse}"
        )
    if not shown:
        lines.append("No trial finished with a number.")
    shares = sorted(found.shares().items(), key=lambda item: -item[1])
    if shares:
        words = ", ".join(f"{key} {share:.0%}" for key, share in shares)
        lines.append(f"Of the order of the trials, each parameter alone explains: {words}.")
    others = {word: sum(trial.word == word for trial in found.trials) for word in ("pruned", "diverged", "failed")}
    if any(others.values()):
        lines.append(", ".join(f"{count} {word}" for word, count in others.items() if count) + ".")
    if path:
        lines.append(f"The best as a preset: {path}\nRun it with: tuitrain run {path}")
    return lines


def outcome_data(comparison: Comparison, path: str) -> dict[str, Any]:
    """For programs: all trials, the best first; what is no finite number is null."""
    found = trials_of(comparison)
    best = found.best
    return {
        "name": comparison.plan.name,
        "metric": found.metric,
        "method": found.plan.method,
        "best": None if best is None else _data(best),
        "preset": path or None,
        "trials": [_data(trial) for trial in found.sorted()],
        "shares": found.shares(),
        "remarks": comparison.remarks,
    }


def path_of_best(reader: ComparisonReader) -> str:
    """Of the preset of the best trial; empty where there is none yet."""
    if reader.folder is None:
        return ""
    path = best_path(reader.folder)
    return str(path) if path.is_file() else ""


def value_words(value: float | None) -> str:
    """A value, short."""
    if value is None:
        return "–"
    return f"{value:.4g}" if math.isfinite(value) else "not a number"


def _data(trial: Trial) -> dict[str, Any]:
    value = trial.value if trial.value is not None and math.isfinite(trial.value) else None
    return {
        "number": trial.number, "state": trial.word, "value": value, "parameters": dict(trial.parameters),
        "step": trial.step, "total_steps": trial.total_steps, "is_coarse": trial.is_coarse, "run": trial.run,
    }  # fmt: skip
