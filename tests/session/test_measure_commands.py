"""Measuring a preset before it is run, as a script would."""

from __future__ import annotations

import json
from pathlib import Path

from tests.session.test_command_line import tuitrain


def test_a_range_test_of_a_preset_prints_its_suggestion_and_starts_no_run(home: Path) -> None:
    """A table, what to try, and nothing left behind."""
    done = tuitrain("lr-find", "lr-low")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("LEARNING RATE")
    assert "falls fastest" in done.stdout
    assert "Try: tuitrain run lr-low optimizer.lr=0.0" in done.stdout
    assert not (home / "runs").exists()


def test_measurements_are_printed_as_json() -> None:
    """The whole curve, null for what is no number."""
    done = tuitrain("lr-find", "lr-low", "--steps", "12", "--high", "1e-6", "--json")
    found = json.loads(done.stdout)
    assert (found["preset"], len(found["rates"]), found["edge"], found["suggestion"]) == ("lr-low", 12, None, None)
    checked = json.loads(tuitrain("check", "lr-low", "--entries", "2", "--json").stdout)
    assert checked["verdict"] == "right"
    assert checked["tensors"][0]["name"] == "lin_1.weight"


def test_a_check_of_a_preset_prints_a_table() -> None:
    """With a line for every tensor, and what was switched off."""
    done = tuitrain("check", "overfit-dropout", "--entries", "2", "--samples", "4")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("lin_") >= 6
    assert "no dropout" in done.stdout


def test_what_makes_no_sense_is_refused_with_a_way_out() -> None:
    """Exit code 1 where the optimizer has no rate to find, 2 where the question is wrong."""
    refused, wrong = tuitrain("lr-find", "digits-rprop"), tuitrain("lr-find", "lr-low", "--low", "3", "--high", "1")
    assert (refused.returncode, wrong.returncode) == (1, 2)
    assert "rprop does not follow the learning rate" in refused.stderr
    assert "low = 3 is not below high = 1" in wrong.stderr
