"""Decisions that the run takes by itself after an evaluation. They are commands like a person's, and recorded alike."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tuitrain.protocol.commands import Command, RollBack, ScaleLearningRate, Stop
from tuitrain.protocol.plan import Schedule
from tuitrain.techniques.schedules import schedule_spec

WATCHED = "eval/loss"
BEST = "best"
EARLY = "early stopping"
_BY_HEART = 0.05
"""Share of the first training loss below which a batch is learned, with every answer right where there are classes."""


class Automatic:
    """Watches the validation loss for a plateau (torch's ReduceLROnPlateau) and for early stopping (Prechelt 1998).

    The patience of a plateau is how many evaluations in a row without improvement are put up with: the next one decays.
    Early stopping counts those that end the run: with N the N-th does.

    Args:
        restore_best: whether early stopping goes back to the best state first.
        one_batch: whether the run is there to learn its data by heart, and ends when it has.
    """

    def __init__(self, *, restore_best: bool = False, one_batch: bool = False) -> None:
        self._restore_best = restore_best
        self._one_batch = one_batch
        self._first_train = math.nan
        self._train = math.nan
        self._is_all_right = False
        self._best = math.inf
        self._num_bad = 0
        self._cooldown = 0
        self._lowest = math.inf
        self._lowest_step = 0
        self._num_worse = 0

    @property
    def restores_best(self) -> bool:
        """Whether early stopping goes back to the best state first."""
        return self._restore_best

    @property
    def lowest(self) -> tuple[int, float]:
        """Step and value of the best validation loss so far."""
        return self._lowest_step, self._lowest

    def state_dict(self) -> dict[str, float]:
        """All counts."""
        return {
            "best": self._best, "num_bad": self._num_bad, "cooldown": self._cooldown, "lowest": self._lowest,
            "lowest_step": self._lowest_step, "num_worse": self._num_worse, "first_train": self._first_train,
            "train": self._train, "is_all_right": self._is_all_right,
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Go on counting."""
        self._best, self._lowest = state["best"], state["lowest"]
        self._num_bad, self._cooldown = int(state["num_bad"]), int(state["cooldown"])
        self._lowest_step, self._num_worse = int(state["lowest_step"]), int(state["num_worse"])
        self._first_train, self._train = state["first_train"], state["train"]
        self._is_all_right = bool(state["is_all_right"])

    def rate_changed_by_hand(self, schedule: Schedule) -> None:
        """A person decayed or set the rate: the count begins again, and waits as after a decay of its own."""
        self._num_bad = 0
        self._cooldown = int(_value(schedule, "cooldown")) if schedule_spec(schedule.name).is_automatic else 0

    def stopping_changed(self) -> None:
        """Early stopping was switched on or off: what was worse before it does not count."""
        self._num_worse = 0

    def decide(self, step: int, metrics: Mapping[str, float], schedule: Schedule, num_to_stop: int) -> list[Command]:
        """What to ask after an evaluation.

        Args:
            step: finished steps.
            metrics: of the evaluation.
            schedule: the one that rules now.
            num_to_stop: evaluations in a row without a better loss of which the last stops the run; 0 is never.
        """
        loss = metrics.get(WATCHED, math.nan)
        asked: list[Command] = []
        if schedule_spec(schedule.name).is_automatic and step > 0 and self._is_plateau(loss, schedule):
            asked.append(ScaleLearningRate(factor=_value(schedule, "factor")))
        if math.isfinite(loss) and loss < self._lowest:
            self._lowest, self._lowest_step, self._num_worse = loss, step, 0
        else:
            self._num_worse += 1
        if num_to_stop and self._num_worse >= num_to_stop:
            why = (
                f"{EARLY}: {WATCHED} was best at step {self._lowest_step} ({self._lowest:.4g}), "
                f"and no better in {self._num_worse} evaluations"
            )
            if self._restore_best and self._lowest_step < step:
                asked.append(RollBack(to=BEST))
            asked.append(Stop(because=why))
        if self.note_batch_learned(metrics):
            asked.append(Stop(because=self.words_on_one_batch))
        return asked

    def note_batch_learned(self, metrics: Mapping[str, float]) -> bool:
        """Take in an evaluation; returns whether one batch was to be learned by heart, and is."""
        self._train = metrics.get("train/loss", math.nan)
        self._is_all_right = metrics.get("train/accuracy", 1.0) == 1.0
        if self._first_train != self._first_train:
            self._first_train = self._train
        return self._one_batch and self._is_learned

    @property
    def words_on_one_batch(self) -> str:
        """What became of learning one batch by heart; empty where that is not what the run is for."""
        if not self._one_batch:
            return ""
        told = f"one batch, loss {self._first_train:.4g} → {self._train:.4g}"
        if self._is_learned:
            return f"{told}: learned by heart; model, loss and update work together"
        todo = "a higher learning rate or more steps, else look for a bug in data, loss or update"
        return f"{told}: NOT learned by heart: {todo}"

    @property
    def _is_learned(self) -> bool:
        # By how much it fell of its size, as a loss may be below zero.
        fallen = self._first_train - self._train
        return self._is_all_right and fallen > (1.0 - _BY_HEART) * abs(self._first_train)

    def _is_plateau(self, loss: float, schedule: Schedule) -> bool:
        share = math.copysign(_value(schedule, "threshold"), self._best)  # of its size, as a loss may be below zero
        limit = self._best * (1.0 - share) if math.isfinite(self._best) else self._best
        if math.isfinite(loss) and loss < limit:
            self._best, self._num_bad = loss, 0
        else:
            self._num_bad += 1
        if self._cooldown > 0:
            self._cooldown -= 1
            self._num_bad = 0
        if self._num_bad <= _value(schedule, "patience"):
            return False
        self._num_bad, self._cooldown = 0, int(_value(schedule, "cooldown"))
        return True


def _value(schedule: Schedule, name: str) -> float:
    given = schedule.hyperparameters.get(name, schedule_spec(schedule.name).by_name[name].default)
    return float(given) if isinstance(given, int | float) else 0.0
