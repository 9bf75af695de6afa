"""Bias and variance by width, over ten draws of 25 points of a sine."""

from __future__ import annotations

import pytest
import torch

from tests.training.harness import finish, trainer_of
from tuitrain.preset import load_preset

_DRAWS = 10


def bias_and_variance(preset: str) -> tuple[float, float]:
    """Mean over the sine of the squared error of the mean prediction, and of the spread around it."""
    predictions = []
    for seed in range(_DRAWS):
        checked = load_preset(preset, [f"task.data_seed={seed}", "eval.every_steps=100000"])
        task = finish(trainer_of(checked)).trainer.task
        with torch.no_grad():
            predictions.append(task.model.eval()(task.validation.x))
    found = torch.stack(predictions)
    bias = (found.mean(0) - task.validation.y).square().mean().item()
    return bias, found.var(0, correction=0).mean().item()


@pytest.mark.slow
def test_width_trades_bias_for_variance() -> None:
    """One unit cannot bend twice: it is off by bias. More follow the points, and so the draw: variance."""
    (bias_1, variance_1), (bias_3, variance_3), (bias_100, variance_100) = (
        bias_and_variance(f"bias-width-{width}") for width in (1, 3, 100)
    )
    assert bias_1 > 2.0 * max(bias_3, bias_100)
    assert bias_1 > variance_1
    assert variance_3 > 3.0 * bias_3
    assert variance_100 > 3.0 * bias_100
    assert min(variance_3, variance_100) > variance_1
