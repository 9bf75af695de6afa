"""The best of a run, asked from outside: written first where the run is alive, told where it is not the best."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import pytest
from safetensors import safe_open
from typer.testing import CliRunner

from tests.session.again import SMALL, trained, work
from tests.session.crashing import Session, die_in
from tuitrain.cli import app
from tuitrain.preset import load_preset
from tuitrain.protocol.commands import SaveCheckpoint
from tuitrain.protocol.events import AlarmRaised
from tuitrain.rundir.follower import read_events
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.rundir.summary import summarize
from tuitrain.session.best import have_best_written
from tuitrain.session.branching import branch_point
from tuitrain.session.exporting import write_weights
from tuitrain.session.hosting import work_in_thread
from tuitrain.session.recorded import recorded
from tuitrain.session.start import create_run
from tuitrain.session.worker import open_hosting
from tuitrain.training import saving


@pytest.fixture
def costly(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first best state no other is cheap enough to be written as the run goes."""
    monkeypatch.setattr(saving, "_LARGEST_SHARE", 1e-9)


def said(*arguments: str) -> tuple[str, str]:
    """Standard output and standard error of a command that succeeds."""
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return done.stdout, done.stderr


def best_step(folder: RunFolder) -> int:
    """Of the lowest evaluation in the record."""
    found = recorded(folder).best
    assert found is not None
    return found[0]


def killed(dies: int) -> RunFolder:
    """A run whose best is in memory alone when it dies."""
    folder = create_run(load_preset("mnist-mlp", [*SMALL, "optimizer.lr=0.003"]))
    die_in(folder, Session(decided=(), saved=dies - 5, dies=dies), SaveCheckpoint(), is_resumed=False)
    return folder


@pytest.mark.usefixtures("costly")
def test_export_and_branch_begin_at_the_best_of_a_run_that_ended(tmp_path: Path) -> None:
    """And say nothing, as nothing is amiss."""
    folder = trained("optimizer.lr=0.03")
    wanted = best_step(folder)
    out, err = said("export", folder.id, "--to", "safetensors", "--at", "best", "--out", str(tmp_path / "w"))
    assert f"of step {wanted}, from step-{wanted:08d}-best.pt" in err
    assert "best evaluated" not in out + err
    with safe_open(tmp_path / "w", "pt") as file:
        assert file.metadata()["step"] == str(wanted)
    assert branch_point(folder, "best").step == wanted == summarize(folder).best_step


@pytest.mark.usefixtures("costly")
def test_a_living_run_writes_its_best_for_whoever_asks(tmp_path: Path) -> None:
    """From another thread or process, through the folder."""
    preset = load_preset("mnist-mlp", [*SMALL, "train.steps=100000", "eval.every_steps=10", "optimizer.lr=1e-5"])
    folder = create_run(preset)
    with RunLock.acquire(folder):
        hosting = open_hosting(folder, "stop")
        thread = work_in_thread(hosting)
        deadline = time.monotonic() + 60.0
        while (recorded(folder).best or (0, 0.0))[0] < 50 and time.monotonic() < deadline:
            time.sleep(0.02)
        seen = best_step(folder)
        _, step, _ = write_weights(folder, "best", tmp_path / "w", force=False)
        hosting.ask_to_stop()
        thread.join(60.0)
    assert step >= seen >= 50
    assert have_best_written(folder).best == (best_step(folder), recorded(folder).validation_loss(best_step(folder)))


@pytest.mark.usefixtures("costly")
def test_after_a_kill_both_are_named_wherever_the_best_is_used(tmp_path: Path) -> None:
    """The step and the value of what is on the disk, and of what was evaluated."""
    folder = killed(95)
    kept, best = recorded(folder).best_saved, recorded(folder).best
    assert kept is not None
    assert best is not None
    assert best[0] > kept.step
    words = f"best on disk is step {kept.step} ("
    there = f"the best evaluated was step {best[0]} ({best[1]:.4g})"
    _, err = said("export", folder.id, "--to", "safetensors", "--at", "best", "--out", str(tmp_path / "w"))
    assert words in err
    assert there in err
    told: list[str] = []
    assert branch_point(folder, "best", told.append).step == kept.step
    assert there in told[0]
    listed = json.loads(said("runs", "--json")[0])
    assert there in listed[0]["best_shortfall"]
    assert there in said("runs")[0]

    work(folder, is_resumed=True)
    alarms = [event.message for event in read_events(folder) if isinstance(event, AlarmRaised) and event.kind == "disk"]
    assert words in alarms[0]
    assert there in alarms[0]


@pytest.mark.usefixtures("costly")
def test_the_best_of_an_earlier_run_is_what_it_says(tmp_path: Path) -> None:
    """task.from_tag=best takes the state of the lowest evaluation."""
    folder = trained("optimizer.lr=0.03")
    made = create_run(load_preset("mnist-mlp", [*SMALL, f"task.from_run={folder.id}", "task.from_tag=best"]))
    weights = read_info(made).weights
    assert weights is not None
    assert weights.checkpoint == f"step-{best_step(folder):08d}-best.pt"


def test_a_list_of_runs_is_strict_json() -> None:
    """A loss that is no number is null, and never the best; the state of step 0 is there where that was the best."""
    folder = trained("optimizer.name=sgd", "optimizer.lr=1e30", "train.on_nonfinite=continue", "train.steps=40")
    listed = json.loads(said("runs", "--json")[0], parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))
    assert listed[0]["last"]["eval/loss"] is None
    assert (listed[0]["best_step"], math.isfinite(listed[0]["best"]["eval/loss"])) == (0, True)
    assert branch_point(folder, "best").step == 0
