"""Loss and gradients of a batch, once or as often as an optimizer asks."""

from __future__ import annotations

from dataclasses import dataclass

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

    def of(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """The mean loss of a batch; its gradients are added to what the parameters have."""
        with self.regularization.noise_on_weights():
            loss = self.task.training_loss(self.task.model(batch[0]), batch[1])
            loss.backward()  # type: ignore[no-untyped-call]
        return loss

    def finish(self, batch: tuple[Tensor, Tensor]) -> list[Tensor]:
        """Make the fresh gradients those that the update will use: sharpness-aware, with penalties and noise."""
        parameters = self.updater.parameters
        rho = self.updater.optimizer.ascent
        if rho is not None:
            ascend_and_return(self.task.model, parameters, rho, lambda: self.of(batch))
        self.regularization.on_gradients(parameters)
        return [parameter.grad for parameter in parameters if parameter.grad is not None]

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
