"""The numbers that the presets promise, with the margins of the design notes on techniques (parts B and C).

The quick ones run in the normal suite, the long ones with `-m slow`.
`python -m tests.lecture.test_targets` prints the table of target and measured, over three seeds.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import pytest

from tests.training.harness import finish, trainer_of
from tuitrain.preset import load_preset, preset_from_data
from tuitrain.protocol.events import CommandApplied, EvalFinished
from tuitrain.training.run import LOSS

LN10 = math.log(10.0)


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
        near_zero=last["weights/near_zero"],
        weight_norm=last["weights/norm"],
        evals=[(found.step, found.metrics["eval/loss"]) for found in evaluations],
        num_decays=sum("×0.1" in fact.summary for fact in told.all(CommandApplied)),
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


QUICK = [
    one("linreg", "loss within 1 % of 1.115 by step 50", lambda s: abs(dict(s.evals)[50] - 1.115) < 0.011,
        lambda s: f"{dict(s.evals)[50]:.4f}"),
    one("linreg-diverges", "no number, and the run ends", lambda s: s.reason == "failed" and s.steps < 300,
        lambda s: f"{s.reason} at step {s.steps}"),
    one("linreg-raw", "slope right, bias hardly moved, loss above its floor",
        lambda s: abs(s.weights[0] - 2.0) < 0.05 and s.loss > 1.13, lambda s: f"{s.weights}, loss {s.loss:.3f}"),
    accuracy("spiral-linear", 0.55, 0.72),
    accuracy("spiral-deep-linear", 0.55, 0.72),
    accuracy("spiral-mlp", 0.98),
    accuracy("spiral-wide", 0.97),
    one("outliers-mse", "bias 2 to 4: the line goes up to the outliers", lambda s: 2.0 < s.weights[1] < 4.0,
        lambda s: f"bias {s.weights[1]:.2f}"),
    one("outliers-l1", "slope and bias within 0.1 of 2 and 1",
        lambda s: abs(s.weights[0] - 2.0) < 0.1 and abs(s.weights[1] - 1.0) < 0.1, lambda s: f"{s.weights}"),
    one("outliers-huber", "slope and bias within 0.2 of 2 and 1",
        lambda s: abs(s.weights[0] - 2.0) < 0.2 and abs(s.weights[1] - 1.0) < 0.2, lambda s: f"{s.weights}"),
    one("digits-bce", "begins near 10 ln 2", lambda s: 5.0 < s.losses[0] < 12.0 and s.accuracy > 0.95,
        lambda s: f"{s.losses[0]:.2f}, accuracy {s.accuracy:.3f}"),
    accuracy("digits-focal", 0.95),
    one("init-too-small", "loss within 0.01 of ln 10", lambda s: abs(s.loss - LN10) < 0.01, lambda s: f"{s.loss:.4f}"),
    accuracy("init-too-small-bn", 0.95),
    accuracy("init-he", 0.95),
    one("init-too-large", "first loss above 10 000", lambda s: s.losses[0] > 1e4, lambda s: f"{s.losses[0]:.3g}"),
    accuracy("init-tanh-xavier", 0.94),
    accuracy("init-orthogonal", 0.94),
    accuracy("init-lsuv", 0.95),
    accuracy("sigmoid-vanish", 0.05, 0.2),
    accuracy("raw-pixels", 0.05, 0.2),
    peak("raw-pixels", 1e5, 1e10),
    accuracy("scaled-pixels", 0.86, 0.95),
    accuracy("centred-pixels", 0.05, 0.2),
    accuracy("standardised-pixels", 0.88),
    accuracy("whitened-pixels", 0.75, 0.9),
    peak("adam-no-bias-correction", 20.0, 100.0),
    peak("adam-corrected", 2.0, 10.0),
    one("digits-lbfgs", "train loss below 0.01, accuracy above 0.94",
        lambda s: s.train_loss < 0.01 and s.accuracy > 0.94, lambda s: f"{s.train_loss:.1e}, {s.accuracy:.3f}"),
    accuracy("digits-rprop", 0.94),
    accuracy("digits-asgd", 0.94),
    accuracy("lr-low", 0.3, 0.6),
    accuracy("lr-good", 0.96),
    accuracy("lr-high", 0.8, 0.965),
    accuracy("lr-explode", 0.05, 0.2),
    peak("lr-explode", 100.0, 1e5),
    peak("no-warmup", 15.0, 100.0),
    peak("warmup", 2.0, 4.0),
    accuracy("underfit", 0.15, 0.42),
    accuracy("full-batch", 0.88),
    accuracy("minibatch", 0.87),
    accuracy("online-sgd", 0.92),
    accuracy("deep-plain", 0.1, 0.75),
    accuracy("deep-residual", 0.93),
]  # fmt: skip

SLOW = [
    one("mnist-mlp", "train loss below 0.02, accuracy 0.93 to 0.965",
        lambda s: s.train_loss < 0.02 and 0.93 <= s.accuracy <= 0.965,
        lambda s: f"train {s.train_loss:.4f}, accuracy {s.accuracy:.3f}", is_slow=True),
    one("overfit", "train loss below 0.05, gap above 0.7, best before a half",
        lambda s: s.train_loss < 0.05 and s.gap > 0.7 and s.best_step < 620,
        lambda s: f"train {s.train_loss:.4f}, gap {s.gap:.3f}, best at {s.best_step}", is_slow=True),
    one("overfit-dropout", "gap below 0.65", lambda s: s.gap < 0.65, lambda s: f"{s.gap:.3f}", is_slow=True),
    one("overfit-shift", "gap below 0.2", lambda s: s.gap < 0.2, lambda s: f"{s.gap:.3f}", is_slow=True),
    one("overfit-early-stop", "stops before a half", lambda s: s.reason == "stopped" and s.steps < 620,
        lambda s: f"at step {s.steps}, best at {s.best_step}", is_slow=True),
    one("loss-spike", "loss below 0.012 after going back", lambda s: s.loss < 0.012, lambda s: f"{s.loss:.4f}",
        is_slow=True),
    one("overfit-l1", "more than 70 % of the weights near 0", lambda s: s.near_zero > 0.7,
        lambda s: f"{s.near_zero:.2f}", is_slow=True),
    *[less(f"overfit-{name}", "overfit", "gap") for name in
      ("dropout", "gaussian-dropout", "dropconnect", "l1", "shift", "rotate", "scale")],
    less("overfit-l2", "overfit", "weight_norm", by=10.0),
    less("overfit-adamw", "overfit", "weight_norm", by=10.0),
    after("lab-wave", 1000, 0.0, 0.03),
    after("lab-wave-momentum", 1000, 0.03, 0.08),
    after("lab-wave-sgd", 1000, 0.08, 0.13),
    after("lab-wave", 4000, 0.0, 0.008),
    after("lab-wave-momentum", 4000, 0.01, 0.03),
    after("lab-wave-sgd", 4000, 0.06, 0.1),
    after("adagrad-slows", 4000, 0.03, 0.08),
    after("lab-wave-rmsprop", 4000, 0.0, 0.015),
    after("lab-wave-adadelta", 4000, 0.0, 0.045),
    *[after(f"lab-wave-{name}", 4000, 0.0, 0.02) for name in
      ("adamw", "nadam", "radam", "adamax", "adafactor", "lion", "schedule-free")],
    one("wave-gaussian-nll", "squared error below 0.03, loss below 0", lambda s: s.mse < 0.03 and s.loss < 0.0,
        lambda s: f"{s.mse:.4f}, {s.loss:.2f}", is_slow=True),
    *[accuracy(name, 0.93, is_slow=True) for name in
      ("mnist-sam", "mnist-schedule-free-sgd", "mnist-lookahead", "mnist-layer-rates", "mnist-muon")],
    accuracy("manual-decay", 0.84, 0.93, is_slow=True),
    one("step-decay", "accuracy above 0.955; the loss falls by 15 % within 150 steps of the decay",
        lambda s: s.accuracy > 0.955 and s.mean(425, 525) < 0.85 * s.mean(275, 375),
        lambda s: f"{s.accuracy:.3f}; {s.mean(275, 375):.3f} → {s.mean(425, 525):.3f}", is_slow=True),
    *[accuracy(name, 0.935, is_slow=True) for name in
      ("cosine", "schedule-linear", "schedule-step", "schedule-exponential", "schedule-one-over-t",
       "schedule-inverse-sqrt", "schedule-polynomial", "sgdr-snapshots", "one-cycle")],
    accuracy("schedule-triangular", 0.92, is_slow=True),
    accuracy("wsd", 0.92, is_slow=True),
    one("sgdr-snapshots", "the loss rises after each restart", lambda s: s.mean(500, 600) > s.mean(400, 500)
        and s.mean(1000, 1100) > s.mean(900, 1000),
        lambda s: " and ".join(f"{s.mean(n - 100, n):.3f} → {s.mean(n, n + 100):.3f}" for n in (500, 1000)),
        is_slow=True),
    one("plateau", "decays by itself, accuracy above 0.91", lambda s: s.num_decays >= 1 and s.accuracy > 0.91,
        lambda s: f"{s.num_decays} decays, {s.accuracy:.3f}", is_slow=True),
    accuracy("small-cnn", 0.89, 0.945, is_slow=True),
    *[less(f"cnn-{name}", "small-cnn", "gap") for name in
      ("dropout", "spatial-dropout", "label-smoothing", "mixup", "cutmix", "shift")],
    less("norm-batch", "small-cnn", "gap"),
    *[accuracy(f"norm-{name}", 0.9, is_slow=True) for name in ("batch", "layer", "group", "instance", "rms")],
    accuracy("stochastic-depth", 0.8, 0.92, is_slow=True),
    accuracy("residual-cnn", 0.9, is_slow=True),
]  # fmt: skip


def params() -> list[object]:
    """One a target; the long ones are marked."""
    return [
        pytest.param(target, id=f"{target.name}: {target.promise}", marks=[pytest.mark.slow] if target.is_slow else [])
        for target in (*QUICK, *SLOW)
    ]


@pytest.mark.parametrize("target", params())
def test_a_preset_keeps_its_promise(target: Target) -> None:
    """With its own seed."""
    assert target.holds(0), target.shown(0)


@pytest.mark.slow
def test_a_decay_by_hand_shows_in_the_next_epoch() -> None:
    """×0.1 at epoch 6 of manual-decay: the loss falls by a fifth at once, and the accuracy ends above 0.92."""
    base = load_preset("manual-decay")
    moments = [{"at_step": 750, "do": "scale_learning_rate", "factor": 0.1}]
    told = finish(trainer_of(preset_from_data({**base.to_data(), "moment": moments}, "test")))
    values = list(told.values[LOSS].values())
    before, later = sum(values[650:750]) / 100, sum(values[800:900]) / 100
    assert later < 0.8 * before
    assert told.all(EvalFinished)[-1].metrics["eval/accuracy"] > 0.92


def main() -> None:
    """Target and measured, over three seeds."""
    for target in (*QUICK, *SLOW):
        held = [target.holds(seed) for seed in range(3)]
        shown = " | ".join(target.shown(seed) for seed in range(3))
        sys.stdout.write(f"| {target.name} | {target.promise} | {shown} | {sum(held)}/3 |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
