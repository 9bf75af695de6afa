"""The paths that only an accelerator takes; skipped where there is none."""

from __future__ import annotations

import math

import pytest
import torch

from tuitrain.preset import load_preset
from tuitrain.training.control import Control
from tuitrain.training.pace import Pace
from tuitrain.training.run import GRADIENT_NORM, LOSS, Run
from tuitrain.training.setup import build_trainer
from tuitrain.training.telemetry import Telemetry
from tuitrain.training.trainer import Trainer

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine"),
]


def _trainer(*overrides: str) -> Trainer:
    preset = load_preset("mnist-mlp", ["train.device=cuda", "train.steps=40", *overrides])
    run = Run()
    return build_trainer(preset, run, Control(run, "s", [], Pace(None, lambda: False)), session="s")


def test_a_step_does_not_wait_for_the_device() -> None:
    """Within an epoch no step synchronises the host with the device."""
    trainer = _trainer("regularize.gradient_clip=1.0")
    for _ in range(5):
        trainer._take_step()
    trainer.staging.flush()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(20):
            trainer._take_step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_every_loss_arrives_although_nobody_waited() -> None:
    """The staged values reach the recorder, in order, with the norm among them."""
    trainer = _trainer()
    trainer.train()
    columns = trainer.run.recorder.take()
    losses = [value for column in columns if column.metric == LOSS for value in column.values]
    assert len(losses) == 40
    assert all(math.isfinite(value) for value in losses)
    assert any(column.metric == GRADIENT_NORM for column in columns)


def test_the_device_tells_its_memory() -> None:
    """Memory is a number where the device tells it."""
    trainer = _trainer()
    telemetry = Telemetry()
    telemetry.watch_device(trainer.task.validation.x.device)
    reading = telemetry.read()
    assert reading.device_memory_bytes is not None
    assert reading.device_memory_bytes > 0
