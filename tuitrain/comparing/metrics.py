"""Metrics that the evaluations of a preset will have, before it is started, and those that a run has."""

from __future__ import annotations

from tuitrain.comparing.run_curves import RunCurves
from tuitrain.errors import UnknownNameError
from tuitrain.preset import Preset
from tuitrain.preset.combining import loss_name
from tuitrain.preset.dataset import dataset_of
from tuitrain.rundir.places import RunFolder


def metrics_of(preset: Preset) -> list[str]:
    """Names of what is evaluated, e.g. "eval/loss", "gap/accuracy", "ema/loss"."""
    dataset = dataset_of(preset)
    names = ["loss"]
    if dataset.kind == "classification":
        names.append("accuracy")
    elif dataset.kind == "regression" and loss_name(preset, dataset) != "mse":
        names.append("mse")
    beside = {
        "ema": preset.average.ema_decay, "swa": preset.average.swa_from, "ensemble": preset.average.snapshots,
        "tta": preset.eval.tta_shift, "mc": preset.eval.mc_dropout,
    }  # fmt: skip
    sides = ["eval", "train", "gap", *(side for side, value in beside.items() if value)]
    return [f"{side}/{name}" for side in sides for name in names]


def check_metric(preset: Preset, metric: str) -> None:
    """Make sure that the evaluations of a preset have a metric.

    Raises:
        UnknownNameError: they have not; names the nearest one.
    """
    known = metrics_of(preset)
    if metric not in known:
        raise UnknownNameError(f"metric of {preset.task.dataset}", metric, known)


def measured_by(folder: RunFolder) -> set[str]:
    """Names of what a run has measured by now, e.g. "eval/loss", "batch/gradient_norm"; reads it to its end."""
    reader = RunCurves(folder, frozenset())
    while reader.poll():
        pass
    return {*reader.curves.evaluated, *reader.offered}
