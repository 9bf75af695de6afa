"""The numbers of the surfaces (part B1 of the design notes on techniques): steps, overshoots, who ends where."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tests.lecture.promises import Target
from tests.training.harness import finish, trainer_of
from tuitrain.preset import load_preset
from tuitrain.protocol.events import RaceStarted
from tuitrain.protocol.racing import coordinate_metric
from tuitrain.tasks.surfaces import SURFACES

Floats = NDArray[np.float64]

_SHORTER = ("train.steps=400",)
_LONG = ("beale", "rosenbrock")


@dataclass(frozen=True)
class Way:
    """Of one racer."""

    points: Floats  # (n, dimension) after each step
    values: Floats  # (n,)
    lowest: float

    def within(self, distance: float) -> int | None:
        """The first step at which the value was so near to the lowest."""
        near = np.flatnonzero(self.values - self.lowest < distance)
        return int(near[0]) + 1 if len(near) else None

    def flips(self, axis: int, num_steps: int, start: float) -> int:
        """Sign changes of a coordinate in the first steps."""
        signs = np.sign(np.concatenate([[start], self.points[:num_steps, axis]]))
        return int((signs[1:] * signs[:-1] < 0).sum())

    def smoothness(self) -> float:
        """Mean cosine of consecutive steps."""
        steps = np.diff(self.points, axis=0)
        norms = np.linalg.norm(steps, axis=1)
        return float(np.mean((steps[1:] * steps[:-1]).sum(axis=1) / (norms[1:] * norms[:-1])))


@cache
def ways(preset: str, seed: int, *overrides: str) -> dict[str, Way]:
    """Label → way of every racer of a preset, trained to its end."""
    told = finish(trainer_of(load_preset(preset, [f"train.seed={seed}", *overrides])))
    started = told.all(RaceStarted)[0]
    spec = SURFACES[started.surface]
    found: dict[str, Way] = {}
    for index, racer in enumerate(started.racers):
        axes = [list(told.values[coordinate_metric(index, axis)].values()) for axis in range(spec.dimension)]
        points = np.array(axes, dtype=np.float64).T
        found[racer.label] = Way(points, np.asarray(spec.function(list(points.T), np)), spec.lowest)
    return found


def way(
    preset: str, label: str, promise: str, holds: Callable[[Way], bool], shown: Callable[[Way], str],
    *overrides: str, is_slow: bool = False,
) -> Target:  # fmt: skip
    """A promise about one racer."""
    return Target(
        f"{preset} {label}", promise,
        lambda s: holds(ways(preset, s, *overrides)[label]), lambda s: shown(ways(preset, s, *overrides)[label]),
        is_slow or preset in _LONG,
    )  # fmt: skip


def steps_to(preset: str, label: str, distance: float, wanted: int, *overrides: str) -> Target:
    """The steps of the lecture's table, within 2 or 3 %."""
    margin = max(2, round(0.03 * wanted))
    return way(
        preset, label, f"{wanted} steps to {distance:g}",
        lambda w: (w.within(distance) or 10**9) in range(wanted - margin, wanted + margin + 1),
        lambda w: f"{w.within(distance)}", *overrides,
    )  # fmt: skip


def ends(preset: str, label: str, *place: float, by: float = 0.05, overrides: tuple[str, ...] = ()) -> Target:
    """Where a racer ends."""
    return way(
        preset, label, f"ends at {place}",
        lambda w: bool(np.all(np.abs(w.points[-1] - np.array(place)) < by)), lambda w: f"{w.points[-1]}", *overrides,
    )  # fmt: skip


def overshoot(label: str, low: float, high: float) -> Target:
    """How far beyond 0 the ravine's long coordinate goes."""
    return way(
        "ravine", label, f"overshoots by {low:g} to {high:g}",
        lambda w: low <= float(w.points[:, 0].max()) <= high, lambda w: f"{float(w.points[:, 0].max()):.3f}",
    )  # fmt: skip


def flips(low: int, high: int, *overrides: str) -> Target:
    """SGD on the ravine."""
    return way(
        "ravine", "sgd", f"{low} to {high} flips of 30 {' '.join(overrides)}".strip(),
        lambda w: low <= w.flips(1, 30, 1.5) <= high, lambda w: f"{w.flips(1, 30, 1.5)}", *overrides,
    )  # fmt: skip


def smoothness(label: str, low: float, high: float) -> Target:
    """Mean cosine of consecutive steps under noise."""
    return way(
        "noisy-quadratic", label, f"cosine {low:g} to {high:g}",
        lambda w: low <= w.smoothness() <= high, lambda w: f"{w.smoothness():.3f}",
    )  # fmt: skip


_RAVINE = {
    "sgd": (81, 162), "momentum": (35, 83), "nesterov": (31, 37), "adagrad": (41, 89), "rmsprop": (38, 75),
    "adam": (51, 95), "newton": (1, 1),
}  # fmt: skip

TARGETS: list[Target] = [
    flips(28, 30),
    flips(0, 0, "optimizer.lr=0.5"),
    *(steps_to("ravine", label, 1e-2, steps[0]) for label, steps in _RAVINE.items()),
    *(steps_to("ravine", label, 1e-4, steps[1]) for label, steps in _RAVINE.items()),
    overshoot("momentum", 0.5, 0.6),
    overshoot("nesterov", 0.37, 0.45),
    overshoot("adam", 0.16, 0.22),
    overshoot("rmsprop", -0.01, 0.001),
    overshoot("adagrad", -0.01, 0.001),
    way("ravine", "newton", "solves it in one step, exactly", lambda w: bool(np.all(w.points[0] == 0.0)),
        lambda w: f"{w.points[0]}"),
    steps_to("saddle", "sgd", 1e-2, 45),
    steps_to("saddle", "momentum", 1e-2, 39),
    steps_to("saddle", "nesterov", 1e-2, 20),
    steps_to("saddle", "adam", 1e-2, 41),
    steps_to("saddle", "adagrad", 1e-2, 62),
    ends("saddle", "newton", 0.0, 0.0, by=1e-6),
    ends("saddle", "sgd", 0.0, 0.0, by=1e-6, overrides=("surface.start=[1.0, 0.0]", "train.steps=100")),
    *(ends("inflection", label, 0.0, by=0.1, overrides=_SHORTER) for label in ("sgd", "adagrad", "rmsprop", "newton")),
    *(ends("inflection", label, 2.25, overrides=_SHORTER) for label in ("momentum", "nesterov", "adam")),
    *(ends("local-minimum", label, 2.32)
      for label in ("sgd", "momentum .05", "nesterov", "adagrad", "rmsprop", "adam")),
    ends("local-minimum", "momentum", 0.0),
    ends("two-wells", "sgd", 2.994),
    ends("two-wells", "momentum", -1.438),
    steps_to("beale", "sgd", 1e-4, 895),
    steps_to("beale", "momentum", 1e-4, 103),
    steps_to("beale", "adagrad", 1e-4, 185),
    steps_to("beale", "adam", 1e-4, 138),
    ends("beale", "newton", 0.0, 1.0, by=1e-6),
    steps_to("rosenbrock", "momentum", 1e-4, 934),
    steps_to("rosenbrock", "nesterov", 1e-4, 826),
    steps_to("rosenbrock", "adam", 1e-4, 765),
    way("rosenbrock", "newton", "there within 6 steps", lambda w: (w.within(1e-12) or 99) <= 6,
        lambda w: f"{w.within(1e-12)}"),
    way("rosenbrock", "lbfgs", "there within 3 steps of many looks", lambda w: (w.within(1e-4) or 99) <= 3,
        lambda w: f"{w.within(1e-4)}"),
    *(way("rosenbrock", label, "not there after 1000", lambda w: w.within(1e-4) is None, lambda w: f"{w.within(1e-4)}")
      for label in ("sgd", "adagrad", "rmsprop")),
    ends("himmelblau", "sgd", -2.805, 3.131),
    ends("himmelblau", "adam", 3.0, 2.0),
    ends("himmelblau", "adam 1.0", 3.584, -1.848),
    smoothness("sgd", -0.2, 0.15),
    smoothness("momentum", 0.75, 0.92),
]  # fmt: skip


def noise_floor(seed: int, label: str) -> float:
    """Mean value over the last steps of a long run under noise, started at the minimum."""
    found = ways("noisy-quadratic", seed, "surface.start=[0.0, 0.0]", "train.steps=4000")[label]
    return float(found.values[500:].mean())


TARGETS.append(
    Target(
        "noisy-quadratic", "one noise floor at a matched rate, a higher one at the same rate",
        lambda s: math.isclose(noise_floor(s, "sgd"), noise_floor(s, "momentum"), rel_tol=0.35)
        and noise_floor(s, "momentum .1") > 1.3 * noise_floor(s, "sgd"),
        lambda s: ", ".join(f"{label} {noise_floor(s, label):.3f}" for label in ("sgd", "momentum", "momentum .1")),
        is_slow=True,
    )
)  # fmt: skip
