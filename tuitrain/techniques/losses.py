"""What can be minimised, as specs; `build/losses.py` computes it.

To add one: a spec here, a function there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tuitrain.errors import UnknownNameError
from tuitrain.techniques.hyperparameter import Hyperparameter

TaskKind = Literal["classification", "regression", "surface"]


@dataclass(frozen=True, kw_only=True)
class LossSpec:
    """One loss."""

    name: str
    summary: str
    formula: str
    kind: TaskKind
    hyperparameters: tuple[Hyperparameter, ...] = ()
    outputs_per_target: int = 1
    """2 where the model also gives a variance for each target."""
    takes_smoothing: bool = False
    """Whether label smoothing has a meaning."""
    takes_class_weights: bool = False
    paper: str = ""
    good_for: str
    watch: str


LOSSES: dict[str, LossSpec] = {
    spec.name: spec
    for spec in (
        LossSpec(
            name="mse",
            summary="mean squared error",
            formula="mean (ŷ − y)²",
            kind="regression",
            paper="the negative log-likelihood of a Gaussian with variance 1, times 2, but for a constant",
            good_for="noise that is Gaussian",
            watch="one outlier at distance 20 weighs as much as 400 at distance 1",
        ),
        LossSpec(
            name="l1",
            summary="mean absolute error",
            formula="mean |ŷ − y|",
            kind="regression",
            good_for="data with outliers: it finds the median",
            watch="its gradient never gets smaller near the goal: let the rate decay",
        ),
        LossSpec(
            name="huber",
            summary="squared near the target, absolute far away",
            formula="mean of ½ r² where |r| ≤ δ, else δ (|r| − ½ δ)",
            kind="regression",
            hyperparameters=(
                Hyperparameter(
                    name="huber_delta",
                    default=1.0,
                    low=0.0,
                    is_low_included=False,
                    scale="log",
                    help="error at which it becomes absolute",
                ),
            ),
            paper="Huber 1964",
            good_for="outliers, with smooth steps near the goal",
            watch="delta is in the units of the target; of one's own data, in its deviations",
        ),
        LossSpec(
            name="gaussian-nll",
            summary="negative log-likelihood of a Gaussian whose variance is learned too",
            formula="mean ½ (log σ² + (ŷ − y)² / σ²), constant left out",
            kind="regression",
            outputs_per_target=2,
            paper="Nix & Weigend 1994",
            good_for="knowing where the model is unsure",
            watch="it may explain errors away as noise; it can be negative",
        ),
        LossSpec(
            name="cross-entropy",
            summary="negative log-probability of the right class",
            formula="mean −log softmax(z)[y]",
            kind="classification",
            takes_smoothing=True,
            takes_class_weights=True,
            good_for="one class of several",
            watch="it goes on pushing the margin long after every class is right: the loss is not the goal",
        ),
        LossSpec(
            name="bce",
            summary="binary cross entropy: a yes or no for every class on its own",
            formula="mean over samples of Σ_k −[y_k log σ(z_k) + (1 − y_k) log(1 − σ(z_k))]",
            kind="classification",
            takes_smoothing=True,
            takes_class_weights=True,
            good_for="two classes, or several that may be true at once",
            watch="its height depends on the number of classes",
        ),
        LossSpec(
            name="focal",
            summary="cross entropy that looks away from what is already right",
            formula="mean −(1 − p_y)^γ log p_y",
            kind="classification",
            hyperparameters=(
                Hyperparameter(name="focal_gamma", default=2.0, low=0.0, high=10.0, help="0 is cross entropy"),
            ),
            takes_class_weights=True,
            paper="Lin et al. 2017 (arXiv 1708.02002)",
            good_for="rare classes among easy ones",
            watch="probabilities are no longer calibrated",
        ),
        LossSpec(
            name="value",
            summary="the value of a surface at the point: there are no data",
            formula="f(point)",
            kind="surface",
            good_for="watching optimizers",
            watch="training and evaluation are the same number: there is nothing to generalise to",
        ),
    )
}

DEFAULT_LOSSES: dict[TaskKind, str] = {"classification": "cross-entropy", "regression": "mse", "surface": "value"}


def loss_spec(name: str) -> LossSpec:
    """The spec of a loss.

    Raises:
        UnknownNameError: it is not in the table; names the nearest one.
    """
    if name not in LOSSES:
        raise UnknownNameError("loss", name, LOSSES)
    return LOSSES[name]
