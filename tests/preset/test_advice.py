"""Advice works when it is typed where the mistake came from."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

import tuitrain
from tests.preset.test_combining import IMPOSSIBLE
from tests.preset.test_reading import problems_of, written
from tests.tasks.test_own_data import CSV_MISTAKES
from tests.tasks.test_own_tables import HEADERS, PENGUINS, TOLD, lines
from tuitrain.errors import PresetError
from tuitrain.preset import load_preset
from tuitrain.preset.advice import as_typed, section_of
from tuitrain.preset.schema import Preset
from tuitrain.techniques.optimizers import OPTIMIZERS
from tuitrain.techniques.regularizers import REGULARIZERS
from tuitrain.techniques.schedules import SCHEDULES

PACKAGE = Path(tuitrain.__file__).parent
SOURCES = sorted([*PACKAGE.glob("preset/*.py"), *PACKAGE.glob("tasks/own*.py")])


def texts(source: Path) -> list[str]:
    """All texts of a module, X where a value is put in."""
    found = []
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            found.append("".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
    return found


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_advice_names_keys_that_there_are(source: Path) -> None:
    """Of a section, or of an entry of our tables; the option of a class may not be called otherwise."""
    entries = {
        *(item.name for optimizer in OPTIMIZERS.values() for item in optimizer.hyperparameters),
        *(item.name for schedule in SCHEDULES.values() for item in schedule.hyperparameters),
        *REGULARIZERS,
    }
    for text in texts(source):
        for name in re.findall(r"(?<![\w.])([a-z]\w*) = ", text.partition("Try")[2]):
            assert section_of(name, "") or name in entries, text


def typed(problem: str) -> list[str]:
    """The assignments that a problem advises, as a shell hands them on."""
    advice = problem.partition(" Try")[2]
    found = re.findall(r"(?<!\S)[a-z_]+\.\w+=(?:'[^']*'|\"'\"|[^\s'\",])+", advice)
    return [word for assignment in found for word in shlex.split(assignment)]


def problems_after(preset: str, *overrides: str) -> tuple[str, ...]:
    try:
        load_preset(preset, overrides)
    except PresetError as error:
        return error.problems
    return ()


def assert_helps(overrides: tuple[str, ...], problem: str) -> int:
    """Whatever a problem advises is taken, and the problem is gone; how much it advises."""
    assert " = " not in problem.partition(" Try")[2], problem
    for advice in typed(problem):
        key = advice.partition("=")[0]
        others = tuple(text for text in overrides if not text.startswith(f"{key}="))
        ignored = [text.removeprefix("task.ignore=[").removesuffix("]") for text in overrides if "task.ignore=" in text]
        whole = f"{key}=[{', '.join([*ignored, advice.partition('=[')[2]])}" if key == "task.ignore" else advice
        after = problems_after("mnist-mlp", *others, whole)
        statement = problem.partition(" Try")[0]
        assert not any(text.startswith(statement) for text in after), (advice, after)
        assert not any("is not a key" in text or "is not of the form" in text for text in after), (advice, after)
    return len(typed(problem))


def test_advice_about_combinations_helps_when_it_is_typed() -> None:
    """Each of the presets' own mistakes."""
    count = 0
    for overrides, _ in IMPOSSIBLE:
        for problem in problems_of("mnist-mlp", *overrides):
            count += assert_helps(overrides, problem)
    assert count > 30


def option(name: str, value: Any) -> list[str]:
    if name == "fold":
        return [f"task.folds={value.total}", f"task.fold={value.number}"]
    if isinstance(value, tuple):
        return [f"task.{name}=[{', '.join(f'{chr(34)}{item}{chr(34)}' for item in value)}]"]
    key = "data_seed" if name == "seed" else name
    return [f"task.{key}={str(value).lower() if isinstance(value, bool) else value}"]


CASES: dict[str, tuple[str | bytes, dict[str, Any]]] = {
    **{name: (text, options) for name, (text, options, _) in CSV_MISTAKES.items()},
    **{name: (text, options) for name, (text, options, _) in TOLD.items()},
    **{name: (text, {}) for name, text in HEADERS.items()},
    "penguins": (PENGUINS, {"target": "species"}),
    "either": (lines("x;z;y", lambda i: f"{i + 1},000;{i};{i % 2}"), {}),
    "an odd name": (lines('"a ""b"" \\ c\'d\u200b",y', lambda i: f"oh{i % 2},{i % 2}"), {}),
}


def test_advice_about_tables_helps_when_it_is_typed(tmp_path: Path) -> None:
    """Each mistake that the tests of tables know."""
    count = 0
    for text, options in CASES.values():
        path = tmp_path / "table.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        further = [word for name, value in options.items() for word in option(name, value)]
        overrides = ("task.dataset=csv", f"task.path={path}", *further)
        for problem in problems_after("mnist-mlp", *overrides):
            count += assert_helps(overrides, problem)
    assert count > 30


def test_advice_in_a_file_is_as_a_file_has_it(tmp_path: Path) -> None:
    """And that of a key from the command line is as it is typed there."""
    (tmp_path / "table.csv").write_text(lines(",x,y", lambda i: f"{i},{i},7"))
    mine = written(tmp_path, 'extends = "mnist-mlp"\n[task]\ndataset = "csv"\npath = "table.csv"\n')
    found = problems_of(mine, "optimizer.lr=fast")
    assert any(problem.endswith('Try ignore = ["column 0"], or give it a name.') for problem in found)
    assert any(problem.endswith('classes, or target_kind = "regression".') for problem in found)
    assert any(problem.endswith("Try: optimizer.lr=3e-4") for problem in found)


def test_a_value_alone_is_typed_with_its_key() -> None:
    """Unless it stands for something else than a value of that key."""
    assert as_typed('It is wrong. Try "full".', "train.batch_size") == "It is wrong. Try train.batch_size=full"
    assert as_typed("It is wrong. Try 2 at most.", "train.epochs") == "It is wrong. Try 2 at most."
    assert as_typed('No such column. Try "x".', "task.path") == 'No such column. Try "x".'


@pytest.mark.parametrize("size", [None, 64, "full"])
def test_a_small_table_takes_a_batch_that_fits(tmp_path: Path, size: int | str | None) -> None:
    """As many as there are where nobody asked for a size; what was asked for is refused."""
    path = tmp_path / "cars.csv"
    path.write_text(lines("mpg,cyl,hp", lambda i: f"{20 + i / 3:.1f},{4 + i % 3 * 2},{50 + 3 * i}", 32))
    overrides = ["task.dataset=csv", f"task.path={path}"]

    def loaded(*further: str) -> Preset:
        return load_preset("mnist-mlp", [*overrides, *further])

    if size is None:
        assert loaded().train.batch_size == 26
        assert loaded("task.folds=4", "task.fold=1").train.batch_size == 24
        mine = written(tmp_path, f'extends = "mnist-mlp"\n[task]\ndataset = "csv"\npath = "{path}"\n')
        assert load_preset(mine).train.batch_size == 26
    elif size == "full":
        assert loaded("train.batch_size=full").train.batch_size == "full"
    else:
        (problem,) = problems_after("mnist-mlp", *overrides, "train.batch_size=64")
        assert problem.startswith("command line: train.batch_size = 64 is more than the 26 training samples.")
        task = f'[task]\ndataset = "csv"\npath = "{path}"\n'
        mine = written(tmp_path, f'extends = "mnist-mlp"\n{task}[train]\nbatch_size = 64\n')
        assert 'Try batch_size = "full"' in problems_after(mine)[0]
