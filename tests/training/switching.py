"""A small task on which switches of the optimizer are measured: the numbers behind the bar of the hand-over."""

from __future__ import annotations

import itertools
import statistics
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from tuitrain.protocol.events import Event, UpdateMeasured
from tuitrain.protocol.plan import Schedule, Value
from tuitrain.techniques import plan as plans
from tuitrain.techniques.build.groups import parameter_groups
from tuitrain.techniques.build.optimizers import OptimizerSet, hidden_matrices
from tuitrain.techniques.optimizers import optimizer_spec
from tuitrain.training.handover import Handover, Mode, carried_over, handover_steps
from tuitrain.training.updating import Switch, Updater

# Name → (table name, hyper-parameters, a sensible rate on this task).
CONTESTANTS: dict[str, tuple[str, dict[str, Value], float]] = {
    "momentum": ("sgd", {"momentum": 0.9}, 0.02),
    "nesterov": ("sgd", {"momentum": 0.9, "nesterov": True}, 0.02),
    "adagrad": ("adagrad", {}, 1e-2),
    "adadelta": ("adadelta", {}, 0.5),
    "rmsprop": ("rmsprop", {}, 5e-4),
    "adam": ("adam", {}, 1e-3),
    "adamw": ("adamw", {}, 1e-3),
    "nadam": ("nadam", {}, 1e-3),
    "radam": ("radam", {}, 1e-3),
    "muon": ("muon", {}, 1e-3),
}
# Those that came later, which the whole table of pairs would make too long.
NEWCOMERS: dict[str, tuple[str, dict[str, Value], float]] = {
    "adam-uncorrected": ("adam-uncorrected", {}, 1e-3),
    "adamax": ("adamax", {}, 2e-3),
    "lion": ("lion", {}, 1e-4),
    "sam": ("sam", {}, 0.02),
    "asgd": ("asgd", {}, 0.1),
    "schedule-free-sgd": ("schedule-free-sgd", {}, 0.3),
    "schedule-free-adamw": ("schedule-free-adamw", {}, 2.5e-3),
}
EVERY = {**CONTESTANTS, **NEWCOMERS}
PAIRS = list(itertools.permutations(CONTESTANTS, 2))
CONTEXTS = ("mid-cosine", "warmup", "after a decay")
BEFORE, AFTER, TOTAL = 150, 100, 500


@dataclass(frozen=True)
class Outcome:
    """What one switch did."""

    ratio: float
    """First update relative to the one before."""
    peak: float
    """Peak of the 10-step mean loss in the 100 steps after, relative to that before."""


def measure(before: str, after: str, context: str, seed: int, mode: Mode = "match") -> Outcome:
    """Train an MLP 32-128-128-10 on noisy labels of a random teacher, switch, and look at the updates and the loss."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(4096, 32, generator=generator)
    teacher = torch.randn(32, 10, generator=generator)
    labels = (inputs @ teacher + 4.0 * torch.randn(4096, 10, generator=generator)).argmax(dim=1)
    model = nn.Sequential(nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))
    name, values, rate = EVERY[before]
    groups = parameter_groups(model, decay_only_weights=False)
    optimizer = OptimizerSet(name, groups, values, hidden_matrices(model))
    # In warmup the switch falls into the last third of it; a mid-cosine switch is at 200 of 500 steps.
    warmup = 300 if context == "warmup" else 0
    plan = plans.first_plan(Schedule(name="cosine", num_steps=TOTAL, warmup_steps=warmup), {"all": rate})
    facts: list[Event] = []
    updater = Updater(optimizer, plan, None, facts.append)
    losses: list[float] = []
    swapped_at: int | None = None
    step = 0
    while swapped_at is None or step < swapped_at + AFTER:
        if step == BEFORE // 2 and context == "after a decay":
            updater.plan = plans.scaled(updater.plan, step, 0.3)
        if step == BEFORE:
            _begin(updater, after, step, mode)
        chosen = torch.randint(0, 4096, (64,), generator=generator)
        loss = functional.cross_entropy(model(inputs[chosen]), labels[chosen])
        loss.backward()  # type: ignore[no-untyped-call]
        updater.update(step, None)
        updater.optimizer.zero_grad()
        losses.append(loss.item())
        step += 1
        if swapped_at is None and step > BEFORE and updater.switch is None:
            swapped_at = step
    ratio = next(fact.ratio for fact in facts if isinstance(fact, UpdateMeasured))
    means = [statistics.fmean(losses[end - 10 : end]) for end in range(10, len(losses) + 1)]
    return Outcome(ratio, max(means[swapped_at - 9 :]) / means[swapped_at - 10])


def _begin(updater: Updater, after: str, step: int, mode: Mode) -> None:
    name, values, _ = EVERY[after]
    resolved, notes = carried_over(updater.optimizer, optimizer_spec(name), values)
    num_steps = 1 if mode == "cold" else handover_steps(name, resolved, TOTAL - step)
    handover = Handover(updater.optimizer, name, resolved, mode, num_steps)
    updater.begin(Switch(handover, name, step, "test", 0, None, notes))
