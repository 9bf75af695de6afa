"""No mistake hides another, none is told twice, and nothing in a file makes the reader crash."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.preset.test_reading import MINIMAL, problems_of, written
from tuitrain.errors import PresetError
from tuitrain.preset import Preset, list_presets, load_preset, preset_from_data, presets_folder
from tuitrain.preset.schema import Section

toml_values = st.recursive(
    st.booleans()
    | st.integers(-100, 100)
    | st.floats()
    | st.sampled_from(["adam", "mlp", "digits", "fast", "", "full"])
    | st.just(dt.date(2026, 1, 1)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)
SECTIONS = [name for name in Preset.model_fields if name != "name"]
KEYS = sorted({"name", "at_step", "do", "betas", "beta1", "momentum", "gamma", "milestones", "x", "epochs", "steps",
               "batch_size", "lr", "hidden", "dataset", "model", "every_steps", "dropout", "factor"})  # fmt: skip


@settings(max_examples=300)
@given(
    changes=st.dictionaries(
        st.sampled_from(SECTIONS),
        toml_values | st.dictionaries(st.sampled_from(KEYS), toml_values, max_size=4) | st.lists(
            st.dictionaries(st.sampled_from(KEYS), toml_values, max_size=4), max_size=2
        ),
        max_size=4,
    )
)  # fmt: skip
def test_whatever_stands_in_a_preset_it_is_one_or_a_preset_error(changes: dict[str, Any]) -> None:
    """Any values of TOML's kinds in any place; each problem is told once, with its place."""
    data = {"name": "n", "title": "t", "task": {"dataset": "digits", "model": "mlp"}, **changes}
    problems: tuple[str, ...] = ()
    try:
        preset = preset_from_data(data, "x.toml")
    except PresetError as error:
        problems = error.problems or ("a PresetError without a problem",)
    else:
        assert preset_from_data(preset.to_data(), "x.toml") == preset
    assert len(set(problems)) == len(problems)
    assert all(problem.startswith("x.toml: ") for problem in problems)


@pytest.mark.parametrize(
    "wrong",
    [
        '[task]\ndataset = "digits"\nmodel = "mlp"\n',
        'title = "t"\n[task]\nmodel = "mlp"\n',
        'title = "t"\ntask = 3\n',
        'title = 3\n[task]\ndataset = "digits"\nmodel = ["mlp"]\n',
        'title = "t"\n[[moment]]\nat_step = -1\ndo = "pause"\n[task]\ndataset = "digits"\nmodel = "mlp"\n',
    ],
    ids=["no title", "no dataset", "a task that is no table", "two wrong kinds", "a moment before the start"],
)
def test_what_is_missing_hides_nothing_that_is_wrong_elsewhere(tmp_path: Path, wrong: str) -> None:
    """Schema and tables find their mistakes together, whatever the schema misses."""
    problems = problems_of(
        written(tmp_path, wrong + '[optimizer]\nname = "adm"\n[[moment]]\nat_step = 1\ndo = "paus"\n')
    )
    text = "\n".join(problems)
    assert 'optimizer.name = "adm" is not known' in text
    assert 'No command named "paus"' in text
    assert len(problems) >= 3
    assert ' "" ' not in text  # no stand-in is blamed


def test_a_moment_keeps_its_number_beside_broken_ones(tmp_path: Path) -> None:
    """The second moment is called the second, also where the first is no table at all."""
    path = written(tmp_path, 'moment = [3, {at_step = 5, do = "stop", now = true}, {do = "pause"}]\n' + MINIMAL)
    text = "\n".join(problems_of(path))
    assert "moment 1 = 3 is not a table" in text
    assert 'moment 2 (at step 5): stop has no argument "now"' in text
    assert "moment 3.at_step is missing" in text


def test_without_a_name_the_keys_of_a_section_are_not_judged(tmp_path: Path) -> None:
    """Whether momentum is right cannot be told while the optimizer is unknown: one mistake, not two."""
    problems = problems_of(written(tmp_path, MINIMAL + "[optimizer]\nname = 3\nmomentum = 0.9\n"))
    assert len(problems) == 1
    assert "optimizer.name = 3 is not a text" in problems[0]


def test_an_override_of_a_section_and_of_its_key_is_a_mistake_not_a_crash() -> None:
    """`task=3 task.model=mlp`, in both orders."""
    for overrides in (["task=3", "task.model=mlp"], ["task.model=mlp", "task=3"]):
        assert any("task = 3 is not a table" in problem for problem in problems_of("mnist-mlp", *overrides))


@pytest.mark.parametrize("override", ["=1", "optimizer.=1", "a.b.c=1", "optimizer.lr", ".lr=1"])
def test_an_override_without_a_key_says_what_one_looks_like(override: str) -> None:
    """With an example."""
    assert problems_of("mnist-mlp", override)[0].endswith("Try: optimizer.lr=0.01")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["train.epochs=true"], "train.epochs = True is not a number"),
        (["train.epochs=nan"], "finite"),
        (["train.steps=0"], "greater than or equal to 1"),
        (["train.steps=2.5"], "is not a whole number"),
        (["regularize.dropout=1.0"], "is not in 0 ≤ dropout < 1"),
        (["train.on_nonfinite=ignore"], "'pause', 'stop', 'continue' or 'roll_back'"),
        (["task.hidden=[0]"], "greater than or equal to 1"),
        (["schedule.name=multistep", "schedule.milestones=3"], "is not a list of numbers"),
        (["train.batch_size=1", "task.norm=batch"], "no variance to normalise"),
        (["train.epochs=1", "train.steps=1"], "exclude each other"),
    ],
)
def test_a_value_out_of_range_names_its_bound(overrides: list[str], said: str) -> None:
    """On the command line as in a file."""
    assert said in "\n".join(problems_of("mnist-mlp", *overrides))


def test_a_section_that_names_the_same_entry_keeps_the_rest(tmp_path: Path) -> None:
    """Extending step-decay with the same optimizer and schedule changes only the keys that are given."""
    preset = load_preset(
        written(
            tmp_path,
            'extends = "step-decay"\ntitle = "x"\n[optimizer]\nname = "sgd"\nlr = 0.1\n[schedule]\ngamma = 0.5\n'
            "[eval]\nevery_steps = 10\n",
        )
    )
    assert (preset.optimizer.lr, preset.optimizer.further) == (0.1, {"momentum": 0.9})
    assert preset.schedule.further == {"milestones": [3, 5], "gamma": 0.5}
    assert (preset.schedule.unit, preset.eval.every_steps, preset.task.norm) == ("epochs", 10, "batch")
    assert preset.name == "mine"


def test_a_preset_beside_the_file_is_extended_before_a_shipped_one(tmp_path: Path) -> None:
    """And one that is nowhere is said with the nearest name."""
    written(tmp_path, MINIMAL + "[train]\nsteps = 3\n", "mnist-mlp")
    path = written(tmp_path, 'extends = "mnist-mlp"\ntitle = "x"\n')
    assert load_preset(path).train.steps == 3
    assert 'Did you mean "linreg"?' in problems_of(written(tmp_path, 'extends = "linrg"\ntitle = "x"\n', "b"))[0]
    assert "extends is not the name" in problems_of(written(tmp_path, "extends = 3\n" + MINIMAL, "c"))[0]


def test_the_presets_of_a_checkout_are_found_and_all_are_listed() -> None:
    """One a file, by name."""
    assert presets_folder().is_dir()
    assert [preset.name for preset in list_presets()] == sorted(path.stem for path in presets_folder().glob("*.toml"))


def test_a_copied_preset_is_the_shipped_one_but_for_its_name(tmp_path: Path) -> None:
    """A person's copy trains the same."""
    shutil.copy(presets_folder() / "lab-wave.toml", tmp_path / "mine.toml")
    mine, shipped = load_preset(str(tmp_path / "mine.toml")).to_data(), load_preset("lab-wave").to_data()
    assert mine.pop("name") == "mine"
    assert shipped.pop("name") == "lab-wave"
    assert mine == shipped
    assert issubclass(Preset, Section)
