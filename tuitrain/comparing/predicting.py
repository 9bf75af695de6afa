"""What runs predict on the validation samples: rebuilt from a checkpoint, in eval mode, as their own evaluation did.

The process is left as it was: random states, threads, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuitrain.comparing.members import Source, Weights
from tuitrain.errors import RunFolderError, UsageError
from tuitrain.protocol.events import CheckpointSaved
from tuitrain.rundir.places import home_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from tuitrain.tasks.build.target_unit import TargetUnit
    from tuitrain.training.trainer import Trainer

_MOST_TOLD = 3


@dataclass(frozen=True)
class Predicted:
    """What one member predicts."""

    label: str
    run: str
    step: int
    outputs: Tensor  # (num_samples, num_outputs) as its model gives them, on the CPU
    recorded: dict[str, float]
    """What the run itself measured of these weights on these samples; empty where it did not."""


@dataclass(frozen=True)
class Asked:
    """All that one run predicts, and against what."""

    members: list[Predicted]
    targets: Tensor  # (num_samples, …)
    judge: Callable[[Tensor, Tensor], dict[str, Tensor]]
    """Outputs and targets → metric → (num_samples,)."""
    loss: str
    notes: tuple[str, ...]
    unit: TargetUnit | None = None
    """Of targets and outputs that are standardized; None where they are in their own unit."""

    @property
    def tolerance(self) -> float:
        """By how much targets of two runs may differ that are the same: a rounding where each standardized them."""
        return 0.0 if self.unit is None else 1e-4

    def in_unit_of(self, other: Asked) -> Asked:
        """The same as if it had been standardized as another, which may have had other training samples."""
        if self.unit is None or other.unit is None or self.unit.is_as(other.unit):
            return self
        told, standardized = self.unit.told, other.unit.standardized
        members = [replace(member, outputs=standardized(told(member.outputs))) for member in self.members]
        targets = standardized(told(self.targets))
        return replace(self, members=members, targets=targets, judge=other.judge, unit=other.unit)


def predict(source: Source, which: Weights, num_samples: int, last: int) -> Asked:
    """Ask one run about so many validation samples, those that it evaluates itself where it takes as many.

    Args:
        source: of the weights.
        which: which weights of its state.
        num_samples: at most all.
        last: of its snapshots only so many, the newest; 0 is all.

    Raises:
        UsageError: it has no intact checkpoint or no such weights, or it predicts what is no number.
    """
    import torch

    from tuitrain.tasks.build.target_unit import TargetUnit

    state, saved, notes = _intact(source)
    with _process_kept():
        trainer = _rebuilt(source, state)
        task, size = trainer.task, source.preset.eval.batch_size
        asked = task.validation.drawn(num_samples)
        inputs, targets = asked.x, asked.y.cpu()
        members = []
        for label, step, prediction, predictor in _predictors(source, saved, trainer, which, last):
            with torch.no_grad(), _as_evaluated(trainer):
                outputs = torch.cat([predictor(inputs[at : at + size]).cpu() for at in range(0, len(inputs), size)])
            if not bool(torch.isfinite(outputs).all()):
                raise UsageError(f"{label} predicts what is no number: its weights are lost.", hint="the others.")
            known = source.metrics_at(saved.step, prediction, num_samples)
            members.append(Predicted(label, source.folder.id, step, outputs, known))
        criterion = task.criterion
        scales = task.fitted.targets if task.fitted is not None else None
    unit = TargetUnit.of(scales) if scales is not None else None
    return Asked(members, targets, criterion.metrics_by_sample, criterion.name, notes, unit)


def _intact(source: Source) -> tuple[dict[str, Any], CheckpointSaved, tuple[str, ...]]:
    """The first of the meant checkpoints that is what was written; those that are not are told."""
    from tuitrain.training.checkpoint import load_checkpoint_of

    told: list[str] = []
    for saved in source.candidates:
        path = source.folder.checkpoints_path / Path(saved.path).name  # never a path out of a recording
        try:
            state, digest = load_checkpoint_of(path)
        except RunFolderError as error:
            told.append(f"{path.name} is gone" if not path.exists() else error.message)
            continue
        if digest == saved.sha256:
            notes = (f"{source.folder.id}: {'; '.join(told[:_MOST_TOLD])}; {path.name} is taken",) if told else ()
            return state, saved, notes
        told.append(f"{path.name} is not what was recorded")
    some = "; ".join(told[:_MOST_TOLD])
    raise UsageError(f"{source.folder.id} has no intact checkpoint: {some}.", hint="the other runs.")


def _rebuilt(source: Source, state: dict[str, Any]) -> Trainer:
    """The trainer as it was, with everything that has a say in what its model gives."""
    from tuitrain.training.control import Control
    from tuitrain.training.moments import moments_of
    from tuitrain.training.pace import Pace
    from tuitrain.training.run import Run
    from tuitrain.training.setup import build_trainer

    train = source.preset.train.model_copy(update={"device": "auto"})  # where it was trained may be another machine
    preset, run = source.preset.model_copy(update={"train": train}), Run()
    control = Control(run, "", moments_of(preset, ""), Pace(None, lambda: False))
    return build_trainer(
        preset, run, control, run_id=source.folder.id, data_folder=home_folder() / "data", state=state
    )  # fmt: skip


def _predictors(
    source: Source, saved: CheckpointSaved, trainer: Trainer, which: Weights, last: int
) -> Iterator[tuple[str, int, str, Callable[[Tensor], Tensor]]]:
    """Label, step of the weights, the prediction as the run names it in its metrics, and what predicts."""
    import torch

    from tuitrain.training.averages import averages_of
    from tuitrain.training.beside import Beside, of_weights

    task, averages, run = trainer.task, averages_of(trainer), source.folder.id
    if which == "raw":
        yield run, saved.step, "eval", task.model
    elif which == "snapshots":
        snapshots = averages.snapshots[-last:]  # 0 is all
        if not snapshots:
            raise UsageError(
                f"{run} kept no snapshots.",
                hint="tuitrain run sgdr-snapshots, or average.snapshots=5 with a schedule of cycles.",
            )
        steps = [step for step in source.snapshot_steps if step <= saved.step][-len(snapshots) :]
        is_known = len(steps) == len(snapshots)
        for number, weights in enumerate(snapshots, start=1):
            step = steps[number - 1] if is_known else saved.step
            name = f"step {step}" if is_known else f"snapshot {number}"
            yield f"{run} {name}", step, "", of_weights(task.model, weights)
    else:
        beside = Beside(
            task, averages, tta_shift=0, num_passes=0, batch_size=source.preset.eval.batch_size
        )  # fmt: skip
        with torch.no_grad(), _as_evaluated(trainer):
            found = dict(beside.predictors())
        if which not in found:
            raise UsageError(f"{run} has no {which} weights at step {saved.step}.", hint="--weights raw.")
        yield run, saved.step, which, found[which]


@contextmanager
def _as_evaluated(trainer: Trainer) -> Iterator[None]:
    """As in an evaluation of the run: eval mode, and the average of an optimizer that keeps one by itself."""
    from tuitrain.training.untouched import evaluating, random_state_kept

    task = trainer.task
    with (
        trainer.updater.optimizer.evaluated_weights(),
        random_state_kept(task.validation.x.device),
        evaluating(task.model),
    ):
        yield


@contextmanager
def _process_kept() -> Iterator[None]:
    """Random states and threads as they were: a restored run brings its own."""
    import torch

    from tuitrain.training.state import put_random_states, random_states

    states, threads = random_states(), torch.get_num_threads()
    try:
        yield
    finally:
        put_random_states(states)
        torch.set_num_threads(threads)
