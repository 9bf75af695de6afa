"""Whose a run is: a comparison steers those alone whose own `run.json` names it.

Its journal may be a stranger's, and name any run of this home.
"""

from __future__ import annotations

import os
from pathlib import Path

from tuitrain.errors import TuitrainError
from tuitrain.rundir.places import RunFolder, read_info


def is_own(run: str, name: str, key: str) -> bool:
    """Whether a run was launched as a member of a comparison.

    Args:
        run: path of its folder, as the journal gives it.
        name: of the comparison.
        key: of the member.
    """
    try:
        return read_info(RunFolder(Path(run))).comparison == f"{name}/{key}"
    except (TuitrainError, ValueError):  # a path with a zero byte
        return False


def is_missing(run: str) -> bool:
    """Whether nothing lies where a run is said to be."""
    return "\0" not in run and not os.path.lexists(run)


def left_alone(run: str) -> str:
    """Why a run of somebody else is not steered, and what to try."""
    name = RunFolder(Path(run)).id
    return f"{name} was not launched by this comparison, and is left alone. Try: tuitrain ask {name} stop"
