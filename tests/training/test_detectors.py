"""Detectors on made-up series: they ring where they must, once, and are silent where nothing is wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from tuitrain.training.detectors import OverfittingDetector, PlateauDetector, SpikeDetector

SEEDS = range(12)


def rung(values: Sequence[float], detector: SpikeDetector | None = None) -> list[int]:
    """Steps, from 1, at which a stretch of trouble begins."""
    detector = detector or SpikeDetector(200, 6.0)
    return [step for step, value in enumerate(values, start=1) if detector.note(float(value)) is not None]


def norms() -> SpikeDetector:
    return SpikeDetector(200, 6.0, ratio=10.0)


def falling(rng: np.random.Generator, num: int = 1500, floor: float = 0.1) -> list[float]:
    """A usual run: an exponential fall to a floor, with noise in proportion."""
    steps = np.arange(num)
    return list((2.2 * np.exp(-steps / 150) + floor) * np.exp(rng.normal(0.0, 0.15, num)))


def restarts(rng: np.random.Generator) -> list[float]:
    """Each restart takes the loss up by a third, and it falls again."""
    base = np.array(falling(rng))
    bump = 1.0 + 0.33 * np.exp(-(np.arange(1500) % 500) / 60)
    return list(base * bump)


def to_nothing(rng: np.random.Generator) -> list[float]:
    """Learned by heart: losses over many magnitudes, skewed, now and then a hard batch."""
    return list(np.exp(-np.arange(1500) / 120 + rng.normal(0.0, 0.8, 1500)).clip(1e-7))


def steady(rng: np.random.Generator) -> list[float]:
    return list(0.69 + rng.normal(0.0, 1e-6, 1500))


def negative(rng: np.random.Generator) -> list[float]:
    """A Gaussian likelihood may fall below 0."""
    return list(2.0 - 4.0 * (1.0 - np.exp(-np.arange(1500) / 200)) + rng.normal(0.0, 0.2, 1500))


@pytest.mark.parametrize("series", [falling, restarts, to_nothing, steady, negative])
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_rings_where_nothing_is_wrong(series: Callable[[np.random.Generator], list[float]], seed: int) -> None:
    """A first fall, warm restarts, learning by heart, a flat line, losses below 0."""
    values = series(np.random.default_rng(seed))
    assert rung(values) == []
    assert rung(values, norms()) == []


def test_constants_and_nothing_at_all_are_no_trouble() -> None:
    """No division by a deviation of 0."""
    assert rung([0.0] * 500) == rung([1.0] * 500) == rung([math.nan, math.inf] * 300) == []


def test_a_loss_of_exactly_0_is_a_number_like_any_other() -> None:
    """Batches of 4, learned by heart: the window comes to hold a 0 between two looks at its median."""
    rng = np.random.default_rng(0)
    for first_zero in range(120, 160):
        values = list(np.exp(rng.normal(-3.0, 1.5, 300)))
        values[first_zero:200:7] = [0.0] * len(values[first_zero:200:7])
        rung(values)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("series", [falling, negative])
def test_a_spike_rings_once_for_its_stretch(series: Callable[[np.random.Generator], list[float]], seed: int) -> None:
    """Ten steps far above, and again at the next such stretch; the number is that of the formula."""
    values = series(np.random.default_rng(seed))
    for first in (800, 1200):
        for step in range(first, first + 10):
            values[step] += 8.0
    assert rung(values) == [801, 1201]


def test_a_single_step_rings_only_where_it_is_far_out() -> None:
    """A batch of noise is no spike; two in a row are, and one at twice the limit."""
    rng = np.random.default_rng(0)
    quiet = list(1.0 + rng.normal(0.0, 0.05, 400))
    once, twice, far = list(quiet), list(quiet), list(quiet)
    once[300] = twice[300] = twice[301] = 1.5
    far[300] = 3.0
    assert (rung(once), rung(twice), rung(far)) == ([], [302], [301])
    detector = SpikeDetector(200, 6.0)
    found = next(item for value in far if (item := detector.note(value)) is not None)
    before = np.array(far[100:300])
    deviation = 1.4826 * np.median(abs(np.log(before) - np.median(np.log(before))))
    assert found.deviations == pytest.approx((math.log(3.0) - np.median(np.log(before))) / deviation)
    assert found.median == pytest.approx(np.median(before))
    assert found.num_values == 200


def test_a_run_that_explodes_at_its_start_rings_once() -> None:
    """Before there is a median the first loss is what counts, three times in a row: one step of Adam is forgiven."""
    assert rung([2.3, 20.0, 900.0, 1500.0, 40.0, 30.0, 90.0, 500.0]) == [5]
    assert rung([0.18, 6.2, 0.5, 1.4, 2.6, 1.5, 0.4, 0.1]) == []


def test_a_new_level_rings_once() -> None:
    """It is the ordinary after a while, and what is far above that rings again."""
    rng = np.random.default_rng(0)
    level = [*(0.4 + rng.normal(0.0, 0.02, 400)), *(2.3 + rng.normal(0.0, 0.02, 600)), *[30.0] * 5]
    assert rung(level) == [401, 1001]


def test_an_explosion_is_ten_times_the_median_and_no_matter_at_the_floor() -> None:
    """Five times is not; a leap below a tenth of the first norm is none either."""
    rng = np.random.default_rng(0)
    usual = list(np.exp(rng.normal(0.0, 0.1, 400)))
    five, twenty = list(usual), list(usual)
    five[300:303], twenty[300:303] = [5.0] * 3, [20.0] * 3
    assert (rung(five, norms()), rung(twenty, norms())) == ([], [301])
    assert rung([100.0, *twenty[1:]], norms()) == [301]
    assert rung([1000.0, *twenty[1:]], norms()) == []


def test_a_detector_goes_on_from_its_state() -> None:
    """Through JSON, at any step: the same alarms."""
    values = falling(np.random.default_rng(3))
    values[800:810] = [9.0] * 10
    for cut in (10, 795, 801, 805, 1000):
        one, other = SpikeDetector(200, 6.0), SpikeDetector(200, 6.0)
        first = rung(values[:cut], one)
        other.load_state_dict(json.loads(json.dumps(one.state_dict())))
        assert first + [cut + step for step in rung(values[cut:], other)] == [801]


def plateaus(losses: Sequence[float], train: Sequence[float] | None = None, *, is_watched: bool = True) -> list[int]:
    detector = PlateauDetector(50)
    found = []
    for index, (loss, train_loss) in enumerate(zip(losses, train or losses, strict=True)):
        if detector.note(10 * index, loss, train_loss, is_watched=is_watched) is not None:
            found.append(index)
    return found


def test_a_plateau_is_told_once_and_again_after_it_got_better() -> None:
    """Five evaluations and fifty steps without a thousandth."""
    flat = [2.0, 1.0, *[0.9999] * 9, 0.8, *[0.8] * 9]
    assert plateaus(flat) == [6, 16]
    assert plateaus(flat, is_watched=False) == []


def test_no_plateau_where_something_is_learned_or_nothing_is_left() -> None:
    """The training loss falls, or is next to nothing."""
    flat = [1.0] * 20
    assert plateaus(flat, [2.0 * 0.9**step for step in range(20)]) == []
    assert plateaus(flat, [2.0, *[0.001] * 19]) == []


def test_a_plateau_below_zero_is_told_and_nan_is_no_best() -> None:
    """The loss of a density has no floor to be near; min() of NaN and a number is whichever comes first."""
    flat = [-1.0, -2.0, *[-2.0] * 9]
    assert plateaus(flat) == [6]
    assert plateaus([2.0, math.nan, 1.0, *[1.0] * 9], [2.0, 1.9, 1.5, *[1.5] * 9]) == [7]


def overfits(losses: Sequence[float], train: Sequence[float]) -> list[tuple[int, int]]:
    detector, found = OverfittingDetector(), []
    for step, (loss, train_loss) in enumerate(zip(losses, train, strict=True)):
        shown = detector.note(step, loss, train_loss)
        if shown is not None:
            found.append((step, shown.best_step))
            assert shown.gap > shown.gap_before
    return found


def test_overfitting_is_told_once_for_each_best() -> None:
    """Three evaluations more than 5 % above the best, while the training loss falls."""
    falls = [2.0 * 0.8**step for step in range(14)]
    rises = [2.0, 1.5, 1.2, 1.0, 1.02, 1.1, 1.2, 1.3, 1.4, 1.5, 0.9, 1.0, 1.1, 1.2]
    assert overfits(rises, falls) == [(7, 3), (13, 10)]
    assert overfits(rises, [2.0] * 14) == []
    assert overfits([2.0, 1.5, 1.2, 1.0, *[1.04, 1.01, 1.06, 1.03] * 2, 1.04, 1.02], falls) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_noise_about_a_flat_validation_loss_is_no_overfitting(seed: int) -> None:
    """Two percent of noise, forty evaluations, a training loss that falls on."""
    rng = np.random.default_rng(seed)
    flat = 1.0 + rng.normal(0.0, 0.01, 40)
    assert overfits(list(flat), [2.0 * 0.97**step for step in range(40)]) == []
