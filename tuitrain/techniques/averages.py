"""Averages of the weights, and what else is predicted beside the weights as they are; specs without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tuitrain.techniques.hyperparameter import Hyperparameter

MOST_SNAPSHOTS = 20
MOST_SHIFT = 4
"""Pixels of test-time augmentation: 81 pictures of each."""
MOST_PASSES = 1000

PREDICTIONS: Mapping[str, str] = {
    "ema": "of the exponential moving average of the weights",
    "swa": "of the mean of the weights (SWA)",
    "ensemble": "of the mean prediction of the snapshots",
    "tta": "of the mean prediction over shifted pictures (test-time augmentation)",
    "mc": "of the mean prediction of several passes with dropout on (MC dropout)",
}
"""What is evaluated on the validation data beside the weights as they are, e.g. as "ema/loss" → whose it is."""


@dataclass(frozen=True, kw_only=True)
class AverageSpec:
    """One number of the averages; each may change while the run goes (`set_hyperparameter`)."""

    hyperparameter: Hyperparameter
    summary: str
    prediction: str
    """The prediction that it belongs to."""
    paper: str = ""

    @property
    def name(self) -> str:
        """As a preset writes it."""
        return self.hyperparameter.name


AVERAGES: dict[str, AverageSpec] = {
    spec.name: spec
    for spec in (
        AverageSpec(
            hyperparameter=Hyperparameter(
                name="ema_decay", default=0.0, low=0.0, high=1.0, is_high_included=False, scale="complement",
                help="share of the average that each step keeps; 0 is off",
            ),
            summary="evaluates an exponential moving average of the weights too",
            prediction="ema",
            paper="Polyak & Juditsky 1992",
        ),
        AverageSpec(
            hyperparameter=Hyperparameter(
                name="swa_from", default=0.0, low=0.0, high=1e12,
                help="where the mean begins: below 1 a share of the run, else a step; 0 is off",
            ),
            summary="evaluates the plain mean of the weights from there on too (SWA)",
            prediction="swa",
            paper="Izmailov et al. 2018 (arXiv 1803.05407)",
        ),
        AverageSpec(
            hyperparameter=Hyperparameter(
                name="swa_every", default=0, low=0, high=1e12, kind="int",
                help="steps between two weights of the mean; 0 is an epoch",
            ),
            summary="how often SWA takes the weights in",
            prediction="swa",
        ),
        AverageSpec(
            hyperparameter=Hyperparameter(
                name="snapshots", default=0, low=0, high=MOST_SNAPSHOTS, kind="int",
                help="how many are kept, one at the end of each cycle of the schedule; 0 is off",
            ),
            summary="evaluates the ensemble of the weights at the ends of cycles",
            prediction="ensemble",
            paper="Huang et al. 2017 (arXiv 1704.00109)",
        ),
    )
}  # fmt: skip
