"""Every surface of the table: one formula for picture and run, with the gradient and the minima that it states."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tuitrain.errors import UnknownNameError
from tuitrain.tasks.build.points import PointOnSurface, value_at
from tuitrain.tasks.surfaces import SURFACES, surface_spec

SOME: dict[int, list[tuple[float, ...]]] = {1: [(0.3,), (-1.7,), (2.9,)], 2: [(0.3, 0.7), (-1.7, 1.1), (1.2, -0.4)]}


def gradient(name: str, point: tuple[float, ...]) -> list[float]:
    """(dimension,), by torch."""
    model = PointOnSurface(name, point)
    model(torch.zeros(1, 1)).sum().backward()
    assert model.point.grad is not None
    return list(model.point.grad.tolist())


@pytest.mark.parametrize("name", list(SURFACES))
def test_floats_arrays_and_tensors_give_one_value(name: str) -> None:
    """The picture shows what the run goes by."""
    spec = SURFACES[name]
    points = SOME[spec.dimension]
    by_array = spec.function(list(np.array(points).T), np)
    for point, value in zip(points, by_array.tolist(), strict=True):
        assert spec.at(point) == pytest.approx(value, rel=1e-12)
        assert float(value_at(spec, torch.tensor(point, dtype=torch.float64))) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("name", list(SURFACES))
def test_the_gradient_is_that_of_finite_differences(name: str) -> None:
    """Central ones, in float64."""
    spec, size = SURFACES[name], 1e-6
    for point in SOME[spec.dimension]:
        for axis, slope in enumerate(gradient(name, point)):
            ahead, behind = list(point), list(point)
            ahead[axis] += size
            behind[axis] -= size
            assert slope == pytest.approx((spec.at(ahead) - spec.at(behind)) / (2 * size), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", list(SURFACES))
def test_the_minima_and_traps_are_where_it_says(name: str) -> None:
    """The gradient is 0 at all of them; no point in view is lower than the minima, which are all as low."""
    spec = SURFACES[name]
    for point in (*spec.minima, *spec.traps):
        assert gradient(name, point) == pytest.approx([0.0] * spec.dimension, abs=1e-8)
    assert [spec.at(point) for point in spec.minima] == pytest.approx([spec.lowest] * len(spec.minima), abs=1e-9)
    axes = [np.linspace(low, high, 301) for low, high in spec.ranges]
    values = spec.function(list(np.meshgrid(*axes)), np)
    assert float(np.min(values)) >= spec.lowest - 1e-9
    assert float(np.min(values)) < spec.lowest + 0.5


@pytest.mark.parametrize("name", list(SURFACES))
def test_the_start_and_the_minima_are_in_view(name: str) -> None:
    """With the whole view inside of what is not lost."""
    spec = SURFACES[name]
    for point in (spec.start, *spec.minima):
        assert all(low < value < high for value, (low, high) in zip(point, spec.ranges, strict=True))
        assert not spec.is_lost(point)
    assert spec.is_lost([math.nan] * spec.dimension)
    assert spec.is_lost([1e6] * spec.dimension)


def test_a_value_that_no_float_holds_is_infinite() -> None:
    """Far away a power overflows: that is divergence, no error."""
    assert SURFACES["inflection"].at((1e100,)) == math.inf


def test_an_unknown_surface_is_refused_with_the_nearest() -> None:
    """As everywhere."""
    with pytest.raises(UnknownNameError, match='"ravine"'):
        surface_spec("ravin")
