"""Lint, format and types, run as part of the tests so that there is one command for everything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)


def test_ruff_finds_nothing() -> None:
    """The linter is content, and every ignore stands in pyproject.toml with its reason."""
    done = _run("ruff", "check", "tuitrain", "tests")
    assert done.returncode == 0, done.stdout


def test_the_code_is_formatted() -> None:
    """ruff format would change nothing."""
    done = _run("ruff", "format", "--check", "tuitrain", "tests")
    assert done.returncode == 0, done.stdout


def test_the_types_hold() -> None:
    """mypy --strict on the package and its tests."""
    done = _run("mypy")
    assert done.returncode == 0, done.stdout
