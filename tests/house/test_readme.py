"""What the README says is what the program does."""

from __future__ import annotations

import re
from pathlib import Path

from tuitrain.preset import list_presets
from tuitrain.protocol.describe import COMMANDS
from tuitrain.ui.actions import key_table

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_key_table_is_generated_from_the_actions() -> None:
    """Change `ui/actions.py` and the table must be written again (`python -m tests.house.write_readme`)."""
    between = re.search(r"<!-- keys -->\n(.*?)\n<!-- /keys -->", README, re.DOTALL)
    assert between is not None
    assert between.group(1) == key_table()


def test_every_shipped_preset_is_named() -> None:
    """A person finds all presets in the README."""
    for preset in list_presets():
        assert f"`{preset.name}`" in README


def test_every_command_is_named() -> None:
    """A person finds all commands that a run can be asked."""
    for name in COMMANDS:
        assert f"`{name}`" in README


def test_the_setup_commands_are_there() -> None:
    """The two commands that do everything."""
    assert "python3 -m pip install . && tuitrain run mnist-mlp" in README
    assert 'python3 -m pip install -e ".[test]" && python3 -m pytest' in README


def test_the_screenshot_exists() -> None:
    """Every picture that the README shows is in the repository."""
    for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README):
        assert (ROOT / target).is_file(), target
