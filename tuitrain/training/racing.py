"""The race on a surface: rivals that step beside the run, each with its own optimizer, from the same start.

They are part of the run: their points and optimizers are in every checkpoint, they take the noise that the run's own
gradient takes, and nothing that they do touches the run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tuitrain.preset.racing import Rival
from tuitrain.protocol.commands import MoveTo
from tuitrain.protocol.events import Event, RacerLost, RaceStarted
from tuitrain.protocol.racing import Racer, coordinate_metric
from tuitrain.tasks.build.points import PointOnSurface, value_at
from tuitrain.tasks.surfaces import SurfaceSpec
from tuitrain.techniques.build.groups import ParameterGroup
from tuitrain.techniques.build.optimizers import OptimizerSet
from tuitrain.techniques.build.own_optimizers import Closure
from tuitrain.training.refusing import RefusedError

if TYPE_CHECKING:
    from tuitrain.training.trainer import Trainer

RACE = "race"
_GROUP = "all"


@dataclass
class _Runner:
    """A rival with its point."""

    rival: Rival
    point: Tensor  # (dimension,) float64
    optimizer: OptimizerSet
    lost_at: int | None = None

    def step(self, surface: SurfaceSpec, add_noise: Callable[[Tensor], None]) -> None:
        """Take one step from where it is."""
        self.optimizer.zero_grad()
        loss = value_at(surface, self.point)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.point.grad is not None:
            add_noise(self.point.grad)
        self.optimizer.write_rates({_GROUP: self.rival.learning_rate})
        self.optimizer.step(self._closure(surface))

    def _closure(self, surface: SurfaceSpec) -> Closure | None:
        """What looks at the function by itself sees it without noise."""
        if not self.optimizer.needs_closure:
            return None

        def evaluate() -> Tensor:
            loss = value_at(surface, self.point)
            if not self.optimizer.needs_hessian:
                self.optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
            return loss

        return evaluate


class Race:
    """All racers: the run's own point, which it only watches, and the rivals, which it steps.

    Args:
        model: the run's own point.
        label: what the run itself is called.
        rivals: in the order of the preset.
        record: takes (metric, step, value).
        publish: takes the facts.
        add_noise: gives a gradient the noise that the run's newest one has.
    """

    name = RACE

    def __init__(
        self, model: PointOnSurface, label: str, rivals: Sequence[Rival], record: Callable[[str, int, float], None],
        publish: Callable[[Event], None], add_noise: Callable[[Tensor], None],
    ) -> None:  # fmt: skip
        self._model = model
        self._label = label
        self._rivals = tuple(rivals)
        self._record = record
        self._publish = publish
        self._add_noise = add_noise
        self._since = 0
        self._start = tuple(float(value) for value in model.point.tolist())
        self._runners = self._at_the_start()

    @property
    def surface(self) -> SurfaceSpec:
        """On which it is."""
        return self._model.surface

    def begin(self, step: int, start: Sequence[float]) -> None:
        """Put all racers at a start; the rivals begin with fresh optimizers."""
        with torch.no_grad():
            self._model.point.copy_(torch.tensor(list(start), dtype=torch.float64))
        self._since, self._start = step, tuple(start)
        self._runners = self._at_the_start()

    def after_step(self, step: int) -> None:
        """Step every rival that is in the race, and record where all are."""
        self._place(0, step, self._model.point)
        for index, runner in enumerate(self._runners, start=1):
            if runner.lost_at is not None:
                continue
            before = runner.point.detach().clone()
            runner.step(self.surface, self._add_noise)
            if self.surface.is_lost(runner.point.tolist()) or not math.isfinite(self.surface.at(runner.point.tolist())):
                runner.lost_at = step
                with torch.no_grad():
                    runner.point.copy_(before)
                self._publish(RacerLost(step=step, index=index, label=runner.rival.label))
            else:
                self._place(index, step, runner.point)

    def described(self, step: int, cause: str = "") -> RaceStarted:
        """The race as it stands, for a screen."""
        others = (
            Racer(label=runner.rival.label, learning_rate=runner.rival.learning_rate, lost_at=runner.lost_at)
            for runner in self._runners
        )
        return RaceStarted(
            step=step, surface=self.surface.name, since=self._since, start=self._start,
            racers=(Racer(label=self._label), *others), cause=cause,
        )  # fmt: skip

    def state_dict(self) -> dict[str, Any]:
        """Where the race began, and every rival."""
        return {
            "since": self._since,
            "start": list(self._start),
            "runners": [
                {
                    "point": runner.point.detach(), "optimizer": runner.optimizer.state_dict(),
                    "lost_at": runner.lost_at,
                }
                for runner in self._runners
            ],
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there; the run's own point is part of the model."""
        self._since, self._start = state["since"], tuple(state["start"])
        self._runners = self._at_the_start()
        for runner, saved in zip(self._runners, state["runners"], strict=True):
            with torch.no_grad():
                runner.point.copy_(saved["point"])
            runner.optimizer = OptimizerSet.from_state(saved["optimizer"], runner.optimizer)
            runner.lost_at = saved["lost_at"]

    def _at_the_start(self) -> list[_Runner]:
        found: list[_Runner] = []
        for rival in self._rivals:
            point = torch.tensor(self._start, dtype=torch.float64, device=self._model.point.device, requires_grad=True)
            group = ParameterGroup(_GROUP, (("point", point),))
            found.append(_Runner(rival, point, OptimizerSet(rival.name, [group], rival.hyperparameters)))
        return found

    def _place(self, index: int, step: int, point: Tensor) -> None:
        for axis, value in enumerate(point.tolist()):
            self._record(coordinate_metric(index, axis), step, value)


def race_of(trainer: Trainer) -> Race | None:
    """The race of a run on a surface; None where there is none."""
    found = trainer.updater.followers.get(RACE)
    return found if isinstance(found, Race) else None


def tell_race(trainer: Trainer) -> None:
    """Say how the race stands: where a session begins, and where a run has gone back."""
    race = race_of(trainer)
    if race is not None:
        trainer.run.publish(race.described(trainer.step))


def move_to(trainer: Trainer, command: MoveTo, cause: str) -> str:
    """Put the run and its rivals at another start; the clock of the plan goes on."""
    race = race_of(trainer)
    if race is None:
        raise RefusedError("only a point on a surface can be moved.", hint="tuitrain surface.")
    start = (command.x,) if command.y is None else (command.x, command.y)
    surface = race.surface
    if len(start) != surface.dimension:
        raise RefusedError(
            f"{surface.name} has {surface.dimension} coordinate{'s' if surface.dimension > 1 else ''}.",
            hint="x=… y=…" if surface.dimension > 1 else "x=…",
        )
    if surface.is_lost(start) or not math.isfinite(surface.at(start)):
        raise RefusedError("that is far outside of the view.", hint=_words(surface.start))
    updater, old = trainer.updater, trainer.updater.optimizer
    updater.cancel(trainer.step, "the point was moved", cause)
    updater.forget_measurement()
    fresh = OptimizerSet(old.name, old.groups, old.hyperparameters, old.matrix_names)
    for part, before in zip(fresh.parts, old.parts, strict=True):
        part.ratio = before.ratio
        part.take(before.values)
    updater.optimizer = fresh
    race.begin(trainer.step, start)
    trainer.run.publish(race.described(trainer.step, cause))
    return f"all begin again at {_words(start)}"


def _words(point: Sequence[float]) -> str:
    return ", ".join(f"{axis} = {value:g}" for axis, value in zip("xy", point, strict=False))
