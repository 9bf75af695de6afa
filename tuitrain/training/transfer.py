"""Weights that were trained before, put into a new model by name and shape; what does not fit keeps its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from tuitrain.errors import DataError, RunFolderError, UsageError
from tuitrain.preset.schema import TaskSection
from tuitrain.protocol.events import WeightsLoaded
from tuitrain.techniques.freezing import head_of, layers_of, matched
from tuitrain.training.checkpoint import load_checkpoint_of
from tuitrain.training.frozen import Frozen

_MOST_NAMED = 8


@dataclass(frozen=True)
class Weights:
    """Tensors by name, and where they are from."""

    source: str
    """Id of a run, or who gives them away."""
    checkpoint: str
    sha256: str
    tensors: Mapping[str, Tensor] = field(repr=False)


def weights_in(path: Path, *, run: str, checkpoint: str, sha256: str) -> Weights:
    """Read the weights that a run begins with; nothing in the file can run code.

    Args:
        path: the file in the folder of the run that begins.
        run: the run that they are of.
        checkpoint: the name of the file there.
        sha256: of all its bytes, as it was recorded.

    Raises:
        RunFolderError: it is damaged, of a version that we do not know, or not the file that was recorded.
    """
    state, digest = load_checkpoint_of(path)
    if digest != sha256:
        raise RunFolderError(f"{path}: is not what this run began with.", hint="a new run.")
    return Weights(run, checkpoint, digest, state["model"])


def begin_with(model: nn.Module, weights: Weights, *, new_head: bool) -> WeightsLoaded:
    """Take what fits by name and shape, parameters and running statistics alike.

    Args:
        model: initialised.
        weights: of before.
        new_head: whether the last affine map keeps its initialisation though it may fit.

    Raises:
        DataError: nothing fits; names what there is on both sides.
    """
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    head = set(head_of(shapes)) if new_head else set[str]()
    own = model.state_dict()
    taken: list[str] = []
    left: list[str] = []
    for name, tensor in own.items():
        before = weights.tensors.get(name)
        why = ""
        if name in head:
            why = "a new head"
        elif before is None:
            why = "not there"
        elif before.shape != tensor.shape:
            why = f"{_size(before)} there, {_size(tensor)} here"
        if why and name in shapes:
            left.append(f"{name} ({why})")
        elif not why and before is not None:
            with torch.no_grad():
                tensor.copy_(before)
            taken.append(name)
    if not any(len(shapes.get(name, ())) > 1 for name in taken):  # a bias of ten fits every net of ten classes
        here, there = layers_of(shapes), layers_of(weights.tensors)
        raise DataError(
            f"No weights of {weights.source} fit this model: it has {_some(here)}, and there are {_some(there)}"
            f" ({_some(tuple(left))}).",
            hint="a run of the same model.",
        )
    return WeightsLoaded(
        step=0, source=weights.source, checkpoint=weights.checkpoint, sha256=weights.sha256, taken=tuple(taken),
        left=tuple(left),
    )  # fmt: skip


def frozen_from(model: nn.Module, task: TaskSection) -> Frozen:
    """Freeze what a preset wants frozen from the start.

    Raises:
        UsageError: a pattern means nothing, or nothing is left to train.
    """
    frozen = Frozen(model)
    if task.freeze:
        names = matched(task.freeze, frozen.shapes)
        if len(names) == len(frozen.shapes):
            raise UsageError("task.freeze leaves nothing to train.", hint='freeze = ["all-but-head"].')
        frozen.freeze(names)
    return frozen


def _size(tensor: Tensor) -> str:
    return "×".join(str(length) for length in tensor.shape) or "1"


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:_MOST_NAMED]) + (", …" if len(names) > _MOST_NAMED else "")
