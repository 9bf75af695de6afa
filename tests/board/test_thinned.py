"""Curves of many runs: thinned to means, smoothed exactly, cut where a run went back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuitrain.board.thinned import Thinned, moving_average


def plain_average(values: list[float], beta: float) -> list[float]:
    """The recursion as the paper has it."""
    found, total, weight = [], 0.0, 0.0
    for value in values:
        if math.isfinite(value):
            total, weight = beta * total + (1 - beta) * value, beta * weight + (1 - beta)
        else:
            total, weight = beta * total, beta * weight
        found.append(total / weight if weight else math.nan)
    return found


SMALLEST_NORMAL = float(np.finfo(float).tiny)
"""Below it digits are lost: the recursion rounds (1 − β) · 5e-324 to zero."""

numbers = st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf])


@given(st.lists(numbers, max_size=300), st.sampled_from([0.0, 0.5, 0.9, 0.98, 0.999, 0.99999]))
def test_the_moving_average_is_that_of_the_recursion(values: list[float], beta: float) -> None:
    """Whether it is taken as a convolution or block by block."""
    found = moving_average(np.array(values), beta)
    if beta == 0.0:
        np.testing.assert_array_equal(found, values)
    else:
        scale = max([abs(value) for value in values if math.isfinite(value)], default=1.0)
        np.testing.assert_allclose(found, plain_average(values, beta), rtol=1e-6, atol=1e-8 * scale + SMALLEST_NORMAL)


def test_a_long_curve_with_a_long_memory_is_averaged_block_by_block() -> None:
    """As the recursion, over ten thousand values and many blocks."""
    values = np.random.default_rng(0).normal(size=10_000)
    np.testing.assert_allclose(moving_average(values, 0.97), plain_average(values.tolist(), 0.97), atol=1e-9)


@pytest.mark.parametrize("size", [1, 7, 100, 8192])
def test_thinning_keeps_the_mean_whatever_the_portions(size: int) -> None:
    """A hundred thousand values in portions of any size: at most 2 048 entries, each the mean of its bucket."""
    values = np.random.default_rng(1).normal(size=30_000 if size == 1 else 100_000)
    thinned = Thinned()
    for start in range(0, len(values), size):
        thinned.append(start + 1, 1, values[start : start + size])
    steps, means = thinned.points()
    assert len(thinned) == len(steps) <= 2 * 1024 + 1
    assert steps[-1] == len(values)
    assert np.all(np.diff(steps) > 0)
    starts = np.concatenate([[0], steps[:-1]]).astype(int)
    expected = [values[start : int(end)].mean() for start, end in zip(starts, steps, strict=True)]
    np.testing.assert_allclose(means, expected, atol=1e-12)


def test_what_came_after_a_step_is_forgotten() -> None:
    """When a run goes back, and then takes other steps."""
    thinned = Thinned()
    thinned.append(1, 1, np.arange(1.0, 101.0))
    thinned.cut_after(40)
    thinned.append(41, 1, np.full(10, -1.0))
    steps, means = thinned.points()
    assert steps.tolist() == list(range(1, 51))
    assert means.tolist() == [*range(1, 41), *[-1.0] * 10]


def test_values_that_are_not_finite_are_counted_and_left_out() -> None:
    """A run that diverged still has a curve up to there."""
    thinned = Thinned()
    thinned.append(1, 2, np.array([1.0, math.nan, math.inf, 3.0]))
    steps, means = thinned.points()
    assert steps.tolist() == [1, 3, 5, 7]
    assert [value for value in means if math.isfinite(value)] == [1.0, 3.0]
    assert thinned.num_nonfinite == 2
    assert thinned.smoothed(0.5)[1][-1] > 2.0


@pytest.mark.parametrize("num", [2049, 10_001, 65_537, 100_033])
def test_a_bucket_that_is_not_full_counts_for_what_is_in_it(num: int) -> None:
    """The newest average is that of all values, also where the last of them begins a bucket: it decides nothing."""
    for seed in range(5):
        values = np.random.default_rng(seed).normal(size=num)
        thinned = Thinned()
        thinned.append(1, 1, values)
        without = Thinned()
        without.append(1, 1, np.append(values[:-1], values[-1] + 1.0))
        moved = without.smoothed(0.98)[1][-1] - thinned.smoothed(0.98)[1][-1]
        assert moved == pytest.approx(0.02, rel=1e-6)
