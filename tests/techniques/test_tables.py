"""The tables of optimizers and schedules: every entry, by being in the table, is tested here."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuitrain.errors import CommandError, UnknownNameError
from tuitrain.protocol.commands import Command, PreviewSwitch, SetHyperparameter, SetSchedule, SwitchOptimizer
from tuitrain.protocol.plan import Schedule
from tuitrain.techniques.checking import check_command, known_hyperparameters
from tuitrain.techniques.hyperparameter import Hyperparameter, problems_with
from tuitrain.techniques.optimizer_spec import OptimizerSpec
from tuitrain.techniques.optimizers import OPTIMIZERS, optimizer_spec, split_betas
from tuitrain.techniques.schedules import SCHEDULES, ScheduleSpec, factor, schedule_spec

SPECS: list[OptimizerSpec | ScheduleSpec] = [*OPTIMIZERS.values(), *SCHEDULES.values()]
EVERY = [(spec.name, item) for spec in SPECS for item in spec.hyperparameters]


@pytest.mark.parametrize("spec", OPTIMIZERS.values(), ids=lambda spec: spec.name)
def test_an_optimizer_of_the_table_explains_itself_and_its_defaults_are_allowed(spec: OptimizerSpec) -> None:
    """Words for a person, a rate above 0, defaults within their own ranges, a decay it really has."""
    assert all((spec.summary, spec.paper, spec.good_for, spec.watch))
    assert spec.learning_rate > 0
    resolved = spec.resolved({})
    assert resolved.keys() == spec.by_name.keys()
    assert problems_with(spec.name, spec.hyperparameters, resolved) == []
    assert ("weight_decay" in spec.by_name) == (spec.decay != "none")
    assert spec.momentum_name in {"", *spec.by_name}
    check_command(SwitchOptimizer(name=spec.name, hyperparameters=resolved))


@pytest.mark.parametrize("spec", SCHEDULES.values(), ids=lambda spec: spec.name)
def test_a_schedule_of_the_table_starts_at_one_and_never_rises_but_for_those_that_cycle(spec: ScheduleSpec) -> None:
    """With its defaults, and something for what must be given; its durations and rates are names it has."""
    values: dict[str, Any] = {"step_size": 7.0, "milestones": [5.0, 50.0], "cycle": 16.0}
    given: dict[str, Any] = {
        item.name: item.default if item.default is not None else values[item.name] for item in spec.hyperparameters
    }
    assert problems_with(spec.name, spec.hyperparameters, given) == []
    assert {*spec.durations, *spec.rates} <= spec.by_name.keys()
    shape = [factor(Schedule(name=spec.name, num_steps=60, hyperparameters=given), step) for step in range(90)]
    assert all(0.0 <= height <= 1.0 for height in shape)
    if spec.name in {"triangular", "sgdr", "one-cycle"}:
        assert max(shape) == pytest.approx(1.0, abs=0.01)
        assert any(later > earlier for earlier, later in itertools.pairwise(shape))
    else:
        assert shape[0] == 1.0
        assert all(later <= earlier for earlier, later in itertools.pairwise(shape))


@pytest.mark.parametrize(("owner", "item"), EVERY, ids=lambda part: getattr(part, "name", part))
def test_a_value_at_the_edge_is_allowed_or_not_as_the_range_says(owner: str, item: Hyperparameter) -> None:
    """And NaN, infinity, texts and true never are a number."""
    assert item.help
    if item.kind == "bool":
        assert item.problem_with(1) is not None
        return
    wrongs: list[object] = [math.nan, math.inf, -math.inf, "0.9", True, None, {}]
    for wrong in wrongs:
        assert item.problem_with([wrong] if item.kind == "floats" else wrong) is not None
    for edge, is_included in ((item.low, item.is_low_included), (item.high, item.is_high_included)):
        if math.isfinite(edge):
            given = [edge] if item.kind == "floats" else edge
            assert (item.problem_with(given) is None) == is_included
            assert item.name in item.range_text()


def test_the_tables_load_without_torch() -> None:
    """A launcher can list, check and explain everything before torch is there."""
    code = (
        "import sys, tuitrain.techniques.checking, tuitrain.techniques.plan, tuitrain.tasks.tables\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules, sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (SwitchOptimizer(name="admw"), '"adamw"'),
        (PreviewSwitch(name="sdg"), '"sgd"'),
        (SwitchOptimizer(name="sgd", hyperparameters={"momentm": 0.9}), '"momentum"'),
        (SwitchOptimizer(name="sgd", hyperparameters={"momentum": 1.0}), "0 ≤ momentum < 1"),
        (SwitchOptimizer(name="sgd", hyperparameters={"nesterov": True}), "needs momentum"),
        (SetSchedule(name="cosin"), '"cosine"'),
        (SetSchedule(name="step"), "steps between two decays"),
        (SetSchedule(name="multistep", hyperparameters={"milestones": [-1.0]}), "an item not in"),
        (SetHyperparameter(name="lr", value=0.1), "set_learning_rate"),
        (SetHyperparameter(name="momentun", value=0.1), '"momentum"'),
        (SetHyperparameter(name="gradient_clip", value=-1.0), "is not in 0 ≤ gradient_clip"),
        (SetHyperparameter(name="gradient_clip", value="off"), "is not a number"),
        (SetHyperparameter(name="dropout", value=1.0), "is not in 0 ≤ dropout < 1"),
        (SetHyperparameter(name="cutout", value=2.5), "is not a whole number"),
        (SetHyperparameter(name="cutuot", value=2), '"cutout"'),
    ],
)
def test_a_command_that_names_what_is_not_there_says_what_is(command: Command, said: str) -> None:
    """Before it is sent, with the nearest name or the range."""
    with pytest.raises((CommandError, UnknownNameError)) as caught:
        check_command(command)
    assert said in str(caught.value)


def test_betas_are_split_and_whole_numbers_take_their_type() -> None:
    """As torch writes them, and as our tables want them."""
    checked = check_command(SwitchOptimizer(name="adam", hyperparameters={"betas": [0.8, 0.9], "eps": 1}))
    assert isinstance(checked, SwitchOptimizer)
    assert checked.hyperparameters == {"beta1": 0.8, "beta2": 0.9, "eps": 1.0}
    assert isinstance(checked.hyperparameters["eps"], float)
    assert optimizer_spec("muon").resolved({"ns_steps": 6.0})["ns_steps"] == 6
    assert split_betas({"betas": [0.8]}) == {"betas": [0.8]}
    assert {"betas", "gradient_clip", "rho"} <= set(known_hyperparameters())


def test_an_unknown_name_carries_the_nearest_one() -> None:
    """Optimizers and schedules alike."""
    with pytest.raises(UnknownNameError) as caught:
        schedule_spec("inverse_sqr")
    assert caught.value.hint == '"inverse-sqrt".'
    with pytest.raises(UnknownNameError) as caught:
        optimizer_spec("xyz")
    assert "one of sgd" in caught.value.hint


@given(st.dictionaries(st.sampled_from(["momentum", "nesterov", "weight_decay", "x"]), st.integers() | st.text()))
def test_a_problem_is_found_for_each_wrong_value_and_no_other(given: dict[str, object]) -> None:
    """All at once, by name."""
    spec = optimizer_spec("sgd")
    found = {name for name, _ in problems_with("sgd", spec.hyperparameters, given)}
    expected = {
        name
        for name, value in given.items()
        if name not in spec.by_name or spec.by_name[name].problem_with(value) is not None
    }
    assert found == expected
