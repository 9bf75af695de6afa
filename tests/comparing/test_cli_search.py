"""`tuitrain search` as people call it: what is refused, and a whole search with its preset."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tuitrain.cli import app
from tuitrain.comparing.folder import ComparisonFolder, comparisons_folder, list_comparisons
from tuitrain.comparing.starting import is_scheduled
from tuitrain.errors import TuitrainError
from tuitrain.preset import load_preset

pytest.importorskip("optuna")

RATE = ["--space", "optimizer.lr=log:1e-3:0.1"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own."""
    monkeypatch.setenv("TUITRAIN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(*arguments: str) -> str:
    """What is said, and that nothing was made."""
    with pytest.raises(TuitrainError) as caught:
        CliRunner().invoke(app, ["search", *arguments], catch_exceptions=False)
    assert caught.value.exit_code == 2
    assert not list_comparisons()
    return str(caught.value)


def test_what_cannot_be_searched_is_refused_before_anything_is_made() -> None:
    """No preset, two, no space, a bad name, a search that is not there; each with what to try."""
    assert "no preset is given" in refused(*RATE)
    assert "2 presets are given" in refused("linreg", "lr-good", *RATE)
    assert "needs a space" in refused("linreg")
    assert "cannot be the name" in refused("linreg", *RATE, "--name", "A b")
    assert "There are no comparisons yet" in refused("--resume", "nothing")
    assert "writes one .toml file" in refused("--export", "x")
    assert "low 1 is above high 0.1" in refused("linreg", "--space", "optimizer.lr=log:1:0.1")
    assert "nowhere" in refused("linreg", *RATE, "--on", "nowhere")
    assert "as it is" in refused("linreg", "--resume", "x")


def test_without_a_preset_searches_are_listed() -> None:
    """None at first, with an example."""
    said = CliRunner().invoke(app, ["search"]).output
    assert "No searches yet." in said
    assert "tuitrain search lr-good" in said


def test_a_search_ends_with_the_best_as_a_preset(home: Path) -> None:
    """Trials as data on stdout, best.toml in its folder, another by --export; it lists, and does not start again."""
    arguments = ["search", "linreg", "train.steps=10", *RATE, "--trials", "2", "--parallel", "2", "--json"]
    result = CliRunner().invoke(app, [*arguments, "--name", "quick"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [trial["state"] for trial in found["trials"]] == ["finished", "finished"]
    best = found["best"]
    assert best["value"] == min(trial["value"] for trial in found["trials"])
    assert load_preset(found["preset"]).optimizer.lr == best["parameters"]["optimizer.lr"]
    CliRunner().invoke(app, ["search", "--export", "quick", "mine.toml"], catch_exceptions=False)
    mine = load_preset(str(home / "mine.toml"))
    assert mine.optimizer.lr == best["parameters"]["optimizer.lr"]
    assert "tuitrain search (random, quick)" in mine.about
    assert "quick" in CliRunner().invoke(app, ["search"]).output
    again = CliRunner().invoke(app, ["search", "--resume", "quick", "--json"], catch_exceptions=False)
    assert json.loads(again.stdout)["trials"] == found["trials"]


def test_a_killed_search_goes_on_with_the_same_trials() -> None:
    """kill -9 of its scheduler while a trial is at work: --resume ends it, no trial twice."""
    from tuitrain.comparing.folder import create_comparison
    from tuitrain.comparing.search_plan import search_plan
    from tuitrain.comparing.starting import start_scheduler

    preset = load_preset("linreg", ["train.steps=10"])
    folder = create_comparison(search_plan(preset, [RATE[1]], name="killed", num_trials=3, method="tpe"))
    process = start_scheduler(folder)
    try:
        _wait_for(folder, "MemberSubmitted")
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    while is_scheduled(folder):
        time.sleep(0.05)
    result = CliRunner().invoke(app, ["search", "--resume", "killed", "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert sorted(trial["number"] for trial in found["trials"]) == [1, 2, 3]
    assert len({trial["run"] for trial in found["trials"]}) == 3
    # A folder that was made in the moment of the kill is beside them; nothing ever happened in it.
    trained = [path.parent for path in (comparisons_folder().parent / "runs").glob("*/events.jsonl")]
    assert sorted(path.name for path in trained) == sorted(Path(trial["run"]).name for trial in found["trials"])


def _wait_for(folder: ComparisonFolder, word: str) -> None:
    for _ in range(3600):
        if folder.journal_path.is_file() and word in folder.journal_path.read_text():
            return
        time.sleep(0.05)
    raise AssertionError(f"{word} did not come")
