"""What a state keeps of the data: what its weights take for their inputs and give as their outputs.

A run that goes on, a branch and an ensemble take these numbers, not those of the file as it is by then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import torch

from tuitrain.errors import DataError
from tuitrain.tasks.build.task import Task
from tuitrain.tasks.preprocessing import Fitted, Preprocessing
from tuitrain.tasks.understood import Understood

_MOST_PLAIN = 1 << 22


def data_state(task: Task) -> dict[str, Any]:
    """Plain values and tensors of what was understood and fitted."""
    found: dict[str, Any] = {"understood": msgspec.to_builtins(task.understood)}
    if task.fitted is not None:
        found["inputs"] = _tensors(task.fitted.inputs)
        if task.fitted.targets is not None:
            found["targets"] = _tensors(task.fitted.targets)
    return found


def understood_in(state: Mapping[str, Any]) -> Understood | None:
    """What the data of a state were taken for; None where an earlier version wrote it."""
    return msgspec.convert(state["data"]["understood"], Understood) if "data" in state else None


def fitted_in(state: Mapping[str, Any]) -> Fitted | None:
    """What was fitted when the weights of a state were trained; None of a text."""
    data = state.get("data", {})
    if "inputs" not in data:
        return None
    return Fitted(_of(data["inputs"]), _of(data["targets"]) if "targets" in data else None)


def fitted_before(state: Mapping[str, Any]) -> Fitted:
    """The same of data of one's own.

    Raises:
        DataError: an earlier version wrote the state, which treated such data otherwise.
    """
    found = fitted_in(state)
    if found is None:
        raise DataError(
            "The checkpoint does not tell how its data were preprocessed.",
            hint="the tuitrain that wrote it, or a new run.",
        )
    return found


def data_as_plain(state: Mapping[str, Any]) -> dict[str, Any]:
    """All of that in plain numbers, for whoever uses the weights elsewhere."""
    data = state["data"]
    found: dict[str, Any] = {**data["understood"]}
    if "inputs" in data:
        turned = " @ matrix, flattened before" if "matrix" in data["inputs"] else ""
        found["inputs"] = {
            "formula": f"float32((x - shift) / scale{turned})",
            "computed_in": str(data["inputs"]["shift"].dtype).removeprefix("torch."),
            **{name: _plain(tensor) for name, tensor in data["inputs"].items()},
        }
    if "targets" in data:
        found["targets"] = {
            "formula": "output * deviation + mean; of a log variance: output + 2 ln(deviation)",
            "mean": _plain(data["targets"]["shift"]), "deviation": _plain(data["targets"]["scale"]),
        }  # fmt: skip
    return found


def _plain(tensor: torch.Tensor) -> Any:
    if tensor.numel() > _MOST_PLAIN:
        return f"left out: {tensor.numel()} numbers are too many for the head of a file"
    return tensor.tolist()


def _tensors(preprocessing: Preprocessing) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in preprocessing.arrays.items()}


def _of(tensors: Mapping[str, torch.Tensor]) -> Preprocessing:
    return Preprocessing.of({name: tensor.numpy() for name, tensor in tensors.items()})
