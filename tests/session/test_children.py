"""Processes of tuitrain do not care for the folder where a person stands."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tuitrain.session.children import module_command, module_environment

ROOT = Path(__file__).parents[2]
MODULES = ("tuitrain.session.worker", "tuitrain.session.notify_worker", "tuitrain.comparing.worker")


@pytest.mark.parametrize("module", MODULES)
def test_files_named_as_parts_of_python_are_not_taken_for_them(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A student has a random.py and a queue.py beside the data."""
    for name in ("random", "queue", "json", "types", "numpy", "tuitrain"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('this is somebody's own')\n")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    done = subprocess.run(
        [*module_command(module), "--help"], cwd=tmp_path, env=module_environment({"PYTHONUNBUFFERED": "1"}),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "own" not in done.stderr
    assert done.returncode == 0, done.stderr


def test_no_other_way_starts_one() -> None:
    """One door, so that none is forgotten."""
    for path in (ROOT / "tuitrain").rglob("*.py"):
        if path.name != "children.py":
            assert not re.search(r'"-m",\s*"tuitrain', path.read_text(encoding="utf-8")), path
