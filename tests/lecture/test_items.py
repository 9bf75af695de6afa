"""Each item of the lecture is in a table, has a preset that shows it, is seen on the board, and has its command."""

from __future__ import annotations

from collections.abc import Container
from functools import cache

import pytest

from tests.lecture.items import ITEMS, Item
from tests.training.harness import finish, trainer_of
from tuitrain import cli
from tuitrain.board.board import Board
from tuitrain.comparing.search_plan import METHODS, PRUNERS
from tuitrain.preset import list_presets, load_preset
from tuitrain.preset.schema import AlarmsSection, EvalSection, OptimizerSection, TaskSection, TrainSection
from tuitrain.protocol.describe import COMMANDS
from tuitrain.protocol.events import LayersMeasured, StepsFinished
from tuitrain.tasks import tables
from tuitrain.tasks.own import OWN_KINDS
from tuitrain.tasks.surfaces import SURFACES
from tuitrain.techniques import plan as plans
from tuitrain.techniques.averages import AVERAGES
from tuitrain.techniques.losses import LOSSES
from tuitrain.techniques.optimizers import OPTIMIZERS
from tuitrain.techniques.regularizers import REGULARIZERS
from tuitrain.techniques.schedules import SCHEDULES

TABLES: dict[str, Container[str]] = {
    "optimizer": OPTIMIZERS, "schedule": SCHEDULES, "loss": LOSSES, "regularizer": REGULARIZERS,
    "surface": SURFACES, "model": tables.MODELS, "dataset": tables.DATASETS, "activation": tables.ACTIVATIONS,
    "init": tables.INITIALIZATIONS, "norm": tables.NORMS, "dropout": tables.DROPOUT_KINDS, "pooling": tables.POOLINGS,
    "preprocessing": tables.PREPROCESSINGS, "own": OWN_KINDS,
    "option": {**OptimizerSection.model_fields, **EvalSection.model_fields},
    "average": AVERAGES, "eval": EvalSection.model_fields, "train": TrainSection.model_fields,
    "alarm": AlarmsSection.model_fields, "command": COMMANDS, "key": TaskSection.model_fields,
    "cli": {command.callback.__name__ for command in cli.app.registered_commands if command.callback is not None},
    "search": METHODS, "pruner": PRUNERS,
    "hyperparameter": {name for spec in OPTIMIZERS.values() for name in spec.by_name},
}  # fmt: skip


def params() -> list[object]:
    """Those of a later issue fail as expected, and must be turned when they come."""
    part_two = pytest.mark.xfail(strict=True, reason="part two of the lecture", raises=AssertionError)
    return [pytest.param(item, id=item.id, marks=[part_two] if item.is_later else []) for item in ITEMS]


@cache
def board_after(preset: str, num_steps: int = 20) -> Board:
    """What a screen knows after the first steps of a preset."""
    name, *overrides = preset.split()
    checked = load_preset(name, [*overrides, f"train.steps={num_steps}", "eval.every_steps=10"])
    told = finish(trainer_of(checked))
    board = Board()
    for fact in told.facts:
        board.apply(fact)
    board.apply(StepsFinished(step=told.ended.step, columns=tuple(told.columns)))
    return board


@pytest.mark.parametrize("item", params())
def test_an_item_is_in_a_table_and_has_its_command(item: Item) -> None:
    """By name; the command is one that a run takes."""
    table, _, name = item.spec.partition(":")
    assert name
    assert name in TABLES[table]
    assert not item.command or item.command in COMMANDS


@pytest.mark.parametrize("item", [pytest.param(item, id=item.id) for item in ITEMS if item.preset])
def test_the_preset_of_an_item_shows_it(item: Item) -> None:
    """After 20 steps."""
    assert is_seen(board_after(item.preset), item.seen)


def is_seen(board: Board, seen: str) -> bool:
    """Whether the board holds what a screen needs to show it."""
    kind, _, name = seen.partition("/")
    optimizer, plan, started = board.optimizer, board.plan, board.started
    assert optimizer is not None
    assert plan is not None
    assert started is not None
    match kind:
        case "race":
            return board.race is not None and len(board.race.racers) == int(name) and len(board.series["race/1/x"]) > 0
        case "batch":
            return len(board.series[seen]) > 0
        case "eval" | "gap" | "weights" | "ema" | "swa" | "ensemble" | "tta" | "mc":
            return len(board.evals[seen]) > 0
        case "layers":
            return bool(board.layers.names) and not bool((board.layers.newest(name) != board.layers.newest(name)).all())
        case "loss":
            return started.loss == name
        case "batch_size":
            return board.batch_size == int(name)
        case "measured":
            return getattr(board.measured, name) is not None
        case "optimizer":
            return name in {
                optimizer.name,
                *(key for key, value in optimizer.groups[0].hyperparameters.items() if value),
            }
        case "groups":
            return len(optimizer.groups) == int(name)
        case "frozen":
            return len(board.frozen) == int(name)
        case "log":
            return any(entry.text.startswith(name) for entry in board.log)
        case "schedule":
            return plan.segments[-1].schedule.name == name
        case "mark":
            return any(mark.label == name for mark in board.marks)
        case "momentum":
            return plans.momentum(plan, 0) != plans.momentum(plan, 10)
        case _:
            return bool(board.regularizers[name])


def test_every_preset_shows_an_item() -> None:
    """No preset without a place in the lecture."""
    shown = {item.preset.split()[0] for item in ITEMS if item.preset}
    assert {preset.name for preset in list_presets()} <= shown


@pytest.mark.parametrize(
    ("kind", "names"),
    [("optimizer", OPTIMIZERS), ("schedule", SCHEDULES), ("loss", LOSSES), ("regularizer", REGULARIZERS)],
)
def test_every_entry_of_a_table_is_an_item(kind: str, names: dict[str, object]) -> None:
    """A new entry needs its row; minus-sqrt is the shape of a cool-down and of wsd."""
    listed = {item.spec.partition(":")[2] for item in ITEMS if item.spec.startswith(f"{kind}:")}
    assert set(names) - listed <= {"minus-sqrt"}


def test_every_preset_says_what_to_see_and_what_to_press() -> None:
    """Title, about, what to look for, what to press, its chapter; and a pace an eye can follow."""
    for preset in list_presets():
        assert all((preset.title, preset.about, preset.look_for, preset.press, preset.chapter)), preset.name
        assert preset.train.max_steps_per_second is not None or preset.name == "resnet18", preset.name


def test_layers_are_looked_at_in_the_first_step() -> None:
    """What an initialisation does is seen before anything has moved."""
    name = "init-too-small"
    told = finish(trainer_of(load_preset(name, ["train.steps=2"])))
    assert told.all(LayersMeasured)[0].step == 1
