"""Measurements as commands: what is asked of the run becomes a fact, and a reply in words."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tuitrain.errors import TuitrainError
from tuitrain.protocol.commands import CheckGradients, FindLearningRate, MeasureGradientNoise, MeasureSharpness
from tuitrain.protocol.measured import (
    GradientNoiseMeasured,
    GradientsChecked,
    LearningRateRangeTested,
    Measurement,
    SharpnessMeasured,
)
from tuitrain.protocol.measured_words import advice, headline
from tuitrain.protocol.plan import Value
from tuitrain.training.measuring import curvature, gradient_check, noise_scale, range_test
from tuitrain.training.refusing import RefusedError

if TYPE_CHECKING:
    from torch import Tensor

    from tuitrain.training.trainer import Trainer

Ask = FindLearningRate | CheckGradients | MeasureSharpness | MeasureGradientNoise

_USUAL_BATCH_SIZES = (1, 8, 32, 128, 512)
_EVAL_MODE = "eval mode: no dropout, norms with their running statistics"


def measure(trainer: Trainer, command: Ask, cause: str) -> str:
    """Measure what a command asks for, say it, and give the reply.

    Raises:
        RefusedError: it makes no sense here; says why, and what to try.
    """
    found = measured(trainer, command, cause)
    trainer.run.publish(found)
    return f"{headline(found)}; {advice(found)} ({found.measure_seconds:.2g} s)"


def measured(trainer: Trainer, command: Ask, cause: str) -> Measurement:
    """Measure, at the weights that are trained; the run is left as it is, bit for bit."""
    trainer.staging.flush()
    beat = _beat_of(trainer)
    match command:
        case FindLearningRate():
            return _range_test(trainer, command, cause, beat)
        case CheckGradients():
            return _gradient_check(trainer, command, cause, beat)
        case MeasureSharpness():
            return _sharpness(trainer, command, cause, beat)
        case MeasureGradientNoise():
            return _noise(trainer, command, cause, beat)


def tell_sharpness(trainer: Trainer) -> str:
    """Measure the sharpness at the weights that count, at the end of a run that asks for it; what kept it from it."""
    with trainer.updater.optimizer.evaluated_weights():
        try:
            found = _sharpness(trainer, MeasureSharpness(), "", trainer.run.progress.note_batch)
        except TuitrainError as error:
            return f"no sharpness: {error.message}"
    trainer.run.publish(found)
    progress = trainer.run.progress
    progress.last = {**progress.last, "sharpness": found.sharpness}
    return ""


def _range_test(
    trainer: Trainer, command: FindLearningRate, cause: str, beat: Callable[[], None]
) -> LearningRateRangeTested:
    range_test.check_can_sweep(trainer)
    began = time.perf_counter()
    tried = range_test.exponential_rates(command.low, command.high, command.num_steps)
    losses, stopped = range_test.losses_over(trainer, tried, command.seed, beat)
    finite = [loss for loss in losses if math.isfinite(loss)]
    if not finite:
        raise RefusedError("the loss is not finite at these weights.", hint="roll_back, or a smaller initialisation.")
    rates = tried[: len(losses)]
    reading = range_test.read_curve(rates, finite, command.num_steps, has_risen=stopped != "end")
    return LearningRateRangeTested(
        step=trainer.step, rates=rates, losses=losses, smoothed=reading.smoothed, suggestion=reading.suggestion,
        edge=reading.edge, learning_rate=_rate(trainer), stopped=stopped, optimizer=trainer.updater.optimizer.name,
        batch_size=trainer.batches.batch_size, measure_seconds=time.perf_counter() - began,
        notes=range_test.left_out(trainer), cause=cause,
    )  # fmt: skip


def _gradient_check(
    trainer: Trainer, command: CheckGradients, cause: str, beat: Callable[[], None]
) -> GradientsChecked:
    began = time.perf_counter()
    penalties = _penalties(trainer) if command.with_penalties else {}
    found = gradient_check.check_gradients(
        trainer.task, penalties, step_size=command.step_size, num_entries=command.num_entries,
        num_samples=command.num_samples, seed=command.seed, beat=beat,
    )  # fmt: skip
    worst = found.worst
    return GradientsChecked(
        step=trainer.step, tensors=found.tensors, worst_error=worst.worst_error, worst_tensor=worst.name,
        verdict=gradient_check.verdict_of(worst.worst_error, worst.rounding), num_kinks=found.num_kinks,
        step_size=command.step_size, num_samples=min(command.num_samples, len(trainer.task.train)),
        has_penalties=command.with_penalties,
        measure_seconds=time.perf_counter() - began, notes=_check_notes(trainer, command, penalties), cause=cause,
    )  # fmt: skip


def _sharpness(trainer: Trainer, command: MeasureSharpness, cause: str, beat: Callable[[], None]) -> SharpnessMeasured:
    began = time.perf_counter()
    found = curvature.sharpness(
        trainer.task, _trained(trainer), num_products=command.num_products, num_samples=command.num_samples,
        seed=command.seed, beat=beat,
    )  # fmt: skip
    state = trainer.updater.optimizer.state(trainer.updater.gradient_clip)
    return SharpnessMeasured(
        step=trainer.step, sharpness=found.value, history=found.history, has_converged=found.has_converged,
        learning_rate=_rate(trainer), stable_rate=curvature.stable_rate(found.value, state), optimizer=state.name,
        num_samples=min(command.num_samples, len(trainer.task.train)), measure_seconds=time.perf_counter() - began,
        cause=cause,
    )  # fmt: skip


def _noise(
    trainer: Trainer, command: MeasureGradientNoise, cause: str, beat: Callable[[], None]
) -> GradientNoiseMeasured:
    began = time.perf_counter()
    num_samples = min(command.num_samples, len(trainer.task.train))
    if num_samples < 2:
        raise RefusedError("one sample has no noise.", hint="num_samples=1000.")
    own = trainer.batches.batch_size
    wanted = command.batch_sizes or [*_USUAL_BATCH_SIZES, own]
    sizes = sorted({size for size in wanted if size < num_samples})
    if not sizes:
        raise RefusedError(f"no batch is smaller than the {num_samples} samples.", hint="batch_sizes=[1, 8, 32].")
    found = noise_scale.gradient_noise(
        trainer.task, _trained(trainer), sizes, num_batches=command.num_batches, num_samples=num_samples,
        seed=command.seed, beat=beat,
    )  # fmt: skip
    signal, trace = found.split(own if own in sizes else sizes[-1])
    return GradientNoiseMeasured(
        step=trainer.step, batch_sizes=sizes, cosines=[found.cosines[size] for size in sizes],
        noise_scale=noise_scale.noise_scale(signal, trace), gradient_norm=found.full_norm, trace=trace,
        batch_size=own, num_batches=command.num_batches, num_samples=num_samples,
        measure_seconds=time.perf_counter() - began, cause=cause,
    )  # fmt: skip


def _rate(trainer: Trainer) -> float:
    return next(iter(trainer.updater.rates(trainer.step).values()))


def _trained(trainer: Trainer) -> list[Tensor]:
    """What is trained now: a frozen part has neither gradient nor curvature."""
    trained = [parameter for parameter in trainer.updater.parameters if parameter.requires_grad]
    if not trained:
        raise RefusedError("nothing is trained at the moment.", hint="to unfreeze some of it.")
    return trained


def _penalties(trainer: Trainer) -> dict[str, Value]:
    return {name: trainer.regularization.strength(name) for name in ("l1", "label_smoothing")}


def _check_notes(trainer: Trainer, command: CheckGradients, penalties: dict[str, Value]) -> tuple[str, ...]:
    notes = [f"float64, {_EVAL_MODE}; the first {command.num_samples} samples as they are stored"]
    if penalties:
        notes.append("with " + ", ".join(f"{name} {value:g}" for name, value in penalties.items()))
    elif any(_penalties(trainer).values()):
        notes.append("without penalties: with_penalties=true adds them")
    if trainer.updater.optimizer.hyperparameters.get("weight_decay"):
        notes.append("weight decay is the optimizer's own, and no part of the gradient that is checked")
    return tuple(notes)


def _beat_of(trainer: Trainer) -> Callable[[], None]:
    """A sign of life, and the place where a stop ends a long measurement."""

    def beat() -> None:
        trainer.run.progress.note_batch()
        if trainer.control.stopping:
            raise RefusedError("the run is to stop.")

    return beat
