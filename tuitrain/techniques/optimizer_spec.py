"""What an optimizer's spec says, and the hyper-parameters that several of them share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tuitrain.protocol.plan import Value
from tuitrain.techniques.hyperparameter import Hyperparameter

Decay = Literal["l2", "decoupled", "none"]
Family = Literal["direction", "step size", "direction and step size", "curvature"]
Takeover = Literal["match", "cold", "rate"]


MOST_FOR_HESSIAN = 200
"""Parameters of which a Hessian is taken: 200 × 200 numbers, and as many backward passes as rows."""


@dataclass(frozen=True, kw_only=True)
class OptimizerSpec:
    """One optimizer."""

    name: str
    summary: str
    paper: str
    learning_rate: float
    """Default learning rate, as in torch."""
    hyperparameters: tuple[Hyperparameter, ...]
    decay: Decay
    """Whether weight decay is added to the gradient (l2) or shrinks the weights directly (decoupled)."""
    momentum_name: str = ""
    """The hyper-parameter that is the decay rate of its first moment; empty where it has none."""
    state_tensors: int
    """Tensors of the size of the weights that it keeps, momentum included: what its memory costs."""
    family: Family
    """What it improves on plain gradient descent: where it goes, or how far."""
    takeover: Takeover = "match"
    """How it can follow another one live. match: it shadows first, and its rate is matched. cold: its state cannot
    grow on another's path, so it starts empty at a rate matched on one step. rate: its step is not proportional to
    its rate, so it starts at its own default rate."""
    is_step_its_rate: bool = True
    """Whether its step is proportional to its rate; if not, its updates are no measure for one that follows it."""
    needs_closure: bool = False
    """Whether it evaluates the loss several times a step, which needs all data at once and no randomness."""
    needs_hessian: bool = False
    """Whether it takes the second derivatives of all parameters, which is for few of them: `MOST_FOR_HESSIAN`."""
    combines_not: str = ""
    """What it does not combine with, in words."""
    good_for: str
    watch: str

    @property
    def by_name(self) -> dict[str, Hyperparameter]:
        """Hyper-parameter name → spec."""
        return {spec.name: spec for spec in self.hyperparameters}

    def resolved(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """All hyper-parameters: those given, which must be checked, and the defaults of the rest."""
        values: dict[str, Value] = {}
        for spec in self.hyperparameters:
            value = given.get(spec.name, spec.default)
            if value is not None:
                values[spec.name] = spec.converted(value)
        return values


def weight_decay(default: float, kind: Decay) -> Hyperparameter:
    """Weight decay of either kind."""
    meaning = "added to the gradient (L2)" if kind == "l2" else "shrinks the weights by lr · weight_decay (decoupled)"
    return Hyperparameter(name="weight_decay", default=default, low=0.0, scale="log", help=f"weight decay, {meaning}")


def beta(name: str, default: float, what: str) -> Hyperparameter:
    """The decay rate of a moving average."""
    return Hyperparameter(
        name=name, default=default, low=0.0, high=1.0, is_high_included=False, scale="complement",
        help=f"decay rate of the {what}",
    )  # fmt: skip


def eps(default: float) -> Hyperparameter:
    """The small number in a denominator."""
    return Hyperparameter(name="eps", default=default, low=0.0, scale="log", help="keeps the division finite")


def momentum(default: float) -> Hyperparameter:
    """SGD's momentum."""
    return Hyperparameter(
        name="momentum", default=default, low=0.0, high=1.0, is_high_included=False, scale="complement",
        help="share of the velocity kept; 0.9 is usual",
    )  # fmt: skip


ADAM_BETAS = (beta("beta1", 0.9, "mean of the gradient"), beta("beta2", 0.999, "mean of the squared gradient"))
