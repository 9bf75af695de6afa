"""Schedule-free SGD and AdamW are those of their authors' package, and evaluate their average."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.techniques.one_weight import give_gradients, model, ours
from tuitrain.protocol.plan import Value
from tuitrain.techniques.build.optimizers import OptimizerSet

schedulefree = pytest.importorskip("schedulefree")

WARMUP, STEPS = 8, 40
CASES: list[tuple[str, dict[str, Value], dict[str, Any]]] = [
    ("schedule-free-sgd", {}, {"momentum": 0.9}),
    ("schedule-free-sgd", {"beta1": 0.95, "weight_decay": 0.1}, {"momentum": 0.95, "weight_decay": 0.1}),
    ("schedule-free-adamw", {}, {"betas": (0.9, 0.999)}),
    (
        "schedule-free-adamw",
        {"beta1": 0.8, "beta2": 0.95, "weight_decay": 0.1, "eps": 1e-4},
        {"betas": (0.8, 0.95), "weight_decay": 0.1, "eps": 1e-4},
    ),
]


def both(
    name: str, mine: dict[str, Value], theirs: dict[str, Any]
) -> tuple[list[Tensor], OptimizerSet, list[Tensor], Any]:
    """Ours and the authors', each on its own copy of the model."""
    networks = model().double(), model().double()
    tensors, others = ([*map(Tensor.requires_grad_, network.parameters())] for network in networks)
    make = schedulefree.SGDScheduleFree if name.endswith("sgd") else schedulefree.AdamWScheduleFree
    return tensors, ours(name, networks[0], mine), others, make(others, lr=0.05, warmup_steps=WARMUP, **theirs)


@pytest.mark.parametrize(("name", "mine", "theirs"), CASES)
def test_it_is_that_of_its_authors_in_training_and_when_evaluated(
    name: str, mine: dict[str, Value], theirs: dict[str, Any]
) -> None:
    """Forty steps with a warmup, which the plan gives us and the package does itself; then the average."""
    tensors, optimizer, others, reference = both(name, mine, theirs)
    reference.train()
    for step in range(STEPS):
        give_gradients(tensors, step)
        give_gradients(others, step)
        optimizer.write_rates({"all": 0.05 * min(1.0, (step + 1) / WARMUP)})
        optimizer.step()
        reference.step()
        for one, two in zip(tensors, others, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-11, atol=1e-13)
    reference.eval()
    trained = [tensor.detach().clone() for tensor in tensors]
    with optimizer.evaluated_weights():
        for one, two, before in zip(tensors, others, trained, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-11)
            assert not torch.allclose(one, before)
    assert all(torch.equal(one, before) for one, before in zip(tensors, trained, strict=True))


def test_the_average_weighs_each_point_by_its_rate_squared() -> None:
    """With a constant rate x is the mean of all z: the definition, not the package."""
    weight = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    from tuitrain.techniques.build.groups import ParameterGroup

    optimizer = OptimizerSet("schedule-free-sgd", [ParameterGroup("all", (("w", weight),))], {})
    optimizer.write_rates({"all": 0.1})
    z, points = 0.0, []
    for step in range(20):
        gradient = float((-1) ** step) + 0.2
        weight.grad = torch.full_like(weight, gradient)
        optimizer.step()
        z -= 0.1 * gradient
        points.append(z)
    with optimizer.evaluated_weights():
        assert weight.item() == pytest.approx(sum(points) / len(points), abs=1e-12)


def test_evaluated_weights_are_put_back_when_the_evaluation_fails() -> None:
    """And before the first step they are the weights themselves."""
    network = model()
    optimizer = ours("schedule-free-adamw", network)
    begin = [tensor.detach().clone() for tensor in network.parameters()]
    with optimizer.evaluated_weights():
        assert all(torch.equal(one, two) for one, two in zip(network.parameters(), begin, strict=True))
    for step in range(3):
        give_gradients(network.parameters(), step)
        optimizer.step()
    trained = [tensor.detach().clone() for tensor in network.parameters()]
    with pytest.raises(RuntimeError), optimizer.evaluated_weights():
        raise RuntimeError
    assert all(torch.equal(one, two) for one, two in zip(network.parameters(), trained, strict=True))
