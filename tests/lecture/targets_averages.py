"""Averages, ensembles and further predictions: what the presets promise beside the accuracy of the raw weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from tests.lecture.promises import Target, accuracy
from tests.training.harness import finish, trainer_of
from tuitrain.preset import load_preset
from tuitrain.protocol.events import EvalFinished

Metrics = dict[str, float]


@cache
def last(name: str, seed: int, *overrides: str) -> Metrics:
    """The metrics of the last evaluation of a preset."""
    told = finish(trainer_of(load_preset(name, [f"train.seed={seed}", *overrides])))
    return told.all(EvalFinished)[-1].metrics


def beside(preset: str, name: str, promise: str, holds: Callable[[Metrics], bool]) -> Target:
    """A promise about a prediction beside that of the raw weights."""
    return Target(
        preset, promise, lambda seed: holds(last(preset, seed)),
        lambda seed: f"{last(preset, seed)[f'{name}/accuracy']:.3f} against {last(preset, seed)['eval/accuracy']:.3f}",
        is_slow=True,
    )  # fmt: skip


TARGETS: list[Target] = [
    beside("ema", "ema", "average 0.91 to 0.94, above the raw weights by 0.01, with less loss",
           lambda m: 0.91 <= m["ema/accuracy"] <= 0.94 and m["ema/accuracy"] > m["eval/accuracy"] + 0.01
           and m["ema/loss"] < m["eval/loss"]),
    beside("swa", "swa", "mean 0.9 to 0.94, above the raw weights, with less loss",
           lambda m: 0.9 <= m["swa/accuracy"] <= 0.94 and m["swa/accuracy"] > m["eval/accuracy"]
           and m["swa/loss"] < m["eval/loss"]),
    beside("sgdr-snapshots", "ensemble", "ensemble no worse than the last snapshot by 0.005, with less loss",
           lambda m: m["ensemble/accuracy"] > m["eval/accuracy"] - 0.005 and m["ensemble/loss"] < m["eval/loss"]),
    beside("cnn-tta", "tta", "mean over shifts no worse by 0.005",
           lambda m: m["tta/accuracy"] > m["eval/accuracy"] - 0.005),
    beside("mc-dropout", "mc", "mean of passes within 0.02 of scaling",
           lambda m: abs(m["mc/accuracy"] - m["eval/accuracy"]) < 0.02),
    accuracy("bootstrap", 0.8, 0.88, is_slow=True),
]  # fmt: skip
