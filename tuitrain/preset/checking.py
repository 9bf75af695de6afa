"""What pydantic cannot know: names of our tables, and combinations that cannot work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tuitrain.errors import CommandError, DataError, UnknownNameError, nearest
from tuitrain.preset.chapters import CHAPTERS
from tuitrain.preset.combining import (
    Problem,
    optimizer_combinations,
    regularizer_combinations,
    task_combinations,
)
from tuitrain.preset.dataset import KNOWN, dataset_of, is_own
from tuitrain.preset.folds import fold_problems
from tuitrain.preset.predicting import prediction_combinations
from tuitrain.preset.racing import racing_problems
from tuitrain.preset.schema import NotifySection, Preset, command_words
from tuitrain.preset.transferring import head_rate_problems, transfer_problems
from tuitrain.protocol.describe import parse_command
from tuitrain.tasks.own import OwnDataError
from tuitrain.tasks.tables import (
    ACTIVATIONS,
    DROPOUT_KINDS,
    INITIALIZATIONS,
    MODELS,
    NORMS,
    POOLINGS,
    PREPROCESSINGS,
    DatasetSpec,
)
from tuitrain.techniques.checking import check_command
from tuitrain.techniques.hyperparameter import problems_with
from tuitrain.techniques.losses import LOSSES
from tuitrain.techniques.optimizers import OPTIMIZERS, split_betas
from tuitrain.techniques.regularizers import REGULARIZERS
from tuitrain.techniques.schedules import SCHEDULES


def table_problems(preset: Preset) -> list[Problem]:
    """Everything that the tables find wrong, in the order of the file."""
    dataset, problems = _dataset(preset)
    return [
        *_head(preset), *problems, *_task(preset, dataset), *fold_problems(preset, dataset),
        *_racing(preset, dataset), *_train(preset, dataset),
        *_eval(preset), *_alarms(preset), *_optimizer(preset), *_schedule(preset), *_regularize(preset, dataset),
        *prediction_combinations(preset, dataset), *_moments(preset), *notify_problems(preset.notify),
    ]  # fmt: skip


def _head(preset: Preset) -> Iterator[Problem]:
    if preset.chapter:
        yield from _unknown("chapter", preset.chapter, CHAPTERS)


def _unknown(key: str, name: str, known: Iterable[str]) -> Iterator[Problem]:
    known = tuple(known)
    if name not in known:
        close = nearest(name, known)
        hint = f'Did you mean "{close}"?' if close else f"Try one of {', '.join(known)}."
        yield key, f'{key} = "{name}" is not known. {hint}'


def _dataset(preset: Preset) -> tuple[DatasetSpec | None, list[Problem]]:
    """The dataset, if there is such a one, and what is wrong with its name or with one's own data."""
    task = preset.task
    if is_own(task) and not task.path:
        problem = f'task.path is missing: dataset = "{task.dataset}" needs one. Try path = "data.csv".'
        return None, [("task.path", problem)]
    problems: list[Problem] = []
    if task.path and not is_own(task):
        problem = f'task.path is for one\'s own data, and {task.dataset} is not. Try dataset = "csv".'
        problems.append(("task.path", problem))
    try:
        return dataset_of(preset), problems
    except OwnDataError as error:
        return None, [("task.path", text) for text in error.problems]
    except UnknownNameError:
        return None, [*_unknown("task.dataset", task.dataset, KNOWN), *problems]
    except DataError as error:
        return None, [*problems, ("task.dataset", f'task.dataset = "{task.dataset}": {error}')]


def _task(preset: Preset, dataset: DatasetSpec | None) -> Iterator[Problem]:
    task = preset.task
    yield from _unknown("task.model", task.model, MODELS)
    yield from _unknown("task.activation", task.activation, ACTIVATIONS)
    yield from _unknown("task.init", task.init, INITIALIZATIONS)
    yield from _unknown("task.norm", task.norm, NORMS)
    yield from _unknown("task.dropout_kind", task.dropout_kind, DROPOUT_KINDS)
    yield from _unknown("task.pooling", task.pooling, POOLINGS)
    yield from _unknown("task.preprocess", task.preprocess, PREPROCESSINGS)
    yield from _unknown("task.loss", task.loss, ("auto", *LOSSES))
    model = MODELS.get(task.model)
    if dataset is not None and model is not None:
        yield from task_combinations(preset, dataset, model)
        yield from transfer_problems(preset, dataset, model)


def _racing(preset: Preset, dataset: DatasetSpec | None) -> Iterator[Problem]:
    yield from racing_problems(preset, dataset, MODELS.get(preset.task.model))


def _regularize(preset: Preset, dataset: DatasetSpec | None) -> Iterator[Problem]:
    table = [spec.hyperparameter for spec in REGULARIZERS.values()]
    given = preset.regularize.further
    for name, text in problems_with("regularize", table, given, are_required=False):
        yield f"regularize.{name}", _sentence(f"regularize.{name}", text)
    model = MODELS.get(preset.task.model)
    if dataset is not None and model is not None:
        yield from regularizer_combinations(preset, dataset, model)
    if model is not None:
        yield from optimizer_combinations(preset, dataset, model)
        yield from head_rate_problems(preset)


def _train(preset: Preset, dataset: DatasetSpec | None) -> Iterator[Problem]:
    if preset.train.epochs is not None and preset.train.steps is not None:
        yield "train.steps", "train.steps and train.epochs exclude each other. Try one of them."
    size = preset.train.batch_size
    if dataset is not None and isinstance(size, int):
        available = preset.task.num_train or dataset.num_train
        if size > available:
            yield (
                "train.batch_size",
                f'train.batch_size = {size} is more than the {available} training samples. Try batch_size = "full".',
            )


def _eval(preset: Preset) -> Iterator[Problem]:
    given = [key for key in ("every_steps", "every_epochs", "every_seconds") if getattr(preset.eval, key) is not None]
    if len(given) > 1:
        yield f"eval.{given[1]}", f"eval.{given[0]} and eval.{given[1]} exclude each other. Try one of them."


def _alarms(preset: Preset) -> Iterator[Problem]:
    """What an alarm cannot do."""
    section = preset.alarms
    if section.dead_run in {"pause", "roll_back"}:
        yield (
            "alarms.dead_run",
            f'alarms.dead_run = "{section.dead_run}" needs a safe point, which a dead run never reaches. Try "notify".',
        )
    for key in ("initialization", "underfitting"):
        if getattr(section, key) == "roll_back":
            yield (
                f"alarms.{key}",
                f'alarms.{key} = "roll_back" has no better state to go back to. Try "notify" or "stop".',
            )
    if section.plateau == "roll_back":
        yield (
            "alarms.plateau",
            'alarms.plateau = "roll_back" would only come to the same plateau again. Try "notify" or "stop".',
        )


def _optimizer(preset: Preset) -> Iterator[Problem]:
    section = preset.optimizer
    yield from _unknown("optimizer.name", section.name, OPTIMIZERS)
    spec = OPTIMIZERS.get(section.name)
    if spec is None:
        return
    given = split_betas(section.further)
    for name, text in problems_with(section.name, spec.hyperparameters, given):
        yield f"optimizer.{name}", _sentence(f"optimizer.{name}", text)
    if "weight_decay" in given and "weight_decay" in preset.regularize.further:
        yield (
            "regularize.weight_decay",
            "regularize.weight_decay and optimizer.weight_decay are the same thing. Try one of them.",
        )
    if given.get("nesterov") is True and not given.get("momentum") and section.name == "sgd":
        yield "optimizer.nesterov", "optimizer.nesterov = true needs momentum. Try momentum = 0.9."


def _schedule(preset: Preset) -> Iterator[Problem]:
    section = preset.schedule
    yield from _unknown("schedule.name", section.name, SCHEDULES)
    spec = SCHEDULES.get(section.name)
    if spec is not None:
        for name, text in problems_with(section.name, spec.hyperparameters, section.further):
            yield f"schedule.{name}", _sentence(f"schedule.{name}", text)
    yield from _warmup(preset)


def _warmup(preset: Preset) -> Iterator[Problem]:
    """A warmup as long as the run leaves nothing of the schedule; told where both are in one unit."""
    section, train = preset.schedule, preset.train
    length = train.epochs if section.unit == "epochs" else train.steps
    if section.warmup and length is not None and section.warmup >= length:
        yield (
            "schedule.warmup",
            (
                f"schedule.warmup = {section.warmup:g} leaves nothing of {length:g} {section.unit}. "
                f"Try warmup = {length / 10:g}."
            ),
        )


def _moments(preset: Preset) -> Iterator[Problem]:
    for index, moment in enumerate(preset.moment, start=1):
        key = f"moment {index}"
        try:
            check_command(parse_command(moment.do, moment.further))
        except (CommandError, UnknownNameError) as error:
            yield key, f"{key} (at step {moment.at_step}): {error}"


def notify_problems(section: NotifySection) -> Iterator[Problem]:
    """What is wrong with the command of a preset, or of one's own config."""
    if section.command is None:
        return
    try:
        words = command_words(section)
    except ValueError as error:
        yield "notify.command", f'notify.command: {error}. Try command = ["notify-send", "tuitrain"].'
        return
    if not words or not words[0].strip() or any("\0" in word for word in words):
        yield "notify.command", 'notify.command names no program. Try command = ["notify-send", "tuitrain"].'


def _sentence(key: str, text: str) -> str:
    """`text` begins with the value or with the owner of the key; both read on after the key."""
    return f"{key}: {text}" if text[:1].isalpha() else f"{key} = {text}"
