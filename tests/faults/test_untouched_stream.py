"""Evaluating, probing and saving leave the stream as it is: one hash of it, on dropout and batch norm."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.training.harness import Told, told, weights
from tuitrain.protocol.events import CheckpointSaved, EvalFinished
from tuitrain.training.run import LEARNING_RATE, LOSS

DELICATE = ("regularize.dropout=0.3", "task.norm=batch", "schedule.name=cosine", "train.steps=120")


def digest(result: Told) -> str:
    """Of every loss, every rate and all weights and running statistics at the end."""
    found = hashlib.sha256(repr((result.values[LOSS], result.values[LEARNING_RATE])).encode())
    for tensor in (*weights(result.trainer), *result.trainer.task.model.buffers()):
        found.update(tensor.numpy().tobytes())
    return found.hexdigest()


@pytest.fixture(scope="module")
def alone() -> str:
    """The digest of the run that nobody looks at."""
    return digest(told(*DELICATE, "train.telemetry_budget=0.0"))


@pytest.mark.parametrize(
    ("overrides", "moments"),
    [
        ((), [{"at_step": step, "do": "evaluate"} for step in range(0, 120, 7)]),
        (("eval.every_steps=3",), []),
        (("train.telemetry_budget=1.0",), []),
        (("checkpoint.every_minutes=1e-9", "checkpoint.keep_best=true", "eval.every_steps=10"), []),
        ((), [{"at_step": step, "do": "save_checkpoint"} for step in (5, 50, 51)]),
        ((), [{"at_step": 60, "do": "preview_switch", "name": "sgd"}]),
    ],
    ids=["evaluate now", "often evaluated", "every probe", "saved all the time", "saved when asked", "previewed"],
)
def test_looking_at_a_run_leaves_its_stream(
    alone: str, overrides: tuple[str, ...], moments: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Bit for bit, with what is looked at really there."""
    result = told("train.telemetry_budget=0.0", *DELICATE, *overrides, moments=moments, checkpoint_folder=tmp_path)
    assert digest(result) == alone
    assert len(result.all(EvalFinished)) + len(result.all(CheckpointSaved)) >= 3


def test_the_digest_sees_a_difference(alone: str) -> None:
    """One update more or less, another draw of dropout."""
    assert digest(told(*DELICATE, "train.telemetry_budget=0.0", "train.seed=1")) != alone
    moments = [{"at_step": 119, "do": "scale_learning_rate", "factor": 0.999}]
    assert digest(told(*DELICATE, "train.telemetry_budget=0.0", moments=moments)) != alone
