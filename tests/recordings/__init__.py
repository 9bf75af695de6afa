"""Golden recordings: small, without a trace of the machine. `make_recordings` makes them again."""

from __future__ import annotations

import shutil
from pathlib import Path

from tuitrain.rundir.places import RunFolder

HERE = Path(__file__).resolve().parent
STEERED = "20260101-0900-mnist-mlp-5eed"
DIVERGED = "20260101-1000-linreg-0bad"
ASKED = "20260101-1100-lab-wave-a5ed"
"""Steered from outside: a step, a refusal, a decay and a stop, asked by a person."""
HAND_MADE = "20260101-1200-linreg-0a0a"
"""Written by hand: NaN and infinite losses that the run went on over, an alarm, a failed end."""
WENT_BACK = "20260101-1300-mnist-mlp-bac0"
"""A rate that was raised too far and a roll-back to before it, a switch and its undo.

It is of before `RolledBack.origin`: it does not tell on which way the states were that it went back to.
"""
PASSED_TWICE = "20260101-1400-lab-wave-2a55"
"""A roll-back whose undo leads to a step that was passed on both ways."""
ALL = (STEERED, DIVERGED, ASKED, HAND_MADE, WENT_BACK, PASSED_TWICE)


def copied(name: str, runs: Path) -> RunFolder:
    """A recording as a run folder of its own."""
    folder = RunFolder.create(runs / name)
    for part in ("run.json", "events.jsonl"):
        shutil.copyfile(HERE / name / part, folder.path / part)
    return folder
