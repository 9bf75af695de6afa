"""The regularizers at work: one place that knows their strengths, and changes them while the run goes.

Those of the batch and of the loss act inside `Task`; those of the model are its modules; those of weights and
gradients are done here, around the backward pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from tuitrain.errors import UsageError
from tuitrain.protocol.plan import Value
from tuitrain.tasks.build.models import set_stochastic
from tuitrain.tasks.build.pooling import FractionalMaxPool
from tuitrain.tasks.build.task import Task
from tuitrain.techniques.regularizers import REGULARIZERS, strength_of

NEAR_ZERO = 1e-3
"""A weight smaller than this counts as near zero."""


class Regularization:
    """What is on, and how strong.

    Args:
        task: its model, loss and augmentation already have the strengths that they begin with.
        values: name → strength of all but weight decay.
        impossible: name → why it cannot act on this task.
    """

    def __init__(self, task: Task, values: Mapping[str, Value], impossible: Mapping[str, str]) -> None:
        self._task = task
        self._values = {name: value for name, value in values.items() if name != "weight_decay"}
        self._impossible = dict(impossible)
        self._newest_noise: Tensor | None = None
        self._weights = [parameter for parameter in task.model.parameters() if parameter.ndim >= 2]
        self._note()

    @property
    def values(self) -> dict[str, Value]:
        """Name → strength of all that can act on this task."""
        return {name: value for name, value in self._values.items() if name not in self._impossible}

    @property
    def all_values(self) -> dict[str, Value]:
        """Name → strength of everything, also of what cannot act."""
        return dict(self._values)

    def strength(self, name: str) -> float:
        """One of them; 0 is off."""
        return strength_of(self._values, name)

    @property
    def is_random(self) -> bool:
        """Whether the loss of one batch differs from one evaluation to the next."""
        names = [name for name, spec in REGULARIZERS.items() if spec.where in {"batch", "model", "weights"}]
        has_random_regions = any(isinstance(module, FractionalMaxPool) for module in self._task.model.modules())
        return has_random_regions or any(self.strength(name) for name in (*names, "gradient_noise"))

    @property
    def changes_gradients(self) -> bool:
        """Whether the gradients that an update uses are not those of the loss alone."""
        return any(self.strength(name) for name, spec in REGULARIZERS.items() if spec.where == "gradient")

    def set(self, name: str, value: Value) -> str:
        """Change one from the next step on; returns what a person should know, or nothing.

        Raises:
            UsageError: it cannot act on this task.
        """
        spec = REGULARIZERS[name]
        if name in self._impossible and value:
            raise UsageError(f"{name} {self._impossible[name]}.")
        return self.put(name, spec.hyperparameter.converted(value))

    def put(self, name: str, value: Value) -> str:
        """Give one a strength that is known to be possible, as when a state comes back."""
        spec = REGULARIZERS[name]
        self._values[name] = value
        strength = self.strength(name)
        if spec.where == "batch":
            self._task.augmentation.values[name] = strength
        elif spec.where == "loss":
            self._task.criterion.label_smoothing = strength
            return "The batch loss is another quantity from here; the evaluated loss is as before."
        elif spec.where == "model":
            set_stochastic(self._task.model, name, strength)
        self._note()
        return ""

    @contextmanager
    def noise_on_weights(self) -> Iterator[None]:
        """Noise on all weights that are trained inside; the weights as they were, bit for bit, afterwards."""
        if not self._weight_noise:
            yield
            return
        with torch.no_grad():
            trained = [weight for weight in self._weights if weight.requires_grad]
            before = [weight.detach().clone() for weight in trained]
            for weight in trained:
                weight.add_(torch.randn_like(weight), alpha=self._weight_noise)
        try:
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_(list[Tensor](trained), before)

    @torch.no_grad()
    def on_gradients(self, parameters: Sequence[Tensor]) -> None:
        """L1 and noise, then the cut of each entry; clipping by norm comes after, where the norm is known."""
        self._newest_noise = None
        if not self._has_gradient_work:
            return
        if self._l1:
            for weight in self._weights:
                if weight.grad is not None:
                    weight.grad.add_(weight.sign(), alpha=self._l1)
        for parameter in parameters:
            if parameter.grad is None:
                continue
            if self._gradient_noise:
                self._newest_noise = torch.randn_like(parameter)
                parameter.grad.add_(self._newest_noise, alpha=self._gradient_noise)
            if self._clip_value:
                parameter.grad.clamp_(-self._clip_value, self._clip_value)

    @torch.no_grad()
    def add_same_noise(self, gradient: Tensor) -> None:
        """Give a rival's gradient the noise of the newest gradient, of a model with one parameter tensor."""
        if self._newest_noise is not None:
            gradient.add_(self._newest_noise, alpha=self._gradient_noise)

    @torch.no_grad()
    def weight_metrics(self) -> dict[str, float]:
        """How large the weights are, biases and norms left out, and which share of them is near zero."""
        if not self._weights:
            return {}
        total = torch.nn.utils.get_total_norm(self._weights)
        small = torch.stack([(weight.abs() < NEAR_ZERO).sum() for weight in self._weights]).sum()
        count = sum(weight.numel() for weight in self._weights)
        return {"weights/norm": float(total), "weights/near_zero": float(small) / count}

    def _note(self) -> None:
        """Keep what each step asks for as plain numbers."""
        self._l1 = self.strength("l1")
        self._weight_noise = self.strength("weight_noise")
        self._gradient_noise = self.strength("gradient_noise")
        self._clip_value = self.strength("gradient_clip_value")
        self._has_gradient_work = bool(self._l1 or self._gradient_noise or self._clip_value)
