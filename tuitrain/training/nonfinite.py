"""NaN and infinity: caught before they reach the weights, with the step and, where it can be told, the module.

On the CPU the loss and one early gradient are read before each update (a few microseconds). What goes wrong in any
later layer comes through the earliest one on its way back, so one small tensor stands for all gradients.
On an accelerator reading would make the training thread wait: there the gradients of a non-finite loss are set to
zero on the device, and the alarm follows with the next values that arrive.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

import msgspec
import torch
from torch import Tensor, nn

from tuitrain.protocol.events import AlarmRaised
from tuitrain.tasks.build.task import Task
from tuitrain.training.untouched import buffers_kept, random_state_kept

if TYPE_CHECKING:
    from tuitrain.training.trainer import Trainer

Kind = Literal["nonfinite_loss", "nonfinite_gradient"]
Action = Literal["pause", "stop", "continue", "roll_back"]
_ADVICE = "decay the learning rate and go on, or stop; the bad update was not applied"


class NonfiniteGuard:
    """Decides whether an update may be applied."""

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        self._is_direct = device.type == "cpu"
        self._model = model
        self._canary = _early_and_small(model)
        self.is_in_trouble = False
        """Whether the last update was held back; an alarm is raised once for a stretch of them."""

    def watch_trained(self) -> None:
        """Other parameters are trained than before: look at the earliest of those."""
        self._canary = _early_and_small(self._model)

    def problem(self, loss: Tensor, gradients: Sequence[Tensor]) -> tuple[Kind, float] | None:
        """What is non-finite, with the value; None where the update may go ahead.

        On an accelerator this never answers; the gradients are zeroed there instead.
        """
        if not self._is_direct:
            # where(), because infinity times zero would be NaN
            is_fine = torch.isfinite(loss.detach())
            for gradient in gradients:
                gradient.copy_(torch.where(is_fine, gradient, 0.0))
            return None
        value = loss.item()
        if not math.isfinite(value):
            return "nonfinite_loss", value
        canary = self._canary.grad
        total = canary.sum().item() if canary is not None else 0.0
        return None if math.isfinite(total) else ("nonfinite_gradient", total)


def hold_back(trainer: Trainer, kind: Kind, value: float) -> None:
    """The update was not applied: say so and do what the preset says; where that is to go on, once a stretch."""
    alarms, guard, step = trainer.alarms, trainer.guard, trainer.step
    action = (
        alarms.possible(trainer, "roll_back", step) if trainer.on_nonfinite == "roll_back" else trainer.on_nonfinite
    )
    is_told = guard.is_in_trouble and action == "continue"
    if is_told or trainer.last_batch is None:
        return
    guard.is_in_trouble = True
    raised = alarm(kind, value, trainer.task, trainer.last_batch, step, action)
    if trainer.on_nonfinite == "roll_back":
        raised = msgspec.structs.replace(raised, message=raised.message + alarms.worn_out(action))
        trainer.run.publish(raised)
        alarms.act(trainer, action, step, raised.message)
        return
    trainer.run.publish(raised)
    if action == "pause":
        trainer.control.pause(step, raised.message)
    elif action == "stop":
        trainer.control.end("the loss or its gradient was not finite", is_failure=True)


def alarm(
    kind: Kind,
    value: float,
    task: Task,
    batch: tuple[Tensor, Tensor],
    step: int,
    action: Action,
) -> AlarmRaised:
    """The alarm for an update that was held back, naming the module that runs non-finite on that batch."""
    module = first_nonfinite_module(task.model, batch[0], lambda out: task.training_loss(out, batch[1]))
    what = "loss" if kind == "nonfinite_loss" else "gradient"
    where = f", first in {module}" if module else ""
    return AlarmRaised(
        step=step,
        kind=kind,
        value=value,
        module=module,
        message=f"the {what} of step {step} is {value}{where}",
        advice=_ADVICE,
        action=action,
    )


def first_nonfinite_module(model: nn.Module, x: Tensor, loss_of: Callable[[Tensor], Tensor]) -> str:
    """The first module, in order of execution, that gives a non-finite output for `x`.

    Returns:
        Its name; "parameter NAME" or "the input" where the fault lies there; "the loss" where only that is
        non-finite; empty where the pass is finite.
    """
    for name, parameter in model.named_parameters():
        if not torch.isfinite(parameter).all():
            return f"parameter {name}"
    if not torch.isfinite(x).all():
        return "the input"
    found: list[str] = []

    def watch(name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor) and not torch.isfinite(output).all():
                found.append(name)

        return hook

    leaves = [(name, module) for name, module in model.named_modules() if not list(module.children())]
    handles = [module.register_forward_hook(watch(name)) for name, module in leaves]
    try:
        with torch.no_grad(), random_state_kept(x.device), buffers_kept(model):
            loss = loss_of(model(x))
    finally:
        for handle in handles:
            handle.remove()
    if found:
        return found[0]
    return "" if torch.isfinite(loss) else "the loss"


def _early_and_small(model: nn.Module) -> nn.Parameter:
    """The smallest parameter of the first module that trains any: its bias, where it has one."""
    for module in model.modules():
        own = [parameter for parameter in module.parameters(recurse=False) if parameter.requires_grad]
        if own:
            return min(own, key=lambda parameter: parameter.numel())
    return next(model.parameters())
