"""Combinations that cannot work, each said with what to do instead. The names themselves are known good here."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from tuitrain.preset.schema import Preset
from tuitrain.protocol.plan import Value
from tuitrain.tasks.tables import MODELS, DatasetSpec, ModelSpec, pooled_side
from tuitrain.techniques.hyperparameter import problems_with
from tuitrain.techniques.losses import DEFAULT_LOSSES, LOSSES, LossSpec
from tuitrain.techniques.optimizer_spec import MOST_FOR_HESSIAN
from tuitrain.techniques.optimizers import OPTIMIZERS
from tuitrain.techniques.regularizers import REGULARIZERS, RegularizerSpec

Problem = tuple[str, str]
"""Key, and what is wrong with what to try."""

_RANDOM = ("dropout", "dropconnect", "stochastic_depth", "weight_noise", "gradient_noise")
_DEEP_CNNS = {"residual-cnn", "plain-cnn"}
_MOST_WHITENED = 8192
"""Features: their covariance takes 512 MB, and minutes."""
_ON_SURFACES = {"weight_decay", "gradient_noise", "gradient_clip", "gradient_clip_value", "early_stopping"}
_MOST_WINDOWS = 4096
"""Of a text, in one batch."""
_MOVING = frozenset({"shift", "crop", "scale", "rotate", "flip", "trivial_augment", "color_jitter"})
_CHOICES = ("huber_delta", "focal_gamma")


def loss_name(preset: Preset, dataset: DatasetSpec) -> str:
    """The loss that a preset means, by name."""
    return DEFAULT_LOSSES[dataset.kind] if preset.task.loss == "auto" else preset.task.loss


def loss_of(preset: Preset, dataset: DatasetSpec) -> LossSpec | None:
    """The loss that a preset means; None where it names none of ours."""
    return LOSSES.get(loss_name(preset, dataset))


def loss_values(preset: Preset) -> dict[str, float]:
    """The hyper-parameters that a preset gives its loss."""
    found = {name: getattr(preset.task, name) for name in _CHOICES}
    return {name: value for name, value in found.items() if value is not None}


def regularizer_values(preset: Preset) -> dict[str, Value]:
    """All regularizers; a network whose paper has dropout keeps that where the preset leaves it open."""
    values, model = preset.regularize.values, MODELS.get(preset.task.model)
    if model is not None and model.dropout and "dropout" not in preset.regularize.further:
        values["dropout"] = model.dropout
    return values


def task_combinations(preset: Preset, dataset: DatasetSpec, model: ModelSpec) -> Iterator[Problem]:
    """Data, model, loss and their options against each other."""
    task = preset.task
    if model.needs_image and not dataset.is_image:
        other = "lstm" if dataset.is_text else "mlp"
        yield (
            "task.model",
            f'task.model = "{task.model}" needs images, and {task.dataset} has none. Try model = "{other}".',
        )
    elif model.needs_text and not dataset.is_text:
        yield (
            "task.model",
            f'task.model = "{task.model}" needs text, and {task.dataset} is none. Try dataset = "english".',
        )
    elif dataset.is_text and not model.needs_text:
        yield "task.model", f'task.model = "{task.model}" cannot read text. Try model = "lstm" or "char-transformer".'
    if model.is_deep and task.depth % 2:
        yield (
            "task.depth",
            f"task.depth = {task.depth} is odd, and blocks have two layers. Try depth = {task.depth + 1}.",
        )
    if model.name in {"residual-mlp", "plain-mlp"} and not task.hidden:
        yield "task.hidden", f'task.hidden is empty, and its first number is the width of a "{model.name}". Try [128].'
    if model.name in {"residual-cnn", "plain-cnn"} and not task.channels:
        yield (
            "task.channels",
            f'task.channels is empty, and its first number is the width of a "{model.name}". Try [16].',
        )
    yield from _of_one_model(preset, model)
    is_picture_model = model.needs_image
    if task.norm == "instance" and not is_picture_model and not model.needs_text:
        yield "task.norm", 'task.norm = "instance" normalises each picture, and this model has none. Try "layer".'
    if task.dropout_kind == "spatial" and model.name not in {"cnn", *_DEEP_CNNS}:
        yield "task.dropout_kind", 'task.dropout_kind = "spatial" drops channels of a CNN. Try "standard".'
    if model.source == "torchvision" or model.needs_text:
        for key, plain in (("norm", "none"), ("activation", "relu"), ("init", "he")):
            if getattr(task, key) != plain:
                yield f"task.{key}", f"task.{key} does not act on {model.name}, which has its own. Leave it out."
    if dataset.is_text:
        yield from _text(preset, dataset)
    yield from _norm(preset, dataset, model)
    yield from _whitening(preset, dataset)
    if task.num_train is not None and task.num_train > dataset.num_train:
        yield (
            "task.num_train",
            f"task.num_train = {task.num_train} is more than the {dataset.num_train} of {task.dataset}. Leave it out.",
        )
    if task.label_noise and dataset.kind != "classification":
        what = "is a regression" if dataset.kind == "regression" else "has none"
        yield "task.label_noise", f"task.label_noise needs classes, and {task.dataset} {what}. Leave it out."
    yield from _loss(preset, dataset)


def _of_one_model(preset: Preset, model: ModelSpec) -> Iterator[Problem]:
    """Options that only one kind of model has."""
    task = preset.task
    if task.pooling != "max" and model.name != "cnn":
        yield "task.pooling", f'task.pooling acts on a "cnn", and not on {model.name}. Leave it out.'
    if model.name in {"lstm", "char-transformer", "autoencoder"} and not task.hidden:
        yield "task.hidden", f'task.hidden is empty, and its numbers are the widths of a "{model.name}". Try [128].'
    elif model.name == "char-transformer" and task.hidden[0] % task.heads:
        yield (
            "task.heads",
            (
                f"task.heads = {task.heads} do not share a width of {task.hidden[0]} evenly. "
                f"Try heads = {math.gcd(task.heads, task.hidden[0])}."
            ),
        )


def _text(preset: Preset, dataset: DatasetSpec) -> Iterator[Problem]:
    """Characters are no numbers, and every place of the text begins a window."""
    task = preset.task
    if task.preprocess != "standardize":
        yield "task.preprocess", f"task.preprocess does not act on the characters of {dataset.name}. Leave it out."
    if task.label_noise:
        yield "task.label_noise", f"task.label_noise does not act on the characters of {dataset.name}. Leave it out."
    if preset.train.batch_size == "full" and (task.num_train or dataset.num_train) > _MOST_WINDOWS:
        windows = task.num_train or dataset.num_train
        yield "train.batch_size", f'train.batch_size = "full" is {windows} windows at once. Try batch_size = 64.'


def _norm(preset: Preset, dataset: DatasetSpec, model: ModelSpec) -> Iterator[Problem]:
    """A norm needs several numbers to take a variance of."""
    task = preset.task
    is_of_batch = task.norm == "batch" or model.has_batch_norm
    if is_of_batch and preset.train.batch_size == 1:
        yield "train.batch_size", "train.batch_size = 1 has no variance to normalise a batch by. Try batch_size = 32."
    elif is_of_batch and preset.train.batch_size == "full" and (task.num_train or dataset.num_train) == 1:
        yield "task.num_train", "task.num_train = 1 has no variance to normalise a batch by. Try num_train = 32."
    if task.norm != "instance" or model.name != "cnn" or len(dataset.input_shape) != 3:
        return
    height, width = dataset.input_shape[1:]
    for number, _ in enumerate(task.channels, start=1):
        if height * width == 1:
            yield (
                "task.norm",
                f'task.norm = "instance" has one pixel left to normalise at convolution {number}. Try "group".',
            )
            return
        if min(height, width) >= 2:  # as the model pools
            height, width = pooled_side(height, task.pooling), pooled_side(width, task.pooling)


def _whitening(preset: Preset, dataset: DatasetSpec) -> Iterator[Problem]:
    """Whitening takes the covariance of all features."""
    if preset.task.preprocess != "whiten":
        return
    features = math.prod(dataset.input_shape)
    if features > _MOST_WHITENED:
        yield (
            "task.preprocess",
            f'task.preprocess = "whiten" needs a table of {features} × {features} numbers. Try "standardize".',
        )
    if (preset.task.num_train or dataset.num_train) < 2:
        yield "task.preprocess", 'task.preprocess = "whiten" needs at least 2 training samples. Try "scale".'


def _loss(preset: Preset, dataset: DatasetSpec) -> Iterator[Problem]:
    task, spec = preset.task, loss_of(preset, dataset)
    if spec is None:
        return
    if spec.kind != dataset.kind:
        possible = " or ".join(f'"{loss.name}"' for loss in LOSSES.values() if loss.kind == dataset.kind)
        yield "task.loss", f'task.loss = "{spec.name}" is for {spec.kind}, and {task.dataset} is not. Try {possible}.'
    for name, text in problems_with(spec.name, spec.hyperparameters, loss_values(preset)):
        yield f"task.{name}", f"task.{name}: {text}" if text[:1].isalpha() else f"task.{name} = {text}"
    if task.class_weights == "equal":
        return
    if not spec.takes_class_weights:
        yield "task.class_weights", f"task.class_weights has no meaning for {spec.name}. Leave it out."
    elif isinstance(task.class_weights, list) and len(task.class_weights) != dataset.num_outputs:
        yield (
            "task.class_weights",
            f'task.class_weights has {len(task.class_weights)} numbers, not {dataset.num_outputs}. Try "balanced".',
        )
    elif isinstance(task.class_weights, list) and not any(task.class_weights):
        yield "task.class_weights", 'task.class_weights are all 0: nothing would be learned. Try "balanced".'


def regularizer_problem(
    spec: RegularizerSpec, *, dataset: DatasetSpec, model: ModelSpec, hidden: int, loss: LossSpec | None
) -> str:
    """Why a regularizer cannot act on a task, in words that read on after its key; empty where it can."""
    if dataset.kind == "surface" and spec.name not in _ON_SURFACES:
        return "has no meaning on a surface, which has no data and no layers"
    if dataset.is_text and (spec.where == "batch" or spec.name == "dropconnect"):
        return f"has no meaning for the characters of {dataset.name}"
    if dataset.is_reconstruction and spec.name in _MOVING:
        return "changes the picture, and not the one that an autoencoder shall give back"
    if spec.needs == "images" and not dataset.is_image:
        return f"works on images, and {dataset.name} has none"
    if (spec.needs == "classes" or spec.name == "cutmix") and dataset.kind == "regression":
        return f"needs classes, and {dataset.name} is a regression"
    if spec.name == "dropout" and model.dropout:
        return ""
    if spec.needs == "hidden layers" and (not model.has_hidden or (hidden == 0 and model.name != "cnn")):
        return f"works on hidden layers of our own models, and this {model.name} has none"
    if spec.name == "dropconnect" and (model.name in _DEEP_CNNS or (model.name == "cnn" and hidden == 0)):
        return f"works on hidden affine maps, and a {model.name} has none"
    if spec.needs == "residual blocks" and not (model.is_deep and model.name.startswith("residual")):
        return f"skips residual blocks, and this {model.name} has none"
    if spec.name == "label_smoothing" and loss is not None and not loss.takes_smoothing:
        return f"has no meaning for the {loss.name} loss"
    return ""


def regularizer_combinations(preset: Preset, dataset: DatasetSpec, model: ModelSpec) -> Iterator[Problem]:
    """Each regularizer that is on, against the task."""
    loss = loss_of(preset, dataset)
    for name, value in preset.regularize.further.items():
        spec = REGULARIZERS.get(name)
        if spec is None or not value:
            continue
        problem = regularizer_problem(spec, dataset=dataset, model=model, hidden=len(preset.task.hidden), loss=loss)
        if problem:
            yield f"regularize.{name}", f"regularize.{name} {problem}. Try {name} = 0."


def optimizer_combinations(preset: Preset, dataset: DatasetSpec | None, model: ModelSpec) -> Iterator[Problem]:
    """What an optimizer does not combine with; of a dataset that is not known, what can be said without it."""
    section, spec = preset.optimizer, OPTIMIZERS.get(preset.optimizer.name)
    if spec is None:
        return
    has_matrices = model.has_hidden and bool(preset.task.hidden) and model.name not in {*_DEEP_CNNS, "lstm"}
    if spec.name == "muon" and not has_matrices:
        yield (
            "optimizer.name",
            f'optimizer.name = "muon" works on hidden 2-D weights, and this {model.name} has none. Try "adamw".',
        )
    if spec.needs_closure:
        yield from _closure(preset, dataset, model)
    if spec.needs_hessian and dataset is not None:
        yield from _hessian(preset, dataset, model)
    is_flat = preset.schedule.name == "constant"
    if spec.name == "rprop" and (not is_flat or preset.schedule.warmup):
        yield "schedule.name", 'schedule.name does not act on rprop, whose rate is only its first step. Try "constant".'
    if spec.name.startswith("schedule-free") and not is_flat:
        yield (
            "schedule.name",
            f'schedule.name = "{preset.schedule.name}" fights {spec.name}, which needs none. Try "constant".',
        )
    if not preset.train.zero_grad and (spec.needs_closure or spec.name == "sam"):
        yield "train.zero_grad", f"train.zero_grad = false: {spec.name} zeroes them itself. Try another optimizer."
    if "weight_decay" in preset.regularize.further and "weight_decay" not in spec.by_name:
        yield "regularize.weight_decay", f"regularize.weight_decay: {spec.name} has none. Try l1, or another optimizer."
    if preset.regularize.further.get("max_norm") and spec.name.startswith("schedule-free"):
        yield "regularize.max_norm", f"regularize.max_norm moves weights that {spec.name} averages. Try max_norm = 0."
    if section.lookahead_steps and (spec.needs_closure or spec.name.startswith("schedule-free")):
        yield "optimizer.lookahead_steps", f"optimizer.lookahead_steps does not go with {spec.name}. Try 0."


def _hessian(preset: Preset, dataset: DatasetSpec, model: ModelSpec) -> Iterator[Problem]:
    """Newton's method takes a Hessian of all parameters: of a point, or of a small affine map."""
    widths = [math.prod(dataset.input_shape), *(() if model.name == "linear" else preset.task.hidden)]
    widths.append(dataset.num_outputs)
    count = sum((before + 1) * after for before, after in itertools.pairwise(widths))
    is_small = model.name in {"linear", "deep-linear", "mlp"} and count <= MOST_FOR_HESSIAN
    if model.name != "surface" and not is_small:
        name = preset.optimizer.name
        yield (
            "optimizer.name",
            f'optimizer.name = "{name}" takes a Hessian, of at most {MOST_FOR_HESSIAN} parameters. Try "lbfgs".',
        )


def _closure(preset: Preset, dataset: DatasetSpec | None, model: ModelSpec) -> Iterator[Problem]:
    """L-BFGS compares losses of one step with each other: they must be of the same data, without chance."""
    name, train = preset.optimizer.name, preset.train
    available = preset.task.num_train or (dataset.num_train if dataset is not None else 0)
    if train.batch_size not in ("full", available):
        yield (
            "train.batch_size",
            f'train.batch_size = {train.batch_size}: {name} compares losses, which needs all data. Try "full".',
        )
    if model.dropout and "dropout" not in preset.regularize.further:
        yield "regularize.dropout", f"regularize.dropout is {model.dropout:g} in {model.name}. Try dropout = 0."
    if preset.task.pooling == "fractional":
        yield "task.pooling", f'task.pooling = "fractional" draws at random, and {name} compares losses. Try "max".'
    for key, value in preset.regularize.further.items():
        spec = REGULARIZERS.get(key)
        if spec is None or not value or key in {"weight_decay", "early_stopping", "label_smoothing"}:
            continue
        if spec.where == "batch" or key in _RANDOM:
            yield f"regularize.{key}", f"regularize.{key} draws at random, and {name} compares losses. Try {key} = 0."
        elif spec.where == "update":
            yield f"regularize.{key}", f"regularize.{key} moves weights that {name} remembers. Try {key} = 0."
        else:
            yield f"regularize.{key}", f"regularize.{key} changes gradients that {name} takes by itself. Try {key} = 0."
    if preset.optimizer.decay_only_weights or preset.optimizer.layer_decay != 1.0:
        key = "decay_only_weights" if preset.optimizer.decay_only_weights else "layer_decay"
        yield f"optimizer.{key}", f"optimizer.{key} makes several groups, and {name} takes one. Leave it out."
