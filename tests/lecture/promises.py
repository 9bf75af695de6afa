"""What a preset promises, and how it is tried: shared by the tests of the targets."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from tests.training.harness import finish, trainer_of
from tuitrain.preset import load_preset
from tuitrain.protocol.events import AlarmRaised, CommandApplied, EvalFinished
from tuitrain.training.run import LOSS


@dataclass(frozen=True)
class Seen:
    """What a preset came to."""

    reason: str
    steps: int
    losses: list[float]
    train_loss: float
    loss: float
    accuracy: float
    mse: float
    near_zero: float
    weight_norm: float
    evals: list[tuple[int, float]]
    """(step, validation loss) of every evaluation."""
    num_decays: int
    alarms: tuple[str, ...]
    """Kinds, in order."""
    last: dict[str, float]
    """Last value of each metric."""
    weights: list[float]
    """All parameters, of a model with at most four; else empty."""

    @property
    def gap(self) -> float:
        """Validation loss − train loss, both in eval mode."""
        return self.loss - self.train_loss

    @property
    def peak(self) -> float:
        """The largest finite batch loss."""
        return max(value for value in self.losses if math.isfinite(value))

    @property
    def best_step(self) -> int:
        """Step of the lowest validation loss."""
        return min(self.evals, key=lambda point: point[1])[0]

    def mean(self, first: int, last: int) -> float:
        """Mean batch loss of steps first + 1 to last."""
        values = self.losses[first:last]
        return sum(values) / len(values)


@cache
def seen(name: str, seed: int = 0, *overrides: str) -> Seen:
    """Train a preset to its end, as fast as it goes."""
    told = finish(trainer_of(load_preset(name, [f"train.seed={seed}", *overrides])))
    evaluations = told.all(EvalFinished)
    last = evaluations[-1].metrics
    parameters = [
        float(value) for tensor in told.trainer.task.model.parameters() for value in tensor.detach().flatten()[:5]
    ]
    return Seen(
        reason=told.ended.reason,
        steps=told.ended.step,
        losses=list(told.values[LOSS].values()),
        train_loss=last["train/loss"],
        loss=last["eval/loss"],
        accuracy=last.get("eval/accuracy", math.nan),
        mse=last.get("eval/mse", last["eval/loss"]),
        near_zero=last.get("weights/near_zero", math.nan),
        weight_norm=last.get("weights/norm", math.nan),
        evals=[(found.step, found.metrics["eval/loss"]) for found in evaluations],
        alarms=tuple(fact.kind for fact in told.all(AlarmRaised)),
        num_decays=sum("×0.1" in fact.summary for fact in told.all(CommandApplied)),
        last=told.ended.last,
        weights=parameters if len(parameters) <= 4 else [],
    )


@dataclass(frozen=True)
class Target:
    """One promise."""

    name: str
    promise: str
    holds: Callable[[int], bool]
    """For a seed."""
    shown: Callable[[int], str]
    is_slow: bool = False


def one(
    preset: str, promise: str, holds: Callable[[Seen], bool], shown: Callable[[Seen], str], *, is_slow: bool = False
) -> Target:
    """A promise about one preset."""
    return Target(preset, promise, lambda s: holds(seen(preset, s)), lambda s: shown(seen(preset, s)), is_slow)


def accuracy(preset: str, low: float, high: float = 1.0, *, is_slow: bool = False) -> Target:
    """The last validation accuracy lies between two numbers."""
    return one(
        preset, f"accuracy {low:g} to {high:g}", lambda s: low <= s.accuracy <= high, lambda s: f"{s.accuracy:.3f}",
        is_slow=is_slow,
    )  # fmt: skip


def peak(preset: str, low: float, high: float) -> Target:
    """The largest batch loss lies between two numbers."""
    return one(preset, f"peak loss {low:g} to {high:g}", lambda s: low <= s.peak <= high, lambda s: f"{s.peak:.3g}")


def less(better: str, worse: str, what: str, *, by: float = 0.0) -> Target:
    """A regularizer makes a quantity smaller than it is without; both are long runs."""
    return Target(
        better,
        f"{what} below that of {worse}" + (f" by {by:g}" if by else ""),
        lambda s: getattr(seen(better, s), what) < getattr(seen(worse, s), what) - by,
        lambda s: f"{getattr(seen(better, s), what):.3f} against {getattr(seen(worse, s), what):.3f}",
        is_slow=True,
    )


def after(preset: str, step: int, low: float, high: float) -> Target:
    """The validation loss at a step lies between two numbers."""
    return one(
        preset, f"loss {low:g} to {high:g} after {step} steps",
        lambda s: low <= dict(s.evals)[step] <= high, lambda s: f"{dict(s.evals)[step]:.4f}", is_slow=True,
    )  # fmt: skip
