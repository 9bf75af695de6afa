"""How a command is composed on the screen: which choices there are, what the line means, what it would do.

Pure: from a board and what was typed to a checked command and a preview in words. The widget is `widgets/composer`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tuitrain.board.board import Board
from tuitrain.errors import CommandError, TuitrainError
from tuitrain.preset.reading import parse_value
from tuitrain.protocol.commands import (
    Command,
    CoolDown,
    Freeze,
    MoveTo,
    PreviewSwitch,
    RollBack,
    ScaleLearningRate,
    SetBatchSize,
    SetEnd,
    SetHyperparameter,
    SetLearningRate,
    SetSchedule,
    SwitchOptimizer,
    Undo,
    Unfreeze,
)
from tuitrain.protocol.describe import parse_command, sentence
from tuitrain.protocol.events import SwitchPreviewed
from tuitrain.protocol.plan import LearningRatePlan, Schedule
from tuitrain.techniques import plan as plans
from tuitrain.techniques.averages import AVERAGES
from tuitrain.techniques.checking import check_command
from tuitrain.techniques.optimizers import OPTIMIZERS
from tuitrain.techniques.regularizers import REGULARIZERS
from tuitrain.techniques.schedules import SCHEDULES
from tuitrain.ui import text
from tuitrain.ui.freezing import effect_of_freezing, layer_choices, typed

BRANCH = "branch"
"""The form that makes no command for the run, but another run."""


@dataclass(frozen=True)
class BranchWish:
    """A branch that a person wants."""

    at: str
    """A step, a tag, or "end" for where the run is now."""
    changes: tuple[str, ...]
    """What it does otherwise, as `key=value` of a preset."""


Composed = Command | BranchWish


@dataclass(frozen=True)
class Choice:
    """One line of the list: a value for the command's `name`."""

    name: str
    summary: str


@dataclass(frozen=True, kw_only=True)
class Form:
    """What is asked of a person to make one command."""

    command: str
    """Its name."""
    title: str
    choices: tuple[Choice, ...] = ()
    """Values of its argument `name`; empty where it has none."""
    bare: str = ""
    """The argument that a word without "=" stands for."""
    initial: str = ""
    hint: str
    frozen_choices: frozenset[str] = frozenset()
    """Choices that are frozen, so that choosing one of them unfreezes it."""
    takes_nothing: bool = False
    """Whether an empty line is a command."""


FORMS: Mapping[str, Form] = {
    "decay": Form(
        command="scale_learning_rate", title="decay the learning rate", bare="factor", initial="0.1",
        hint="a factor: 0.1 decays, 10 raises",
    ),
    "set_rate": Form(
        command="set_learning_rate", title="set the learning rate", bare="lr",
        hint="a rate such as 3e-4; add hold=true to end the schedule",
    ),
    "schedule": Form(
        command="set_schedule", title="replace the schedule",
        choices=tuple(Choice(spec.name, spec.summary) for spec in SCHEDULES.values()),
        hint="options: warmup_steps=100 restart=true num_steps=2000, and the schedule's own",
    ),
    "length": Form(
        command="set_end", title="set the length", bare="step", hint="the step at which the run ends",
    ),
    "undo": Form(
        command="undo", title="undo", hint="enter takes it back", takes_nothing=True,
    ),
    "roll_back": Form(
        command="roll_back", title="roll back", bare="to",
        hint="a step, or a tag such as best; options: skip_batches=200 scale_learning_rate=0.5",
    ),
    "branch": Form(
        command=BRANCH, title="branch", takes_nothing=True,
        hint="what it does otherwise: optimizer.lr=0.01 optimizer.name=sgd train.seed=1; at=STEP for an earlier one",
    ),
    "move": Form(
        command="move_to", title="move the start", hint="coordinates: x=1 y=0.001; everybody begins again from there",
    ),
    "cool_down": Form(
        command="cool_down", title="cool down now", bare="num_steps",
        hint="steps, or nothing for a fifth of those so far; options: shape=linear or cosine",
        takes_nothing=True,
    ),
    "batch_size": Form(
        command="set_batch_size", title="change the batch size", bare="batch_size",
        hint="samples a step; rate=linear (SGD) or rate=sqrt (Adam) scales the learning rate with it",
    ),
    "regularize": Form(
        command="set_hyperparameter", title="regularize", bare="value", hint="the new strength; 0 is off",
    ),
    "optimizer": Form(
        command="switch_optimizer", title="switch the optimizer",
        choices=tuple(Choice(spec.name, spec.summary) for spec in OPTIMIZERS.values()),
        hint="options: momentum=0.9 lr=1e-3 handover=cold ramp_steps=50",
    ),
    "freeze": Form(
        command="freeze", title="freeze, or unfreeze what is frozen",
        hint="or patterns: conv_* lin_1.bias; options: factor=0.1 (unfreeze) batch_norm=train (freeze)",
    ),
    "hyperparameter": Form(
        command="set_hyperparameter", title="change a hyper-parameter", bare="value", hint="the new value",
    ),
}  # fmt: skip


def form_for(action: str, board: Board) -> Form:
    """The form of an action, with choices that depend on the run."""
    form = FORMS[action]
    if action == "optimizer" and board.started is not None:
        known = set(board.started.optimizers)
        choices = tuple(choice for choice in form.choices if choice.name in known)
        return Form(command=form.command, title=form.title, choices=choices, hint=form.hint)
    if action == "hyperparameter":
        choices = tuple(Choice(name, f"now {value}") for name, value in current_values(board).items())
        return Form(command=form.command, title=form.title, choices=choices, bare=form.bare, hint=form.hint)
    if action == "regularize":
        summaries = {spec.name: spec.summary for spec in REGULARIZERS.values()}
        summaries |= {spec.name: spec.summary for spec in AVERAGES.values()}
        choices = tuple(
            Choice(name, f"now {text.plain(value)}   {summaries[name]}")
            for name, value in sorted(board.regularizers.items(), key=lambda item: not item[1])
            if name in summaries
        )
        return Form(command=form.command, title=form.title, choices=choices, bare=form.bare, hint=form.hint)
    if action == "move" and board.race is not None:
        initial = " ".join(f"{axis}={value:g}" for axis, value in zip("xy", board.race.start, strict=False))
        return replace(form, initial=initial)
    if action == "freeze":
        found = layer_choices(board)
        return Form(
            command=form.command, title=form.title, hint=form.hint,
            choices=tuple(Choice(choice.name, choice.summary) for choice in found),
            frozen_choices=frozenset(choice.name for choice in found if choice.is_frozen),
        )  # fmt: skip
    if action == "batch_size":
        return Form(command=form.command, title=f"{form.title}, now {board.batch_size}", bare=form.bare, hint=form.hint)
    return form


def current_values(board: Board) -> dict[str, str]:
    """The hyper-parameters that can be changed, with their values now."""
    if board.optimizer is None or not board.optimizer.groups or board.optimizer.name not in OPTIMIZERS:
        return {}
    spec = OPTIMIZERS[board.optimizer.name]
    return {
        name: text.plain(value)
        for name, value in board.optimizer.groups[0].hyperparameters.items()
        if name in spec.by_name and spec.by_name[name].is_live
    }


def composed(form: Form, choice: str | None, line: str) -> Composed:
    """The command that a choice and a line of words make, or the branch.

    Raises:
        TuitrainError: it is not complete or not right; says what is wrong.
    """
    if form.command == BRANCH:
        return _branch(line)
    if form.command == "freeze":
        return _freezing(form, choice, line)
    arguments: dict[str, object] = {} if choice is None else {"name": choice}
    for word in line.split():
        key, separator, value = word.partition("=")
        if not separator:
            if not form.bare or form.bare in arguments:
                raise CommandError(f'"{word}" is not of the form name=value.')
            key, value = form.bare, word
        arguments[key.replace("-", "_")] = parse_value(value)
    return check_command(parse_command(form.command, arguments))


def _freezing(form: Form, choice: str | None, line: str) -> Command:
    pairs = [word.partition("=") for word in line.split()]
    words = {key.replace("-", "_"): parse_value(value) for key, separator, value in pairs if separator}
    name, arguments = typed(choice, form.frozen_choices, words, [key for key, separator, _ in pairs if not separator])
    return check_command(parse_command(name, arguments))


def _branch(line: str) -> BranchWish:
    at = "end"
    changes: list[str] = []
    for word in line.split():
        key, separator, value = word.partition("=")
        if not separator or not value:
            raise CommandError(f'"{word}" is not of the form key=value.', hint="optimizer.lr=0.01, or at=300.")
        if key == "at":
            at = value
        else:
            changes.append(word)
    return BranchWish(at, tuple(changes))


def proposed_plan(command: Composed, board: Board) -> LearningRatePlan | None:
    """The plan as it would be after a command; None where the command does not change it.

    Raises:
        TuitrainError: the command has no meaning at this step.
    """
    plan, step = board.plan, board.step
    if plan is None:
        return None
    try:
        match command:
            case ScaleLearningRate():
                return plans.scaled(plan, step, command.factor, command.groups)
            case SetLearningRate():
                return plans.set_to(plan, step, command.lr, hold=command.hold)
            case SetBatchSize():
                by = plans.batch_size_factor(command.rate, board.batch_size, command.batch_size)
                return None if by == 1.0 else plans.scaled(plan, step, by)
            case CoolDown():
                return plans.rescheduled(
                    plan, step, Schedule(name=command.shape, num_steps=cool_down_steps(command, board)), restart=False
                )
            case SetSchedule():
                schedule = Schedule(
                    name=command.name,
                    num_steps=command.num_steps or max(1, board.total_steps - step),
                    warmup_steps=command.warmup_steps,
                    hyperparameters=command.hyperparameters,
                )
                return plans.rescheduled(plan, step, schedule, restart=command.restart)
            case _:
                return None
    except plans.PlanEditError as error:
        raise TuitrainError(str(error)) from None


def cool_down_steps(command: CoolDown, board: Board) -> int:
    """How long a cool-down takes, as the run decides it."""
    return command.num_steps or plans.default_cool_down(board.step, board.total_steps)


def effect_of(command: Composed, board: Board) -> str:
    """What a command would do, in words, as far as the screen can know."""
    match command:
        case ScaleLearningRate() | SetLearningRate() | SetSchedule():
            after = proposed_plan(command, board)
            if after is None or board.plan is None:
                return ""
            group = next(iter(after.segments[-1].base))
            old = plans.learning_rate(board.plan, group, board.step)
            new = plans.learning_rate(after, group, board.step)
            end = plans.learning_rate(after, group, max(board.step, board.total_steps - 1))
            return f"learning rate {text.number(old)} → {text.number(new)} now, {text.number(end)} at the end"
        case CoolDown():
            end = board.step + cool_down_steps(command, board)
            return f"saves the stable point, and ends at step {text.count(end)} with a rate of 0"
        case SetBatchSize():
            num_train = board.started.num_train if board.started is not None else 0
            steps = max(1, num_train // command.batch_size)
            return f"batch size {board.batch_size} → {command.batch_size}, {text.count(steps)} steps an epoch"
        case SetHyperparameter() if command.name in board.regularizers:
            return f"{command.name} {text.plain(board.regularizers[command.name])} → {text.plain(command.value)}"
        case SetHyperparameter():
            before = current_values(board).get(command.name, "–")
            return f"{command.name} {before} → {text.plain(command.value)}"
        case SwitchOptimizer():
            return _switch_effect(command, board)
        case MoveTo():
            return "all begin again from there, with fresh optimizers; the clock of the plan goes on"
        case Freeze() | Unfreeze():
            return effect_of_freezing(command, board)
        case SetEnd():
            return f"ends at step {text.count(command.step)}, not {text.count(board.total_steps)}"
        case Undo():
            return _undo_effect(board)
        case RollBack():
            return _roll_back_effect(command, board)
        case BranchWish():
            place = f"step {text.count(board.step)}" if command.at == "end" else command.at
            otherwise = " ".join(command.changes) or "nothing else: the same again"
            return f"a run of its own from {place}: {otherwise}"
        case _:
            return ""


def _undo_effect(board: Board) -> str:
    if not board.decisions:
        return "nothing was decided in this run so far"
    step, command = board.decisions[-1]
    left = board.step - step
    return f"takes back {sentence(command)} of step {text.count(step)}; {text.count(left)} steps since then are left"


def _roll_back_effect(command: RollBack, board: Board) -> str:
    words = f"to the newest state kept at or before {command.to}" if _is_step(command.to) else f"to {command.to}"
    if command.skip_batches:
        words += f"; the next {command.skip_batches} batches are left out"
    if command.scale_learning_rate != 1.0:
        words += f"; learning rate ×{command.scale_learning_rate:g}"
    return f"from step {text.count(board.step)} {words}; what is left stays, faint"


def _is_step(to: int | str) -> bool:
    return isinstance(to, int) or to.isdigit()


def preview_for(command: Composed) -> PreviewSwitch | None:
    """The question whose answer shows what a switch would do."""
    if isinstance(command, SwitchOptimizer):
        return PreviewSwitch(name=command.name, hyperparameters=command.hyperparameters)
    return None


def _switch_effect(command: SwitchOptimizer, board: Board) -> str:
    preview = board.preview
    if preview is None or preview.to_name != command.name or board.step - preview.step > 1000:
        return "asking the run what this would do…" if board.is_live else ""
    memory = text.memory(preview.extra_memory_bytes)
    return f"{_cold_words(preview)}; {_way_words(command, preview)}; {memory} more memory meanwhile"


def _cold_words(preview: SwitchPreviewed) -> str:
    ratio = preview.cold_ratio
    size = f"{ratio:.3g}× larger" if ratio >= 1.0 else f"{1.0 / ratio:.3g}× smaller" if ratio > 0 else "unknown"
    return f"at the rate as it is the first update would be {size}"


def _way_words(command: SwitchOptimizer, preview: SwitchPreviewed) -> str:
    if command.lr is not None:
        return f"at lr {command.lr:g} its size is yours to judge"
    if command.handover == "cold":
        return "taken cold its rate is matched on one step"
    return f"the hand-over keeps it at 1.0× and takes {preview.handover_steps} steps"
