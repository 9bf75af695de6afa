"""Runs that went back, and then were branched, trained again, killed or stopped: only what led to their end counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.session.again import (
    branched,
    last_checksum,
    losses,
    replies,
    rerun_here,
    trained,
    work,
)
from tests.session.crashing import Session, die_in
from tuitrain.preset import load_preset
from tuitrain.protocol.commands import ScaleLearningRate
from tuitrain.session.branching import branch_point, make_branch
from tuitrain.session.exporting import preset_text
from tuitrain.session.recorded import recorded
from tuitrain.training import points

BACK: list[dict[str, Any]] = [
    {"at_step": 40, "do": "save_checkpoint", "tag": "mid"},
    {"at_step": 100, "do": "roll_back", "to": 0, "scale_learning_rate": 0.1},
]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUITRAIN_HOME", str(tmp_path))
    monkeypatch.setattr(points, "_LARGEST_SHARE", 1e6)


@pytest.mark.parametrize("at", ["50", "90", "110"])
def test_a_branch_begins_on_the_way_and_not_in_what_was_left(at: str) -> None:
    """Though the states of what was left are on the disk, some with a higher step."""
    parent = trained(moments=BACK)
    point = branch_point(parent, at)
    assert point.checkpoint is None or "undo" not in point.checkpoint.name
    child = branched(parent, at)
    assert losses(child)[120] == losses(parent)[120]
    assert last_checksum(child) == last_checksum(parent)


def test_a_stop_in_a_hand_over_is_no_end_of_it() -> None:
    """Resumed, it goes on where it was; so does the rerun."""
    switch = {"at_step": 20, "do": "switch_optimizer", "name": "sgd"}
    whole = trained(moments=[switch])
    run = trained(moments=[switch, {"at_step": 22, "do": "stop"}])
    work(run, is_resumed=True)
    assert losses(run) == losses(whole)
    assert rerun_here(run).first_difference == ""


def test_an_automatic_decision_that_waits_is_part_of_the_state() -> None:
    """Saved between the evaluation that led to it and its answer."""
    plateau = ("schedule.name=plateau", "schedule.patience=0", "schedule.threshold=0.9")
    moments = [{"at_step": step, "do": "save_checkpoint", "tag": f"at-{step}"} for step in (40, 60)]
    parent = trained(*plateau, moments=moments)
    for tag in ("at-40", "at-60"):
        child = branched(parent, tag)
        assert last_checksum(child) == last_checksum(parent)


def test_a_model_without_hidden_layers_is_exported_as_it_is(tmp_path: Path) -> None:
    """An empty list is not the default."""
    run = trained("task.hidden=[]", "task.norm=none", "regularize.dropout=0")
    path = tmp_path / "again.toml"
    path.write_text(preset_text(run), encoding="utf-8")
    assert load_preset(str(path)).task.hidden == []


def test_a_branch_that_dies_before_it_saved_itself_keeps_its_decisions() -> None:
    """It begins again from what its parent gave it, and decides again."""
    halve = ScaleLearningRate(factor=0.5)
    parent = trained(moments=[{"at_step": 50, "do": "save_checkpoint"}])
    folder = make_branch(branch_point(parent, "50"), [])
    die_in(folder, Session((60,), 0, 80), halve, is_resumed=True)
    work(folder, is_resumed=True)
    whole = trained(moments=[{"at_step": 60, "do": "scale_learning_rate", "factor": 0.5}])
    assert last_checksum(folder) == last_checksum(whole)
    assert len(replies(folder)) == len(set(replies(folder)))


def test_a_damaged_state_of_the_new_way_does_not_lead_back_to_the_old_one() -> None:
    """The newest on the way is taken, however far what was left had come."""
    moments = [{"at_step": 30, "do": "save_checkpoint"}, {"at_step": 90, "do": "roll_back", "to": 50}]
    run = trained("train.steps=100", moments=moments)
    whole = last_checksum(run)
    for path in run.checkpoints_path.glob("*~1*"):
        path.write_bytes(path.read_bytes()[:-50])
    work(run, is_resumed=True)
    assert last_checksum(run) == whole
    assert min(step for step in losses(run)) == 1


def test_what_was_saved_after_a_resume_is_kept() -> None:
    """Though a damaged one of a later step lies beside it."""
    saves = [{"at_step": step, "do": "save_checkpoint"} for step in (100,)]
    run = trained("checkpoint.keep_last=1", moments=[{"at_step": 40, "do": "save_checkpoint", "tag": "mid"}, *saves])
    for path in run.checkpoints_path.glob("step-*.pt"):
        if "mid" not in path.name:
            path.write_bytes(path.read_bytes()[:-50])
    die_in(run, Session((), 60, 80), ScaleLearningRate(factor=1.0), is_resumed=True)
    assert (run.checkpoints_path / "step-00000060.pt").is_file()


def test_a_run_that_was_made_longer_is_trained_again_to_its_end() -> None:
    """And one that was stopped there, no further."""
    run = trained(moments=[{"at_step": 40, "do": "set_end", "step": 150}, {"at_step": 130, "do": "stop"}])
    assert (recorded(run).total_steps, recorded(run).last_step) == (150, 130)
    result = rerun_here(run)
    assert (result.first_difference, result.num_steps) == ("", 130)
