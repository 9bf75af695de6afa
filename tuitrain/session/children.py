"""How other processes of tuitrain are started: as modules of it, whatever lies in the folder where a person stands."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

_SOURCE = Path(__file__).parents[2]
"""The folder that tuitrain is imported from."""


def module_command(name: str) -> list[str]:
    """The beginning of a command line that runs a module, e.g. "tuitrain.session.worker".

    Without the folder where one stands on its path: a `random.py` of one's own there would be taken for Python's.
    """
    return [sys.executable, "-P", "-m", name]


def module_environment(further: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables of such a process: those of this one, and further ones. A source tree is found without its folder."""
    found = {**os.environ, **(further or {})}
    if (_SOURCE / "pyproject.toml").is_file():
        known = [part for part in found.get("PYTHONPATH", "").split(os.pathsep) if part]
        if str(_SOURCE) not in known:
            found["PYTHONPATH"] = os.pathsep.join([*known, str(_SOURCE)])
    return found
