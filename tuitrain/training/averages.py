"""Averages of the weights along the run: EMA, SWA, and the snapshots of an ensemble.

They follow the weights and never move them. They are part of the run all the same: in every checkpoint, and taken
along when it goes back. With Lookahead it is the weights after it that are averaged, and with an optimizer that
averages by itself (schedule-free, ASGD) those that are trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from tuitrain.protocol.averaging import SnapshotTaken
from tuitrain.protocol.events import Event
from tuitrain.protocol.plan import Schedule, Value
from tuitrain.techniques.averages import AVERAGES
from tuitrain.techniques.regularizers import strength_of
from tuitrain.techniques.schedules import ends_cycle, schedule_spec
from tuitrain.training.refusing import RefusedError

if TYPE_CHECKING:
    from tuitrain.protocol.commands import SetHyperparameter
    from tuitrain.training.trainer import Trainer

Weights = dict[str, Tensor]
"""Name → tensor, parameters and buffers, as in the state dict of the model."""

NAME = "averages"


class Averages:
    """The averages of a run, those that are off among them.

    Args:
        model: whose weights are averaged.
        values: name → value of `techniques.averages.AVERAGES`; a missing one is off.
        total_steps: of the run, for places that are a share of it.
        steps_per_epoch: the default stride of SWA.
        publish: takes the facts.
    """

    name = NAME

    def __init__(
        self, model: nn.Module, values: Mapping[str, Value], *, total_steps: int, steps_per_epoch: int,
        publish: Callable[[Event], None],
    ) -> None:  # fmt: skip
        self._live: Weights = dict(model.state_dict())
        self._parameters = [name for name, _ in model.named_parameters(remove_duplicate=False) if name in self._live]
        self._steps_per_epoch = steps_per_epoch
        self._publish = publish
        self._schedule: Callable[[int], Schedule] | None = None
        self.values: dict[str, Value] = {
            name: spec.hyperparameter.converted(values.get(name, spec.hyperparameter.default or 0))
            for name, spec in AVERAGES.items()
        }
        self.ema: Weights = {}
        """The exponential moving average; empty where it has not begun."""
        self.swa: Weights = {}
        """The mean of the weights; its buffers are those that `calibrated` was told of last."""
        self.num_averaged = 0
        """Weights in that mean."""
        self.calibrated_at = 0
        """How many weights were in the mean when its buffers were measured."""
        self.snapshots: list[Weights] = []
        """At the ends of the newest cycles, the newest last."""
        self._swa_next = self._swa_first(total_steps, 0)

    @property
    def predictions(self) -> tuple[str, ...]:
        """Names of the predictions that are switched on, whether or not there is one yet."""
        switches = {"ema": "ema_decay", "swa": "swa_from", "ensemble": "snapshots"}
        return tuple(name for name, switch in switches.items() if self.values[switch])

    def follow(self, schedule: Callable[[int], Schedule]) -> None:
        """Take snapshots where a schedule ends its cycles.

        Args:
            schedule: finished steps → the schedule that rules the next one.
        """
        self._schedule = schedule

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """Take in the weights as they are after `step` steps."""
        if self.values["ema_decay"]:
            self._average()
        if self.values["swa_from"] and step >= self._swa_next:
            self._swa_next = step + (int(strength_of(self.values, "swa_every")) or self._steps_per_epoch)
            self._take_in()
        if self.values["snapshots"] and self._schedule is not None and ends_cycle(self._schedule(step - 1), step):
            self.snapshots = [*self.snapshots, self._copied()][-int(strength_of(self.values, "snapshots")) :]
            self._publish(SnapshotTaken(step=step, num_kept=len(self.snapshots)))

    def set(self, name: str, value: Value, step: int, total_steps: int) -> str:
        """Change one value, already checked, from the next step on; returns what a person should know, or nothing."""
        self.values[name] = value = AVERAGES[name].hyperparameter.converted(value)
        if name == "ema_decay":
            if not value:
                self.ema = {}
            return "" if self.ema or not value else "The average begins as a copy of the weights after the next step."
        if name == "swa_from":
            self.swa, self.num_averaged, self.calibrated_at = {}, 0, 0
            self._swa_next = self._swa_first(total_steps, step)
            return f"The mean begins anew at step {self._swa_next}." if value else ""
        if name == "swa_every":
            return "" if self.values["swa_from"] else "It waits for swa_from."
        self.snapshots = self.snapshots[-int(strength_of(self.values, name)) :] if value else []
        schedule = self._schedule(step) if self._schedule is not None else None
        if value and schedule is not None and schedule_spec(schedule.name).cycle is None:
            return f"The {schedule.name} schedule has no cycles: none is taken before one that has, such as sgdr."
        return ""

    def calibrated(self, buffers: Mapping[str, Tensor]) -> None:
        """Keep the running statistics that were measured for the mean as it is."""
        self.swa.update(buffers)
        self.calibrated_at = self.num_averaged

    def state_dict(self) -> dict[str, Any]:
        """All of them."""
        return {
            "values": dict(self.values), "ema": dict(self.ema), "swa": dict(self.swa),
            "num_averaged": self.num_averaged, "calibrated_at": self.calibrated_at, "swa_next": self._swa_next,
            "snapshots": [dict(weights) for weights in self.snapshots],
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there; what is on there is on here."""
        self.values = dict(state["values"])
        self.ema, self.swa = self._placed(state["ema"]), self._placed(state["swa"])
        self.num_averaged, self.calibrated_at = state["num_averaged"], state["calibrated_at"]
        self._swa_next = state["swa_next"]
        self.snapshots = [self._placed(weights) for weights in state["snapshots"]]

    def _average(self) -> None:
        """average ← decay · average + (1 − decay) · weights; counts are taken as they are."""
        if not self.ema:
            self.ema = self._copied()
            return
        means = [name for name, tensor in self.ema.items() if tensor.is_floating_point()]
        weight = 1.0 - strength_of(self.values, "ema_decay")
        torch._foreach_lerp_([self.ema[name] for name in means], [self._live[name] for name in means], weight)
        for name in self.ema.keys() - set(means):
            self.ema[name].copy_(self._live[name])

    def _take_in(self) -> None:
        """mean ← mean + (weights − mean) / n; buffers wait for `calibrated`."""
        self.num_averaged += 1
        if not self.swa:
            self.swa = self._copied()
            return
        torch._foreach_lerp_(
            [self.swa[name] for name in self._parameters], [self._live[name] for name in self._parameters],
            1.0 / self.num_averaged,
        )  # fmt: skip

    def _swa_first(self, total_steps: int, step: int) -> int:
        """The step after which the mean takes in its first weights, when `step` are finished."""
        begin = strength_of(self.values, "swa_from")
        return max(step + 1, round(begin * total_steps) if begin < 1 else int(begin))

    def _copied(self) -> Weights:
        return {name: tensor.detach().clone() for name, tensor in self._live.items()}

    def _placed(self, weights: Mapping[str, Tensor]) -> Weights:
        return {name: tensor.to(self._live[name].device) for name, tensor in weights.items()}


def averages_of(trainer: Trainer) -> Averages:
    """The averages among the followers of a run."""
    found = trainer.updater.followers[NAME]
    assert isinstance(found, Averages)
    return found


def live_values(trainer: Trainer) -> dict[str, Value]:
    """Name → value of everything beside the optimizer that can be changed: what regularizes, and the averages."""
    return {**trainer.regularization.values, **averages_of(trainer).values}


def set_average(trainer: Trainer, command: SetHyperparameter) -> tuple[Value, str]:
    """Change a value of the averages; returns the value before, and what a person should know.

    Raises:
        RefusedError: it would never begin.
    """
    averages, name, value = averages_of(trainer), command.name, command.value
    if command.groups is not None:
        raise RefusedError(f"{name} is of the whole model.", hint="it without groups.")
    if name == "swa_from" and isinstance(value, int | float) and value >= 1 and value > trainer.total_steps:
        raise RefusedError(f"step {value:g} is beyond the end, at {trainer.total_steps}.", hint="0.75, a share.")
    before = averages.values[name]
    return before, averages.set(name, value, trainer.step, trainer.total_steps)
