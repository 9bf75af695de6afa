"""Loss and gradients of a batch, once or as often as an optimizer asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from tuitrain.tasks.build.task import Task
from tuitrain.techniques.build.own_optimizers import Closure
from tuitrain.training.regularizing import Regularization
from tuitrain.training.sharpness import ascend_and_return
from tuitrain.training.updating import Updater


@dataclass
class Gradients:
    """Takes gradients at the weights as they are, with what regularizes them."""

    task: Task
    regularization: Regularization
    updater: Updater
    are_zeroed: bool = True
    """After each step; otherwise those of the next are added to them."""
    told: Tensor = field(init=False)
    """The newest loss of a batch as people read it: in the unit of the targets."""

    def of(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """The mean loss of a batch; its gradients are added to what the parameters have."""
        with self.regularization.noise_on_weights():
            outputs = self.task.model(batch[0])
            loss = self.task.training_loss(outputs, batch[1])
            loss.backward()  # type: ignore[no-untyped-call]
            self.told = self.task.criterion.told_loss(loss, outputs, batch[1])
        return loss

    def finish(self, batch: tuple[Tensor, Tensor]) -> list[Tensor]:
        """Make the fresh gradients those that the update will use: sharpness-aware, with penalties and noise."""
        parameters = self.updater.parameters
        rho = self.updater.optimizer.ascent
        if rho is not None:
            ascend_and_return(self.task.model, parameters, rho, lambda: self.of(batch))
        self.regularization.on_gradients(parameters)
        return [parameter.grad for parameter in parameters if parameter.grad is not None]

    def end_step(self) -> None:
        """The step is taken: zero the gradients, unless that shall be forgotten."""
        if self.are_zeroed:
            self.updater.optimizer.zero_grad()

    def state_dict(self) -> dict[str, Tensor]:
        """What the next step adds to: parameter → gradient; empty where they are zeroed."""
        named = () if self.are_zeroed else self.task.model.named_parameters()
        return {name: parameter.grad for name, parameter in named if parameter.grad is not None}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from there."""
        for name, parameter in self.task.model.named_parameters():
            parameter.grad = state[name].to(parameter.device, copy=True) if name in state else None

    def closure(self, batch: tuple[Tensor, Tensor], loss: Tensor) -> Closure | None:
        """What an optimizer that evaluates the loss several times a step asks; the first answer is already there."""
        if not self.updater.optimizer.needs_closure:
            return None
        if self.updater.optimizer.needs_hessian:
            return lambda: self.task.training_loss(self.task.model(batch[0]), batch[1])
        known: list[Tensor] = [loss]

        def evaluate() -> Tensor:
            if known:
                return known.pop()
            self.updater.optimizer.zero_grad()
            return self.of(batch)

        return evaluate
