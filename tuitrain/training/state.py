"""Everything that decides the future of a run, as plain data: taken at a safe point, put back into a new trainer.

A run that goes on from such a state takes, on the CPU, the very steps that it would have taken: weights, optimizer,
plan, random states, the order of the data, a hand-over under way, what the run's own decisions have counted.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from tuitrain.protocol.codec import decode_plan, encode
from tuitrain.techniques.build.optimizers import OptimizerSet
from tuitrain.training.handover import Handover
from tuitrain.training.updating import Switch

if TYPE_CHECKING:
    from tuitrain.training.trainer import Trainer

State = dict[str, Any]


def captured(trainer: Trainer) -> State:
    """The state of a trainer between two steps; tensors are copies on the CPU, so that training may go on."""
    updater = trainer.updater
    return {
        **trainer.saver.stamp,
        "position": {"events": trainer.run.sequence, "decisions": trainer.control.num_decisions},
        "timelines": trainer.timelines.state_dict(),
        "step": trainer.step,
        "total_steps": trainer.total_steps,
        "model": copied(trainer.task.model.state_dict()),
        "optimizer": copied(updater.optimizer.state_dict()),
        "plan": encode(updater.plan).decode(),
        "switch": _switch_state(updater.switch),
        "frozen": updater.frozen.state_dict(),
        "followers": {name: copied(follower.state_dict()) for name, follower in updater.followers.items()},
        "regularizers": trainer.regularization.all_values,
        "batches": trainer.batches.state_dict(),
        "gradients": copied(trainer.gradients.state_dict()),
        "automatic": trainer.automatic.state_dict(),
        "alarms": trainer.alarms.state_dict(),
        "control": trainer.control.state_dict(),
        "evaluated_step": trainer.evaluator.last_step,
        "is_in_trouble": trainer.guard.is_in_trouble,
        "progress": {
            "best": dict(trainer.run.progress.best),
            "best_step": trainer.run.progress.best_step,
            "last": dict(trainer.run.progress.last),
        },
        "random": random_states(),
    }


def restore(trainer: Trainer, state: Mapping[str, Any]) -> None:
    """Put a state into a trainer that was built from the same preset and has taken no step.

    A state of another run is where a branch begins: what is to come there is the branch's own affair.
    """
    put_back(trainer, state)
    trainer.alarms.load_attempts(state.get("alarms", {}))
    is_own = state["run"] == trainer.saver.stamp["run"]
    if is_own:
        trainer.timelines.load_state_dict(state["timelines"])
    trainer.control.load_state_dict(state["control"], is_own=is_own)
    put_random_states(state["random"])  # last: nothing above may draw from what is put back


def put_back(trainer: Trainer, state: Mapping[str, Any]) -> None:
    """Put all into a trainer but what tells where it is among its decisions and timelines.

    Tensors of the state become part of the trainer: give a copy of what shall be used again.
    """
    updater = trainer.updater
    trainer.step, trainer.total_steps = state["step"], state["total_steps"]
    trainer.task.model.load_state_dict(state["model"])
    updater.frozen.load_state_dict(state.get("frozen", {}))
    tensors = dict(trainer.task.model.named_parameters())
    updater.optimizer = OptimizerSet.from_state(state["optimizer"], updater.optimizer, tensors)
    updater.plan = decode_plan(state["plan"].encode())
    for name, follower in updater.followers.items():
        if name in state["followers"]:  # a branch may follow otherwise
            follower.load_state_dict(state["followers"][name])
    for name, value in state["regularizers"].items():
        trainer.regularization.put(name, value)
    updater.gradient_clip = trainer.regularization.strength("gradient_clip") or None
    updater.switch = _switch_from(state["switch"], updater.optimizer)
    updater.forget_measurement()
    trainer.batches.load_state_dict(state["batches"])
    trainer.gradients.load_state_dict(state["gradients"])
    trainer.automatic.load_state_dict(state["automatic"])
    trainer.alarms.load_state_dict(state.get("alarms", {}))
    trainer.staging.take_nonfinite()  # of steps that are left
    trainer.evaluator.last_step = state["evaluated_step"]
    trainer.guard.is_in_trouble = state["is_in_trouble"]
    trainer.guard.watch_trained()
    progress = trainer.run.progress
    progress.step, progress.best, progress.last = trainer.step, state["progress"]["best"], state["progress"]["last"]
    progress.best_step = state["progress"].get("best_step")


def random_states() -> State:
    """Of Python, numpy, torch on the CPU and on every accelerator, as plain data."""
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": random.getstate(),
        "numpy": [name, torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def put_random_states(state: Mapping[str, Any]) -> None:
    """Put back what `random_states` gave."""
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])


def _switch_state(switch: Switch | None) -> State:
    if switch is None:
        return {}
    return {
        "handover": copied(switch.handover.state_dict()),
        "to_name": switch.to_name,
        "asked_step": switch.asked_step,
        "cause": switch.cause,
        "ramp_steps": switch.ramp_steps,
        "explicit_rate": switch.explicit_rate,
        "notes": list(switch.notes),
    }


def _switch_from(state: Mapping[str, Any], old: OptimizerSet) -> Switch | None:
    if not state:
        return None
    return Switch(
        Handover.from_state(state["handover"], old), state["to_name"], state["asked_step"], state["cause"],
        state["ramp_steps"], state["explicit_rate"], tuple(state["notes"]),
    )  # fmt: skip


def copied(value: Any) -> Any:
    """The same structure with copies of all tensors, on the CPU."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(copied(item) for item in value)
    return copy.copy(value)
