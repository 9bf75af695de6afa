"""Cross-validation of the embedded digits: mean and spread over five folds."""

from __future__ import annotations

import statistics
from functools import cache

from tests.lecture.promises import Target, seen

FOLDS = 5


@cache
def folds(seed: int) -> tuple[float, ...]:
    """The validation accuracy of each fold."""
    return tuple(seen("one-fold", seed, f"task.fold={number}").accuracy for number in range(1, FOLDS + 1))


def in_words(values: tuple[float, ...]) -> str:
    """Mean and standard deviation."""
    return f"{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}"


TARGETS: list[Target] = [
    Target(
        "one-fold", "five folds 0.965 to 0.99, spread 0.003 to 0.02",
        lambda seed: 0.965 <= statistics.mean(folds(seed)) <= 0.99 and 0.003 <= statistics.stdev(folds(seed)) <= 0.02,
        lambda seed: in_words(folds(seed)), is_slow=True,
    ),
]  # fmt: skip
