"""How likely arms that are all the same give what was seen, where there is no variance to make an interval of.

Each is the largest probability over what is not known, as in Barnard's test (Barnard 1945, Nature 156:177), so that
a claim made where it is at most α is false in at most α of the comparisons.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

_SHARES = np.linspace(0.0, 1.0, 401)


@lru_cache(maxsize=1024)
def chance_of_divergence(num_diverged: int, num: int, num_others_diverged: int, num_others: int) -> float:
    """That one arm diverges so much more often than the rest of them together, all being equally likely to.

    Outcomes are ordered by the difference of the two shares.

    Args:
        num_diverged: runs of the arm that diverged.
        num: its runs.
        num_others_diverged: runs of all other arms that diverged.
        num_others: their runs.
    """
    if num == 0 or num_others == 0:
        return 1.0
    counts, others = np.arange(num + 1), np.arange(num_others + 1)
    # In whole numbers, so that equal differences are equal.
    gap = counts[:, None] * num_others - others[None, :] * num
    is_as_far = gap >= num_diverged * num_others - num_others_diverged * num
    both = _binomial(num)[:, :, None] * _binomial(num_others)[:, None, :]
    return float(both[:, is_as_far].sum(axis=1).max())


@lru_cache(maxsize=256)
def chance_of_constants(num_seeds: int, num_arms: int) -> float:
    """That every arm has one value in all its seeds and not all arms the same one, of values that are one of two.

    Accuracies on a few samples are such values: two seeds that agree are no proof that seeds change nothing.
    """
    same = _SHARES**num_seeds + (1.0 - _SHARES) ** num_seeds
    all_same = _SHARES ** (num_seeds * num_arms) + (1.0 - _SHARES) ** (num_seeds * num_arms)
    return float((same**num_arms - all_same).max())


def chance_of_constant_differences(num_seeds: int) -> float:
    """That a difference is the same in every seed, of two arms of which either is as likely ahead (a sign test)."""
    return 2.0 ** (1 - num_seeds)


@lru_cache(maxsize=64)
def _binomial(num: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Probability of each count of `num` trials, a row for each share."""
    ways = np.array([math.comb(num, count) for count in range(num + 1)], dtype=np.float64)
    counts = np.arange(num + 1)
    found: np.ndarray[tuple[int, int], np.dtype[np.float64]] = (
        ways * _SHARES[:, None] ** counts * (1.0 - _SHARES[:, None]) ** (num - counts)
    )
    return found
