"""`tuitrain branch`, `rerun` and `export`, as a person types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.session.again import trained
from tuitrain.rundir.places import RunFolder, read_info

TUITRAIN = [sys.executable, "-m", "tuitrain.cli"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUITRAIN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def tuitrain(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TUITRAIN, *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        env=dict(os.environ),
    )  # fmt: skip


@pytest.fixture
def run() -> RunFolder:
    """One with a decision, of 120 steps."""
    return trained(moments=[{"at_step": 40, "do": "scale_learning_rate", "factor": 0.5}])


def test_a_rerun_says_that_it_is_the_same_and_its_exit_code_does(run: RunFolder) -> None:
    """As text, and as JSON; where the record was changed, the first step that differs."""
    done = tuitrain("rerun", run.id, "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["identical"], said["steps"]) == (0, True, 120)
    assert said["checksums"] > 3
    again = RunFolder(run.path.with_name(said["rerun"]))
    assert read_info(again).rerun_of == run.id

    lines = run.events_path.read_text(encoding="utf-8").splitlines(keepends=True)
    lines = [line for line in lines if '"factor":0.5' not in line]  # the decision was never recorded
    run.events_path.write_text("".join(lines), encoding="utf-8")
    done = tuitrain("rerun", run.id)
    assert done.returncode == 1
    assert "differs: the learning rate of step 41" in done.stdout


def test_an_exported_preset_runs(run: RunFolder, tmp_path: Path) -> None:
    """It is a file like any other; it is not written over."""
    assert tuitrain("export", run.id, "--to", "preset").returncode == 0
    path = tmp_path / f"{run.id}.toml"
    assert "[[moment]]" in path.read_text(encoding="utf-8")
    assert tuitrain("export", run.id, "--to", "preset").returncode == 2
    assert tuitrain("export", run.id, "--to", "preset", "--out", "-").stdout == path.read_text(encoding="utf-8")
    done = tuitrain("run", str(path), "--headless", "--json")
    assert (done.returncode, json.loads(done.stdout)["steps"]) == (0, 120)
    wrong = tuitrain("export", run.id, "--to", "excel")
    assert (wrong.returncode, "preset or safetensors" in wrong.stderr) == (2, True)


def test_two_arms_are_reported(run: RunFolder) -> None:
    """As the manual writes it, with one option for both."""
    commands = ("set_learning_rate lr=3.0", "nothing")
    done = tuitrain("branch", run.id, "--at", "60", "--arms", *commands, "--steps", "20", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert [arm["arm"] for arm in said["arms"]] == ["as it was", "set_learning_rate lr=3.0"]
    assert all(arm["state"] == "finished" for arm in said["arms"])
    assert said["arms"][1]["behind"] > 0
    alone = tuitrain("branch", run.id, "--arms", "nothing")
    assert (alone.returncode, "nothing to be compared with" in alone.stderr) == (2, True)


def test_a_branch_runs_to_its_end(run: RunFolder) -> None:
    """From the end of a run that was too short."""
    done = tuitrain("branch", run.id, "train.steps=130", "optimizer.lr=0.0001", "--headless", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["steps"] == 130
    info = read_info(RunFolder(run.path.with_name(said["run"])))
    assert (info.parent, info.branched_at) == (run.id, 120)
    wrong = tuitrain("branch", run.id, "task.model=cnn")
    assert (wrong.returncode, "keeps data and model" in wrong.stderr) == (2, True)
