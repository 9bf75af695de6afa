"""From a checked preset to a trainer that is ready for its first step."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from tuitrain.preset.combining import regularizer_values
from tuitrain.preset.dataset import dataset_of, is_own
from tuitrain.preset.schema import Preset
from tuitrain.protocol.events import (
    LayersMeasured,
    StageEntered,
)
from tuitrain.techniques.optimizers import optimizer_spec
from tuitrain.techniques.plan import first_plan
from tuitrain.techniques.regularizers import CLIP_NAME, strength_of
from tuitrain.training.alarms import Alarms
from tuitrain.training.automatic import Automatic
from tuitrain.training.averages import Averages
from tuitrain.training.batches import Batches
from tuitrain.training.beside import Beside
from tuitrain.training.control import Control
from tuitrain.training.data_state import data_state, fitted_before, understood_in
from tuitrain.training.dead_run import DeadRunWatch, stop_dead_run
from tuitrain.training.describing import describe_run
from tuitrain.training.devices import choose_device, choose_threads
from tuitrain.training.from_preset import (
    build_task_of,
    evaluator_of,
    fold_in_words,
    followers_of,
    impossible_regularizers,
    loaded_weights,
    optimizer_of,
    schedule_of,
    verdicts_of,
)
from tuitrain.training.gradients import Gradients
from tuitrain.training.layers import LayerProbe
from tuitrain.training.nonfinite import Action, NonfiniteGuard
from tuitrain.training.probes import GradientNormProbe
from tuitrain.training.regularizing import Regularization
from tuitrain.training.run import Run
from tuitrain.training.saving import Saver, full_disk_action
from tuitrain.training.staging import Staging
from tuitrain.training.state import restore
from tuitrain.training.trainer import Trainer
from tuitrain.training.transfer import Weights, frozen_from
from tuitrain.training.updating import Updater

_DEFAULT_EPOCHS = 10.0
_NORM_SHARE = 0.6
"""Of the telemetry budget; the rest is for the layers."""


def build_trainer(
    preset: Preset,
    run: Run,
    control: Control,
    *,
    run_id: str = "",
    session: str = "",
    data_folder: Path = Path("data"),
    checkpoint_folder: Path | None = None,
    on_nonfinite: Action = "stop",
    state: Mapping[str, Any] | None = None,
    weights: Weights | None = None,
    versions: Mapping[str, str] | None = None,
    announce: Callable[[], None] = lambda: None,
) -> Trainer:
    """Build everything a preset names, and say `RunStarted`.

    Args:
        preset: checked.
        run: takes the facts.
        control: what the training thread is told at its safe points.
        run_id: of the folder.
        session: of this worker; commands meant for another are refused.
        data_folder: where torchvision keeps its files, unless the preset says.
        checkpoint_folder: where the last state is saved; None means nowhere.
        on_nonfinite: what to do at a NaN where the preset leaves it open.
        state: where to go on, as `state.captured` gave it; None begins at step 0.
        weights: those of an earlier run, where the preset names one and the run begins at step 0.
        versions: of what the run depends on, kept with its states.
        announce: called when all is built, before `RunStarted`.

    Raises:
        UsageError: the device is not there, or the optimizer cannot work on this model.
        DataError: the data cannot be loaded.
    """
    device = choose_device(preset.train.device)
    torch.manual_seed(preset.train.seed)
    run.publish(StageEntered(stage=f"loading {preset.task.dataset}"))
    dataset = dataset_of(preset)
    before = fitted_before(state) if state is not None and is_own(preset.task) else None
    task = build_task_of(preset, dataset, device, data_folder, before)
    if state is not None and understood_in(state) not in {None, task.understood}:
        run.publish(StageEntered(stage="the data have changed since this state was saved"))
    if preset.train.bootstrap:
        run.publish(StageEntered(stage=f"bootstrap: {task.unique_share:.1%} of the training samples are in the sample"))
    if preset.task.folds:
        run.publish(StageEntered(stage=fold_in_words(preset, task)))
    loaded = loaded_weights(preset, task, weights, data_folder) if state is None else None
    frozen = frozen_from(task.model, preset.task)
    num_parameters = sum(parameter.numel() for parameter in task.model.parameters())
    threads = choose_threads(preset.train.torch_threads, num_parameters, device)
    torch.set_num_threads(threads)

    batch_size = len(task.train) if preset.train.batch_size == "full" else preset.train.batch_size
    batches = Batches(task, batch_size, preset.train.seed)
    total_steps = preset.train.steps or max(
        1, round((preset.train.epochs or _DEFAULT_EPOCHS) * batches.steps_per_epoch)
    )
    optimizer = optimizer_of(preset, task)
    rate = preset.optimizer.lr or optimizer_spec(preset.optimizer.name).learning_rate
    plan = first_plan(
        schedule_of(preset, total_steps, batches.steps_per_epoch),
        {group.name: rate * group.rate for group in optimizer.groups},
    )
    regularizers = regularizer_values(preset)
    clip = strength_of(regularizers, CLIP_NAME) or None
    averages = Averages(
        task.model, preset.average.model_dump(), total_steps=total_steps, steps_per_epoch=batches.steps_per_epoch,
        publish=run.publish,
    )  # fmt: skip
    regularization = Regularization(task, regularizers, impossible_regularizers(preset, dataset))
    # The averages come last: they take in the weights as the others leave them.
    followers = [*followers_of(preset, task, run, regularization), averages]
    updater = Updater(optimizer, plan, clip, run.publish, followers, frozen)
    averages.follow(updater.schedule)
    beside = Beside(
        task, averages, tta_shift=preset.eval.tta_shift, num_passes=preset.eval.mc_dropout,
        batch_size=preset.eval.batch_size,
    )  # fmt: skip
    budget = preset.train.telemetry_budget
    alarms = Alarms(
        preset.alarms,
        total_steps,
        verdicts_of(preset, dataset, total_steps),
        otherwise="pause" if on_nonfinite == "pause" else "stop",
    )

    def publish_look(fact: LayersMeasured) -> None:
        run.publish(fact)
        alarms.note_layers(fact)

    trainer = Trainer(
        run=run,
        task=task,
        batches=batches,
        updater=updater,
        gradients=Gradients(task, regularization, updater, are_zeroed=preset.train.zero_grad),
        regularization=regularization,
        evaluator=evaluator_of(preset, task, batches.steps_per_epoch, total_steps, run.progress, beside),
        probe=GradientNormProbe(budget * _NORM_SHARE),
        layers=LayerProbe(task.model, budget * (1.0 - _NORM_SHARE), total_steps, publish_look),
        guard=NonfiniteGuard(task.model, device),
        staging=Staging(run.recorder, device, alarms.watchers),
        saver=Saver(
            checkpoint_folder,
            preset.checkpoint.every_minutes * 60.0,
            preset.checkpoint.keep_last,
            keep_best=preset.checkpoint.keep_best,
            restore_best=preset.checkpoint.restore_best,
            publish=run.publish,
            on_full=full_disk_action(control, preset.train.on_disk_full),
            stamp={
                "run": run_id,
                "preset": json.dumps(preset.to_data()),
                "versions": dict(versions or {}),
                "data": data_state(task),
            },
        ),
        control=control,
        total_steps=total_steps,
        on_nonfinite=preset.train.on_nonfinite or on_nonfinite,
        alarms=alarms,
        automatic=Automatic(restore_best=preset.checkpoint.restore_best, one_batch=preset.train.one_batch),
    )
    if not preset.train.automatic:
        control.decides_from = math.inf
    run.watch = DeadRunWatch(preset.alarms, run.progress, lambda why: stop_dead_run(control, run, session, why)).look
    if state is not None:
        restore(trainer, state)
        trainer.saver.take_up(trainer, state)
    announce()
    describe_run(trainer, preset, run_id, session, device, threads, num_parameters, beside)
    if loaded is not None:
        run.publish(loaded)
    return trainer
