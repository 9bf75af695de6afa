"""Why a command cannot be carried out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from tuitrain.errors import TuitrainError, UnknownNameError
from tuitrain.protocol.plan import LearningRatePlan
from tuitrain.techniques import plan as plans

if TYPE_CHECKING:
    from tuitrain.training.trainer import Trainer


class RefusedError(TuitrainError):
    """The command cannot be carried out now; the message says why."""


def edited(edit: Callable[[], LearningRatePlan]) -> LearningRatePlan:
    """The plan after an edit.

    Raises:
        RefusedError: the edit has no meaning at this step.
    """
    try:
        return edit()
    except plans.PlanEditError as error:
        raise RefusedError(str(error)) from None


def check_decay(trainer: Trainer, schedule: str) -> None:
    """Refuse a schedule that works against the optimizer at work, or that it does not follow.

    Raises:
        RefusedError: says which optimizer, and what to do.
    """
    name = trainer.updater.optimizer.name
    check_follows_rate(name)
    if schedule == "constant":
        return
    if name.startswith("schedule-free"):
        raise RefusedError(f"{name} averages in place of a decay.", hint="stop: its average is ready at any time.")


def check_groups(asked: Iterable[str] | None, known: Iterable[str]) -> None:
    """Refuse parameter groups that are not there.

    Raises:
        UnknownNameError: names the nearest one.
    """
    for name in asked or ():
        if name not in set(known):
            raise UnknownNameError("parameter group", name, known)


def check_follows_rate(optimizer: str) -> None:
    """Refuse to change a learning rate that is only the size of the first step.

    Raises:
        RefusedError: the optimizer is such a one.
    """
    if optimizer == "rprop":
        raise RefusedError(
            "rprop does not follow the learning rate, which is only its first step.", hint="switch_optimizer, or stop."
        )
