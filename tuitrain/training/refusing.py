"""Why a command cannot be carried out: rules that know no torch, asked at the safe point and before a branch starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tuitrain.errors import TuitrainError, UnknownNameError
from tuitrain.protocol.plan import LearningRatePlan, Value
from tuitrain.techniques import plan as plans
from tuitrain.techniques.optimizers import optimizer_spec
from tuitrain.techniques.regularizers import REGULARIZERS


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


def check_decay(optimizer: str, schedule: str) -> None:
    """Refuse a schedule that works against the optimizer at work, or that it does not follow.

    Raises:
        RefusedError: says which optimizer, and what to do.
    """
    check_follows_rate(optimizer)
    if schedule == "constant":
        return
    if optimizer.startswith("schedule-free"):
        raise RefusedError(f"{optimizer} averages in place of a decay.", hint="stop: its average is ready at any time.")


def check_warmup(warmup_steps: int, num_steps: int) -> None:
    """Refuse a warmup that is as long as the schedule.

    Raises:
        RefusedError: it is.
    """
    if warmup_steps >= num_steps:
        raise RefusedError(f"a warmup of {warmup_steps} steps leaves nothing of {num_steps}.", hint="a shorter one.")


def check_end(end: int, step: int) -> None:
    """Refuse an end that is not ahead.

    Raises:
        RefusedError: says where the run is.
    """
    if end <= step:
        raise RefusedError(f"step {end} is not ahead: the run is at step {step}.", hint=f"a step beyond {step}.")


def check_switchable(num_remaining: int) -> None:
    """Refuse another optimizer where no step is left for it.

    Raises:
        RefusedError: fewer than two are.
    """
    if num_remaining < 2:
        raise RefusedError("the run is at its end.", hint="a later end first.")


def check_full_batch(optimizer: str, batch_size: int, num_train: int) -> None:
    """Refuse an optimizer that compares losses where they are not all of the same data.

    Raises:
        RefusedError: says which size it needs.
    """
    if optimizer_spec(optimizer).needs_closure and batch_size != num_train:
        raise RefusedError(
            f"{optimizer} needs all data at once, and the batch size is {batch_size}.",
            hint=f"set_batch_size batch_size={num_train}.",
        )


def check_batch_size(size: int, before: int, num_train: int, optimizer: str) -> None:
    """Refuse a size that cannot be, or is no change.

    Raises:
        RefusedError: says why.
    """
    if size > num_train:
        raise RefusedError(f"a batch of {size} is more than the {num_train} samples.", hint=f"{num_train} at most.")
    if size == before:
        raise RefusedError(f"the batch size is {size} already.")
    if size != num_train and optimizer_spec(optimizer).needs_closure:
        raise RefusedError(f"{optimizer} needs all data at once.", hint="switch_optimizer first.")


def check_regularizer(name: str, value: Value, groups: Iterable[str] | None, optimizer: str) -> None:
    """Refuse a regularizer that does not go with the optimizer at work, which itself has none of that name.

    Raises:
        RefusedError: says why.
    """
    needs_closure = optimizer_spec(optimizer).needs_closure
    if name == "weight_decay":
        raise RefusedError(f"{optimizer} has no weight decay.", hint="l1, or another optimizer.")
    if groups is not None:
        raise RefusedError(f"{name} acts on the whole model.", hint="it without groups.")
    if needs_closure and value and REGULARIZERS[name].where in {"batch", "model", "weights", "gradient", "update"}:
        raise RefusedError(f"{optimizer} compares losses, and {name} would change them.", hint="another optimizer.")
    if name == "max_norm" and value and optimizer.startswith("schedule-free"):
        raise RefusedError(f"{optimizer} averages weights that {name} would move.", hint="weight_decay.")


def check_value(optimizer: str, name: str, value: Value) -> None:
    """Refuse a value that a hyper-parameter of an optimizer does not take.

    Raises:
        RefusedError: says why.
    """
    spec = optimizer_spec(optimizer).by_name
    if name in spec and (problem := spec[name].problem_with(value)):
        raise RefusedError(f"{name} = {in_words(value)} {problem}.")
    if name == "betas":
        for key, item in zip(("beta1", "beta2"), value if isinstance(value, list) else (), strict=False):
            check_value(optimizer, key, item)


def in_words(value: Value) -> str:
    """A value as a person writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


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
