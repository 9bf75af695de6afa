"""What a switch would do, told without doing it: both optimizers step copies on the last batch's gradients."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from tuitrain.protocol.commands import PreviewSwitch
from tuitrain.protocol.events import SwitchPreviewed
from tuitrain.tasks.build.task import Task
from tuitrain.techniques.build.groups import ParameterGroup
from tuitrain.techniques.build.optimizers import OptimizerSet
from tuitrain.techniques.optimizers import optimizer_spec
from tuitrain.training.handover import carried_over, handover_steps, shadow_memory_bytes
from tuitrain.training.untouched import buffers_kept, random_state_kept


def preview_switch(
    command: PreviewSwitch,
    task: Task,
    old: OptimizerSet,
    batch: tuple[Tensor, Tensor],
    rates: Mapping[str, float],
    *,
    step: int,
    remaining: int,
    cause: str,
) -> SwitchPreviewed:
    """Measure the first cold update of another optimizer against the present one's.

    The gradients of `batch` are computed once more, beside the run: it is not changed, not even its random state.

    Args:
        command: which optimizer, with which hyper-parameters.
        task: gives model and loss.
        old: the optimizer at work.
        batch: the last batch, as it was trained on.
        rates: learning rate of the next step by logical group, above 0.
        step: finished steps.
        remaining: steps left.
        cause: id of the command.
    """
    spec = optimizer_spec(command.name)
    values, notes = carried_over(old, spec, command.hyperparameters)
    gradients = _gradients(task, batch)
    before = _copy_of(old, gradients)
    _take_state(before, old)
    after = OptimizerSet(command.name, _scratch_groups(old, gradients), values, old.matrix_names)
    live = {name: tensor for group in old.groups for name, tensor in group.parameters}
    moves_before = _moves(before, rates, live)
    moves_after = _moves(after, rates, live)
    return SwitchPreviewed(
        step=step,
        from_name=old.name,
        to_name=command.name,
        cold_ratio=_ratio(_total(moves_after.values()), _total(moves_before.values())),
        learning_rates=_matched(after, moves_before, moves_after, rates),
        handover_steps=handover_steps(command.name, values, remaining),
        extra_memory_bytes=shadow_memory_bytes(old, spec),
        notes=notes,
        cause=cause,
    )


def _gradients(task: Task, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    named = [(name, parameter) for name, parameter in task.model.named_parameters() if parameter.requires_grad]
    x, y = batch
    with random_state_kept(x.device), buffers_kept(task.model):
        loss = task.training_loss(task.model(x), y)
        values = torch.autograd.grad(
            loss, [parameter for _, parameter in named], allow_unused=True, materialize_grads=True
        )
    return {name: value for (name, _), value in zip(named, values, strict=True)}


def _scratch_groups(old: OptimizerSet, gradients: Mapping[str, Tensor]) -> list[ParameterGroup]:
    groups: list[ParameterGroup] = []
    for group in old.groups:
        copies = []
        for name, tensor in group.parameters:
            scratch = tensor.detach().clone()
            scratch.grad = gradients[name].clone() if name in gradients else None  # none where it is frozen
            copies.append((name, scratch))
        groups.append(ParameterGroup(group.name, tuple(copies), group.has_decay))
    return groups


def _copy_of(old: OptimizerSet, gradients: Mapping[str, Tensor]) -> OptimizerSet:
    clone = OptimizerSet(old.name, _scratch_groups(old, gradients), old.hyperparameters, old.matrix_names)
    for part, original in zip(clone.parts, old.parts, strict=True):
        part.ratio = original.ratio
        part.take(original.values)
    return clone


def _take_state(clone: OptimizerSet, old: OptimizerSet) -> None:
    for part, original in zip(clone.parts, old.parts, strict=True):
        for scratch, live in zip(part.tensors, original.tensors, strict=True):
            if live in original.optimizer.state:
                part.optimizer.state[scratch] = copy.deepcopy(original.optimizer.state[live])


def _moves(optimizer: OptimizerSet, rates: Mapping[str, float], live: Mapping[str, Tensor]) -> dict[str, float]:
    """Distance that each parameter moves in one step."""
    optimizer.write_rates(rates)
    optimizer.step()
    return {
        name: float(torch.linalg.vector_norm(tensor - live[name].detach()))
        for part in optimizer.parts
        for name, tensor in part.parameters
    }


def _matched(
    after: OptimizerSet,
    moves_before: Mapping[str, float],
    moves_after: Mapping[str, float],
    rates: Mapping[str, float],
) -> dict[str, float]:
    matched: dict[str, float] = {}
    for part in after.parts:
        names = [name for name, _ in part.parameters]
        if not any(moves_before[name] or moves_after[name] for name in names):
            continue  # frozen
        ratio = _ratio(_total(moves_before[name] for name in names), _total(moves_after[name] for name in names))
        key = part.group if part.inner == after.name else f"{part.group} ({part.inner})"
        matched[key] = rates[part.group] * ratio
    return matched


def _total(norms: Iterable[float]) -> float:
    return math.sqrt(sum(norm**2 for norm in norms))


def _ratio(value: float, to: float) -> float:
    return value / to if to > 0.0 else math.nan
