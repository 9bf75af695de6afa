"""Several predictions as one: means of probabilities and of numbers, for every loss."""

from __future__ import annotations

import pytest
import torch

from tuitrain.protocol.plan import Schedule
from tuitrain.techniques.build.ensembling import mean_prediction
from tuitrain.techniques.losses import LOSSES
from tuitrain.techniques.schedules import SCHEDULES, ends_cycle, factor

GENERATOR = torch.Generator().manual_seed(0)
MEMBERS = [torch.randn(6, 4, generator=GENERATOR) for _ in range(3)]


@pytest.mark.parametrize("name", LOSSES)
def test_one_prediction_is_its_own_mean(name: str) -> None:
    """As a prediction: logits may differ by a constant."""
    before, after = MEMBERS[0], mean_prediction(MEMBERS[:1], name)
    if LOSSES[name].kind == "classification" and name != "bce":
        before, after = before.softmax(dim=1), after.softmax(dim=1)
    torch.testing.assert_close(after, before)


@pytest.mark.parametrize("name", ["cross-entropy", "focal"])
def test_classes_have_their_mean_probability(name: str) -> None:
    """The softmax of the result is the mean of the softmaxes."""
    expected = torch.stack([member.softmax(dim=1) for member in MEMBERS]).mean(dim=0)
    torch.testing.assert_close(mean_prediction(MEMBERS, name).softmax(dim=1), expected)


def test_classes_that_stand_alone_have_it_too() -> None:
    """Binary cross-entropy: a sigmoid each."""
    expected = torch.stack([member.sigmoid() for member in MEMBERS]).mean(dim=0)
    torch.testing.assert_close(mean_prediction(MEMBERS, "bce").sigmoid(), expected)


def test_a_mixture_of_gaussians_has_its_mean_and_variance() -> None:
    """Against as many draws as it takes."""
    members = [torch.tensor([[0.0, 0.0]]), torch.tensor([[2.0, 1.0]])]
    mean, log_variance = mean_prediction(members, "gaussian-nll")[0].tolist()
    draws = torch.cat([
        torch.randn(200_000, generator=GENERATOR), 2.0 + torch.e**0.5 * torch.randn(200_000, generator=GENERATOR)
    ])  # fmt: skip
    assert mean == pytest.approx(float(draws.mean()), abs=0.02)
    assert log_variance == pytest.approx(float(draws.var().log()), abs=0.02)


def test_numbers_have_their_mean() -> None:
    """Plainly."""
    torch.testing.assert_close(mean_prediction(MEMBERS, "mse"), torch.stack(MEMBERS).mean(dim=0))


@pytest.mark.parametrize("warmup", [0, 7])
@pytest.mark.parametrize(
    ("name", "values"),
    [("sgdr", {"cycle": 20}), ("sgdr", {"cycle": 10, "cycle_factor": 2}), ("triangular", {"cycle": 30.0})],
)
def test_a_cycle_ends_where_the_rate_is_at_its_low(name: str, values: dict[str, float], warmup: int) -> None:
    """After exactly those steps whose next rate is the first that rises again."""
    schedule = Schedule(name=name, num_steps=150, warmup_steps=warmup, origin_step=5, hyperparameters=dict(values))
    ends = [step for step in range(1, 150) if ends_cycle(schedule, step)]
    rates = [factor(schedule, step) for step in range(151)]
    begin = 5 + warmup
    falls_then_rises = [
        step for step in range(begin + 1, 149)
        if (rates[step] > rates[step - 1] if name == "sgdr" else rates[step] <= min(rates[step - 1], rates[step + 1]))
    ]  # fmt: skip
    assert ends == falls_then_rises
    assert ends


def test_only_schedules_with_cycles_end_them() -> None:
    """The others never do."""
    assert {name for name, spec in SCHEDULES.items() if spec.cycle} == {"sgdr", "triangular"}
    assert not any(ends_cycle(Schedule(name="cosine", num_steps=50), step) for step in range(100))
