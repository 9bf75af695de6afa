"""An optimizer of the table as torch optimizers over named parameter groups.

One name may need two torch optimizers (Muon takes hidden 2-D weights, AdamW the rest), so an `OptimizerSet` holds
*parts*: each a torch optimizer with one parameter group. The plan knows only the logical groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from tuitrain.errors import UsageError
from tuitrain.protocol.description import GroupState, OptimizerState
from tuitrain.protocol.plan import Value
from tuitrain.techniques.build.groups import Named, ParameterGroup, group_data, groups_from
from tuitrain.techniques.build.own_optimizers import (
    AveragedSGD,
    Closure,
    Lion,
    Muon,
    Newton,
    ScheduleFreeAdamW,
    ScheduleFreeSGD,
    UncorrectedAdam,
)
from tuitrain.techniques.optimizer_spec import MOST_FOR_HESSIAN
from tuitrain.techniques.optimizers import OPTIMIZERS, optimizer_spec, split_betas


@dataclass
class Part:
    """One torch optimizer with one parameter group."""

    group: str
    """The logical group it belongs to."""
    inner: str
    """The table's name of what works here; differs from the set's name where that stands for two."""
    parameters: tuple[Named, ...]
    optimizer: Optimizer
    has_decay: bool
    ratio: float = 1.0
    """Its learning rate relative to that of the logical group."""
    values: dict[str, Value] = field(default_factory=dict)
    """The hyper-parameters in force: those of the set, but for what was changed for its group alone."""

    def take(self, changes: Mapping[str, Value]) -> None:
        """Put hyper-parameters in force; the rest stays as it is."""
        self.values.update(changes)
        self.optimizer.param_groups[0].update(_torch_options(self, self.values))

    def write_rate(self, rate: float) -> None:
        """Give it the learning rate of the next step."""
        if isinstance(self.optimizer, AveragedSGD):
            self.optimizer.write_rate(rate)
        else:
            self.optimizer.param_groups[0]["lr"] = rate

    @property
    def tensors(self) -> list[Tensor]:
        """The parameters without their names."""
        return [tensor for _, tensor in self.parameters]


class OptimizerSet:
    """An optimizer of the table at work on all parameters.

    Args:
        name: a name of `techniques.optimizers.OPTIMIZERS`.
        groups: logical groups, in the order of the plan.
        hyperparameters: those that differ from the defaults, already checked.
        matrix_names: names of hidden 2-D weights, for optimizers that take only those.

    Raises:
        UsageError: it works on hidden 2-D weights and there are none.
    """

    def __init__(
        self,
        name: str,
        groups: Sequence[ParameterGroup],
        hyperparameters: Mapping[str, Value],
        matrix_names: frozenset[str] = frozenset(),
    ) -> None:
        self.name = name
        self.groups = tuple(groups)
        self.matrix_names = matrix_names
        self._parameters = [tensor for group in groups for _, tensor in group.parameters]
        self.hyperparameters = optimizer_spec(name).resolved(split_betas(hyperparameters))
        self.parts = [part for group in groups for part in self._parts_of(group)]
        if name == "muon" and not any(part.inner == "muon" for part in self.parts):
            raise UsageError("muon works on hidden 2-D weights, and this model has none.", hint='"adamw".')
        if (
            self.needs_hessian
            and sum(tensor.numel() for part in self.parts for tensor in part.tensors) > MOST_FOR_HESSIAN
        ):
            raise UsageError(f"{name} takes a Hessian, of at most {MOST_FOR_HESSIAN} parameters.", hint='"lbfgs".')
        if self.needs_closure and len(self.parts) > 1:
            raise UsageError(
                f"{name} works on all parameters together, and here are {len(self.parts)} groups.",
                hint="decay_only_weights = false, layer_decay = 1.",
            )

    @classmethod
    def from_state(
        cls, state: Mapping[str, Any], like: OptimizerSet, tensors: Mapping[str, Tensor] | None = None
    ) -> OptimizerSet:
        """An optimizer as `state_dict` described it, over the parameters of another one of the same model.

        Args:
            state: may name another optimizer than `like`, and have other groups.
            like: gives the parameters.
            tensors: all parameters of the model by name, where those of `like` may be fewer.
        """
        known = {name: tensor for group in like.groups for name, tensor in group.parameters}
        groups = groups_from(state["groups"], tensors or known) if "groups" in state else like.groups
        optimizer = cls(state["name"], groups, state["hyperparameters"], like.matrix_names)
        for part, saved in zip(optimizer.parts, state["parts"], strict=True):
            part.ratio = saved["ratio"]
            part.values = dict(saved["values"])
            _load(part.optimizer, saved["state"])
        return optimizer

    @property
    def parameters(self) -> list[Tensor]:
        """All that it works on."""
        return self._parameters

    def write_rates(self, rates: Mapping[str, float]) -> None:
        """Give every part the learning rate of its logical group for the next step."""
        for part in self.parts:
            part.write_rate(rates[part.group] * part.ratio)

    def write_momentum(self, momentum: float) -> None:
        """Give every part that has one its momentum for the next step, as a one-cycle schedule does."""
        for part in self.parts:
            known = OPTIMIZERS[part.inner].by_name
            name = next((name for name in ("momentum", "beta1") if name in known and name in part.values), "")
            if name and known[name].is_live:
                part.take({name: momentum})

    def step(self, closure: Closure | None = None) -> None:
        """One update of all parameters from their gradients.

        Args:
            closure: computes loss and gradients again; needed where the spec says so.
        """
        for part in self.parts:
            part.optimizer.step(closure)  # type: ignore[arg-type, unused-ignore]

    @property
    def needs_closure(self) -> bool:
        """Whether a step evaluates the loss several times."""
        return optimizer_spec(self.name).needs_closure

    @property
    def needs_hessian(self) -> bool:
        """Whether its closure gives a loss that can be differentiated twice, in place of gradients."""
        return optimizer_spec(self.name).needs_hessian

    @property
    def ascent(self) -> float | None:
        """How far away the gradient shall be taken (SAM's ρ); None where it is taken at the weights."""
        value = self.hyperparameters.get("rho") if self.name == "sam" else None
        return float(value) if isinstance(value, int | float) and value else None

    @contextmanager
    def evaluated_weights(self) -> Iterator[None]:
        """Put the weights that shall be evaluated in place of those that are trained, and these back, bit for bit."""
        kept: list[tuple[Tensor, Tensor]] = []
        with torch.no_grad():
            for part in self.parts:
                for tensor in part.tensors:
                    average = _average(part.optimizer, tensor)
                    if average is not None:
                        kept.append((tensor, tensor.detach().clone()))
                        tensor.copy_(average)
        try:
            yield
        finally:
            with torch.no_grad():
                for tensor, before in kept:
                    tensor.copy_(before)

    def zero_grad(self) -> None:
        """Drop the gradients, so that a frozen parameter cannot move."""
        for part in self.parts:
            part.optimizer.zero_grad(set_to_none=True)

    def set_hyperparameter(self, name: str, value: Value, groups: Iterable[str] | None = None) -> list[str]:
        """Change one hyper-parameter, keeping the state. The value must be in its range.

        Returns:
            What a person should know, one sentence each.

        Raises:
            UsageError: this optimizer has no such hyper-parameter, or it cannot change while state exists.
        """
        changes = split_betas({name: value})
        spec = OPTIMIZERS[self.name].by_name
        for key in changes:
            if key not in spec:
                raise UsageError(f"{self.name} has no {key}.", hint=f"one of {', '.join(spec)}.")
            if not spec[key].is_live:
                raise UsageError(f"{key} of {self.name} cannot change while it has state.", hint="switch_optimizer.")
        converted = {key: spec[key].converted(item) for key, item in changes.items()}
        chosen = {part.group for part in self.parts} if groups is None else set(groups)
        parts = [part for part in self.parts if part.group in chosen]
        for part in parts:
            after = {**part.values, **converted}
            if self.name == "sgd" and after.get("nesterov") and not after["momentum"]:
                raise UsageError("nesterov needs momentum.", hint="nesterov=false first.")
        notes: list[str] = []
        for part in parts:
            part.take(converted)
            notes += _drop_stale_buffers(part, changes)
        self.hyperparameters = {**self.hyperparameters, **converted}
        return sorted(set(notes))

    def state(self, gradient_clip: float | None) -> OptimizerState:
        """The optimizer described for a screen."""
        return OptimizerState(
            name=self.name,
            gradient_clip=gradient_clip,
            groups=tuple(
                GroupState(
                    name=part.group,
                    inner="" if part.inner == self.name else part.inner,
                    num_tensors=len(part.parameters),
                    num_parameters=sum(tensor.numel() for tensor in part.tensors),
                    num_frozen=sum(tensor.numel() for tensor in part.tensors if not tensor.requires_grad),
                    hyperparameters=_described(part),
                )
                for part in self.parts
            ),
        )

    def state_dict(self) -> dict[str, object]:
        """Everything needed to go on: loadable with `torch.load(weights_only=True)`."""
        return {
            "name": self.name,
            "hyperparameters": dict(self.hyperparameters),
            "groups": [group_data(group) for group in self.groups],
            "parts": [
                {
                    "group": part.group,
                    "inner": part.inner,
                    "parameters": [name for name, _ in part.parameters],
                    "ratio": part.ratio,
                    "values": dict(part.values),
                    "state": part.optimizer.state_dict(),
                }
                for part in self.parts
            ],
        }

    def _parts_of(self, group: ParameterGroup) -> list[Part]:
        if self.name != "muon":
            return [self._part(group, self.name, group.parameters)]
        hidden = tuple(named for named in group.parameters if named[0] in self.matrix_names)
        rest = tuple(named for named in group.parameters if named[0] not in self.matrix_names)
        return [self._part(group, inner, members) for inner, members in (("muon", hidden), ("adamw", rest)) if members]

    def _part(self, group: ParameterGroup, inner: str, parameters: tuple[Named, ...]) -> Part:
        optimizer = _BUILDERS[inner]([tensor for _, tensor in parameters])
        part = Part(group.name, inner, parameters, optimizer, group.has_decay)
        part.take(self.hyperparameters)
        return part


def hidden_matrices(model: nn.Module) -> frozenset[str]:
    """Names of the 2-D weights that Muon takes: linear maps, without embeddings and without the last one."""
    linear = [f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    return frozenset(linear[:-1])


def average_in(inner: str, tensors: list[Tensor], saved: Mapping[str, Any]) -> list[Tensor | None]:
    """Of each of the tensors of a part the average that its saved state holds; None where it holds none."""
    if inner not in {"asgd", "schedule-free-sgd", "schedule-free-adamw"}:
        return [None for _ in tensors]
    optimizer = _BUILDERS[inner](tensors)
    _load(optimizer, saved)
    return [_average(optimizer, tensor) for tensor in tensors]


_BUILDERS: dict[str, Callable[[list[Tensor]], Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "rmsprop": torch.optim.RMSprop,
    "asgd": AveragedSGD,
    "rprop": torch.optim.Rprop,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "adam-uncorrected": UncorrectedAdam,
    "adamax": torch.optim.Adamax,
    "adafactor": torch.optim.Adafactor,
    "muon": Muon,
    "lion": Lion,
    "schedule-free-sgd": ScheduleFreeSGD,
    "schedule-free-adamw": ScheduleFreeAdamW,
    "sam": torch.optim.SGD,
    "newton": Newton,
    "lbfgs": lambda tensors: torch.optim.LBFGS(tensors, line_search_fn="strong_wolfe"),
}


def _load(optimizer: Optimizer, saved: Mapping[str, Any]) -> None:
    """Take a state back in the precision it was kept in.

    torch casts it to that of the parameter: the products of NAdam of a point in float64 would go on otherwise.
    """
    optimizer.load_state_dict(dict(saved))
    for index, tensor in enumerate(optimizer.param_groups[0]["params"]):
        state = optimizer.state.get(tensor, {})
        for name, value in saved["state"].get(index, {}).items():
            if isinstance(value, Tensor):
                state[name] = state[name].to(value.dtype)


def _average(optimizer: Optimizer, tensor: Tensor) -> Tensor | None:
    """What shall be evaluated in place of a parameter, where that is something else."""
    if isinstance(optimizer, AveragedSGD | ScheduleFreeSGD | ScheduleFreeAdamW):
        return optimizer.averaged(tensor)
    return None


def _torch_options(part: Part, values: Mapping[str, Value]) -> dict[str, object]:
    """Our hyper-parameters as torch's parameter-group options."""
    options: dict[str, object] = {name: value for name, value in values.items() if not name.startswith("adamw_")}
    if part.inner == "adamw" and "adamw_weight_decay" in values:
        options = {"weight_decay": values["adamw_weight_decay"]}
    if "beta1" in options:
        options["betas"] = (options.pop("beta1"), options.pop("beta2", 0.0))
    if part.inner == "rprop":
        options["etas"] = (options.pop("eta_minus"), options.pop("eta_plus"))
        options["step_sizes"] = (options.pop("step_min"), options.pop("step_max"))
    if part.inner == "adafactor":
        options["eps"] = (None, options.pop("eps2"))
    options.pop("rho" if part.inner == "sam" else "", None)
    if not part.has_decay and "weight_decay" in options:
        options["weight_decay"] = 0.0
    return options


def _described(part: Part) -> dict[str, Value]:
    """The hyper-parameters in force, by the names of our table."""
    spec = OPTIMIZERS[part.inner]
    values = part.values
    if part.inner == "adamw" and "adamw_weight_decay" in values:
        values = spec.resolved({"weight_decay": values["adamw_weight_decay"]})
    found = {name: values[name] for name in spec.by_name if name in values}
    if not part.has_decay and "weight_decay" in found:
        found["weight_decay"] = 0.0
    return found


def _drop_stale_buffers(part: Part, changes: Mapping[str, Value]) -> list[str]:
    """Momentum set to 0 leaves a velocity that would come back, stale, when momentum returns."""
    if changes.get("momentum") != 0 or part.inner not in {"sgd", "sam"}:
        return []
    for state in part.optimizer.state.values():
        state.pop("momentum_buffer", None)
    return ["The velocity was dropped: it would be stale when momentum returns."]
