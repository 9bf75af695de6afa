"""A run saves itself without being changed by it; what is old makes room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.training.harness import Told, build, finish
from tuitrain.protocol.events import AlarmRaised, CheckpointSaved, CommandRefused, EvalFinished
from tuitrain.training.checkpoint import load_checkpoint
from tuitrain.training.state import captured

DELICATE = ("regularize.dropout=0.3", "task.norm=batch", "eval.every_steps=5")


def saved(folder: Path, *overrides: str, **options: Any) -> Told:
    """A run of 40 steps that may save; what it wrote is in `folder`."""
    return finish(build(*DELICATE, *overrides, checkpoint_folder=folder, **options))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_saving_changes_nothing(tmp_path: Path) -> None:
    """The stream with and without it is the same, with dropout and batch norm."""
    often = saved(tmp_path, "checkpoint.every_minutes=1e-9", "checkpoint.keep_best=true")
    assert often.losses == finish(build(*DELICATE)).losses
    assert len(often.all(CheckpointSaved)) > 3


def test_the_last_few_are_kept_and_the_best(tmp_path: Path) -> None:
    """Whole, each of its step; the best is that of the lowest validation loss that was saved in time."""
    result = saved(tmp_path, "checkpoint.every_minutes=1e-9", "checkpoint.keep_last=2", "checkpoint.keep_best=true")
    plain = [name for name in names(tmp_path) if "best" not in name]
    assert len(plain) in {2, 3}  # the last word of a run is saved besides
    best = [name for name in names(tmp_path) if "best" in name]
    assert len(best) == 1
    losses = {fact.step: fact.metrics["eval/loss"] for fact in result.all(EvalFinished)}
    state = load_checkpoint(tmp_path / best[0])
    assert losses[state["step"]] == min(loss for step, loss in losses.items() if 0 < step <= state["step"])
    assert all(load_checkpoint(tmp_path / name)["step"] == int(name[5:13]) for name in plain)


def test_by_default_a_short_run_saves_its_end_alone(tmp_path: Path) -> None:
    """Five minutes have not passed."""
    saved(tmp_path)
    assert names(tmp_path) == ["step-00000040.pt"]


def test_a_person_saves_with_a_tag(tmp_path: Path) -> None:
    """It is kept beside the others; a tag that is a path or ours is refused."""
    moments = [
        {"at_step": 10, "do": "save_checkpoint", "tag": "before-decay"},
        {"at_step": 20, "do": "save_checkpoint"},
        {"at_step": 30, "do": "save_checkpoint", "tag": "../x"},
        {"at_step": 31, "do": "save_checkpoint", "tag": "best"},
    ]
    result = saved(tmp_path, moments=moments)
    assert names(tmp_path) == ["step-00000010-before-decay.pt", "step-00000020.pt", "step-00000040.pt"]
    assert [fact.step for fact in result.all(CommandRefused)] == [30, 31]
    assert [fact.cause for fact in result.all(CheckpointSaved)] == ["moment-0001", "moment-0002", ""]


def test_a_run_without_a_folder_refuses() -> None:
    """With the reason."""
    result = finish(build(moments=[{"at_step": 3, "do": "save_checkpoint"}]))
    assert "no folder" in result.all(CommandRefused)[0].reason


def test_a_disk_that_refuses_is_told_and_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each save."""
    from tuitrain.errors import RunFolderError
    from tuitrain.training import saving

    def refuse(*_: object, **__: object) -> CheckpointSaved:
        raise RunFolderError("no space left")

    monkeypatch.setattr(saving, "save_checkpoint", refuse)
    result = saved(tmp_path, moments=[{"at_step": 10, "do": "save_checkpoint"}])
    assert [fact.message for fact in result.all(AlarmRaised)] == ["no space left"]
    assert (result.ended.reason, result.ended.step) == ("finished", 40)


def test_the_best_of_an_earlier_session_is_not_given_up(tmp_path: Path) -> None:
    """A resumed run replaces it only by a better one."""
    first = saved(tmp_path, "checkpoint.keep_best=true", "checkpoint.every_minutes=0")
    state = captured(first.trainer)
    state["progress"]["best"]["eval/loss"] = 0.0
    before = [name for name in names(tmp_path) if "best" in name]
    again = build(*DELICATE, "checkpoint.keep_best=true", "train.steps=80", checkpoint_folder=tmp_path, state=state)
    again.total_steps = 80
    finish(again)
    assert [name for name in names(tmp_path) if "best" in name] == before
