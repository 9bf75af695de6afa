"""The same optimizer over other groups of parameters: what it knows of each tensor goes with the tensor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor

from tuitrain.techniques.build.groups import Named, ParameterGroup
from tuitrain.techniques.build.optimizers import OptimizerSet, Part


def regrouped(old: OptimizerSet, groups: Sequence[ParameterGroup]) -> OptimizerSet:
    """An optimizer of the same name over other groups.

    A tensor that the old one knew keeps its state and the hyper-parameters in force for it; one that is new gets those
    of the first part of its kind, and starts with no state, so that its bias correction starts anew, too.
    """
    new = OptimizerSet(old.name, groups, old.hyperparameters, old.matrix_names)
    if old.needs_closure:
        return new  # its history is of all parameters together
    owners = {name: part for part in old.parts for name, _ in part.parameters}
    for part in new.parts:
        like = _model_of(part, owners, old.parts)
        if like is None:
            continue
        part.ratio = like.ratio
        part.take(like.values)
        for name, tensor in part.parameters:
            owner = owners.get(name)
            if owner is not None and owner.inner == part.inner and tensor in owner.optimizer.state:
                part.optimizer.state[tensor] = owner.optimizer.state.pop(tensor)
    return new


def groups_with(
    groups: Iterable[ParameterGroup], moved: Mapping[str, Tensor], name: str
) -> tuple[list[ParameterGroup], list[str]]:
    """Groups in which some parameters are apart: those of before without them, and one or two further ones.

    Args:
        groups: those at work.
        moved: parameters by name; they need not be in any of the groups.
        name: of the new group; its biases and norms are one of their own where those before have no weight decay.

    Returns:
        The groups, and the names of the new ones.
    """
    before = list(groups)
    kept = [_without(group, set(moved)) for group in before]
    kept = [group for group in kept if group.parameters]
    taken = {group.name for group in kept}
    named = tuple(moved.items())
    if all(group.has_decay for group in before):
        new = [ParameterGroup(_free(name, taken), named)]
    else:
        weights = tuple(item for item in named if item[1].ndim >= 2)
        others = tuple(item for item in named if item[1].ndim < 2)
        new = [
            ParameterGroup(_free(f"{name} weights", taken), weights),
            ParameterGroup(_free(f"{name} biases and norms", taken), others, has_decay=False),
        ]
    new = [group for group in new if group.parameters]
    return [*kept, *new], [group.name for group in new]


def _model_of(part: Part, owners: Mapping[str, Part], parts: Iterable[Part]) -> Part | None:
    """The old part whose settings a new one takes."""
    known = next((owners[name] for name, _ in part.parameters if name in owners), None)
    if known is not None and known.inner == part.inner:
        return known
    return next((old for old in parts if old.inner == part.inner), None)


def _without(group: ParameterGroup, moved: set[str]) -> ParameterGroup:
    rest: tuple[Named, ...] = tuple(item for item in group.parameters if item[0] not in moved)
    return ParameterGroup(group.name, rest, group.has_decay, group.rate)


def _free(name: str, taken: set[str]) -> str:
    """The name, with a number where it is taken."""
    found, number = name, 2
    while found in taken:
        found, number = f"{name} {number}", number + 1
    return found
