"""A file from a stranger costs what a preset costs, whatever is in it; numbers are of a size that a run can have."""

from __future__ import annotations

import string
import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.preset.test_reading import MINIMAL, problems_of, written
from tuitrain.errors import CommandError, PresetError
from tuitrain.preset import load_preset, preset_from_data
from tuitrain.preset.config import read_config
from tuitrain.preset.reading import parse_value
from tuitrain.preset.toml_text import MOST_DEPTH, parse_toml
from tuitrain.protocol.describe import parse_command
from tuitrain.techniques.checking import check_command

BOMBS = {
    "a dotted key of 100 KB": ".".join(["a"] * 50_000) + "=1",
    "a dotted table": "[" + ".".join(["a"] * 50_000) + "]",
    "quoted parts": '."a"'.join(["a"] * 20_000) + "=1",
    "brackets": "x=" + "[" * 100_000,
    "inline tables": "x=" + "{a=" * 50_000,
    "behind a text that ends in four quotes": 'x = ["""a"""", ' + "[" * 50_000 + ' "',
    "a number of 6000 digits": "x=" + "9" * 6000,
    "a hexadecimal one": "x=0x" + "f" * 6000,
    "many keys": "\n".join(f"k{index}=1" for index in range(50_000)),
    "many tables": "\n".join(f"[k{index}]" for index in range(50_000)),
    "a title of 2 MB": f'title = "{"x" * 2_000_000}"',
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_before_it_is_parsed(tmp_path: Path, text: str) -> None:
    """As a preset, as what a preset extends, and as one's own config; in one sentence."""
    bomb = written(tmp_path, text, "bomb")
    began = time.process_time()
    told = [problems_of(bomb), problems_of(written(tmp_path, 'extends = "bomb"\n'))]
    with pytest.raises(PresetError) as caught:
        read_config(Path(bomb))
    seconds = time.process_time() - began
    assert all(len(problems) == 1 and len(problems[0]) < 300 for problems in [*told, caught.value.problems])
    assert seconds < 10.0


@given(st.lists(st.sampled_from([*"[]{}.=,\"'\n\\#ax1", '"""', "'''", "a=", "a.a", ' "a"']), max_size=30).map("".join))
def test_what_is_measured_is_never_less_than_what_is_parsed(text: str) -> None:
    """No text hides brackets from the measure: whatever tomllib reads is as shallow as was said."""

    def levels(value: object) -> int:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
        return 0 if inner is None else 1 + max(map(levels, inner), default=0)

    try:
        data = tomllib.loads(text * 8)
    except tomllib.TOMLDecodeError:
        return
    if levels(data) > 2 * MOST_DEPTH + 1:  # a dotted table and the brackets in it are measured apart
        with pytest.raises(ValueError, match="nested"):
            parse_toml(text * 8)


@pytest.mark.parametrize("bomb", ["[" * 60_000, "{a=" * 30_000, "9" * 6000, ".".join("a" * 50_000), "0x" + "f" * 6000])
def test_a_value_that_is_a_bomb_is_only_a_text(bomb: str) -> None:
    """On the command line, in `ask`, in --vary and --space; what a key makes of it is said as of any other text."""
    assert parse_value(bomb) == bomb
    (problem,) = problems_of("lr-good", f"optimizer.lr={bomb}")
    assert "is not a number" in problem
    assert len(problem) < 300


def test_a_key_that_is_a_bomb_is_told_in_brief() -> None:
    """Both ends of it, as the advice stands last."""
    (problem,) = problems_of("lr-good", f"{'a.' * 50_000}b=1")
    assert len(problem) < 3000
    assert problem.endswith("Try: optimizer.lr=0.01")


def test_many_mistakes_are_counted(tmp_path: Path) -> None:
    """Fifty are told; nobody reads ten thousand."""
    problems = problems_of(written(tmp_path, "\n".join(f"k{index}=1" for index in range(10_000)) + f"\n{MINIMAL}"))
    assert len(problems) == 51
    assert problems[-1].endswith("and 9,950 further mistakes.")


def test_a_record_holds_a_preset_of_bounded_size() -> None:
    """It may be a stranger's as a file may."""
    data = load_preset("lr-good").to_data()
    nested: object = 1
    for _ in range(100_000):
        nested = [nested]
    for wrong, said in (("x" * 2_000_000, "larger than"), (nested, "nested too deep")):
        with pytest.raises(PresetError, match=said):
            preset_from_data({**data, "about": wrong}, "run.json")


def test_a_row_of_presets_that_extend_each_other_has_an_end(tmp_path: Path) -> None:
    """A thousand files would be a thousand calls within each other."""
    for index in range(1000):
        written(tmp_path, f'extends = "p{index + 1}"\n', f"p{index}")
    assert any("extends more than 20 presets" in problem for problem in problems_of(str(tmp_path / "p0.toml")))


def test_a_name_too_long_for_a_file_is_no_preset(tmp_path: Path) -> None:
    """On the command line and in `extends`."""
    for name in ("x" * 5000, f"{tmp_path}/{'x' * 5000}.toml", written(tmp_path, f'extends = "{"x" * 5000}"\n')):
        assert "there is no such file" in problems_of(name)[0] or "No preset named" in problems_of(name)[0]


@pytest.mark.parametrize(
    "override",
    [
        "train.steps=99999999999999999999", "train.steps=1000000000001", "train.epochs=1e300", "train.epochs=inf",
        "eval.every_epochs=1e300", "optimizer.lr=nan", "schedule.warmup=1e300", "task.depth=1000000000",
        "task.hidden=[9999999]",
        f"task.hidden=[{'9,' * 5000}9]", "train.torch_threads=99999999999", "train.max_steps_per_second=1e-300",
        "alarms.window=1000000000000", "alarms.dead_seconds=1e300", "checkpoint.every_minutes=1e300",
        "optimizer.weight_decay=99999999999999999999", "schedule.name=step schedule.step_size=99999999999999999999",
    ],
)  # fmt: skip
def test_a_number_that_no_run_can_have_is_refused(override: str) -> None:
    """With its key, before anything starts."""
    problems = problems_of("lr-good", *override.split())
    key = override.rsplit(maxsplit=1)[-1].partition("=")[0]
    assert any(key in problem for problem in problems)


@pytest.mark.parametrize(
    "words",
    [
        "set_end step=99999999999999999999", "set_seed seed=99999999999999999999", "step_once num_steps=9999999999999",
        "roll_back to=99999999999999999999", "cool_down num_steps=99999999999999999999",
        "set_pace max_steps_per_second=1e-9",
        "measure_gradient_noise batch_sizes=[99999999999999999999]", "move_to x=nan", "unfreeze patterns=a factor=inf",
        "set_hyperparameter name=weight_decay value=99999999999999999999",
    ],
)  # fmt: skip
def test_a_number_that_no_command_can_have_is_refused(words: str) -> None:
    """From `ask`, a moment and the composer alike."""
    name, *pairs = words.split()
    arguments = {key: parse_value(value) for key, _, value in (pair.partition("=") for pair in pairs)}
    with pytest.raises(CommandError):
        check_command(parse_command(name, arguments))


@given(st.text(string.printable, max_size=30))
def test_any_value_is_read(text: str) -> None:
    """As a value of TOML, or as the text itself."""
    parse_value(text)
