"""Comparisons with a known answer, drawn by the thousand: how often each word is said."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tuitrain.board.verdict import BETTER, WORSE, rank

Draw = Callable[[np.random.Generator, int, int], np.ndarray]


def normal(generator: np.random.Generator, arms: int, seeds: int) -> np.ndarray:
    return generator.standard_normal((arms, seeds))


def lognormal(generator: np.random.Generator, arms: int, seeds: int) -> np.ndarray:
    return generator.lognormal(0.0, 1.0, (arms, seeds))


def student(generator: np.random.Generator, arms: int, seeds: int) -> np.ndarray:
    """With three degrees of freedom: now and then a seed is far out."""
    return generator.standard_t(3, (arms, seeds))


def correlated(generator: np.random.Generator, arms: int, seeds: int) -> np.ndarray:
    """Seeds that are hard for every arm: correlation 0.8."""
    return 2.0 * generator.standard_normal((1, seeds)) + generator.standard_normal((arms, seeds))


def rounded(generator: np.random.Generator, arms: int, seeds: int) -> np.ndarray:
    """Accuracies on few samples: a step is as large as the deviation."""
    return np.round(generator.standard_normal((arms, seeds)))


def rounded_coarsely(generator: np.random.Generator, arms: int, seeds: int) -> np.ndarray:
    """One of two values, mostly."""
    return np.round(0.5 + 0.5 * generator.standard_normal((arms, seeds)))


def unequal(generator: np.random.Generator, arms: int, seeds: int) -> np.ndarray:
    """The same mean, deviations from 1 to 10."""
    return np.linspace(1.0, 10.0, arms)[:, None] * generator.standard_normal((arms, seeds))


def one_is_wild(generator: np.random.Generator, arms: int, seeds: int) -> np.ndarray:
    """The same mean, one arm with ten times the deviation."""
    return np.where(np.arange(arms) == 0, 10.0, 1.0)[:, None] * generator.standard_normal((arms, seeds))


def diverging(generator: np.random.Generator, arms: int, seeds: int) -> np.ndarray:
    """At the edge of stability: each run diverges with probability one half."""
    values = generator.standard_normal((arms, seeds))
    return np.where(generator.random((arms, seeds)) < 0.5, np.nan, values)


SAME: dict[str, Draw] = {
    "normal": normal,
    "lognormal": lognormal,
    "student-t3": student,
    "correlated": correlated,
    "rounded": rounded,
    "rounded coarsely": rounded_coarsely,
    "unequal": unequal,
    "one is wild": one_is_wild,
    "diverging": diverging,
}
"""Arms of which none is better than another."""


def false_claims(draw: Draw, arms: int, seeds: int, num: int, *, is_paired: bool = True, salt: int = 7) -> float:
    """The share of comparisons of equal arms in which any arm is called worse."""
    generator = np.random.default_rng((arms, seeds, salt))
    found = 0
    for _ in range(num):
        values = draw(generator, arms, seeds)
        found += any(word == WORSE for word in words(values, is_paired=is_paired))
    return found / num


def power(draw: Draw, seeds: int, apart: float, num: int, *, arms: int = 2, is_paired: bool = True) -> float:
    """The share of comparisons in which the one arm that is `apart` deviations ahead is called better."""
    generator = np.random.default_rng((arms, seeds, 1))
    found = 0
    for _ in range(num):
        values = draw(generator, arms, seeds)
        values[0] += apart
        found += words(values, is_paired=is_paired)[0] == BETTER
    return found / num


def words(values: np.ndarray, *, is_paired: bool) -> list[str]:
    """The words of a comparison, the best arm's first."""
    arms = {
        f"arm {arm}": {str(seed if is_paired else 1000 * arm + seed): float(value) for seed, value in enumerate(row)}
        for arm, row in enumerate(values)
    }
    ranking = rank(arms, is_lower_better=False, metric="eval/accuracy")
    return [standing.word for standing in ranking.standings]
