"""How far a weight moves under a constant gradient, in units of the rate: what each optimizer's memory does."""

from __future__ import annotations

import pytest

from tests.techniques.one_weight import moves, one_weight
from tuitrain.protocol.plan import Value

# Optimizer → hyper-parameters, then step → distance relative to the rate, as measured with torch 2.15.
SIZES: list[tuple[str, dict[str, Value], dict[int, float]]] = [
    ("sgd", {}, {1: 0.3, 100: 0.3}),
    ("sgd", {"momentum": 0.9}, {1: 0.3, 2: 0.57, 200: 3.0}),
    ("adam", {}, {1: 1.0, 2: 1.0, 10: 1.0, 1000: 1.0}),
    ("adamax", {}, {1: 1.0, 2: 1.0, 100: 1.0}),
    ("adam-uncorrected", {}, {1: 3.162, 12: 6.569, 100: 3.241}),
    ("adam-uncorrected", {"beta1": 0.0}, {1: 31.62}),
    ("adam-uncorrected", {"beta1": 0.0, "beta2": 0.9}, {1: 3.162}),
    ("rmsprop", {}, {1: 10.0, 2: 7.09, 10: 3.23, 100: 1.26, 1000: 1.00}),
    ("rmsprop", {"alpha": 0.9}, {1: 3.162}),
    ("adagrad", {}, {1: 1.0, 2: 0.707, 10: 0.316, 100: 0.1, 1000: 0.0316}),
    ("radam", {}, {1: 0.3, 5: 0.3, 10: 0.049, 100: 0.215, 1000: 0.645}),
    ("nadam", {}, {1: 1.057, 2: 0.784, 10: 0.843, 100: 1.0, 1000: 1.0}),
    ("adadelta", {}, {1: 0.0032, 2: 0.0032, 10: 0.0035, 100: 0.0047, 1000: 0.0106}),
    ("lion", {}, {1: 1.0, 2: 1.0, 100: 1.0}),
    ("rprop", {}, {1: 1.0, 2: 1.2, 3: 1.44}),
    ("schedule-free-sgd", {}, {1: 0.3}),
    ("schedule-free-adamw", {}, {1: 1.0}),
]


@pytest.mark.parametrize(("name", "values", "sizes"), SIZES, ids=[f"{name} {values}" for name, values, _ in SIZES])
def test_steps_under_a_constant_gradient_have_their_sizes(
    name: str, values: dict[str, Value], sizes: dict[int, float]
) -> None:
    """Adam exactly the rate, RMSprop ten times as much at first, AdaGrad 1/√t, and so on."""
    rate = 0.01
    found = moves(*one_weight(name, rate, **values), max(sizes))
    for step, size in sizes.items():
        assert found[step - 1] / rate == pytest.approx(size, rel=0.02)


def test_adam_moves_by_the_rate_exactly() -> None:
    """Both means are bias-corrected; only eps is left."""
    assert moves(*one_weight("adam", 0.01), 3) == pytest.approx([0.01] * 3, rel=1e-6)


def test_without_bias_correction_the_largest_step_is_the_twelfth() -> None:
    """6.57 times the rate."""
    found = moves(*one_weight("adam-uncorrected", 0.01), 200)
    assert found.index(max(found)) == 11
    assert max(found) == pytest.approx(0.06569, rel=1e-3)


@pytest.mark.parametrize("name", ["adam", "adamax", "lion", "rmsprop", "adagrad"])
def test_the_size_of_the_gradient_does_not_matter(name: str) -> None:
    """Steps are relative: a gradient a thousand times as large moves as far."""
    small, large = one_weight(name, 0.01), one_weight(name, 0.01)
    for weight, gradient in ((small[0], 1e-2), (large[0], 10.0)):
        weight.grad = weight.detach() + gradient
    small[1].step()
    large[1].step()
    assert small[0].item() == pytest.approx(large[0].item(), rel=1e-4)
