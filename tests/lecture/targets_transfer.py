"""Transfer to a near and to a far target, over three seeds: one draw of 200 digits says little."""

from __future__ import annotations

from functools import cache

from tests.lecture.promises import Target, accuracy, seen

_SEEDS = 3


@cache
def validated(name: str, *overrides: str) -> tuple[float, ...]:
    """Validation accuracy at the end for each seed, of the run and of its data."""
    return tuple(seen(name, seed, f"task.data_seed={seed}", *overrides).accuracy for seed in range(_SEEDS))


def mean(name: str, *overrides: str) -> float:
    """Over the seeds."""
    values = validated(name, *overrides)
    return sum(values) / len(values)


def _shown(*names: str) -> str:
    return ", ".join(f"{name} {mean(name):.3f}" for name in names)


def above(better: str, worse: str, by: float) -> Target:
    """One preset beats another by so much, in the mean over the seeds."""
    return Target(
        better, f"above {worse} by {by:g}, mean of {_SEEDS} seeds", lambda _seed: mean(better) > mean(worse) + by,
        lambda _seed: _shown(better, worse), is_slow=True,
    )  # fmt: skip


TARGETS = [
    accuracy("transfer-source", 0.94, is_slow=True),
    above("transfer-finetune", "transfer-scratch", 0.01),
    above("transfer-finetune", "transfer-head", 0.04),
    above("transfer-scratch", "transfer-head", 0.02),
    above("transfer-stages", "transfer-head", 0.01),
    above("textures-scratch", "textures-finetune", 0.02),
    Target(
        "transfer-finetune", "a rate of 1e-4 is too low for twenty epochs: below 0.6",
        lambda _seed: mean("transfer-finetune", "optimizer.lr=1e-4") < 0.6,
        lambda _seed: f"{mean('transfer-finetune', 'optimizer.lr=1e-4'):.3f}", is_slow=True,
    ),
]  # fmt: skip
