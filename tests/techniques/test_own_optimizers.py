"""The optimizers that torch lacks, against their papers in float64 numpy."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from tests.techniques.one_weight import give_gradients, model, one_weight, ours
from tuitrain.techniques.build.lookahead import Lookahead

STEPS = 30
RATES = [0.01 if step < 12 else 0.004 for step in range(STEPS)]


def double_model() -> nn.Module:
    """The small model in float64."""
    return model().double()


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_uncorrected_adam_is_the_paper_without_its_correction(decay: float) -> None:
    """m, v, and w ← w − lr · m / (√v + eps); L2 decay goes through the gradient."""
    network = double_model()
    optimizer = ours("adam-uncorrected", network, {"beta1": 0.8, "beta2": 0.95, "weight_decay": decay})
    bias = network.get_parameter("2.weight")
    w = bias.detach().numpy().copy()
    m, v = np.zeros_like(w), np.zeros_like(w)
    for step, rate in enumerate(RATES):
        give_gradients(network.parameters(), step)
        assert bias.grad is not None
        gradient = bias.grad.numpy() + decay * w
        m = 0.8 * m + 0.2 * gradient
        v = 0.95 * v + 0.05 * gradient**2
        w = w - rate * m / (np.sqrt(v) + 1e-8)
        optimizer.write_rates({"all": rate})
        optimizer.step()
    np.testing.assert_allclose(bias.detach().numpy(), w, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_lion_is_algorithm_2_of_its_paper(decay: float) -> None:
    """The sign of a mix, decoupled decay with the weights as they were, and the momentum after it."""
    network = double_model()
    optimizer = ours("lion", network, {"beta1": 0.85, "beta2": 0.97, "weight_decay": decay})
    weight = network.get_parameter("0.weight")
    w = weight.detach().numpy().copy()
    m = np.zeros_like(w)
    for step, rate in enumerate(RATES):
        give_gradients(network.parameters(), step)
        assert weight.grad is not None
        gradient = weight.grad.numpy()
        w = w - rate * (np.sign(0.85 * m + 0.15 * gradient) + decay * w)
        m = 0.97 * m + 0.03 * gradient
        optimizer.write_rates({"all": rate})
        optimizer.step()
    np.testing.assert_allclose(weight.detach().numpy(), w, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("num_steps", "alpha"), [(5, 0.5), (3, 0.8), (1, 0.5), (4, 1.0)])
def test_lookahead_is_algorithm_1_of_its_paper(num_steps: int, alpha: float) -> None:
    """k steps of the inner optimizer from the slow weights, then the slow weights follow by α."""
    network = double_model()
    weight = network.get_parameter("4.weight")
    slow = weight.detach().numpy().copy()
    optimizer = ours("sgd", network, {"momentum": 0.9})
    lookahead = Lookahead(list(network.parameters()), num_steps, alpha)
    fast, velocity = slow.copy(), np.zeros_like(slow)
    for step in range(24):
        give_gradients(network.parameters(), step)
        assert weight.grad is not None
        velocity = 0.9 * velocity + weight.grad.numpy()
        fast = fast - 0.01 * velocity
        if (step + 1) % num_steps == 0:
            slow = slow + alpha * (fast - slow)
            fast = slow.copy()
        optimizer.write_rates({"all": 0.01})
        optimizer.step()
        lookahead.after_step(step + 1)
        np.testing.assert_allclose(weight.detach().numpy(), fast, rtol=1e-11, atol=1e-13)
    assert lookahead.state_dict()["count"] == 24


def test_lbfgs_is_that_of_torch_with_a_strong_wolfe_search() -> None:
    """The same closure gives the same weights, step by step, and it reaches the least squares."""
    torch.manual_seed(1)
    x, y = torch.randn(60, 6, dtype=torch.float64), torch.randn(60, 3, dtype=torch.float64)
    mine, theirs = double_model(), double_model()
    optimizer = ours("lbfgs", mine, {"max_iter": 7})
    other = torch.optim.LBFGS(theirs.parameters(), lr=1.0, max_iter=7, max_eval=25, history_size=10,
                              line_search_fn="strong_wolfe")  # fmt: skip

    def loss_of(network: nn.Module) -> torch.Tensor:
        network.zero_grad()
        loss = nn.functional.mse_loss(network(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.write_rates({"all": 1.0})
    begin = loss_of(mine).item()
    for _ in range(8):
        optimizer.step(lambda: loss_of(mine))
        other.step(lambda: loss_of(theirs).item())  # type: ignore[no-untyped-call]
        pairs = zip(mine.parameters(), theirs.parameters(), strict=True)
        assert all(torch.equal(one, two) for one, two in pairs)
    assert loss_of(mine).item() < 0.6 * begin


def test_asgd_follows_a_new_rate_at_once() -> None:
    """torch computes its step one ahead, so that a new rate would act one step late."""
    weight, optimizer = one_weight("asgd", 0.1, lambd=0.0)
    distances = []
    for rate in (0.1, 0.1, 0.01, 0.01, 0.5):
        before = weight.item()
        weight.grad = torch.ones_like(weight)
        optimizer.write_rates({"all": rate})
        optimizer.step()
        distances.append(before - weight.item())
    assert distances == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.5])


def test_asgd_averages_from_t0_on() -> None:
    """Before it the weights themselves are evaluated, after it their mean; torch begins one step after t0."""
    weight, optimizer = one_weight("asgd", 0.1, lambd=0.0, t0=4.0)
    seen = []
    for step in range(1, 11):
        weight.grad = torch.ones_like(weight)
        optimizer.step()
        seen.append(weight.item())
        with optimizer.evaluated_weights():
            evaluated = weight.item()
        assert evaluated == pytest.approx(seen[-1] if step <= 5 else np.mean(seen[5:]))
        assert weight.item() == seen[-1]


def test_an_own_optimizer_leaves_a_parameter_without_gradient_alone() -> None:
    """A frozen layer does not move, and gets no state."""
    for name in ("lion", "adam-uncorrected", "schedule-free-sgd", "schedule-free-adamw"):
        network = model()
        optimizer = ours(name, network, {"weight_decay": 0.1})
        give_gradients(network.parameters(), 0)
        frozen = network.get_parameter("0.weight")
        frozen.grad = None
        before = copy.deepcopy(frozen.detach())
        optimizer.step()
        assert torch.equal(frozen, before)
        assert not optimizer.parts[0].optimizer.state.get(frozen)
