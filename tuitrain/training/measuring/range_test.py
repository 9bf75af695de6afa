"""The learning-rate range test: a copy of the run is trained with a rate that rises exponentially.

Model, optimizer state and batches are copies, and the random state comes back, so that the run does not notice.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from tuitrain.techniques import plan as plans
from tuitrain.techniques.build.optimizers import OptimizerSet
from tuitrain.training.batches import Batches
from tuitrain.training.gradients import Gradients
from tuitrain.training.refusing import RefusedError
from tuitrain.training.regularizing import Regularization
from tuitrain.training.state import copied
from tuitrain.training.untouched import random_state_kept
from tuitrain.training.updating import Updater

if TYPE_CHECKING:
    from tuitrain.training.trainer import Trainer

Floats = NDArray[np.float64]
Stopped = Literal["diverged", "nonfinite", "end"]

_TOO_LARGE = 4.0
"""Times the best smoothed loss at which the sweep ends, as in fastai and Lightning."""
_DECAY = 0.9
"""Of the running mean that decides on that."""
_WIDTH = 0.03
"""Standard deviation of the kernel that smooths the curve, as a share of the sweep."""
_DEVIATIONS = 3.0
"""Of the noise of the smoothed curve: what differs by less does not differ."""


@dataclass(frozen=True)
class Reading:
    """What a curve of losses over rates tells."""

    smoothed: list[float]
    suggestion: float
    """Where it falls fastest; NaN where it nowhere falls."""
    edge: float
    """The largest rate before it rises; NaN where it does not rise."""


def exponential_rates(low: float, high: float, num_steps: int) -> list[float]:
    """`num_steps` rates from low to high, each the same factor above the one before."""
    return [low * (high / low) ** (index / (num_steps - 1)) for index in range(num_steps)]


def losses_over(
    trainer: Trainer, rates: Sequence[float], seed: int, beat: Callable[[], None]
) -> tuple[list[float], Stopped]:
    """Train a copy of a run with one rate a batch; the run is left as it is.

    Args:
        trainer: between two steps.
        rates: of the first group; the others keep their ratio to it.
        seed: of the batches.
        beat: called before each of them.

    Returns:
        The batch loss before the update at each rate, and why it ended.
    """
    device = trainer.task.train.x.device
    losses: list[float] = []
    guard = _Guard(len(rates))
    with random_state_kept(device):
        step = _twin_step(trainer, seed)
        for rate in rates:
            beat()
            losses.append(step(rate))
            if not math.isfinite(losses[-1]):
                return losses, "nonfinite"
            if guard.is_too_large(losses[-1]):
                return losses, "diverged"
    return losses, "end"


def read_curve(rates: Sequence[float], losses: Sequence[float], num_steps: int, *, has_risen: bool) -> Reading:
    """Where the loss falls fastest over the logarithm of the rate, and where it begins to rise.

    Args:
        rates: ascending.
        losses: of each, finite.
        num_steps: of the whole sweep: the smoothing is a share of it.
        has_risen: whether the sweep ended because the loss grew too large.
    """
    values = np.asarray(losses, dtype=np.float64)
    if len(values) < 3:
        return Reading(values.tolist(), math.nan, rates[0] if has_risen and rates else math.nan)
    width = max(1.0, _WIDTH * num_steps)
    # What has diverged is cut: a loss of a thousand at the end would pull the whole curve up with it.
    first = float(np.median(values[: max(3, len(values) // 3)]))
    spread = max(abs(first), float(np.ptp(values[: max(3, len(values) // 2)])))
    smooth = _smoothed(np.minimum(values, first + _TOO_LARGE * spread), width)
    lowest = int(np.argmin(smooth))
    calm = slice(0, max(3, len(values) // 3, lowest + 1))
    # A Gaussian kernel of deviation s averages 2 √π s independent values.
    noise = float(np.std(values[calm] - smooth[calm])) / math.sqrt(max(1.0, 2.0 * math.sqrt(math.pi) * width))
    # At tiny rates nothing moves: the median of that stretch, as a few lucky batches at its very start are no measure.
    start = float(np.median(smooth[: max(1, min(lowest, len(values) // 3))]))
    fall = start - float(smooth[lowest])
    has_fallen = fall > max(2.0 * _DEVIATIONS * noise, 1e-12 * abs(start)) and lowest >= 2
    suggestion = edge = math.nan
    if has_fallen:
        slope = np.gradient(smooth, np.log(np.asarray(rates[: len(values)])))
        suggestion = rates[int(np.argmin(slope[: lowest + 1]))]
    # Where the sweep came to its end, only what rises by half of what it fell before is no chance.
    if has_risen or (has_fallen and smooth[-1] > smooth[lowest] + 0.5 * fall):
        edge = rates[int(np.nonzero(smooth <= smooth[lowest] + _DEVIATIONS * noise)[0][-1])]
    return Reading(smooth.tolist(), suggestion, edge)


def left_out(trainer: Trainer) -> tuple[str, ...]:
    """What the copy does without, one sentence each."""
    notes = []
    if "lookahead" in trainer.updater.followers:
        notes.append("without lookahead")
    if trainer.regularization.strength("max_norm"):
        notes.append("without max_norm")
    if trainer.updater.switch is not None:
        notes.append(f"with {trainer.updater.optimizer.name}, not with what takes over")
    return tuple(notes)


def check_can_sweep(trainer: Trainer) -> None:
    """Refuse where a sweep of the rate would tell nothing.

    Raises:
        RefusedError: says why, and what to try.
    """
    name = trainer.updater.optimizer.name
    if trainer.task.kind == "surface":
        raise RefusedError(
            "the fastest fall of a surface lies far below the rate that it bears.", hint="measure_sharpness: 2/λ."
        )
    if trainer.updater.optimizer.needs_hessian:
        raise RefusedError(f"{name} takes its length from the curvature: its rate is 1.", hint="switch_optimizer.")
    if trainer.updater.optimizer.needs_closure:
        raise RefusedError(f"{name} searches for the length of each step: its rate is 1.", hint="switch_optimizer.")
    if name == "rprop":
        raise RefusedError(
            "rprop does not follow the learning rate, which is only its first step.", hint="switch_optimizer."
        )
    if name.startswith("schedule-free"):
        raise RefusedError(
            f"{name} weighs its average by the squared rate, so a rate that rises makes another optimizer of it.",
            hint="lr-find with sgd or adamw: the best rate is near.",
        )


class _Guard:
    """Ends the sweep where the running mean of the loss is far above its best."""

    def __init__(self, num_steps: int) -> None:
        self._patience = max(3, num_steps // 10)
        """Steps before it judges: the mean of a few batches is no measure."""
        self._mean = 0.0
        self._count = 0
        self._first = self._best = math.inf

    def is_too_large(self, loss: float) -> bool:
        """Take in a finite loss; whether it is time to end."""
        self._count += 1
        self._mean = _DECAY * self._mean + (1.0 - _DECAY) * loss
        mean = self._mean / (1.0 - _DECAY**self._count)
        if self._count == 1:
            self._first = loss
        if self._count <= self._patience:
            self._best = mean
            return False
        self._best = min(self._best, mean)
        # A loss may be negative, as that of a density: then the distance counts.
        is_positive = self._best > 0.0
        limit = (
            _TOO_LARGE * self._best
            if is_positive
            else self._best + (_TOO_LARGE - 1.0) * max(abs(self._best), abs(self._first - self._best))
        )
        return mean > limit


def _twin_step(trainer: Trainer, seed: int) -> Callable[[float], float]:
    """One step of a copy of the run at a rate; gives the loss before it."""
    task = replace(trainer.task, model=copy.deepcopy(trainer.task.model))
    optimizer = _twin_optimizer(trainer.updater.optimizer, task.model)
    updater = Updater(optimizer, trainer.updater.plan, trainer.updater.gradient_clip, lambda _: None)
    regularization = Regularization(task, trainer.regularization.all_values, {})
    gradients = Gradients(task, regularization, updater)
    batches = Batches(task, trainer.batches.batch_size, seed)
    ratios = _ratios(trainer)

    def step(rate: float) -> float:
        batch = batches.next()
        gradients.of(batch)
        told = gradients.told
        found = gradients.finish(batch)
        if updater.gradient_clip is not None:
            norm = torch.nn.utils.get_total_norm(found)
            torch.nn.utils.clip_grads_with_norm_(updater.parameters, updater.gradient_clip, norm)
        optimizer.write_rates({name: rate * ratio for name, ratio in ratios.items()})
        optimizer.step()
        optimizer.zero_grad()
        return float(told.detach())

    return step


def _twin_optimizer(old: OptimizerSet, model: torch.nn.Module) -> OptimizerSet:
    """The optimizer with its state over the parameters of a copied model."""
    twins = dict(model.named_parameters())
    groups = [
        replace(group, parameters=tuple((name, twins[name]) for name, _ in group.parameters)) for group in old.groups
    ]
    like = OptimizerSet(old.name, groups, old.hyperparameters, old.matrix_names)
    return OptimizerSet.from_state(copied(old.state_dict()), like)


def _ratios(trainer: Trainer) -> dict[str, float]:
    """The rate of each group relative to that of the first."""
    rates = trainer.updater.rates(trainer.step)
    if not next(iter(rates.values())) > 0.0:  # a schedule that is at 0 here
        rates = dict(plans.segment_at(trainer.updater.plan, trainer.step).base)
    first = next(iter(rates.values()))
    return {name: rate / first for name, rate in rates.items()}


def _smoothed(values: Floats, width: float) -> Floats:
    """Gaussian smoothing that does not lag, as a running mean would."""
    return np.array(list(_weighted(values, width)))


def _weighted(values: Floats, width: float) -> Iterator[float]:
    places = np.arange(len(values))
    for place in places:
        weights = np.exp(-0.5 * ((places - place) / width) ** 2)
        yield float(np.sum(weights * values) / np.sum(weights))
