"""What a preset says of weights that were trained before, and of what stays frozen, checked by names and shapes."""

from __future__ import annotations

from collections.abc import Iterator

from tuitrain.errors import TuitrainError
from tuitrain.preset.combining import Problem, loss_of
from tuitrain.preset.schema import Preset
from tuitrain.protocol.commands import Freeze, Unfreeze
from tuitrain.protocol.describe import parse_command
from tuitrain.tasks.shapes import parameter_shapes
from tuitrain.tasks.tables import MODELS, DatasetSpec, ModelSpec
from tuitrain.techniques.freezing import Shapes, head_of, matched
from tuitrain.techniques.optimizers import OPTIMIZERS


def shapes_of(preset: Preset, dataset: DatasetSpec) -> Shapes | None:
    """Name → shape of the parameters of a preset's model; None where only torch can tell."""
    task, model, loss = preset.task, MODELS.get(preset.task.model), loss_of(preset, dataset)
    if model is None or loss is None or (model.needs_image and len(dataset.input_shape) != 3):
        return None
    if model.is_deep and not (task.channels if model.needs_image else task.hidden):
        return None
    return parameter_shapes(
        task.model, dataset, dataset.num_outputs * loss.outputs_per_target, hidden=task.hidden,
        channels=task.channels, depth=task.depth, norm=task.norm, pooling=task.pooling,
    )  # fmt: skip


def transfer_problems(preset: Preset, dataset: DatasetSpec, model: ModelSpec) -> Iterator[Problem]:
    """Weights of before, a new head, and what is frozen, against each other and against the model."""
    task = preset.task
    if task.pretrained and model.source != "torchvision":
        yield "task.pretrained", f'task.pretrained: there are no such weights of {model.name}. Try model = "resnet18".'
    if task.pretrained and task.from_run:
        yield "task.from_run", "task.from_run and task.pretrained exclude each other. Try one of them."
    for key in ("from_tag", "from_sha256"):
        if getattr(task, key) and not task.from_run:
            yield f"task.{key}", f'task.{key} has no meaning without task.from_run. Try from_run = "last".'
    if task.new_head and not (task.from_run or task.pretrained):
        yield "task.new_head", "task.new_head: the head is new anyway where no weights are taken. Leave it out."
    shapes = shapes_of(preset, dataset)
    if shapes is not None:
        yield from _frozen(preset, shapes)


def _frozen(preset: Preset, shapes: Shapes) -> Iterator[Problem]:
    """Patterns that mean nothing, and models of which nothing is trained."""
    wrong = False
    for pattern in preset.task.freeze:
        try:
            matched([pattern], shapes)
        except TuitrainError as error:
            wrong = True
            yield "task.freeze", f"task.freeze: {error}"
    if not wrong and preset.task.freeze:
        trained = set(shapes) - set(matched(preset.task.freeze, shapes))
        if not trained:
            yield "task.freeze", 'task.freeze leaves nothing to train. Try freeze = ["all-but-head"].'
        hidden = {name for name, shape in shapes.items() if len(shape) == 2} - set(head_of(shapes))
        if trained and preset.optimizer.name == "muon" and hidden and not hidden & trained:
            yield "task.freeze", 'task.freeze leaves no hidden 2-D weights, on which muon works. Try name = "adamw".'
    for index, moment in enumerate(preset.moment, start=1):
        if moment.do not in {"freeze", "unfreeze"}:
            continue
        try:
            command = parse_command(moment.do, moment.further)
        except TuitrainError:
            continue  # said with all moments
        try:
            matched(command.patterns if isinstance(command, Freeze | Unfreeze) else (), shapes)
        except TuitrainError as error:
            yield f"moment {index}", f"moment {index} (at step {moment.at_step}): {error}"


def head_rate_problems(preset: Preset) -> Iterator[Problem]:
    """An optimizer that takes one group cannot give the head another rate."""
    spec = OPTIMIZERS.get(preset.optimizer.name)
    if spec is not None and spec.needs_closure and preset.optimizer.head_rate != 1.0:
        name = preset.optimizer.name
        yield (
            "optimizer.head_rate",
            f"optimizer.head_rate makes several groups, and {name} takes one. Leave it out.",
        )
