"""The presets that were made to show a fault are told so, by name; those that are well are left alone."""

from __future__ import annotations

import pytest

from tests.lecture.promises import seen

VERDICTS = {"initialization", "rate_too_high", "rate_too_low", "underfitting"}

FAULTY = {
    "lr-explode": {"rate_too_high"},
    "lr-high": {"rate_too_high"},
    "lr-low": {"rate_too_low"},
    "linreg-diverges": {"rate_too_high"},
    "underfit": {"underfitting"},
    "spiral-linear": {"underfitting"},
    "spiral-deep-linear": {"underfitting"},
    "init-too-small": {"initialization"},
    "init-too-large": {"initialization"},
    "sigmoid-vanish": {"initialization"},
    "raw-pixels": {"initialization"},
    "centred-pixels": {"initialization", "rate_too_high"},
}

WELL = (
    "lr-good", "linreg", "spiral-mlp", "init-he", "init-lsuv", "init-tanh-xavier", "init-too-small-bn",
    "standardised-pixels", "digits-bce", "digits-focal", "deep-residual", "online-sgd", "minibatch", "adam-corrected",
    "outliers-l1", "digits-rprop", "digits-lbfgs",
)  # fmt: skip


@pytest.mark.parametrize(("preset", "verdicts"), FAULTY.items())
def test_a_fault_is_called_by_its_name(preset: str, verdicts: set[str]) -> None:
    """And by no other."""
    assert set(seen(preset).alarms) & VERDICTS == verdicts


@pytest.mark.parametrize("preset", WELL)
def test_a_run_that_is_well_is_left_alone(preset: str) -> None:
    """No verdict at all."""
    assert not set(seen(preset).alarms) & VERDICTS
