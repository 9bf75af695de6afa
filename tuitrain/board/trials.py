"""The trials of a search as they stand: values, the best so far, and how much each parameter matters. A pure fold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tuitrain.board.comparison import Comparison
from tuitrain.board.curves import is_lower_better
from tuitrain.board.series import Floats
from tuitrain.protocol.comparing import MemberState, SearchedParameter, SearchPlan
from tuitrain.protocol.plan import Value

_COARSE_PARTS = 3
_MOST_DIGITS = 10
_LEAST_FOR_SHARES = 8
"""Trials below which a parabola through them tells nothing."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One trial."""

    number: int
    """From 1, in the order in which they were thought of."""
    key: str
    state: MemberState
    value: float | None = None
    """Last evaluation of the metric, not finite where the trial diverged; None where there is none yet."""
    parameters: Mapping[str, Value] = field(default_factory=dict)
    step: int = 0
    total_steps: int = 0
    is_coarse: bool = False
    """Whether it is one of the short ones that come first; its value is not comparable with the others."""
    run: str = ""
    """Absolute path of its folder; empty before it was launched."""

    @property
    def counts(self) -> bool:
        """Whether it can be the best: it went to its end, and its value is a number."""
        return self.state == "finished" and self.value is not None and math.isfinite(self.value)

    @property
    def word(self) -> str:
        """What became of it; "diverged" where its value is no number."""
        if self.value is not None and not math.isfinite(self.value):
            return "diverged"
        return self.state


@dataclass(frozen=True, kw_only=True)
class Trials:
    """All trials of a search so far, by number."""

    plan: SearchPlan
    metric: str
    is_lower_better: bool
    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial | None:
        """The best of those that count; of the coarse ones where no other is done. The first of equals."""
        fine = [trial for trial in self.trials if trial.counts and not trial.is_coarse]
        found = fine or [trial for trial in self.trials if trial.counts]
        return min(found, key=self.order) if found else None

    @property
    def num_done(self) -> int:
        """How many of them are at their end, whatever it was."""
        working = {"waiting", "starting", "running", "paused"}
        return sum(trial.state not in working for trial in self.trials)

    def order(self, trial: Trial) -> tuple[bool, bool, float, int]:
        """To sort by: the best first, coarse ones and those that do not count behind."""
        value = trial.value if trial.value is not None and math.isfinite(trial.value) else math.inf
        return not trial.counts, trial.is_coarse, value if self.is_lower_better else -value, trial.number

    def sorted(self) -> list[Trial]:
        """The best first."""
        return sorted(self.trials, key=self.order)

    def best_so_far(self) -> list[tuple[int, float]]:
        """(number, value) of each trial that was better than all before it, coarse and fine ones apart."""
        found: list[tuple[int, float]] = []
        best: float | None = None
        was_coarse = True
        for trial in self.trials:
            if not trial.is_coarse and was_coarse:
                was_coarse, best = False, None
            if not trial.counts or trial.value is None:
                continue
            if best is None or (trial.value < best if self.is_lower_better else trial.value > best):
                best = trial.value
                found.append((trial.number, best))
        return found

    def shares(self) -> dict[str, float]:
        """Key → share of the variance of the ranks of values that a parabola over that parameter alone explains.

        Of a choice, what the means of its values explain. Adjusted for the number of trials (Ezekiel 1930), so that
        chance explains nothing; 0 to 1. Empty where too few trials are done.
        """
        fine = [trial for trial in self.trials if trial.counts and not trial.is_coarse]
        done = fine if len(fine) >= _LEAST_FOR_SHARES else [trial for trial in self.trials if trial.counts]
        if len(done) < _LEAST_FOR_SHARES:
            return {}
        ranks = _ranks([trial.value or 0.0 for trial in done])
        return {item.key: _explained(item, done, ranks) for item in self.plan.space}


def trials_of(comparison: Comparison) -> Trials:
    """The trials of a comparison that is a search."""
    plan = comparison.plan.search
    if plan is None:
        raise ValueError(f"{comparison.plan.name} is no search")
    metric, last_coarse = comparison.plan.metric, num_coarse(plan)
    found = [
        Trial(
            number=number, key=view.key, state=view.state,
            value=math.nan if view.curves.has_diverged else view.curves.last(metric),
            parameters=view.member.parameters, step=view.curves.step, total_steps=view.curves.total_steps,
            is_coarse=number <= last_coarse, run=view.run,
        )
        for view in comparison.members.values()
        for number in [number_of(view.key)]
    ]  # fmt: skip
    return Trials(
        plan=plan, metric=metric, is_lower_better=is_lower_better(metric),
        trials=tuple(sorted(found, key=lambda trial: trial.number)),
    )  # fmt: skip


def number_of(key: str) -> int:
    """The number of a trial, from 1, as the key of its member tells: "trial-012"; 0 of a key that is none of ours."""
    digits = key.rpartition("-")[2]
    return int(digits) if digits.isdecimal() and len(digits) < _MOST_DIGITS else 0


def num_coarse(plan: SearchPlan) -> int:
    """How many trials are coarse, the first ones; 0 where the method knows none."""
    return max(2, math.ceil(plan.num_trials / _COARSE_PARTS)) if plan.method == "coarse-to-fine" else 0


def place_of(parameter: SearchedParameter, value: Value) -> float:
    """Where a value lies on the scale of its parameter: log10 of it, itself, or the index of a choice."""
    if parameter.choices:
        return float(parameter.choices.index(value)) if value in parameter.choices else math.nan
    number = float(value) if isinstance(value, int | float) else math.nan
    return math.log10(number) if parameter.is_log and number > 0.0 else number


def _explained(parameter: SearchedParameter, trials: Sequence[Trial], ranks: Floats) -> float:
    places = np.array([place_of(parameter, trial.parameters.get(parameter.key, math.nan)) for trial in trials])
    whole = float(np.var(ranks))
    kept = np.isfinite(places)
    if not whole or kept.sum() < _LEAST_FOR_SHARES or not np.ptp(places[kept]):
        return 0.0
    ours, theirs = places[kept], ranks[kept]
    if parameter.choices:
        fitted, num_fitted = np.array([theirs[ours == place].mean() for place in ours]), len(set(ours.tolist()))
    else:
        scaled = (ours - ours.min()) / np.ptp(ours)
        table = np.stack([np.ones_like(scaled), scaled, scaled**2], axis=1)
        fitted, num_fitted = table @ np.linalg.lstsq(table, theirs, rcond=None)[0], 3
    left = float(np.var(theirs - fitted)) / max(float(np.var(theirs)), 1e-12)
    adjusted = 1.0 - left * (len(theirs) - 1) / max(1, len(theirs) - num_fitted)
    return min(1.0, max(0.0, adjusted))


def _ranks(values: Iterable[float]) -> Floats:
    """0 for the lowest, shape (n,); equal values share the mean of their ranks, so that their order tells nothing."""
    _, places, counts = np.unique(np.array(list(values)), return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts + 1) / 2)[places])
