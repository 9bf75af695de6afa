"""The gradient check: what the backward pass says against centred differences, on a copy in float64.

The lecture's rules (CS231n, neural-networks-3, "Gradient checks"): centred formula, double precision, few samples,
relative error, a random sample of the entries of each tensor, no dropout, the penalties left out at first.
"""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tuitrain.protocol.measured import GradientVerdict, TensorCheck
from tuitrain.protocol.plan import Value
from tuitrain.tasks.build.task import Task
from tuitrain.techniques.regularizers import strength_of
from tuitrain.training.refusing import RefusedError
from tuitrain.training.untouched import random_state_kept

_HAPPY, _WITH_KINKS, _WRONG = 1e-7, 1e-4, 1e-2
_VERDICTS: tuple[GradientVerdict, ...] = ("right", "kinks", "doubtful", "wrong")
_NOISE_POINTS = 8
_NOISE_SPACING = 1e-9
"""Between the points at which the rounding of the loss is looked for: there the loss itself is a straight line."""
_NOISES = 12.0
"""The largest difference of two of some hundred losses that rounding alone explains, in standard deviations."""
_FINER = (0.1, 0.01)
"""Factors on h at which an entry that does not agree is tried again."""


@dataclass(frozen=True)
class Checked:
    """What a gradient check came to."""

    tensors: tuple[TensorCheck, ...]
    num_kinks: int
    """Entries that do not agree at h, and do at a smaller one; they do not count as errors."""

    @property
    def worst(self) -> TensorCheck:
        """The tensor with the largest error among those with the worst verdict; the first of several equal ones."""
        return max(
            self.tensors,
            key=lambda tensor: (_VERDICTS.index(verdict_of(tensor.worst_error, tensor.rounding)), tensor.worst_error),
        )


def check_gradients(
    task: Task, penalties: Mapping[str, Value], *, step_size: float, num_entries: int, num_samples: int, seed: int,
    beat: Callable[[], None] = lambda: None,
) -> Checked:  # fmt: skip
    """Check the gradients of a task's model; it and the random state are left as they are.

    Args:
        task: gives model, data and loss.
        penalties: regularizers that are part of the loss: l1 and label_smoothing; empty leaves them out.
        step_size: h, above 0.
        num_entries: of each tensor.
        num_samples: the first of the training data.
        seed: of the entries.
        beat: called before each entry.

    Raises:
        RefusedError: the model cannot be computed in float64, or has nothing that is trained.
    """
    device = task.train.x.device
    with random_state_kept(device), torch.enable_grad():
        check = _Check.of(task, penalties, num_samples)
        try:
            gradients = check.gradients()
        except (RuntimeError, TypeError) as error:
            reason = str(error).strip().split("\n", maxsplit=1)[0]
            raise RefusedError(
                f"the copy in float64 cannot be computed: {reason}", hint="a model without fixed dtypes in its code."
            ) from None
        if not gradients:
            raise RefusedError("nothing is trained in this model.", hint="to unfreeze some of it.")
        generator = torch.Generator().manual_seed(seed)
        tensors: list[TensorCheck] = []
        num_kinks = 0
        for name, gradient in gradients.items():
            chosen = torch.randperm(gradient.numel(), generator=generator)[:num_entries].tolist()
            found, kinks = check.tensor(name, gradient, chosen, step_size, beat)
            tensors.append(found)
            num_kinks += kinks
    return Checked(tuple(tensors), num_kinks)


def verdict_of(worst_error: float, rounding: float = 0.0) -> GradientVerdict:
    """By the thresholds of the lecture; what is no number is wrong.

    Args:
        worst_error: relative, 0 or more.
        rounding: the error that the rounding of the loss may bring. It makes no gradient right beyond what kinks
            explain, and none wrong.
    """
    if worst_error <= max(_HAPPY, min(rounding, _WITH_KINKS)):
        return "right"
    if worst_error <= _WITH_KINKS:
        return "kinks"
    return "doubtful" if worst_error <= max(_WRONG, rounding) else "wrong"


@dataclass(frozen=True)
class _Check:
    """A float64 copy of a model with a batch."""

    task: Task
    x: Tensor
    y: Tensor
    l1: float

    @classmethod
    def of(cls, task: Task, penalties: Mapping[str, Value], num_samples: int) -> _Check:
        samples = task.train.head(num_samples)
        # Apple's GPUs have no float64.
        device = torch.device("cpu") if samples.x.device.type == "mps" else samples.x.device
        model = copy.deepcopy(task.model).to(device, torch.float64).eval()
        criterion = copy.copy(task.criterion)
        for name, value in vars(criterion).items():
            setattr(criterion, name, _as_double(value).to(device) if isinstance(value, Tensor) else value)
        criterion.label_smoothing = strength_of(penalties, "label_smoothing")
        own = replace(task, model=model, criterion=criterion)
        l1 = strength_of(penalties, "l1")
        return cls(own, _as_double(samples.x).to(device), _as_double(samples.y).to(device), l1)

    def gradients(self) -> dict[str, Tensor]:
        """Name → gradient of each tensor that is trained, as the backward pass gives it; 0 where it is not reached."""
        named = {name: tensor for name, tensor in self.task.model.named_parameters() if tensor.requires_grad}
        if not named:
            return {}
        loss = self.task.training_loss(self.task.model(self.x), self.y)
        found = torch.autograd.grad(loss, list(named.values()), allow_unused=True, materialize_grads=True)
        gradients: dict[str, Tensor] = {}
        for (name, tensor), gradient in zip(named.items(), found, strict=True):
            # As `Regularization.on_gradients` adds it.
            penalty = self.l1 * tensor.detach().sign() if self.l1 and tensor.ndim >= 2 else 0.0
            gradients[name] = gradient + penalty
        return gradients

    def tensor(
        self, name: str, gradient: Tensor, chosen: list[int], step_size: float, beat: Callable[[], None]
    ) -> tuple[TensorCheck, int]:
        """Check some entries of a tensor; also how many of them lie at a kink."""
        analytic = [float(gradient.flatten()[index]) for index in chosen]
        # An entry below the usual size of its tensor is measured against that: its own digits are lost in rounding.
        floor = float(gradient.square().mean().sqrt())
        noise = max((self._noise(name, index) for index in chosen[:1]), default=0.0)
        worst, num_kinks = (0.0, 0.0, 0.0), 0
        for index, slope in zip(chosen, analytic, strict=True):
            beat()
            numeric = self._difference(name, index, step_size)
            error = relative_error(slope, numeric, floor)
            if error > max(_WITH_KINKS, _rounding(noise, step_size, slope, numeric, floor)):
                finer = [self._difference(name, index, step_size * factor) for factor in _FINER]
                errors = [relative_error(slope, other, floor) for other in finer]
                if min(errors) < min(_WITH_KINKS, 0.1 * error):
                    error, numeric = min(zip(errors, finer, strict=True))
                    num_kinks += 1
            if not error <= worst[0]:
                worst = (error, slope, numeric)
        error, slope, numeric = worst
        found = TensorCheck(
            name=name, num_entries=len(chosen), worst_error=error, analytic=slope, numeric=numeric,
            rounding=_rounding(noise, step_size, slope, numeric, floor),
        )  # fmt: skip
        return found, num_kinks

    @torch.no_grad()
    def _noise(self, name: str, index: int) -> float:
        """Standard deviation of the rounding of the loss, where one entry is moved by next to nothing.

        Second differences of a straight line are rounding alone: √6 times its deviation (Hamming 1962, "Numerical
        Methods for Scientists and Engineers", on difference tables). At least half a digit of the loss.
        """
        entries = self.task.model.get_parameter(name).view(-1)
        before = entries[index].clone()
        losses = []
        for point in range(_NOISE_POINTS):
            entries[index] = before + point * _NOISE_SPACING
            losses.append(self._loss())
        entries[index] = before
        seconds = [low - 2.0 * middle + high for low, middle, high in zip(losses, losses[1:], losses[2:], strict=False)]
        deviation = math.sqrt(sum(value * value for value in seconds) / len(seconds) / 6.0)
        return max(deviation, 0.5 * sys.float_info.epsilon * abs(losses[0]))

    @torch.no_grad()
    def _difference(self, name: str, index: int, step_size: float) -> float:
        """(L(w + h) − L(w − h)) / 2h of one entry."""
        entries = self.task.model.get_parameter(name).view(-1)
        before = entries[index].clone()
        entries[index] = before + step_size
        above = self._loss()
        entries[index] = before - step_size
        below = self._loss()
        entries[index] = before
        return (above - below) / (2.0 * step_size)

    def _loss(self) -> float:
        loss = float(self.task.training_loss(self.task.model(self.x), self.y))
        if self.l1:
            weights = [tensor for tensor in self.task.model.parameters() if tensor.ndim >= 2]
            loss += self.l1 * sum(float(weight.abs().sum()) for weight in weights)
        return loss


def relative_error(analytic: float, numeric: float, floor: float = 0.0) -> float:
    """|a − n| / max(|a|, |n|); 0 where both are 0.

    Args:
        analytic: a.
        numeric: n.
        floor: the denominator is at least this.
    """
    size = max(abs(analytic), abs(numeric), floor)
    return abs(analytic - numeric) / size if size else 0.0


def _rounding(noise: float, step_size: float, analytic: float, numeric: float, floor: float) -> float:
    """Relative error of a difference whose two losses are rounded, each with a standard deviation of `noise`."""
    size = max(abs(analytic), abs(numeric), floor)
    return _NOISES * noise / (2.0 * step_size * size) if size else 0.0


def _as_double(tensor: Tensor) -> Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor
