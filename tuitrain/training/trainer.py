"""The training loop: reads top to bottom, one thought a block.

It alone touches model, optimizer, data and random state. It never waits for a screen or a disk: it is told what to
do at the safe point, and leaves facts and measurements for the pump.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass, field

from torch import Tensor

from tuitrain.protocol.commands import Request
from tuitrain.protocol.events import CadenceChanged, EvalFinished, RunEnded
from tuitrain.tasks.build.task import Task
from tuitrain.training.alarms import Alarms
from tuitrain.training.automatic import WATCHED, Automatic
from tuitrain.training.batches import Batches
from tuitrain.training.commands import apply_command
from tuitrain.training.control import Control
from tuitrain.training.ending import end_run
from tuitrain.training.evaluation import Evaluator
from tuitrain.training.gradients import Gradients
from tuitrain.training.layers import LayerProbe
from tuitrain.training.nonfinite import Action, NonfiniteGuard, hold_back
from tuitrain.training.points import Points
from tuitrain.training.probes import GradientNormProbe
from tuitrain.training.regularizing import Regularization
from tuitrain.training.run import GRADIENT_NORM, LEARNING_RATE, LOSS, Run
from tuitrain.training.saving import Saver
from tuitrain.training.staging import Staging
from tuitrain.training.timelines import Timelines
from tuitrain.training.updating import Updater


@dataclass
class Trainer:
    """Everything the loop needs, built by `setup.build_trainer`."""

    run: Run
    task: Task
    batches: Batches
    updater: Updater
    gradients: Gradients
    regularization: Regularization
    evaluator: Evaluator
    probe: GradientNormProbe
    layers: LayerProbe
    guard: NonfiniteGuard
    staging: Staging
    saver: Saver
    control: Control
    total_steps: int
    on_nonfinite: Action
    alarms: Alarms
    automatic: Automatic = field(default_factory=Automatic)
    points: Points = field(default_factory=Points)
    timelines: Timelines = field(default_factory=Timelines)
    step: int = 0
    last_batch: tuple[Tensor, Tensor] | None = None

    def train(self) -> RunEnded:
        """Train until the planned end or until asked to stop; returns the last word, not yet published."""
        with self.saver.rescuing_best(self):
            self.task.model.train()
            self.run.progress.state = "running"
            if self.evaluator.last_step is None:
                self.evaluate()
            if self.step >= self.total_steps and self.control.agenda.is_due(self.step):
                self.control.at_safe_point(self.step, self._apply)  # a branch of the end may begin with going on
            while self.step < self.total_steps:
                self.saver.before_pause(self)
                self.control.at_safe_point(self.step, self._apply)
                if self.control.stopping:
                    break
                self.saver.at_safe_point(self)
                self._take_step()
                if self.evaluator.is_due(self.step) and not self.evaluator.is_fresh(self.step):
                    self.evaluate()
            return end_run(self)

    def evaluate(self, cause: str = "") -> EvalFinished:
        """Evaluate the weights that count, say the result, and let the run decide on it."""
        self.staging.flush()
        with self.updater.optimizer.evaluated_weights():
            found = self.evaluator.evaluate(self.step, cause, self.regularization.weight_metrics())
        self.run.publish(found)
        if not cause and self.step < self.total_steps and not self.control.stopping:
            schedule, num_to_stop = self.updater.schedule(self.step), self.regularization.strength("early_stopping")
            for command in self.automatic.decide(self.step, found.metrics, schedule, int(num_to_stop)):
                self.control.decide(self.step, command)
            self.alarms.note_evaluation(self, found.metrics)
        self.saver.note_evaluation(self, found.metrics[WATCHED])  # last: whoever goes back to this has counted it
        return found

    def _take_step(self) -> None:
        began = time.perf_counter()
        batch = self.last_batch = self.batches.next()
        is_looking = self.layers.is_due(self.step + 1)
        with self.layers.watching() if is_looking else nullcontext():
            loss = self.gradients.of(batch)
        told = self.gradients.told  # of these weights: an optimizer may ask again at others
        gradients = self.gradients.finish(batch)

        # The norm before clipping; where clipping or an alarm acts on it at every step, otherwise the budget decides.
        norm: Tensor | None = None
        is_needed = self.updater.gradient_clip is not None or self.alarms.needs_norm
        if is_needed or self.probe.is_due(self.step + 1):
            norm = self.probe.measure(gradients)

        problem = self.guard.problem(loss, gradients)
        if is_looking:
            self.layers.before_update()
        if problem is None:
            self.updater.update(self.step, norm, self.gradients.closure(batch, loss))
            self.guard.is_in_trouble = False
        if is_looking:
            self.layers.after_update(self.step + 1)
        self.gradients.end_step()

        self.step += 1
        self._record(told, norm, next(iter(self.updater.rates(self.step - 1).values())))
        self.run.progress.step = self.step  # last: whoever reads it finds what was measured up to it
        self.control.step_taken(self.step)
        problem = problem or self.staging.take_nonfinite()
        if problem is not None:
            hold_back(self, *problem)
        if self.alarms.has_news:
            self.alarms.tell(self)
        self._note_cost(max(time.perf_counter() - began, self.control.pace.period))

    def _record(self, loss: Tensor, norm: Tensor | None, rate: float) -> None:
        self.staging.record(LOSS, self.step, loss)
        self.staging.record(LEARNING_RATE, self.step, rate)
        if norm is not None:
            self.staging.record(GRADIENT_NORM, self.step, norm)
        self.staging.poll()

    def _note_cost(self, step_seconds: float) -> None:
        stride = self.probe.note_step(step_seconds)
        self.layers.poll()
        self.run.progress.watching_share = self.probe.share + self.layers.share
        if stride is not None:
            reason = f"it costs {self.probe.share * stride * 100.0:.1f} % of a step"
            self.run.publish(CadenceChanged(step=self.step, metric=GRADIENT_NORM, stride=stride, reason=reason))

    def _apply(self, request: Request) -> str:
        return apply_command(self, request)
