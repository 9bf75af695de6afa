"""The optimizers, as specs: what each takes, what it is good for, what to watch.

The formulas are those of the papers as torch implements them; `build/optimizers.py` makes the torch objects.
To add one: a spec here, a builder there, and the tests parametrised over this table cover it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tuitrain.errors import UnknownNameError
from tuitrain.protocol.plan import Value
from tuitrain.techniques.hyperparameter import Hyperparameter

Decay = Literal["l2", "decoupled"]


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


def _weight_decay(default: float, kind: Decay) -> Hyperparameter:
    meaning = "added to the gradient (L2)" if kind == "l2" else "shrinks the weights by lr · weight_decay (decoupled)"
    return Hyperparameter(name="weight_decay", default=default, low=0.0, scale="log", help=f"weight decay, {meaning}")


def _beta(name: str, default: float, what: str) -> Hyperparameter:
    return Hyperparameter(
        name=name, default=default, low=0.0, high=1.0, is_high_included=False, scale="complement",
        help=f"decay rate of the {what}",
    )  # fmt: skip


def _eps(default: float) -> Hyperparameter:
    return Hyperparameter(name="eps", default=default, low=0.0, scale="log", help="keeps the division finite")


_ADAM_BETAS = (_beta("beta1", 0.9, "mean of the gradient"), _beta("beta2", 0.999, "mean of the squared gradient"))

OPTIMIZERS: dict[str, OptimizerSpec] = {
    spec.name: spec
    for spec in (
        OptimizerSpec(
            name="sgd",
            summary="steps against the gradient; with momentum, along a velocity",
            paper="Robbins & Monro 1951; Polyak 1964; Nesterov 1983; Sutskever et al. 2013",
            learning_rate=1e-3,
            hyperparameters=(
                Hyperparameter(
                    name="momentum",
                    default=0.0,
                    low=0.0,
                    high=1.0,
                    is_high_included=False,
                    scale="complement",
                    help="share of the velocity kept; 0.9 is usual",
                ),
                Hyperparameter(
                    name="nesterov", default=False, kind="bool", help="look ahead along the velocity; needs momentum"
                ),
                _weight_decay(0.0, "l2"),
            ),
            decay="l2",
            momentum_name="momentum",
            state_tensors=1,
            good_for="vision with a schedule; the reference for everything else",
            watch="the rate must suit the problem: too high explodes, too low crawls",
        ),
        OptimizerSpec(
            name="adagrad",
            summary="divides by the root of the sum of all squared gradients",
            paper="Duchi, Hazan & Singer 2011",
            learning_rate=1e-2,
            hyperparameters=(_eps(1e-10), _weight_decay(0.0, "l2")),
            decay="l2",
            state_tensors=1,
            good_for="sparse features",
            watch="the sum only grows: the step shrinks like 1/√t and learning stops",
        ),
        OptimizerSpec(
            name="adadelta",
            summary="scales by the running size of past updates: no learning rate to set (1.0)",
            paper="Zeiler 2012",
            learning_rate=1.0,
            hyperparameters=(_beta("rho", 0.9, "squared gradients and updates"), _eps(1e-6), _weight_decay(0.0, "l2")),
            decay="l2",
            state_tensors=2,
            good_for="trying without tuning",
            watch="the first steps are tiny (0.003) whatever the gradient",
        ),
        OptimizerSpec(
            name="rmsprop",
            summary="AdaGrad that forgets: divides by a running mean of squared gradients",
            paper="Tieleman & Hinton 2012",
            learning_rate=1e-2,
            hyperparameters=(
                _beta("alpha", 0.99, "mean of the squared gradient"),
                _eps(1e-8),
                _weight_decay(0.0, "l2"),
            ),
            decay="l2",
            state_tensors=1,
            good_for="recurrent nets, reinforcement learning",
            watch="no bias correction: the first step is 10 × lr",
        ),
        OptimizerSpec(
            name="adam",
            summary="momentum and RMSprop together, both bias-corrected",
            paper="Kingma & Ba 2015",
            learning_rate=1e-3,
            hyperparameters=(*_ADAM_BETAS, _eps(1e-8), _weight_decay(0.0, "l2")),
            decay="l2",
            momentum_name="beta1",
            state_tensors=2,
            good_for="a first run on anything",
            watch="L2 weight decay goes through the denominator: adamw does it right",
        ),
        OptimizerSpec(
            name="adamw",
            summary="Adam with decoupled weight decay",
            paper="Loshchilov & Hutter 2019",
            learning_rate=1e-3,
            hyperparameters=(*_ADAM_BETAS, _eps(1e-8), _weight_decay(1e-2, "decoupled")),
            decay="decoupled",
            momentum_name="beta1",
            state_tensors=2,
            good_for="transformers, and wherever weights should stay small",
            watch="the decay is lr · weight_decay: lowering the rate lowers it too",
        ),
        OptimizerSpec(
            name="nadam",
            summary="Adam with Nesterov's look-ahead",
            paper="Dozat 2016",
            learning_rate=2e-3,
            hyperparameters=(
                *_ADAM_BETAS,
                _eps(1e-8),
                _weight_decay(0.0, "l2"),
                Hyperparameter(
                    name="momentum_decay", default=4e-3, low=0.0, is_live=False, help="how fast the momentum warms up"
                ),
            ),
            decay="l2",
            momentum_name="beta1",
            state_tensors=2,
            good_for="as adam, at times a little faster",
            watch="its momentum follows a schedule of its own",
        ),
        OptimizerSpec(
            name="radam",
            summary="Adam that waits until its variance is known",
            paper="Liu et al. 2020",
            learning_rate=1e-3,
            hyperparameters=(*_ADAM_BETAS, _eps(1e-8), _weight_decay(0.0, "l2")),
            decay="l2",
            momentum_name="beta1",
            state_tensors=2,
            good_for="starting without warmup",
            watch="the first five steps are plain momentum steps",
        ),
        OptimizerSpec(
            name="muon",
            summary="orthogonalises the momentum of hidden 2-D weights; AdamW works on the rest",
            paper="Jordan et al. 2024; scaling of Liu et al. 2025",
            learning_rate=1e-3,
            hyperparameters=(
                _beta("momentum", 0.95, "mean of the gradient"),
                Hyperparameter(name="nesterov", default=True, kind="bool", help="look ahead along the momentum"),
                _weight_decay(0.1, "decoupled"),
                Hyperparameter(
                    name="ns_steps", default=5, low=1, high=20, kind="int", help="Newton–Schulz iterations a step"
                ),
                Hyperparameter(
                    name="adamw_weight_decay", default=0.01, low=0.0, scale="log", help="weight decay of the rest"
                ),
            ),
            decay="decoupled",
            state_tensors=1,
            good_for="hidden matrices of MLPs and transformers",
            watch="only hidden 2-D weights: not the input layer, not the last one, not convolutions",
        ),
    )
}


def optimizer_spec(name: str) -> OptimizerSpec:
    """The spec of an optimizer.

    Raises:
        UnknownNameError: it is not in the table; names the nearest one.
    """
    try:
        return OPTIMIZERS[name]
    except KeyError:
        raise UnknownNameError("optimizer", name, OPTIMIZERS) from None


def split_betas(given: Mapping[str, Value]) -> dict[str, Value]:
    """`betas = [b1, b2]`, as torch writes it, becomes `beta1` and `beta2`; the rest stays."""
    values = dict(given)
    betas = values.get("betas")
    if isinstance(betas, list) and len(betas) == 2:
        del values["betas"]
        values["beta1"], values["beta2"] = betas
    return values
