"""Series: two resolutions, and nothing of importance lost in either."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuitrain.board.series import Series

any_values = st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=300)


def filled(values: list[float], chunk: int, stride: int = 1, smoothing: float = 0.9) -> Series:
    """A series that was given its values in chunks."""
    series = Series(smoothing)
    for start in range(0, len(values), chunk):
        series.append(1 + start * stride, stride, values[start : start + chunk])
    return series


def averages(values: list[float], beta: float) -> list[float]:
    """The plain recurrence, over what is finite."""
    total = weight = 0.0
    found = []
    for value in values:
        if math.isfinite(value):
            total, weight = beta * total + (1 - beta) * value, beta * weight + 1 - beta
        found.append(total / weight if weight else math.nan)
    return found


def wave(count: int) -> list[float]:
    """Values of which no two neighbours are alike."""
    return [math.sin(step * 0.37) + step % 5 for step in range(count)]


@settings(max_examples=60, deadline=None)
@given(any_values, st.integers(1, 50), st.integers(1, 50), st.integers(1, 7))
def test_the_chunks_make_no_difference(values: list[float], chunk: int, other: int, stride: int) -> None:
    """Nor does looking between them."""
    one, two = filled(values, chunk, stride), Series()
    for start in range(0, len(values), other):
        two.append(1 + start * stride, stride, values[start : start + other])
        two.points(0, 1e6, 10)
    span = (0.0, 1.0 + stride * len(values))
    assert one.points(*span, 30) == two.points(*span, 30)
    assert one.smooth_points(*span, 30) == two.smooth_points(*span, 30)
    assert one.nonfinite_steps == two.nonfinite_steps


@settings(max_examples=60, deadline=None)
@given(any_values, st.integers(1, 40), st.integers(0, 200), st.integers(1, 400))
def test_a_look_has_at_most_two_points_a_column(values: list[float], columns: int, first: int, width: int) -> None:
    """In order, within the window, the lowest and the highest finite value among them."""
    series = filled(values, 17)
    points = series.points(first, first + width, columns)
    inside = [value for step, value in enumerate(values, 1) if first <= step <= first + width and math.isfinite(value)]
    assert len(points) <= 2 * columns
    assert len(series.smooth_points(first, first + width, columns)) <= columns
    assert [step for step, _ in points] == sorted(step for step, _ in points)
    assert all(first <= step <= first + width for step, _ in points)
    found = [value for _, value in points]
    assert (min(found, default=None), max(found, default=None)) == (
        min(inside, default=None),
        max(inside, default=None),
    )


@settings(max_examples=40, deadline=None)
@given(any_values, st.sampled_from([0.0, 0.5, 0.9, 0.99]))
def test_the_average_is_the_plain_recurrence(values: list[float], beta: float) -> None:
    """Bias-corrected; what is not finite is left out, whatever the β and whenever it was chosen."""
    early = filled(values, 13, smoothing=beta)
    late = filled(values, 13)
    late.smooth_with(beta)
    expected = averages(values, beta)
    for series in (early, late):
        found = dict(series.smooth_points(0, 1000, 1000))
        assert found == pytest.approx(
            {step: value for step, value in enumerate(expected, 1) if math.isfinite(value)}, rel=1e-9, abs=1e-30
        )


@pytest.mark.parametrize("position", [0, 1, 8191, 8192, 16_384, 123_456, 199_998])
@pytest.mark.parametrize("spike", [1e6, -1e6])
def test_a_spike_survives_wherever_it_falls(position: int, spike: float) -> None:
    """At the edges of the window that is kept in full, at those of the buckets, and deep in the past."""
    values = [1.0] * 200_000
    values[position] = spike
    series = filled(values, 999)
    found = [step for step, value in series.points(0, 200_000, 60) if value == spike]
    assert len(found) == 1
    assert abs(found[0] - (position + 1)) < 200_000 / 4096 * 2


def test_thinning_keeps_every_extreme_of_every_stretch() -> None:
    """The lowest and highest value in view are the true ones over the whole run."""
    values = np.random.default_rng(7).normal(size=150_000)
    series = filled(values.tolist(), 5000)
    points = [value for _, value in series.points(0, 150_000, 80)]
    assert (min(points), max(points)) == (values.min(), values.max())
    assert len(series) <= 2 * 8192 + 4096


def test_another_smoothing_is_right_where_all_is_kept_and_close_where_it_was_thinned() -> None:
    """The history is averaged over buckets; the newest values come out as if it had always been so."""
    values = wave(40_000)
    series = filled(values, 1000)
    series.smooth_with(0.98)
    expected = averages(values, 0.98)
    assert series.last_smooth == pytest.approx(expected[-1], rel=1e-6)
    found = dict(series.smooth_points(0, 40_000, 10_000))
    assert all(found[step] == pytest.approx(expected[int(step) - 1], abs=0.2) for step in list(found)[5::97])


def test_changing_the_smoothing_back_changes_nothing_that_is_kept_in_full() -> None:
    """Rougher, smoother: the line is the same again."""
    series = filled(wave(500), 50)
    before = series.smooth_points(0, 500, 500)
    series.smooth_with(0.5)
    assert series.smooth_points(0, 500, 500) != before
    series.smooth_with(0.9)
    assert series.smooth_points(0, 500, 500) == before
    series.append(501, 1, [3.0])
    assert series.last_smooth == pytest.approx(averages([*wave(500), 3.0], 0.9)[-1])


def test_the_cursor_reads_the_nearest_value() -> None:
    """Also of a metric that is measured at every fourth step; beside the last one it stays there."""
    series = filled([float(value) for value in range(10)], 3, stride=4)
    near = series.near(9.4)
    assert near is not None
    assert near[:2] == (9, 2.0)
    assert near[2] == pytest.approx(averages([0.0, 1.0, 2.0], 0.9)[-1])
    assert series.near(1e9) == (37, 9.0, series.last_smooth)
    assert Series().near(3) is None


def test_a_stretch_without_a_finite_value_is_listed_and_not_drawn() -> None:
    """A run that goes on over NaN: the first thousand steps are named, and none of them is a point."""
    values = [math.nan] * 20_000 + [1.0] * 20_000
    series = filled(values, 1000)
    assert series.nonfinite_steps == list(range(1, 1001))
    points = series.points(0, 40_000, 50)
    assert {value for _, value in points} == {1.0}
    assert min(step for step, _ in points) > 19_990
    assert series.last_smooth == 1.0


def test_an_empty_series_has_no_points() -> None:
    """Before the first value, without columns, and outside of what there is."""
    series = Series()
    assert (series.points(0, 10, 10), series.smooth_points(0, 10, 10), series.last, len(series)) == ([], [], None, 0)
    series.append(1, 1, [])
    assert series.last_step is None
    series = filled(wave(100), 10)
    assert series.points(200, 300, 10) == []
    assert series.points(0, 100, 0) == []
    assert series.last_step == 100


def test_going_back_forgets_what_came_after() -> None:
    """As a run does that rolls back."""
    series = filled(wave(100), 10)
    series.cut_after(60)
    series.append(61, 1, [9.0])
    assert (series.last_step, series.last, len(series)) == (61, 9.0, 61)
