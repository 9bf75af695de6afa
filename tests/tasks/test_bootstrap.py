"""A bootstrap sample: drawn once with replacement from a seed of its own, and nothing else of the run is another."""

from __future__ import annotations

import pytest
import torch

from tests.training.harness import build, told, weights
from tuitrain.protocol.events import RunStarted, StageEntered
from tuitrain.tasks.build.task import bootstrap


def test_about_63_per_cent_of_the_samples_are_drawn() -> None:
    """1 − 1/e; the same seed draws the same, another one another."""
    drawn = bootstrap(10_000, 0)
    assert len(drawn.unique()) / 10_000 == pytest.approx(0.632, abs=0.01)  # type: ignore[no-untyped-call]
    assert torch.equal(drawn, bootstrap(10_000, 0))
    assert not torch.equal(drawn, bootstrap(10_000, 1))
    assert (int(drawn.min()), int(drawn.max())) == (0, 9999)


def test_it_is_what_a_run_trains_on() -> None:
    """As many as without it, drawn by train.seed; the validation data and the first weights are the same."""
    whole, sample = build(), build("train.bootstrap=true")
    drawn = bootstrap(4000, 0)
    assert torch.equal(sample.task.train.x, whole.task.train.x[drawn])
    assert torch.equal(sample.task.train.y, whole.task.train.y[drawn])
    assert torch.equal(sample.task.validation.x, whole.task.validation.x)
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(weights(whole), weights(sample), strict=True))


def test_its_share_is_said_at_the_start() -> None:
    """Before the run begins; a run without it says nothing of it."""
    result = told("train.bootstrap=true", "train.steps=2")
    stages = [fact.stage for fact in result.all(StageEntered)]
    assert any("63." in stage and "bootstrap" in stage for stage in stages)
    assert result.all(RunStarted)[0].num_train == 4000
    assert not any("bootstrap" in fact.stage for fact in told("train.steps=2").all(StageEntered))
