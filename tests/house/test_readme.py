"""What the README says is what the program does."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.house.write_readme import TABLES
from tuitrain.preset import list_presets
from tuitrain.protocol.describe import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("mark", "table"), TABLES.items())
def test_the_tables_are_generated(mark: str, table: Callable[[], str]) -> None:
    """Change the code, and they must be written again (`python -m tests.house.write_readme`)."""
    between = re.search(rf"<!-- {mark} -->\n(.*?)\n<!-- /{mark} -->", README, re.DOTALL)
    assert between is not None
    assert between.group(1) == table()


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
