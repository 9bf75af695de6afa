"""A command to run comes from oneself: from one's own config or the command line, never from a preset file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.preset.test_reading import MINIMAL, problems_of, written
from tuitrain.errors import PresetError
from tuitrain.preset import load_preset, preset_from_data
from tuitrain.preset.config import Config, read_config
from tuitrain.preset.schema import command_words

COMMAND = '\n[notify]\ncommand = "touch pwned"\nbell = false\n'


def config(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_a_preset_file_with_a_command_is_refused(tmp_path: Path) -> None:
    """With where it belongs; by whatever way it comes in."""
    stranger = written(tmp_path, MINIMAL + COMMAND)
    problems = problems_of(stranger)
    assert len(problems) == 1
    assert "notify.command" in problems[0]
    assert "config.toml" in problems[0]
    child = tmp_path / "child.toml"
    child.write_text('extends = "mine"\ntitle = "mine"\n', encoding="utf-8")
    assert problems_of(str(child)) == problems
    # An override of one's own does not make the stranger's file a good one.
    assert problems_of(stranger, "notify.command=echo") == problems


def test_a_recorded_run_with_a_command_is_refused() -> None:
    """A run folder may be a stranger's as well, and going on with it must not run his program."""
    data = {**load_preset("lab-wave").to_data(), "notify": {"command": ["touch", "pwned"]}}
    with pytest.raises(PresetError, match="stranger"):
        preset_from_data(data, "run.json")


def test_bell_and_on_may_stand_in_a_preset(tmp_path: Path) -> None:
    """They run nothing, and are recorded."""
    preset = load_preset(str(written(tmp_path, MINIMAL + '\n[notify]\nbell = false\non = ["alarm"]\n')))
    assert (preset.notify.bell, preset.notify.on) == (False, ["alarm"])
    assert preset.to_data()["notify"] == {"bell": False, "on": ["alarm"]}
    assert preset_from_data(preset.to_data(), "run.json") == preset


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("notify.command=notify-send 'the run' ended", ("notify-send", "the run", "ended")),
        ('notify.command=["a b", "$HOME; rm x"]', ("a b", "$HOME; rm x")),
    ],
)
def test_the_command_line_may_name_a_command(override: str, words: tuple[str, ...]) -> None:
    """As one text or as a list, without a shell; and it is never recorded."""
    preset = load_preset("lab-wave", [override])
    assert command_words(preset.notify) == words
    assert "notify" not in preset.to_data()


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ("notify.command=echo 'open", "closing quotation"),
        ("notify.command=[]", "names no program"),
        ('notify.command=""', "names no program"),
        ("notify.command=3", "notify.command = 3"),
        ('notify.on=["begin"]', "notify.on"),
        ("notify.comand=x", 'Did you mean "command"?'),
    ],
)
def test_mistakes_are_told_at_checking_time(override: str, wanted: str) -> None:
    """Not at the end of a night."""
    problems = problems_of("lab-wave", override)
    assert len(problems) == 1
    assert wanted.lower() in problems[0].lower()
    assert problems[0].startswith("command line: ")


def test_ones_own_config_may_name_a_command(tmp_path: Path) -> None:
    """Where it is one's own; without a file all is as usual."""
    path = config(tmp_path, '[notify]\ncommand = ["notify-send", "x"]\non = ["end"]\nbell = false\n')
    notify = read_config(path).notify
    assert (command_words(notify), notify.on, notify.bell) == (("notify-send", "x"), ["end"], False)
    assert read_config(tmp_path / "nowhere.toml") == Config()


@pytest.mark.parametrize("mode", [0o660, 0o602, 0o666])
def test_a_config_that_others_can_write_is_not_believed(tmp_path: Path, mode: int) -> None:
    """As ssh does; without a command it can do no harm."""
    with pytest.raises(PresetError, match="others may write") as caught:
        read_config(config(tmp_path, '[notify]\ncommand = "x"\n', mode))
    assert "chmod 600" in str(caught.value)
    assert read_config(config(tmp_path, "[notify]\nbell = false\n", mode)).notify.bell is False


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_config_of_somebody_else_is_not_believed(tmp_path: Path) -> None:
    """Whatever its mode."""
    path = config(tmp_path, '[notify]\ncommand = "x"\n')
    os.chown(path, 12345, -1)
    with pytest.raises(PresetError, match="not your file"):
        read_config(path)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[notfy]\n", 'Did you mean "notify"?'),
        ("[notify]\nbel = true\n", 'Did you mean "bell"?'),
        ('[notify]\nbell = "loud"\n', "is not true or false"),
        ("[notify\n", "not valid TOML"),
        ('[notify]\ncommand = "a \'b"\n', "closing quotation"),
    ],
)
def test_mistakes_of_the_config_are_told_with_its_path(tmp_path: Path, text: str, wanted: str) -> None:
    """Strict like a preset."""
    path = config(tmp_path, text)
    with pytest.raises(PresetError) as caught:
        read_config(path)
    assert len(caught.value.problems) == 1
    assert str(caught.value).startswith(str(path))
    assert wanted.lower() in str(caught.value).lower()
