"""Intervals of a difference of means that hold their rate with two to ten seeds.

The plain percentile bootstrap of five values covers 80 % instead of 95 %: it is too narrow by √((n − 1)/n) and knows
nothing of how badly five values tell the spread (Hesterberg 2015, "What Teachers Should Know About the Bootstrap",
The American Statistician 69:371). So an interval here is the wider one, at each end, of two:

- the studentized one, d ± c·s/√n, where c is bootstrapped from arms that are all the same (Efron 1979): the `level`
  quantile of the largest t by which the arm that happens to be best is ahead of any other. With two arms that is
  Student's t; with more it accounts for the best being chosen from the same data and for all arms being judged at once;
- the expanded percentile one (Hesterberg 2015, section 4): quantiles of the means of the runs resampled, at
  Φ(−c·√(n/(n − 1))) from either end. It follows skewness and outliers, which the other does not see.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

Values = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

_NUM_SIMULATED = 40_000
_MANY_ARMS = 24
"""With more a quarter as many are simulated: it takes long enough."""
_NUM_RESAMPLED = 4000
_MOST_LISTED = 5
"""Values of which every resample is taken: 5⁵ = 3125."""
_MOST_SEEDS = 40
"""With more, c is that of so many: it falls from there by less than 2 %."""
_CHUNK = 200_000


class Interval(NamedTuple):
    """How much the best is ahead."""

    center: float
    low: float
    high: float
    is_known: bool
    """False where there are too few values for an interval; its ends mean nothing then."""


def step_of(values: Values) -> float:
    """The step that values were rounded to, as accuracies are to one of so many samples; 0 where no two are equal."""
    known = np.unique(values)
    return float(np.diff(known).min()) if 1 < len(known) < len(values) else 0.0


def paired_interval(gaps: Values, num_arms: int, level: float, step: float = 0.0, num_folds: int = 1) -> Interval:
    """Of differences seed by seed.

    Args:
        gaps: (n,), the best's value minus the other's; all finite and not all the same.
        num_arms: judged at once.
        level: of all intervals together.
        step: that the values were rounded to. Each rounding hides a variance of step²/12 (Sheppard 1898), which
            matters where few seeds happen to round to the same.
        num_folds: of a cross-validation; the variance is then larger, as folds share training data: 1/n + 1/(K − 1)
            instead of 1/n (Nadeau and Bengio 2003, Machine Learning 52:239).
    """
    num = len(gaps)
    center = float(gaps.mean())
    if num < 2:
        return Interval(center, center, center, is_known=False)
    wider = math.sqrt(1.0 + num / (num_folds - 1)) if num_folds > 1 else 1.0
    critical = critical_value(num_arms, num, level)
    half = critical * math.sqrt((float(gaps.var(ddof=1)) + step**2 / 6) / num) * wider
    low, high = _ends(_resampled_means(gaps), critical, num)
    return Interval(
        center,
        min(center - half, center + (low - center) * wider),
        max(center + half, center + (high - center) * wider),
        is_known=True,
    )


def two_sample_interval(best: Values, other: Values, num_arms: int, level: float, step: float = 0.0) -> Interval:
    """Of arms with different seeds: Welch's standard error, his degrees of freedom rounded down.

    Args:
        best: (n,), finite.
        other: (m,), finite; not both of them constant.
        num_arms: judged at once.
        level: of all intervals together.
        step: that the values were rounded to.
    """
    center = float(best.mean() - other.mean()) if len(best) and len(other) else 0.0
    least = min(len(best), len(other))
    if least < 2:
        return Interval(center, center, center, is_known=False)
    parts = [(float(side.var(ddof=1)) + step**2 / 12) / len(side) for side in (best, other)]
    variance = math.fsum(parts)
    shares = [part / variance for part in parts] if variance > 0.0 else [1.0, 0.0]
    freedom = 1.0 / sum(share**2 / (len(side) - 1) for share, side in zip(shares, (best, other), strict=True))
    critical = critical_value(num_arms, max(least - 1, int(freedom + 1e-9)) + 1, level)
    means = _drawn_means(best, 0) - _drawn_means(other, 1)
    low, high = _ends(np.sort(means), critical, least)
    half = critical * math.sqrt(variance)
    return Interval(center, min(center - half, low), max(center + half, high), is_known=True)


@lru_cache(maxsize=512)
def critical_value(num_arms: int, num_seeds: int, level: float) -> float:
    """The t that the best of `num_arms` equal arms is ahead of any other in at most 1 − `level` of the comparisons.

    Simulated from a fixed seed; the quantile is taken two standard errors too high, so that its noise errs on the
    careful side.
    """
    num_arms, num_seeds = max(2, num_arms), max(2, min(num_seeds, _MOST_SEEDS))
    num = _NUM_SIMULATED if num_arms <= _MANY_ARMS else _NUM_SIMULATED // 4
    generator = np.random.default_rng((num_arms, num_seeds))
    at_once = max(1, _CHUNK // (num_arms * num_seeds))
    largest = np.concatenate(
        [
            _largest(generator.standard_normal((min(at_once, num - done), num_arms, num_seeds)))
            for done in range(0, num, at_once)
        ]
    )
    above = (1.0 - level) * num
    place = num - int(above - 2.0 * math.sqrt(above * level)) - 1
    return float(np.sort(largest)[max(0, min(place, num - 1))])


def _largest(values: Values) -> Values:
    """(rows, arms, seeds) → (rows,): the t of the best against the one it is furthest ahead of."""
    rows, num_arms, num_seeds = values.shape
    best = values.mean(axis=2).argmax(axis=1)
    gaps = values[np.arange(rows), best][:, None, :] - values
    # The best has no gap to itself: its t is made 0.
    spread = np.where(np.arange(num_arms)[None, :] == best[:, None], 1.0, gaps.std(axis=2, ddof=1))
    found: Values = (gaps.mean(axis=2) / spread).max(axis=1) * math.sqrt(num_seeds)
    return found


def _ends(means: Values, critical: float, num: int) -> tuple[float, float]:
    """The expanded percentiles of sorted means."""
    tail = 0.5 * math.erfc(critical * math.sqrt(num / (num - 1)) / math.sqrt(2.0))
    place = min(int(tail * len(means)), (len(means) - 1) // 2)
    return float(means[place]), float(means[len(means) - 1 - place])


def _resampled_means(values: Values) -> Values:
    """Sorted means of all resamples, or of many where there are too many."""
    if len(values) > _MOST_LISTED:
        return np.sort(_drawn_means(values, 0))
    return np.sort(np.sort(values)[_every_choice(len(values))].mean(axis=1))


@lru_cache(maxsize=8)
def _every_choice(num: int) -> np.ndarray[tuple[int, int], np.dtype[np.intp]]:
    return np.array(list(itertools.product(range(num), repeat=num)), dtype=np.intp)


def _drawn_means(values: Values, stream: int) -> Values:
    """Means of resamples that depend on the values alone, not on the order they come in."""
    found: Values = np.sort(values)[_choices(len(values), stream)].mean(axis=1)
    return found


@lru_cache(maxsize=32)
def _choices(num: int, stream: int) -> np.ndarray[tuple[int, int], np.dtype[np.intp]]:
    return np.random.default_rng((num, stream)).integers(0, num, size=(_NUM_RESAMPLED, num))
