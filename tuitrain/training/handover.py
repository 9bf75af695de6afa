"""Switching the optimizer without a jump: the new one shadows the old, then takes over at a matched rate.

The shadow steps scratch copies of the weights, made equal to the live ones before each step, with a learning rate
of 1, so that ‖u‖ is its update per unit of rate. Against the old optimizer's ‖Δθ‖ per unit of *its* rate that gives
the factor between the two rates: norm matching, as in AdaGraft (Agarwal et al. 2020, arXiv 2002.11803).
It never steps live weights, draws no random numbers and leaves the gradients as they are.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from tuitrain.protocol.plan import Value
from tuitrain.techniques.build.groups import Named, ParameterGroup
from tuitrain.techniques.build.optimizers import OptimizerSet, Part
from tuitrain.techniques.optimizer_spec import Decay, OptimizerSpec
from tuitrain.techniques.optimizers import optimizer_spec

_LONGEST = 50
_SHORTEST = 5
_MATCHED_OVER = 20
_SLOWEST_AVERAGE = {"rmsprop": "alpha", "adadelta": "rho"}

_KINDS: dict[Decay, str] = {"l2": "added to the gradient", "decoupled": "decoupled"}

Mode = Literal["match", "cold"]


class Handover:
    """One hand-over under way.

    Args:
        old: the optimizer at work.
        name: the new one.
        hyperparameters: the new one's, as resolved by `carried_over`.
        mode: "match" keeps the shadow's state; "cold" matches the rate on one step and drops the state.
        num_steps: steps that the new one shadows.
    """

    def __init__(
        self, old: OptimizerSet, name: str, hyperparameters: Mapping[str, Value], mode: Mode, num_steps: int
    ) -> None:
        self.mode = mode
        self.num_steps = num_steps
        self.num_observed = 0
        self._live = {parameter_name: tensor for group in old.groups for parameter_name, tensor in group.parameters}
        self._scratch = {parameter_name: torch.empty_like(tensor) for parameter_name, tensor in self._live.items()}
        self._shadow = OptimizerSet(name, _over(old.groups, self._scratch), hyperparameters, old.matrix_names)
        self._shadow.write_rates({group.name: 1.0 for group in old.groups})
        self._hyperparameters = dict(hyperparameters)
        self._unit_updates: list[list[Tensor]] = [[] for _ in self._shadow.parts]
        self._old_updates: list[list[tuple[Tensor, float]]] = [[] for _ in self._shadow.parts]

    def state_dict(self) -> dict[str, object]:
        """Everything that it has observed, and the shadow."""
        return {
            "shadow": self._shadow.state_dict(),
            "mode": self.mode,
            "num_steps": self.num_steps,
            "num_observed": self.num_observed,
            "hyperparameters": dict(self._hyperparameters),
            "unit_updates": [[float(norm) for norm in norms] for norms in self._unit_updates],
            "old_updates": [[(float(norm), rate) for norm, rate in norms] for norms in self._old_updates],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], old: OptimizerSet) -> Handover:
        """A hand-over as `state_dict` described it, beside the optimizer at work."""
        handover = cls(old, state["shadow"]["name"], state["hyperparameters"], state["mode"], state["num_steps"])
        handover._shadow = OptimizerSet.from_state(state["shadow"], handover._shadow)
        handover._shadow.write_rates({group.name: 1.0 for group in old.groups})
        handover.num_observed = state["num_observed"]
        handover._unit_updates = [[torch.tensor(norm) for norm in norms] for norms in state["unit_updates"]]
        handover._old_updates = [[(torch.tensor(norm), rate) for norm, rate in norms] for norms in state["old_updates"]]
        return handover

    @property
    def shadow(self) -> OptimizerSet:
        """The optimizer that will take over, on scratch weights."""
        return self._shadow

    @property
    def is_complete(self) -> bool:
        """Whether it has observed as many steps as planned."""
        return self.num_observed >= self.num_steps

    def set_hyperparameter(self, name: str, value: Value, groups: Iterable[str] | None) -> None:
        """Change a hyper-parameter of the one that will take over, as it is changed in the one at work."""
        self._shadow.set_hyperparameter(name, value, groups)
        self._hyperparameters = dict(self._shadow.hyperparameters)

    @torch.no_grad()
    def observe_gradients(self) -> None:
        """Before the old optimizer's step: let the shadow step on the same gradients, clipped as they are."""
        self._copy_live_weights()
        for name, scratch in self._scratch.items():
            gradient = self._live[name].grad
            # Some torch optimizers write into the gradients they are given.
            scratch.grad = None if gradient is None else gradient.clone()
        self._shadow.step()
        for norms, part in zip(self._unit_updates, self._shadow.parts, strict=True):
            norms.append(self._distance(part))
        self._shadow.zero_grad()
        self._copy_live_weights()

    @torch.no_grad()
    def observe_update(self, rates: Mapping[str, float]) -> None:
        """After the old optimizer's step with `rates`, by logical group."""
        for norms, part in zip(self._old_updates, self._shadow.parts, strict=True):
            norms.append((self._distance(part), rates[part.group]))
        self.num_observed += 1

    def factors(self) -> list[float] | None:
        """New rate per unit of old rate, for each part of the shadow; None where nothing can be matched."""
        factors: list[float | None] = []
        for part, unit, old in zip(self._shadow.parts, self._unit_updates, self._old_updates, strict=True):
            if not any(self._live[name].requires_grad for name, _ in part.parameters):
                factors.append(None)  # frozen: it shall begin as the others do when it is unfrozen
                continue
            units = [float(norm) for norm in unit[-_MATCHED_OVER:]]
            olds = [float(norm) / rate for norm, rate in old[-_MATCHED_OVER:] if rate > 0.0]
            if not olds or not units:
                return None
            typical_unit, typical_old = statistics.median(units), statistics.median(olds)
            if not _is_usable(typical_unit) or not _is_usable(typical_old):
                return None
            factors.append(typical_old / typical_unit)
        known = [factor for factor in factors if factor is not None]
        if not known:
            return None
        return [statistics.median(known) if factor is None else factor for factor in factors]

    def expected_ratio(self, factors: Sequence[float]) -> float:
        """First update after the swap relative to the last one before it, from the last step observed."""
        new = old = 0.0
        for factor, unit, seen in zip(factors, self._unit_updates, self._old_updates, strict=True):
            norm, rate = seen[-1]
            new += (float(unit[-1]) * factor * rate) ** 2
            old += float(norm) ** 2
        return math.sqrt(new / old) if old > 0.0 else math.nan

    def last_update_norm(self) -> float:
        """Global norm of the old optimizer's last update."""
        return math.sqrt(sum(float(seen[-1][0]) ** 2 for seen in self._old_updates if seen))

    @torch.no_grad()
    def successor(self, old: OptimizerSet) -> OptimizerSet:
        """The new optimizer over the live weights: with the shadow's state, or none when cold."""
        new = OptimizerSet(self._shadow.name, old.groups, self._hyperparameters, old.matrix_names)
        for part, shadow in zip(new.parts, self._shadow.parts, strict=True):
            part.take(shadow.values)
            if self.mode == "match":
                for (_, live), (_, scratch) in zip(part.parameters, shadow.parameters, strict=True):
                    if scratch in shadow.optimizer.state:
                        part.optimizer.state[live] = shadow.optimizer.state.pop(scratch)
        return new

    @torch.no_grad()
    def remember_weights(self) -> None:
        """Keep the live weights, so that the next update can be measured by `moved_since`."""
        self._copy_live_weights()

    @torch.no_grad()
    def moved_since(self) -> float:
        """Global distance of the live weights from those remembered."""
        return math.sqrt(sum(float(self._distance(part)) ** 2 for part in self._shadow.parts))

    def _copy_live_weights(self) -> None:
        torch._foreach_copy_(list(self._scratch.values()), list(self._live.values()))

    def _distance(self, part: Part) -> Tensor:
        """‖scratch − live‖ over the weights of a part."""
        scratch = [self._scratch[name] for name, _ in part.parameters]
        live = [self._live[name] for name, _ in part.parameters]
        return torch.nn.utils.get_total_norm(torch._foreach_sub(scratch, live))


def handover_steps(name: str, hyperparameters: Mapping[str, Value], remaining: int) -> int:
    """How long the new optimizer shadows: clamp(5/(1−β1), 5, min(50, 10 % of the remaining steps)).

    One without a first moment has its slowest average in place of β1: what counts is that its state has settled.
    """
    spec = optimizer_spec(name)
    if spec.takeover != "match":
        return 1
    values = spec.resolved(hyperparameters)
    beta = values.get(spec.momentum_name or _SLOWEST_AVERAGE.get(name, "momentum"))
    settled = _LONGEST if name == "adagrad" else 5.0 / (1.0 - (float(beta) if isinstance(beta, int | float) else 0.0))
    upper = max(1, min(_LONGEST, remaining // 10))
    return max(1, min(upper, max(_SHORTEST, math.ceil(settled - 1e-9))))


def carried_over(
    old: OptimizerSet, new: OptimizerSpec, given: Mapping[str, Value]
) -> tuple[dict[str, Value], tuple[str, ...]]:
    """Hyper-parameters of the new optimizer: those given, what carries over from the old one, defaults.

    Weight decay carries over between optimizers that mean the same by it (L2, or decoupled); momentum carries over
    from Adam to SGD, where the buffers are the same but for a factor (buf = exp_avg / (1 − β1)). Nothing else does.

    Returns:
        The hyper-parameters, and one sentence for each thing a person should know.
    """
    values = dict(given)
    notes: list[str] = []
    if "weight_decay" not in values:
        carried, note = _carried_decay(old, new)
        values.update(carried)
        notes += [note] if note else []
    if new.name == "sgd" and old.name in {"adam", "adamw"} and "momentum" not in values:
        values["momentum"] = old.hyperparameters["beta1"]
        notes.append(f"momentum {values['momentum']:g} carries over from beta1")
    return values, tuple(notes)


def _carried_decay(old: OptimizerSet, new: OptimizerSpec) -> tuple[dict[str, Value], str]:
    """The weight decay that carries over, if it does, and what a person should know."""
    was, before = optimizer_spec(old.name).decay, old.hyperparameters.get("weight_decay", 0.0)
    if new.decay == "none":
        return {}, f"weight decay {before:g} ends: {new.name} has none" if before else ""
    if was == new.decay:
        return {"weight_decay": before}, f"weight decay {before:g} carries over" if before else ""
    default = new.by_name["weight_decay"].default
    if not before and not default:
        return {}, ""
    past = f"{old.name} has none" if was == "none" else f"was {_KINDS[was]} ({before:g})"
    return {}, f"weight decay is {default:g}, the default of {new.name}: it is {_KINDS[new.decay]} there, and {past}"


def shadow_memory_bytes(old: OptimizerSet, new: OptimizerSpec) -> int:
    """Memory that the shadow needs: scratch weights, their gradients, and its state."""
    size = sum(tensor.numel() * tensor.element_size() for group in old.groups for _, tensor in group.parameters)
    return size * (2 + new.state_tensors)


def _over(groups: Sequence[ParameterGroup], scratch: Mapping[str, Tensor]) -> list[ParameterGroup]:
    """The same groups over the scratch tensors."""

    def replaced(named: Named) -> Named:
        return named[0], scratch[named[0]]

    return [ParameterGroup(group.name, tuple(map(replaced, group.parameters)), group.has_decay) for group in groups]


def _is_usable(value: float) -> bool:
    return math.isfinite(value) and value > 0.0
