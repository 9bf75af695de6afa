"""An optimizer of the table is torch's own, bit for bit, and takes changes without forgetting too much."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.techniques.one_weight import give_gradients, model, moves, one_weight, ours
from tuitrain.errors import UsageError
from tuitrain.protocol.plan import Value
from tuitrain.techniques.build.groups import parameter_groups
from tuitrain.techniques.build.optimizers import hidden_matrices
from tuitrain.techniques.optimizers import OPTIMIZERS

Tensors = Iterable[Tensor]
Theirs = Callable[[Tensors, float], torch.optim.Optimizer]

# Table name → (hyper-parameters other than the defaults, the same in torch's words).
CASES: dict[str, tuple[dict[str, Value], Theirs]] = {
    "sgd": (
        {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        lambda tensors, lr: torch.optim.SGD(tensors, lr=lr, momentum=0.9, nesterov=True, weight_decay=0.1),
    ),
    "adagrad": ({"eps": 1e-3}, lambda tensors, lr: torch.optim.Adagrad(tensors, lr=lr, eps=1e-3)),
    "adadelta": ({"rho": 0.8}, lambda tensors, lr: torch.optim.Adadelta(tensors, lr=lr, rho=0.8)),
    "rmsprop": ({"alpha": 0.9}, lambda tensors, lr: torch.optim.RMSprop(tensors, lr=lr, alpha=0.9)),
    "adam": (
        {"beta1": 0.8, "beta2": 0.95, "weight_decay": 0.1},
        lambda tensors, lr: torch.optim.Adam(tensors, lr=lr, betas=(0.8, 0.95), weight_decay=0.1),
    ),
    "adamw": ({"weight_decay": 0.1}, lambda tensors, lr: torch.optim.AdamW(tensors, lr=lr, weight_decay=0.1)),
    "nadam": (
        {"momentum_decay": 0.01},
        lambda tensors, lr: torch.optim.NAdam(tensors, lr=lr, momentum_decay=0.01),
    ),
    "radam": ({"beta1": 0.7}, lambda tensors, lr: torch.optim.RAdam(tensors, lr=lr, betas=(0.7, 0.999))),
    "asgd": (
        {"lambd": 0.1, "alpha": 0.5, "t0": 5.0, "weight_decay": 0.1},
        lambda tensors, lr: torch.optim.ASGD(tensors, lr=lr, lambd=0.1, alpha=0.5, t0=5, weight_decay=0.1),
    ),
    "rprop": (
        {"eta_minus": 0.4, "eta_plus": 1.3, "step_min": 1e-3, "step_max": 0.1},
        lambda tensors, lr: torch.optim.Rprop(tensors, lr=lr, etas=(0.4, 1.3), step_sizes=(1e-3, 0.1)),
    ),
    "adamax": (
        {"beta2": 0.9, "weight_decay": 0.1},
        lambda tensors, lr: torch.optim.Adamax(tensors, lr=lr, betas=(0.9, 0.9), weight_decay=0.1),
    ),
    "adafactor": (
        {"beta2_decay": -0.5, "eps2": 1e-2, "d": 2.0, "weight_decay": 0.1},
        lambda tensors, lr: torch.optim.Adafactor(
            tensors, lr=lr, beta2_decay=-0.5, eps=(None, 1e-2), d=2.0, weight_decay=0.1
        ),
    ),
    # What makes it sharpness-aware is done around it: tests/training/test_sharpness.py.
    "sam": (
        {"rho": 0.1, "momentum": 0.8, "weight_decay": 0.1},
        lambda tensors, lr: torch.optim.SGD(tensors, lr=lr, momentum=0.8, weight_decay=0.1),
    ),
    "muon": ({}, lambda tensors, lr: _muon(tensors, lr)),  # noqa: PLW0108  # defined below
}
# Compared with their formulas, or with the package that they come from: test_own_optimizers.py, test_schedule_free.py.
OWN = {"adam-uncorrected", "lion", "schedule-free-sgd", "schedule-free-adamw", "newton"}
CLASSES: dict[str, Any] = {
    "sgd": torch.optim.SGD, "rmsprop": torch.optim.RMSprop, "adamw": torch.optim.AdamW, "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam, "asgd": torch.optim.ASGD,
    "sam": lambda tensors, lr: torch.optim.SGD(tensors, lr=lr, momentum=0.9),
}  # fmt: skip


class _Pair(torch.optim.Optimizer):
    """Muon for the hidden matrix, AdamW for the rest, stepped together."""

    def __init__(self, hidden: list[Tensor], rest: list[Tensor], lr: float) -> None:
        super().__init__([*hidden, *rest], {})
        self.both: list[torch.optim.Optimizer] = [
            torch.optim.Muon(hidden, lr=lr, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(rest, lr=lr),
        ]

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for optimizer in self.both:
            optimizer.step()


def _muon(tensors: Tensors, lr: float) -> torch.optim.Optimizer:
    """`tensors` are those of `model()`: of its three weights the first two are hidden."""
    first, first_bias, second, second_bias, last, last_bias = tensors
    return _Pair([first, second], [first_bias, second_bias, last, last_bias], lr)


def test_every_optimizer_of_the_table_is_compared_with_torch() -> None:
    """A new entry must be added above."""
    assert set(CASES) | OWN | {"lbfgs"} == set(OPTIMIZERS)


@pytest.mark.parametrize("has_defaults", [True, False], ids=["defaults", "other values"])
@pytest.mark.parametrize("name", list(CASES))
def test_an_optimizer_is_that_of_torch_bit_for_bit(name: str, has_defaults: bool) -> None:
    """Twenty steps on the same gradients, the rate changing on the way."""
    values, theirs_of = CASES[name]
    mine, other = model(), model()
    optimizer = ours(name, mine, {} if has_defaults else values)
    if has_defaults and name != "muon":
        make = CLASSES.get(name) or getattr(torch.optim, name.capitalize())
        theirs = make(other.parameters(), lr=0.01)
    else:
        theirs = theirs_of(list(other.parameters()), 0.01)
    for step in range(20):
        rate = 0.01 if step < 10 or name == "asgd" else 0.003  # torch's ASGD follows a new rate one step late
        optimizer.write_rates({"all": rate})
        for part in getattr(theirs, "both", [theirs]):
            part.param_groups[0]["lr"] = rate
        give_gradients(mine.parameters(), step)
        give_gradients(other.parameters(), step)
        optimizer.step()
        theirs.step()
    pairs = list(zip(mine.parameters(), other.parameters(), strict=True))
    if name == "muon":  # torch's iterates in bfloat16, ours in float32 on a CPU
        assert all(torch.allclose(one, two, atol=2e-3) for one, two in pairs)
    else:
        assert all(torch.equal(one, two) for one, two in pairs)


def test_momentum_that_went_to_zero_comes_back_without_a_stale_velocity() -> None:
    """0.9 → 0 → 0.9 goes on as a new SGD with momentum would; torch's own buffer would come back."""
    weight, optimizer = one_weight("sgd", 0.1, momentum=0.9)
    moves(weight, optimizer, 10)
    notes = optimizer.set_hyperparameter("momentum", 0.0)
    assert "stale" in notes[0]
    assert moves(weight, optimizer, 3) == pytest.approx([0.03] * 3)
    assert optimizer.set_hyperparameter("momentum", 0.9) == []
    assert moves(weight, optimizer, 3) == pytest.approx(moves(*one_weight("sgd", 0.1, momentum=0.9), 3))


def test_a_change_of_momentum_keeps_the_velocity() -> None:
    """Only 0 drops it."""
    weight, optimizer = one_weight("sgd", 0.1, momentum=0.9)
    last = moves(weight, optimizer, 10)[-1]
    optimizer.set_hyperparameter("momentum", 0.5)
    assert moves(weight, optimizer, 1)[0] == pytest.approx(0.5 * last + 0.03)


def test_a_change_for_one_group_stays_there_when_something_else_changes_for_all() -> None:
    """Each group has its own values: beta1 of the weights does not leak to the biases with the next eps."""
    optimizer = ours("adam", model(), {}, decay_only_weights=True)
    optimizer.set_hyperparameter("beta1", 0.5, ["weights"])
    optimizer.set_hyperparameter("eps", 1e-5)
    groups = {group.name: group.hyperparameters for group in optimizer.state(None).groups}
    assert (groups["weights"]["beta1"], groups["biases and norms"]["beta1"]) == (0.5, 0.9)
    assert {group["eps"] for group in groups.values()} == {1e-5}


def test_biases_stay_free_of_decay_whatever_is_set() -> None:
    """Their group has none from the start and after a change."""
    optimizer = ours("adamw", model(), {"weight_decay": 0.1}, decay_only_weights=True)
    optimizer.set_hyperparameter("weight_decay", 0.3)
    decays = {group.name: group.hyperparameters["weight_decay"] for group in optimizer.state(None).groups}
    assert decays == {"weights": 0.3, "biases and norms": 0.0}


def test_the_two_decays_of_muon_are_set_apart() -> None:
    """That of the hidden matrices, and that of the rest, which AdamW works on."""
    optimizer = ours("muon", model(), {"adamw_weight_decay": 0.02})
    optimizer.set_hyperparameter("weight_decay", 0.3)
    parts = {part.inner: part.optimizer.param_groups[0] for part in optimizer.parts}
    assert (parts["muon"]["weight_decay"], parts["adamw"]["weight_decay"]) == (0.3, 0.02)
    optimizer.set_hyperparameter("adamw_weight_decay", 0.05)
    assert (parts["muon"]["weight_decay"], parts["adamw"]["weight_decay"]) == (0.3, 0.05)
    assert "momentum" not in parts["adamw"]


@pytest.mark.parametrize(
    ("name", "values", "change", "said"),
    [
        ("adam", {}, ("momentum", 0.9), "adam has no momentum"),
        ("nadam", {}, ("momentum_decay", 0.1), "cannot change while it has state"),
        ("asgd", {}, ("lambd", 0.1), "cannot change while it has state"),
        ("lbfgs", {}, ("history_size", 3), "cannot change while it has state"),
        ("schedule-free-adamw", {}, ("beta1", 0.5), "cannot change while it has state"),
        ("rprop", {}, ("weight_decay", 0.1), "rprop has no weight_decay"),
        ("sgd", {"momentum": 0.9, "nesterov": True}, ("momentum", 0.0), "nesterov needs momentum"),
        ("sgd", {}, ("nesterov", True), "nesterov needs momentum"),
    ],
)
def test_what_would_crash_at_the_next_step_is_refused(
    name: str, values: dict[str, Value], change: tuple[str, Value], said: str
) -> None:
    """torch takes it silently; here nothing is changed."""
    optimizer = ours(name, model(), values)
    before = repr(optimizer.state(None))
    with pytest.raises(UsageError, match=said):
        optimizer.set_hyperparameter(*change)
    assert repr(optimizer.state(None)) == before


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_the_state_of_every_optimizer_is_plain_data(name: str) -> None:
    """It loads where nothing can run code, with the names of the parameters."""
    network = model()
    optimizer = ours(name, network, {})
    give_gradients(network.parameters(), 0)
    optimizer.step(lambda: sum(parameter.square().sum() for parameter in network.parameters()))  # type: ignore[arg-type, return-value]
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    loaded = torch.load(file, weights_only=True)
    names = {parameter for part in loaded["parts"] for parameter in part["parameters"]}
    assert names == {parameter for parameter, _ in network.named_parameters()}
    assert all(part["state"]["state"] for part in loaded["parts"] if part["inner"] not in {"sgd", "newton"})


def test_sam_without_momentum_forgets_its_velocity_too() -> None:
    """It is an SGD underneath."""
    weight, optimizer = one_weight("sam", 0.1)
    moves(weight, optimizer, 10)
    assert "stale" in optimizer.set_hyperparameter("momentum", 0.0)[0]
    optimizer.set_hyperparameter("momentum", 0.9)
    assert moves(weight, optimizer, 3) == pytest.approx(moves(*one_weight("sam", 0.1), 3))


def test_muon_takes_hidden_matrices_and_no_convolution() -> None:
    """Linear maps only, without the last one."""
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
    assert hidden_matrices(network) == {"2.weight"}
    groups = parameter_groups(network, decay_only_weights=True)
    assert [[name for name, _ in group.parameters] for group in groups] == [
        ["0.weight", "2.weight", "4.weight"],
        ["0.bias", "2.bias", "3.weight", "3.bias", "4.bias"],
    ]
