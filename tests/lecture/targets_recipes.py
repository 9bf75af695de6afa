"""Batch size and flatness: the sharpness at the end of each run. What holds at one rate reverses at scaled ones."""

from __future__ import annotations

from functools import cache

from tests.lecture.promises import Target
from tests.training.harness import finish, trainer_of
from tuitrain.preset import load_preset


@cache
def ends(preset: str, seed: int) -> tuple[float, float]:
    """(sharpness, train loss) at the end of a run."""
    last = finish(trainer_of(load_preset(preset, [f"train.seed={seed}"]))).ended.last
    return last["sharpness"], last["train/loss"]


def sharpness(preset: str, low: float, high: float, *, is_slow: bool = False) -> Target:
    """The largest curvature at the end lies between two numbers."""
    return Target(
        preset, f"sharpness {low:g} to {high:g}", lambda s: low <= ends(preset, s)[0] <= high,
        lambda s: shown(preset, s), is_slow,
    )  # fmt: skip


def flatter(preset: str, other: str, by: float) -> Target:
    """The largest curvature is at most a share of another preset's."""
    return Target(
        preset, f"sharpness below 1/{by:g} of that of {other}",
        lambda s: ends(preset, s)[0] < ends(other, s)[0] / by,
        lambda s: f"{shown(preset, s)} against {shown(other, s)}", is_slow=True,
    )  # fmt: skip


def shown(preset: str, seed: int) -> str:
    """Both numbers, as the losses differ as well."""
    return "λ {:.2f}, train loss {:.4f}".format(*ends(preset, seed))


TARGETS: list[Target] = [
    sharpness("flat-small-batch", 0.05, 0.5, is_slow=True),
    sharpness("flat-large-batch", 8.0, 20.0),
    flatter("flat-small-batch", "flat-large-batch", 10.0),
    sharpness("flat-scaled-small", 1.8, 3.5, is_slow=True),
    sharpness("flat-scaled-large", 0.8, 1.8),
    flatter("flat-scaled-large", "flat-scaled-small", 1.3),
]
