"""What a comparison set is said to show is seen: over three seeds where it is quick, else with `-m slow`."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import pytest

from tests.lecture.promises import Seen, seen
from tuitrain.preset.sets import list_sets, load_set

Arms = dict[str, Seen]


@cache
def arms(name: str, seed: int = 0) -> Arms:
    """Label → what that run came to."""
    return {run.label: seen(run.preset, seed, *run.overrides) for run in load_set(name).run}


def at(run: Seen, step: int) -> float:
    """The validation loss after a step."""
    return dict(run.evals)[step]


def optimizers(run: Arms) -> bool:
    """Adam < 0.03 < momentum < 0.08 < SGD after 1 000 steps; in the end Adam, momentum, AdaGrad, SGD."""
    early = at(run["Adam"], 1000) < 0.03 < at(run["momentum"], 1000) < 0.08 < at(run["SGD"], 1000)
    last = [run[label].loss for label in ("Adam", "momentum", "AdaGrad", "SGD")]
    return early and last == sorted(last) and run["RMSprop"].loss < run["momentum"].loss


def schedules(run: Arms) -> bool:
    """All that decay are 2 points above the constant rate, and within 2.5 points of each other but the step."""
    decayed = {label: arm.accuracy for label, arm in run.items() if label != "constant"}
    smooth = [value for label, value in decayed.items() if label != "step"]
    return min(decayed.values()) > run["constant"].accuracy + 0.02 and max(smooth) - min(smooth) < 0.025


def lr_sweep(run: Arms) -> bool:
    """Too low, low, good, good, dead, dead."""
    one, two, three, four, five, six = (arm.accuracy for arm in run.values())
    return one < 0.4 < two < 0.92 < min(three, four) and max(five, six) < 0.5


def batch_sizes(run: Arms) -> bool:
    """The larger the worse, at the same rate and the same number of epochs."""
    values = [run[label].accuracy for label in ("16", "64", "256", "1024")]
    return min(values[0], run["4"].accuracy) > 0.93 and values[1] > values[2] + 0.01 > values[3] + 0.03


def initialisation(run: Arms) -> bool:
    """Too small is chance, too large is no number; the formulas and batch norm learn."""
    learned = min(run[label].accuracy for label in ("Xavier", "He", "0.01, batch norm"))
    is_dead = run["0.01"].accuracy < 0.2 and not math.isfinite(run["1"].loss)
    return is_dead and learned > 0.93 and run["1, batch norm"].accuracy > 0.85


def normalisation(run: Arms) -> bool:
    """Raw and centred die, scaled learns, standardised learns best."""
    is_dead = max(run["raw"].accuracy, run["mean 0"].accuracy) < 0.2
    return is_dead and 0.86 < run["[0, 1]"].accuracy < run["standardised"].accuracy


def regularizers(run: Arms) -> bool:
    """Shift and dropout bring the gap down, no other takes it up, and none costs accuracy: one seed tells no more."""
    bare = run["none"]
    is_closer = max(run["shift"].gap, run["dropout"].gap) < bare.gap - 0.05
    is_no_worse = all(arm.gap < bare.gap + 0.02 and arm.accuracy > bare.accuracy - 0.03 for arm in run.values())
    return is_closer and is_no_worse


def ravine(run: Arms) -> bool:
    """Steps to 1e-4: SGD 162, momentum 83, Nesterov 37, AdaGrad 89, RMSprop 75, Adam 95, within two."""
    first = [next(step for step, loss in enumerate(arm.losses) if loss < 1e-4) for arm in run.values()]
    return all(abs(one - other) <= 2 for one, other in zip(first, (162, 83, 37, 89, 75, 95), strict=True))


def flatness(run: Arms) -> bool:
    """At one rate the small batch is ten times flatter; at scaled rates the large one is flatter."""
    small, full, scaled_small, scaled_large = (arm.last["sharpness"] for arm in run.values())
    return small < full / 10.0 and scaled_large < scaled_small


def transfer(run: Arms) -> bool:
    """The new head alone is worst; which of the others is best, 200 samples of one seed cannot tell."""
    return all(arm.accuracy > run["new head"].accuracy for label, arm in run.items() if label != "new head")


def transfer_far(run: Arms) -> bool:
    """The weights of digits do not help, as far as one seed can tell."""
    return run["scratch"].accuracy > run["fine-tuned"].accuracy - 0.02


def width(run: Arms) -> bool:
    """The middle one generalises best."""
    return run["3"].loss < min(run["1"].loss, run["100"].loss)


QUICK: dict[str, Callable[[Arms], bool]] = {
    "lr-sweep": lr_sweep, "initialisation": initialisation, "normalisation": normalisation, "ravine": ravine,
}  # fmt: skip
SLOW: dict[str, Callable[[Arms], bool]] = {
    "optimizers": optimizers, "schedules": schedules, "batch-sizes": batch_sizes, "regularizers": regularizers,
    "flatness": flatness, "transfer": transfer, "transfer-far": transfer_far, "width": width,
}  # fmt: skip


def params() -> list[object]:
    """Quick ones with the first seed; the rest is slow."""
    return [
        pytest.param(name, seed, id=f"{name}-{seed}", marks=[] if seed == 0 and name in QUICK else [pytest.mark.slow])
        for name in (*QUICK, *SLOW)
        for seed in range(3)
    ]


@pytest.mark.parametrize(("name", "seed"), params())
def test_a_set_shows_what_it_says(name: str, seed: int) -> None:
    """By its own docstring above."""
    run = arms(name, seed)
    shows = {**QUICK, **SLOW}[name]
    assert shows(run), f"{shows.__doc__} { {label: (arm.accuracy, arm.loss, arm.gap) for label, arm in run.items()} }"


def test_every_set_has_its_test() -> None:
    """A new one needs what it shows."""
    assert {members.name for members in list_sets()} == {*QUICK, *SLOW}
