"""Alarms that are decisions: what is out of the ordinary is said with its number, and acted on as the preset says.

All but the dead run are found by the training thread from numbers that it has anyway, so that the same numbers give
the same alarms. What an alarm does is a command of the run itself, recorded like a person's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tuitrain.preset.schema import AlarmsSection
from tuitrain.protocol.commands import (
    DECIDING,
    Command,
    Evaluate,
    Pause,
    RollBack,
    SetBatchSize,
    SetHyperparameter,
    Stop,
    SwitchOptimizer,
)
from tuitrain.protocol.events import AlarmKind, AlarmRaised, LayersMeasured
from tuitrain.techniques import plan as plans
from tuitrain.techniques.regularizers import REGULARIZERS
from tuitrain.techniques.schedules import factor, schedule_spec
from tuitrain.training.detectors import Outlier, OverfittingDetector, PlateauDetector, SpikeDetector
from tuitrain.training.nonfinite import Action
from tuitrain.training.run import GRADIENT_NORM, LOSS
from tuitrain.training.verdicts import Verdict, Verdicts

if TYPE_CHECKING:
    from tuitrain.training.trainer import Trainer

_MOST_ATTEMPTS = 2
"""Times that the run goes back because of trouble at one place."""
_FULL_BATCH_SCALE = 0.5
_EXPLODED = 10.0
"""Times the median of the gradient norm."""
_PLATEAU_SHARE = 5
"""A plateau is as long as the run divided by it, """
_SHORTEST_PLATEAU = 50
"""and at least so many steps."""
_SETTINGS = {"rate_too_high": "learning_rate", "rate_too_low": "learning_rate"}
"""What is found → the setting that it goes by, where that has another name."""
_LATE_SHAPE = 0.1
"""Below this share of its full rate a schedule is at its end, and little is learned by design."""


@dataclass(frozen=True)
class _Found:
    """Trouble that was seen, not yet told."""

    kind: AlarmKind
    step: int
    value: float
    message: str
    advice: str
    before: int
    """A step before the trouble, to go back to."""


class Alarms:
    """Watches one run.

    Args:
        settings: of the preset.
        total_steps: planned.
        verdicts: reads the curves.
        otherwise: what the run does where it cannot go back: pause with a person before it, else stop.
    """

    def __init__(
        self, settings: AlarmsSection, total_steps: int, verdicts: Verdicts, *, otherwise: Literal["pause", "stop"]
    ) -> None:
        self._settings = settings
        self._otherwise = otherwise
        self._loss = SpikeDetector(settings.window, settings.spike_z)
        self._norm = SpikeDetector(settings.window, settings.spike_z, ratio=_EXPLODED)
        self._plateau = PlateauDetector(max(_SHORTEST_PLATEAU, total_steps // _PLATEAU_SHARE))
        self._overfitting = OverfittingDetector()
        self._verdicts = verdicts
        self._found: list[_Found] = []
        self._asked: int | None = None
        """Step at which the run asked to go back, until it is there."""
        self._num_attempts = 0
        self._trouble_step = 0
        self.acted_on = ""
        """The message of the last alarm that did something."""
        self.watchers: dict[str, Callable[[int, float], None]] = {}
        """Metric → takes its value at a step."""
        if settings.loss_spike != "off" or settings.learning_rate != "off":
            self.watchers[LOSS] = self._note_loss
        if settings.gradient_explosion != "off":
            self.watchers[GRADIENT_NORM] = self._note_norm

    @property
    def needs_norm(self) -> bool:
        """Whether the gradient norm decides something, and so is measured at every step."""
        return self._settings.gradient_explosion not in {"off", "notify"}

    @property
    def has_news(self) -> bool:
        """Whether there is something to tell."""
        return bool(self._found) or self._asked is not None

    def note_evaluation(self, trainer: Trainer, metrics: Mapping[str, float]) -> None:
        """Take in an evaluation of the cadence, and tell what it shows."""
        step, loss, train_loss = trainer.step, metrics.get("eval/loss", math.nan), metrics.get("train/loss", math.nan)
        stands = self._plateau.note(step, loss, train_loss, is_watched=_is_plateau_news(trainer))
        if stands is not None and self._settings.plateau != "off":
            message = (
                f"plateau at step {step}: neither validation nor training loss got 0.1 % better in "
                f"{stands.num_evaluations} evaluations since step {stands.since_step} (validation at best "
                f"{stands.best:.4g})"
            )
            advice = "decay the learning rate (d, or scale_learning_rate factor=0.1), or stop: it may be at its floor"
            self._found.append(_Found("plateau", step, loss, message, advice, step))
        gap = self._overfitting.note(step, loss, train_loss)
        if gap is not None and self._settings.overfitting != "off":
            message = (
                f"overfitting at step {step}: validation loss {gap.loss:.4g}, at best {gap.best:.4g} at step "
                f"{gap.best_step}; the gap grew from {gap.gap_before:.3g} to {gap.gap:.3g}"
            )
            advice = f"roll_back to={gap.best_step}, regularize more (m: dropout, weight_decay), or set early_stopping"
            self._found.append(_Found("overfitting", step, gap.loss, message, advice, gap.best_step))
        is_rising = _is_warming_up(trainer)
        self._judge(step, self._verdicts.note_evaluation(step, train_loss, loss, is_rising=is_rising))
        self.tell(trainer)

    def note_layers(self, fact: LayersMeasured) -> None:
        """Take in a look at the layers; the one of the first step shows what the initialisation does."""
        if fact.step == 1:
            self._judge(1, self._verdicts.note_layers(fact.names, fact.values))

    def note_command(self, command: Command) -> None:
        """Begin anew what a command that was carried out makes incomparable."""
        is_regularizer = isinstance(command, SetHyperparameter) and command.name in REGULARIZERS
        if is_regularizer or isinstance(command, SetBatchSize | SwitchOptimizer):
            self._loss.forget()
            self._norm.forget()
        if isinstance(command, DECIDING) and not isinstance(command, Evaluate | Stop):
            self._plateau.forget()
            self._verdicts.forget()

    def tell(self, trainer: Trainer) -> None:
        """Say what was found, and act on it; the first that acts decides."""
        if self._asked is not None and trainer.step > self._asked:
            self._asked = None
            self.act(trainer, self._otherwise, trainer.step, f"{self.acted_on}; going back was refused")
        found, self._found = self._found, []
        for item in found:
            wanted = getattr(self._settings, _SETTINGS.get(item.kind, item.kind))
            message, advice = item.message, item.advice
            clip = trainer.updater.gradient_clip
            if item.kind == "gradient_explosion" and clip is not None:
                wanted, advice = "notify", f"none is needed: clipping at {clip:g} holds it back"
            action: Action = "continue" if wanted == "notify" else self.possible(trainer, wanted, item.step)
            if wanted == "roll_back":
                message += self.worn_out(action)
            trainer.run.publish(
                AlarmRaised(
                    step=item.step, kind=item.kind, message=message, value=item.value, advice=advice, action=action
                )
            )
            self.act(trainer, action, item.step, message, before=item.before)

    def possible(self, trainer: Trainer, wanted: Action, step: int) -> Action:
        """What the run may do about trouble: nothing while it is told what to decide or goes back already.

        Args:
            trainer: between two steps, or within the evaluation after one.
            wanted: by the preset.
            step: of the trouble. Twice back without getting past an earlier one is enough.
        """
        if trainer.step < trainer.control.decides_from or self._asked is not None or trainer.control.stopping:
            return "continue"
        if wanted != "roll_back":
            return wanted
        is_past = step > self._trouble_step + self._settings.roll_back_steps
        return self._otherwise if self._num_attempts >= _MOST_ATTEMPTS and not is_past else wanted

    def worn_out(self, action: Action) -> str:
        """Why a run that shall go back does something else, to be added to its message."""
        is_else = action not in {"roll_back", "continue"}
        return f"; it went back {self._num_attempts} times without getting past it" if is_else else ""

    def act(self, trainer: Trainer, action: Action, step: int, message: str, before: int | None = None) -> None:
        """Ask for what is `possible`, as a command of the run itself.

        Args:
            trainer: that is asked.
            action: what is asked.
            step: of the trouble.
            message: of the alarm.
            before: the step that `roll_back_steps` are counted from; None means that of the trouble.
        """
        if action == "continue":
            return
        self.acted_on = message
        if action == "roll_back":
            self._go_back(trainer, step, step if before is None else before)
        else:
            trainer.control.decide(trainer.step, Pause() if action == "pause" else Stop(because=message))

    def state_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "loss": self._loss.state_dict(), "norm": self._norm.state_dict(), "plateau": self._plateau.state_dict(),
            "overfitting": self._overfitting.state_dict(), "verdicts": self._verdicts.state_dict(),
            "num_attempts": self._num_attempts,
            "trouble_step": self._trouble_step,
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Watch on from there: what was seen after it is forgotten, but not how often the run went back."""
        self._found.clear()
        self._asked = None
        if state:
            self._loss.load_state_dict(state["loss"])
            self._norm.load_state_dict(state["norm"])
            self._plateau.load_state_dict(state["plateau"])
            self._overfitting.load_state_dict(state["overfitting"])
            self._verdicts.load_state_dict(state["verdicts"])

    def load_attempts(self, state: Mapping[str, Any]) -> None:
        """In a new session: how often the run went back, and from where."""
        self._num_attempts, self._trouble_step = state.get("num_attempts", 0), state.get("trouble_step", 0)

    def _go_back(self, trainer: Trainer, trouble: int, before: int) -> None:
        settings = self._settings
        if trouble > self._trouble_step + settings.roll_back_steps:
            self._num_attempts = 0
        self._num_attempts += 1
        self._trouble_step = max(trouble, self._trouble_step if self._num_attempts > 1 else 0)
        self._asked = trainer.step
        is_full, scale = trainer.batches.is_full, settings.roll_back_scale
        command = RollBack(
            to=max(0, before - settings.roll_back_steps),
            skip_batches=0 if is_full else settings.skip_batches,
            scale_learning_rate=_FULL_BATCH_SCALE if is_full and scale == 1.0 else scale,
        )
        trainer.control.decide(trainer.step, command)

    def _judge(self, step: int, verdict: Verdict | None) -> None:
        if verdict is None or getattr(self._settings, _SETTINGS.get(verdict.kind, verdict.kind)) == "off":
            return
        message = f"{verdict.message} (step {step})"
        self._found.append(_Found(verdict.kind, step, verdict.value, message, verdict.advice, step))

    def _note_loss(self, step: int, value: float) -> None:
        self._verdicts.note_batch(value)
        outlier = self._loss.note(value) if self._settings.loss_spike != "off" else None
        if outlier is not None:
            message = f"loss {value:.4g} at step {step}: {_how_far(outlier)}"
            self._add("loss_spike", step, outlier, message)

    def _note_norm(self, step: int, value: float) -> None:
        outlier = self._norm.note(value)
        if outlier is not None:
            times = f", {value / outlier.median:.3g} times it" if outlier.median > 0.0 else ""
            message = f"gradient norm {value:.4g} at step {step}: {_how_far(outlier)}{times}"
            self._add("gradient_explosion", step, outlier, message)

    def _add(
        self, kind: Literal["loss_spike", "gradient_explosion"], step: int, outlier: Outlier, message: str
    ) -> None:
        back = f"roll_back to={max(0, step - self._settings.roll_back_steps)}"
        if self._settings.skip_batches:
            back += f" skip_batches={self._settings.skip_batches}"
        cure = "decay the learning rate (d)" if kind == "loss_spike" else "clip the gradient (m: gradient_clip)"
        self._found.append(_Found(kind, step, outlier.deviations, message, f"{cure}, or {back}, or watch on", step))


def _how_far(outlier: Outlier) -> str:
    if not outlier.num_values:
        return f"{outlier.deviations:.3g} times the first one, {outlier.median:.3g}"
    return (
        f"{outlier.deviations:.1f} robust deviations above its median {outlier.median:.3g} "
        f"of the last {outlier.num_values}"
    )


def _is_warming_up(trainer: Trainer) -> bool:
    segment = plans.segment_at(trainer.updater.plan, trainer.step)
    return trainer.step < segment.start_step + segment.schedule.warmup_steps


def _is_plateau_news(trainer: Trainer) -> bool:
    """Not in a warmup, at the end of a schedule, where a rule waits for it, or where the rate comes back in cycles."""
    updater, step = trainer.updater, trainer.step
    schedule = updater.schedule(step)
    spec = schedule_spec(schedule.name)
    if spec.is_automatic or spec.cycle is not None or trainer.regularization.strength("early_stopping"):
        return False
    return not _is_warming_up(trainer) and factor(schedule, step) >= _LATE_SHAPE
