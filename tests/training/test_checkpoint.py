"""A checkpoint is whole or not there, holds what is needed to go on, and cannot run code."""

from __future__ import annotations

import hashlib
import os
import pickle
import stat
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch

from tests.training.harness import build, finish
from tuitrain.errors import RunFolderError
from tuitrain.protocol.codec import decode_plan
from tuitrain.protocol.events import AlarmRaised, CheckpointSaved
from tuitrain.techniques import plan as plans
from tuitrain.training.checkpoint import CHECKPOINT_VERSION, load_checkpoint, newest_intact, save_checkpoint
from tuitrain.training.state import captured
from tuitrain.training.trainer import Trainer


def saved_after_a_run(folder: Path, *overrides: str) -> tuple[Trainer, CheckpointSaved, Path]:
    trainer = build(*overrides, checkpoint_folder=folder, moments=[
        {"at_step": 5, "do": "scale_learning_rate", "factor": 0.5},
    ])  # fmt: skip
    said = finish(trainer).all(CheckpointSaved)[0]
    return trainer, said, folder / Path(said.path).name


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_a_checkpoint_holds_weights_optimizer_and_plan_of_its_step(tmp_path: Path, optimizer: str) -> None:
    """What was said of it is true of the file, and the plan in it gives the next rate."""
    trainer, said, path = saved_after_a_run(tmp_path, f"optimizer.name={optimizer}", "task.hidden=[16, 16]")
    data = path.read_bytes()
    assert (said.step, said.num_bytes, said.sha256) == (40, len(data), hashlib.sha256(data).hexdigest())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content: Any = load_checkpoint(path)
    assert content["step"] == 40
    weights = trainer.task.model.state_dict()
    assert content["model"].keys() == weights.keys()
    assert all(torch.equal(content["model"][name], weights[name]) for name in weights)
    plan = decode_plan(content["plan"].encode())
    assert plans.learning_rates(plan, 40) == trainer.updater.rates(40) == {"all": 5e-4}
    for part, live in zip(content["optimizer"]["parts"], trainer.updater.optimizer.parts, strict=True):
        assert part["parameters"] == [name for name, _ in live.parameters]
        theirs = part["state"]["state"]
        for number, tensor in enumerate(live.tensors):
            for key, value in live.optimizer.state[tensor].items():
                assert torch.equal(theirs[number][key], value)


def test_no_changed_bit_is_taken_for_what_was_written(tmp_path: Path) -> None:
    """Wherever it is, the seal too."""
    path = saved_after_a_run(tmp_path, "task.hidden=[8]")[2]
    data = path.read_bytes()
    load_checkpoint(path)
    rng = np.random.default_rng(0)
    for place in [*rng.integers(0, 8 * len(data), 100), *range(8 * len(data) - 1, 8 * len(data) - 9, -1)]:
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        with pytest.raises(RunFolderError, match="cannot be read"):
            load_checkpoint(path)


def test_the_newest_intact_one_is_found_and_the_damaged_are_named(tmp_path: Path) -> None:
    """By step; a tag does not matter."""
    state = captured(saved_after_a_run(tmp_path)[0])
    for step, tag in ((50, ""), (60, "best"), (70, "")):
        save_checkpoint(tmp_path, {**state, "step": step}, tag=tag)
    newest = tmp_path / "step-00000070.pt"
    newest.write_bytes(newest.read_bytes()[:1000])
    (tmp_path / "step-x.pt").write_bytes(b"no checkpoint")
    found = newest_intact(tmp_path)
    assert found is not None
    assert (found[0].name, found[1]["step"]) == ("step-00000060-best.pt", 60)
    assert [str(newest) in problem for problem in found[2]] == [True]
    assert newest_intact(tmp_path / "none") is None


def test_the_state_before_a_risky_decision_is_the_last_resort(tmp_path: Path) -> None:
    """It knows nothing of a moment that was just being carried out, which a run going on from it would leave out."""
    state = captured(saved_after_a_run(tmp_path)[0])
    for path in tmp_path.iterdir():
        path.unlink()
    for step, tag in ((50, ""), (60, "undo")):
        save_checkpoint(tmp_path, {**state, "step": step}, tag=tag)
    for name in ("step-00000050.pt", "step-00000060-undo.pt"):
        found = newest_intact(tmp_path)
        assert found is not None
        assert found[0].name == name
        found[0].unlink()


@pytest.mark.parametrize("share", [number / 64 for number in range(64)])
def test_a_checkpoint_cut_short_is_an_error_that_names_it(tmp_path: Path, share: float) -> None:
    """As a power cut may leave it on a disk that lies about syncing."""
    _, _, path = saved_after_a_run(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(RunFolderError, match="cannot be read") as caught:
        load_checkpoint(path)
    assert str(path) in str(caught.value)


class Evil:
    """A pickle that would run a command."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("false",)


def test_a_foreign_file_is_refused_and_never_run(tmp_path: Path) -> None:
    """Another version, another content, code."""
    path = tmp_path / "step-00000001.pt"
    torch.save({"version": CHECKPOINT_VERSION + 1}, path)
    with pytest.raises(RunFolderError, match=f"version {CHECKPOINT_VERSION + 1} is not"):
        load_checkpoint(path)
    torch.save([1, 2], path)
    with pytest.raises(RunFolderError, match="not a checkpoint"):
        load_checkpoint(path)
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(RunFolderError, match="cannot be read"):
        load_checkpoint(path)
    with pytest.raises(RunFolderError, match="cannot be read"):
        load_checkpoint(tmp_path / "none.pt")


def refuse(*_: object) -> NoReturn:
    raise OSError(28, "No space left on device")


def test_a_disk_that_refuses_leaves_the_older_checkpoint_and_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one of the same step stands as it was."""
    trainer, _, path = saved_after_a_run(tmp_path)
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(RunFolderError, match="No space left"):
        save_checkpoint(tmp_path, captured(trainer))
    assert [found.name for found in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == before


def test_a_run_that_cannot_be_saved_says_so_and_has_failed(tmp_path: Path) -> None:
    """With the step to which it trained, and an alarm."""
    result = finish(build(checkpoint_folder=tmp_path / "gone"))
    assert result.ended.reason == "failed"
    assert "trained to step 40, but it could not be saved" in result.ended.message
    assert [fact.kind for fact in result.all(AlarmRaised)] == ["disk"]


def test_a_folder_that_is_a_file_is_told_like_any_disk_that_refuses(tmp_path: Path) -> None:
    """Cleaning up must not hide what was wrong."""
    (tmp_path / "file").write_text("x")
    result = finish(build(checkpoint_folder=tmp_path / "file" / "checkpoints"))
    assert result.ended.reason == "failed"
    assert "cannot be written" in result.ended.message
