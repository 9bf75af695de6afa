"""What the curves of a run say to whoever babysits it: too high, too low, underfitting, badly initialised.

Pure functions of evaluations and of the first look at the layers, as a lecture on training teaches to read them
(CS231n, "babysitting the learning process"). Each is said once; the bounds are wide on purpose, and were set such that
of the shipped presets only those ring that were made to show it (`tests/lecture/test_verdicts.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

VerdictKind = Literal["initialization", "rate_too_high", "rate_too_low", "underfitting"]

_FAR_FROM_CHANCE = 4.0
"""Times the loss of a blind guess: above it the first outputs are confident and wrong."""
_FLAT_ENDS = 0.5
_DEAD = 0.9
_FALLING, _GROWING = 1e-2, 1e2
"""Deviation of the activations of the last hidden layer relative to the first (Glorot & Bengio 2010)."""
_UP = 1.5
"""Times the first training loss, twice in a row: it is going up."""
_HICCUP = 20
"""Steps in which Adam may leap up and come back."""
_BLOWN_UP = 3.0
"""Times the first batch loss: there was an explosion, after which little is learned."""
_NOTHING_LEARNED = 0.9
_BOUNCES = 8
"""Evaluations that are looked at for bouncing."""
_BOUNCE, _ALL_BOUNCES, _FEWEST_BOUNCES = 0.01, 0.15, 3
"""A rise, and the sum of all rises, relative to the first loss; and how many there must be."""
_EARLY, _LATE = 0.25, 0.6
"""Shares of the run from which on too little is learned, and from which on what is not learned stays so."""
_SLOW_FALL = (0.01, 0.35)
"""By so much of the first loss it has fallen at `_SLOW_FROM`: less is no learning at all."""
_SLOW_FROM = 0.4
_STEADY = 0.9
"""Share of the evaluations that are lower than the one before."""
_HIGH = 0.5
_STILL = 0.03
_TOGETHER = 0.15
_FEWEST = 6
_FEWEST_STEPS = 100
"""Before them nobody can tell slow from early."""


@dataclass(frozen=True)
class Verdict:
    """One thing that the curves say."""

    kind: VerdictKind
    value: float
    message: str
    advice: str


class Verdicts:
    """Reads the curves of one run.

    Args:
        total_steps: planned.
        chance: loss of a blind guess, such as ln K of K classes; NaN where there is none.
        is_standardised: whether the inputs have mean 0 and deviation 1.
        is_fitted: whether there are data to fit; a point on a surface cannot underfit.
    """

    def __init__(self, total_steps: int, chance: float, *, is_standardised: bool, is_fitted: bool = True) -> None:
        self._total_steps = total_steps
        self._chance = chance
        self._is_standardised = is_standardised
        self._is_fitted = is_fitted
        self._steps: list[int] = []
        self._train: list[float] = []
        self._loss: list[float] = []
        self._first_batch = math.nan
        self._highest_batch = -math.inf
        self._told: set[str] = set()

    def note_batch(self, loss: float) -> None:
        """Take in the loss of a batch."""
        if self._first_batch != self._first_batch:
            self._first_batch = loss
        self._highest_batch = max(self._highest_batch, loss)

    def note_evaluation(self, step: int, train_loss: float, loss: float, *, is_rising: bool) -> Verdict | None:
        """Take in an evaluation; returns what it shows where that is new.

        Args:
            step: finished steps.
            train_loss: in eval mode.
            loss: of the validation data.
            is_rising: whether the learning rate is still in its warmup: then slow is by design.
        """
        if self._steps and step <= self._steps[-1]:
            return None
        self._steps.append(step)
        self._train.append(train_loss)
        self._loss.append(loss)
        if step == 0:
            return self._once(self._far_from_chance(train_loss))
        if len(self._train) < 2 or not math.isfinite(self._train[0]) or self._train[0] <= 0.0:
            return None
        too_high = self._too_high()
        if too_high is not None:
            return self._once(too_high)
        if is_rising or step < _FEWEST_STEPS or self._told & {"rate_too_high", "initialization"}:
            return None
        return self._once(self._too_low()) or self._once(self._underfitting())

    def note_layers(self, names: Sequence[str], values: Mapping[str, Sequence[float]]) -> Verdict | None:
        """Take in the look at the layers in the first step, which shows what the initialisation does."""
        problem = _badly_initialised(names, values)
        if problem is None:
            return None
        if not self._is_standardised:
            problem = Verdict(problem.kind, problem.value, problem.message, f"{problem.advice}; standardise the inputs")
        return self._once(problem)

    def forget(self) -> None:
        """A decision was taken: what was seen so far is another story. The beginning stays said."""
        del self._steps[1:], self._train[1:], self._loss[1:]
        self._highest_batch = self._first_batch
        self._told &= {"initialization"}

    def state_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "steps": list(self._steps), "train": list(self._train), "loss": list(self._loss),
            "first_batch": self._first_batch, "highest_batch": self._highest_batch, "told": sorted(self._told),
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self._steps, self._train, self._loss = list(state["steps"]), list(state["train"]), list(state["loss"])
        self._first_batch, self._highest_batch = state["first_batch"], state["highest_batch"]
        self._told = set(state["told"])

    def _once(self, verdict: Verdict | None) -> Verdict | None:
        if verdict is None or verdict.kind in self._told:
            return None
        self._told.add(verdict.kind)
        return verdict

    def _far_from_chance(self, loss: float) -> Verdict | None:
        if not loss > _FAR_FROM_CHANCE * self._chance:
            return None
        inputs = "" if self._is_standardised else ", and preprocess = standardize for the inputs"
        return Verdict(
            "initialization", loss,
            f"before the first step the loss is {loss:.4g}; a blind guess has {self._chance:.4g}: the outputs are far "
            "too large",
            f"init = he for ReLU or xavier for tanh{inputs}; batch norm heals it too",
        )  # fmt: skip

    def _too_high(self) -> Verdict | None:
        """It goes up, or went up and never came back, or jumps without getting on."""
        first, now = self._train[0], self._train[-1]
        advice = "a learning rate 3 to 10 times lower (d, or r), or a warmup; v measures a good one"
        is_up = len(self._train) > 2 and all(loss > _UP * first for loss in self._train[-2:])
        if is_up and self._steps[-1] >= _HICCUP:
            text = f"the training loss went up, {first:.4g} → {now:.4g}: the learning rate is too high"
            return Verdict("rate_too_high", now, text, advice)
        is_stuck = self._share() >= _EARLY and min(self._train[1:]) > _NOTHING_LEARNED * first
        if is_stuck and self._highest_batch > _BLOWN_UP * self._first_batch:
            text = (
                f"the batch loss blew up to {self._highest_batch:.4g} and nothing was learned since: the learning rate "
                "is too high"
            )
            return Verdict("rate_too_high", self._highest_batch, text, f"go back (j to=0) and take {advice}")
        last = self._train[-_BOUNCES - 1 :]
        rises = [after - before for before, after in pairwise(last) if after > before]
        total = sum(rises)
        is_bouncing = (
            len(last) > _BOUNCES
            and self._steps[-1] >= _FEWEST_STEPS
            and sum(rise > _BOUNCE * first for rise in rises) >= _FEWEST_BOUNCES
            and total > _ALL_BOUNCES * first
            and last[0] - last[-1] < total / 2.0
        )
        if is_bouncing:
            text = (
                f"the training loss jumps up and down, by {total:.3g} in {_BOUNCES} evaluations, and does not get on: "
                "the learning rate is too high"
            )
            return Verdict("rate_too_high", total, text, advice)
        return None

    def _too_low(self) -> Verdict | None:
        """It falls steadily, and hardly."""
        train = self._train
        if len(train) < _FEWEST or self._share() < _SLOW_FROM:
            return None
        fallen = 1.0 - train[-1] / train[0]
        down = sum(after < before for before, after in pairwise(train)) / (len(train) - 1)
        if not _SLOW_FALL[0] < fallen < _SLOW_FALL[1] or down < _STEADY:
            return None
        return Verdict(
            "rate_too_low", fallen,
            f"the training loss falls steadily but hardly, {train[0]:.4g} → {train[-1]:.4g} in "
            f"{100.0 * self._share():.0f} % of the run: the learning rate is too low",
            "a learning rate 3 to 10 times higher (r); v measures a good one",
        )  # fmt: skip

    def _underfitting(self) -> Verdict | None:
        """Both losses are high, together, and stand still."""
        train = self._train
        if not self._is_fitted or len(train) < _FEWEST or self._share() < _LATE:
            return None
        before = train[-1 - max(2, len(train) * 3 // 10)]
        is_high = train[-1] > _HIGH * train[0]
        is_still = abs(before - train[-1]) < _STILL * train[0]
        is_together = abs(self._loss[-1] - train[-1]) < _TOGETHER * train[-1]
        if not (is_high and is_still and is_together):
            return None
        return Verdict(
            "underfitting", train[-1],
            f"underfitting: training loss {train[-1]:.4g} and validation loss {self._loss[-1]:.4g} stay high and "
            f"together, from {train[0]:.4g} at the start",
            "a larger model, less regularization, another learning rate, or more steps; more data would not help",
        )  # fmt: skip

    def _share(self) -> float:
        return self._steps[-1] / max(1, self._total_steps)


def _badly_initialised(names: Sequence[str], values: Mapping[str, Sequence[float]]) -> Verdict | None:
    """What the activations of the first batch show, before anything has moved."""
    hidden = range(max(0, len(names) - 1))
    for quantity, limit, what, cure in (
        ("saturated", _FLAT_ENDS, "of the activations of {} are at the flat ends", "init = xavier: weights too large"),
        ("dead", _DEAD, "of the units of {} are dead", "init = he, or a leaky ReLU"),
    ):
        shares = [(values[quantity][index], names[index]) for index in hidden if values[quantity][index] > limit]
        if shares:
            share, name = max(shares)
            text = f"in the first step {100.0 * share:.0f} % " + what.format(name)
            return Verdict("initialization", share, f"{text}: no gradient comes through", cure)
    flow = [value for value in values["gradient_norm"] if math.isfinite(value) and value > 0.0]
    if len(flow) > 1 and flow[0] < _FALLING * flow[-1]:
        return Verdict(
            "initialization", flow[0] / flow[-1],
            f"vanishing gradient: in the first step the first layer's is {flow[0]:.2g}, the last one's {flow[-1]:.2g}",
            "ReLU in place of sigmoid, init = he, batch norm, or skips",
        )  # fmt: skip
    deviations = [value for index in hidden if math.isfinite(value := values["activation_std"][index])]
    if len(deviations) < 2 or deviations[0] <= 0.0:
        return None
    ratio = deviations[-1] / deviations[0]
    if _FALLING < ratio < _GROWING:
        return None
    size = "small" if ratio <= _FALLING else "large"
    return Verdict(
        "initialization", ratio,
        f"the deviation of the activations goes from {deviations[0]:.2g} to {deviations[-1]:.2g} over depth: the "
        f"weights are too {size} to learn",
        "init = he for ReLU or xavier for tanh, batch norm, or skips",
    )  # fmt: skip
