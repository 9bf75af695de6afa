"""Ensembles of whole runs, as `tuitrain ensemble` judges them: independent, bagged, and the snapshots of one."""

from __future__ import annotations

import os
import tempfile
from functools import cache
from unittest.mock import patch

from tests.lecture.promises import Target
from tests.session.again import work
from tuitrain.comparing.ensembling import EnsembleScore, ask_together
from tuitrain.preset import load_preset
from tuitrain.session.start import create_run

MEMBERS = 5


@cache
def together(name: str, seed: int, num_members: int = MEMBERS, *overrides: str) -> EnsembleScore:
    """Runs of a preset with seeds of their own, on all validation samples; of one run its snapshots."""
    with tempfile.TemporaryDirectory() as home, patch.dict(os.environ, {"TUITRAIN_HOME": home}):
        seeds = range(num_members * seed, num_members * (seed + 1))
        runs = [work(create_run(load_preset(name, [f"train.seed={item}", *overrides]))) for item in seeds]
        return ask_together([run.id for run in runs], is_whole=True)


def gains(found: EnsembleScore) -> tuple[float, float]:
    """Accuracy and loss of the ensemble, less those of the mean of the singles."""
    accuracy, loss = found.against_mean
    return accuracy.difference, loss.difference


def in_words(found: EnsembleScore) -> str:
    """The mean of the singles, the best of them, and the ensemble."""
    parts = [
        f"{item.metrics['accuracy']:.4f}/{item.metrics['loss']:.4f}"
        for item in (found.mean, found.best, found.ensemble)
    ]
    return f"mean {parts[0]}, best {parts[1]}, together {parts[2]}, verdict {found.against_best[0].verdict}"


TARGETS: list[Target] = [
    Target(
        "mnist-mlp", "five together: accuracy 0 to 0.015 above the mean of the singles, loss 0.01 to 0.03 below it",
        lambda seed: 0.0 < gains(together("mnist-mlp", seed))[0] <= 0.015
        and -0.03 <= gains(together("mnist-mlp", seed))[1] <= -0.01,
        lambda seed: in_words(together("mnist-mlp", seed)), is_slow=True,
    ),
    Target(
        "bootstrap", "five bagged: accuracy 0.01 to 0.04 above the mean of the singles, and less loss",
        lambda seed: 0.01 <= gains(together("bootstrap", seed))[0] <= 0.04
        and gains(together("bootstrap", seed))[1] < -0.03,
        lambda seed: in_words(together("bootstrap", seed)), is_slow=True,
    ),
    Target(
        "sgdr-snapshots", "three snapshots: less loss than the best of them, accuracy 0 to 0.03 above it",
        lambda seed: together("sgdr-snapshots", seed, 1).against_best[1].difference < 0.0
        and 0.0 < together("sgdr-snapshots", seed, 1).against_best[0].difference < 0.03,
        lambda seed: in_words(together("sgdr-snapshots", seed, 1)), is_slow=True,
    ),
]  # fmt: skip
