"""Gradients taken elsewhere or more than once: SAM, L-BFGS; and averages that are evaluated and never trained."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.training.harness import build, finish, told, weights
from tuitrain.protocol.events import EvalFinished
from tuitrain.training.sharpness import ascend_and_return

RHO, RATE = 0.2, 0.05
SAM = ("optimizer.name=sam", f"optimizer.rho={RHO}", f"optimizer.lr={RATE}", "task.norm=batch", "task.hidden=[32]")
FULL = ("train.batch_size=full", "task.num_train=150", "task.hidden=[16]", "optimizer.name=lbfgs")


def same(one: list[Tensor], two: list[Tensor]) -> bool:
    return all(torch.equal(mine, theirs) for mine, theirs in zip(one, two, strict=True))


def buffers(model: nn.Module) -> list[Tensor]:
    return [buffer.clone() for buffer in model.buffers()]


def test_sam_is_sgd_on_the_gradient_at_the_worst_point_nearby() -> None:
    """Against a loop that takes the second gradient on a copy of the model: weights and running statistics alike."""
    result = told(*SAM, "train.steps=12")
    reference = build(*SAM, "train.steps=12")
    model = reference.task.model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9)
    losses = []
    for _ in range(12):
        x, y = reference.batches.next()
        loss = functional.cross_entropy(model(x), y)
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        norm = torch.sqrt(sum((gradient**2).sum() for gradient in gradients))  # type: ignore[arg-type]
        climbed = copy.deepcopy(model)
        with torch.no_grad():
            for parameter, gradient in zip(climbed.parameters(), gradients, strict=True):
                parameter.add_(gradient, alpha=RHO / norm.item())
        functional.cross_entropy(climbed(x), y).backward()  # type: ignore[no-untyped-call]
        for mine, other in zip(model.parameters(), climbed.parameters(), strict=True):
            mine.grad = other.grad
        optimizer.step()
        losses.append(loss.item())
    assert result.losses == pytest.approx(losses, rel=1e-4)
    trained = result.trainer.task.model
    for one, two in zip(trained.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-3)
    for had, has in zip(trained.buffers(), model.buffers(), strict=True):
        torch.testing.assert_close(had, has, atol=1e-4, rtol=1e-3)


def test_ascending_brings_weights_and_statistics_back_bit_for_bit() -> None:
    """Weights whose sum with the step rounds away; the gradients are those of the point visited."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1e-4)
    x = torch.randn(16, 4)
    visited: list[list[Tensor]] = []

    def backward() -> Tensor:
        visited.append([parameter.detach().clone() for parameter in model.parameters()])
        loss: Tensor = model(x).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    backward()
    first = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    before, statistics = [parameter.detach().clone() for parameter in model.parameters()], buffers(model)
    ascend_and_return(model, list(model.parameters()), 0.5, backward)
    assert same([parameter.detach() for parameter in model.parameters()], before)
    assert same(buffers(model), statistics)
    distance = torch.sqrt(sum(((a - b).double() ** 2).sum() for a, b in zip(visited[1], before, strict=True)))  # type: ignore[arg-type]
    assert distance.item() == pytest.approx(0.5, rel=1e-2)
    assert not same([parameter.grad for parameter in model.parameters() if parameter.grad is not None], first)


def test_sam_without_a_distance_is_sgd() -> None:
    """ρ = 0 takes one gradient a step."""
    sgd = (
        "optimizer.name=sgd",
        "optimizer.momentum=0.9",
        f"optimizer.lr={RATE}",
        "task.norm=batch",
        "task.hidden=[32]",
    )
    assert told(*SAM, "optimizer.rho=0").losses == told(*sgd).losses
    assert told(*SAM).losses != told(*sgd).losses


def test_rho_changes_live_from_the_next_step_on() -> None:
    """The update of step 11 is the first with it."""
    moment = {"at_step": 10, "do": "set_hyperparameter", "name": "rho", "value": 0.0}
    changed, plain = told(*SAM, moments=[moment]).losses, told(*SAM).losses
    assert changed[:11] == plain[:11]
    assert changed[11] != plain[11]


def counted(*overrides: str) -> tuple[Any, list[int]]:
    """A trainer that counts the loss evaluations of training."""
    trainer = build(*overrides)
    calls, compute = [0], trainer.task.criterion.training_loss

    def counting(outputs: Tensor, targets: Tensor) -> Tensor:
        calls[0] += 1
        return compute(outputs, targets)

    trainer.task.criterion.training_loss = counting  # type: ignore[method-assign]
    return trainer, calls


def test_lbfgs_is_that_of_torch_and_computes_no_gradient_twice() -> None:
    """The first evaluation of a step is the one that the loop has made anyway."""
    trainer, calls = counted(*FULL, "train.steps=6", "optimizer.max_iter=5")
    start = build(*FULL)
    model, (x, y) = start.task.model.train(), (start.task.train.x, start.task.train.y)
    theirs = torch.optim.LBFGS(model.parameters(), lr=1.0, max_iter=5, max_eval=25, history_size=10,
                               line_search_fn="strong_wolfe")  # fmt: skip
    evaluations = 0

    def closure() -> float:
        nonlocal evaluations
        evaluations += 1
        theirs.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    losses = [float(theirs.step(closure)) for _ in range(6)]  # type: ignore[no-untyped-call]
    result = finish(trainer)
    assert result.losses == losses
    assert same(weights(trainer), [parameter.detach() for parameter in model.parameters()])
    assert calls[0] == evaluations
    assert result.losses[-1] < 0.01 * result.losses[0]


def test_sam_takes_two_gradients_a_step_and_others_one() -> None:
    """What it costs."""
    for name, expected in (("sam", 20), ("sgd", 10)):
        trainer, calls = counted(f"optimizer.name={name}", "train.steps=10")
        finish(trainer)
        assert calls[0] == expected


AVERAGING = {
    "schedule-free-sgd": ("optimizer.lr=0.5",),
    "schedule-free-adamw": (),
    "asgd": ("optimizer.t0=10", "optimizer.lr=0.1"),
}


@pytest.mark.parametrize("name", list(AVERAGING))
def test_evaluating_an_average_changes_nothing_and_is_of_the_average(name: str) -> None:
    """At every step or never: one stream; and what is told is the loss of the average, not of what is trained."""
    overrides = (f"optimizer.name={name}", *AVERAGING[name], "regularize.dropout=0.3", "train.steps=30")
    often, seldom = told(*overrides, "eval.every_steps=1"), told(*overrides)
    assert often.losses == seldom.losses
    assert same(weights(often.trainer), weights(seldom.trainer))
    trainer = often.trainer
    task = trainer.task
    task.model.eval()

    def loss() -> float:
        with torch.no_grad():
            return functional.cross_entropy(task.model(task.validation.x), task.validation.y).item()

    trained = loss()
    with trainer.updater.optimizer.evaluated_weights():
        averaged = loss()
    evaluated = often.all(EvalFinished)[-1].metrics["eval/loss"]
    assert evaluated == pytest.approx(averaged, rel=1e-5)
    assert evaluated != pytest.approx(trained, rel=1e-3)


@pytest.mark.parametrize("overrides", [("optimizer.lookahead_steps=5",), ("optimizer.layer_decay=0.5",)])
def test_lookahead_and_layer_decay_act_in_a_run(overrides: tuple[str, ...]) -> None:
    """Another path, and the rates of the groups as the preset says."""
    result = told(*overrides)
    assert result.losses != told().losses
    if "layer_decay" in overrides[0]:
        assert result.trainer.updater.rates(40) == pytest.approx({"lin_2": 1e-3, "lin_1": 5e-4})
    else:
        assert result.losses[:5] == told().losses[:5]
        assert result.losses[5] != told().losses[5]


def test_one_cycle_moves_rate_and_momentum_of_what_is_trained() -> None:
    """Of SGD and of Adam, as torch's OneCycleLR writes both."""
    for name, key in (("sgd", "momentum"), ("adam", "betas")):
        trainer = build(f"optimizer.name={name}", "optimizer.lr=0.1", "schedule.name=one-cycle", "train.steps=20")
        trainer.task.model.train()
        theirs = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=0.1)
        cycle = torch.optim.lr_scheduler.OneCycleLR(theirs, 0.1, 20)
        for _ in range(20):
            trainer._take_step()
            group = trainer.updater.optimizer.parts[0].optimizer.param_groups[0]
            momentum = group[key][0] if key == "betas" else group[key]
            assert momentum == pytest.approx(theirs.param_groups[0]["betas"][0])
            assert group["lr"] == pytest.approx(theirs.param_groups[0]["lr"])
            theirs.step()
            cycle.step()
