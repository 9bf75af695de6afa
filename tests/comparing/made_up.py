"""Run folders that were never trained: a loss that falls, evaluations, an end. Quick to make, of any length."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from tuitrain.protocol.carrier import RunInfo
from tuitrain.protocol.codec import encode_event
from tuitrain.protocol.description import MetricInfo, OptimizerState
from tuitrain.protocol.events import Column, EvalFinished, Event, RunEnded, RunStarted, StepsFinished
from tuitrain.rundir.places import RunFolder, write_info
from tuitrain.rundir.process import this_host

STEPS_PER_EPOCH = 500
_BLOCK = 100


def made_up_run(
    runs: Path, name: str, *, num_steps: int, level: float = 0.5, seed: int = 0, dataset: str = "mnist-5k",
    comparison: str = "", has_end: bool = True,
    metrics: tuple[str, ...] = ("batch/loss", "batch/gradient_norm", "batch/learning_rate"),
) -> RunFolder:  # fmt: skip
    """A run whose losses come down to `level`; values are float32, as those of a real one."""
    folder = RunFolder.create(runs / name)
    preset = {"task": {"dataset": dataset}, "train": {"seed": seed}, "name": "made-up"}
    write_info(
        folder,
        RunInfo(
            id=name,
            preset_name="made-up",
            title="Made up",
            created=1.0,
            session="s",
            host=this_host(),
            seed=seed,
            preset=preset,
            comparison=comparison,
        ),
    )
    folder.events_path.write_bytes(
        b"".join(encode_event(event) + b"\n" for event in _events(num_steps, level, seed, has_end, metrics))
    )
    return folder


def _events(num_steps: int, level: float, seed: int, has_end: bool, metrics: tuple[str, ...]) -> list[Event]:
    rng = np.random.default_rng(seed)
    steps = np.arange(1, num_steps + 1)
    curve = level + 2.0 * np.exp(-5.0 * steps / num_steps)
    noisy = (curve * rng.lognormal(0.0, 0.2, num_steps)).astype(np.float32).astype(float)
    found: list[Event] = [started(num_steps, seed)]
    for first in range(1, num_steps + 1, _BLOCK):
        last = min(first + _BLOCK - 1, num_steps)
        columns = [
            Column(metric=metric, first_step=first, values=[float(f"{value:.7g}") for value in noisy[first - 1 : last]])
            for metric in metrics
        ]
        found.append(_stamped(StepsFinished(seq=len(found) + 1, time=1.0, step=last, columns=tuple(columns)), last))
        if last % STEPS_PER_EPOCH == 0 or last == num_steps:
            found.append(_stamped(_evaluation(len(found) + 1, last, float(curve[last - 1])), last))
    if has_end:
        last_metrics = {"eval/loss": float(curve[-1])}
        ended = RunEnded(
            seq=len(found) + 1, time=1.0, step=num_steps, reason="finished", last=last_metrics, best=last_metrics
        )
        found.append(_stamped(ended, num_steps))
    return found


def _evaluation(seq: int, step: int, loss: float) -> EvalFinished:
    metrics = {
        "eval/loss": loss, "train/loss": loss / 2, "eval/accuracy": math.exp(-loss), "train/accuracy": 1 - loss / 9
    }  # fmt: skip
    return EvalFinished(seq=seq, time=1.0, step=step, metrics=metrics, eval_seconds=0.01, num_samples=1000)


def started(num_steps: int, seed: int) -> RunStarted:
    """How a run of so many steps describes itself."""
    return RunStarted(
        seq=1, time=1.0, run="made-up", session="s", title="Made up", total_steps=num_steps,
        steps_per_epoch=STEPS_PER_EPOCH, batch_size=8, num_train=8 * STEPS_PER_EPOCH, num_validation=1000, seed=seed,
        device="cpu", torch_threads=1, num_parameters=10, layers=(), optimizers=(), commands=(),
        metrics=(MetricInfo(name="eval/loss", better="lower"), MetricInfo(name="eval/accuracy", better="higher")),
        optimizer=OptimizerState(name="sgd", groups=()),
    )  # fmt: skip


def _stamped(event: Event, step: int) -> Event:
    import msgspec

    return msgspec.structs.replace(event, seconds=step / 1000.0)
