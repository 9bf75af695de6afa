"""A run trained again from its record is the same run; where it is not, the first step that differs is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from safetensors import safe_open

from tests.session.again import branched, compared, last_checksum, losses, replies, rerun_here, trained, work
from tests.session.crashing import Session, crashed
from tuitrain.errors import UsageError
from tuitrain.preset import load_preset, preset_from_data
from tuitrain.protocol.commands import ScaleLearningRate, SwitchOptimizer
from tuitrain.rundir.places import RunFolder, read_info, write_info
from tuitrain.session.exporting import preset_text, write_text, write_weights
from tuitrain.session.recorded import recorded
from tuitrain.session.rerunning import _differences
from tuitrain.session.start import create_run

STORIES: dict[str, tuple[tuple[str, ...], list[dict[str, Any]]]] = {
    "plain": ((), []),
    "decided": (
        ("schedule.name=cosine",),
        [
            {"at_step": 10, "do": "scale_learning_rate", "factor": 0.5},
            {"at_step": 30, "do": "switch_optimizer", "name": "sgd", "momentum": 0.9, "nesterov": True},
            {"at_step": 60, "do": "set_schedule", "name": "cosine", "restart": True, "warmup_steps": 5},
            {"at_step": 70, "do": "set_batch_size", "batch_size": 32, "rate": "sqrt"},
            {"at_step": 75, "do": "evaluate"},
            {"at_step": 80, "do": "set_hyperparameter", "name": "dropout", "value": 0.5},
            {"at_step": 85, "do": "set_seed", "seed": 9},
            {"at_step": 90, "do": "cool_down", "num_steps": 15},
        ],
    ),
    "automatic": (("schedule.name=plateau", "schedule.patience=0", "schedule.threshold=0.2"), []),
    "early": (
        ("regularize.early_stopping=2", "optimizer.lr=0.01", "task.num_train=64", "checkpoint.restore_best=true",
         "train.steps=400"),
        [],
    ),
    "back": (
        (),
        [
            {"at_step": 30, "do": "switch_optimizer", "name": "sgd"},
            {"at_step": 60, "do": "undo"},
            {"at_step": 70, "do": "scale_learning_rate", "factor": 0.3},
            {"at_step": 90, "do": "roll_back", "to": 0, "skip_batches": 5, "scale_learning_rate": 0.5},
        ],
    ),
    "alarmed": (
        ("alarms.loss_spike=roll_back", "alarms.roll_back_steps=10", "alarms.skip_batches=4", "alarms.window=20",
         "checkpoint.every_minutes=0.00001"),
        [{"at_step": 60, "do": "scale_learning_rate", "factor": 1e4}],
    ),
    "diverged": (("optimizer.name=sgd", "optimizer.lr=1e18", "train.on_nonfinite=continue"), []),
    "stopped": ((), [{"at_step": 50, "do": "switch_optimizer", "name": "sgd"}, {"at_step": 77, "do": "stop"}]),
}  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUITRAIN_HOME", str(tmp_path))


@pytest.mark.parametrize("story", STORIES)
def test_it_is_the_same_run(story: str) -> None:
    """Every loss, every rate, every evaluation, every checksum of the weights."""
    overrides, moments = STORIES[story]
    run = trained(*overrides, moments=moments)
    result = rerun_here(run)
    assert result.first_difference == ""
    assert result.num_steps == max(losses(run))
    assert result.num_checksums == len(recorded(run).evaluations)
    assert result.num_checksums > 3


@pytest.mark.parametrize("story", STORIES)
def test_its_preset_gives_the_same_stream(story: str, tmp_path: Path) -> None:
    """What a person gets by `export --to preset` can be read, and is the run."""
    overrides, moments = STORIES[story]
    run = trained(*overrides, moments=moments)
    path = tmp_path / "again.toml"
    write_text(path, preset_text(run), force=False)
    preset = load_preset(str(path))
    assert not preset.train.automatic
    again = work(create_run(preset))
    assert repr(losses(again)) == repr(losses(run))  # NaN is not itself
    assert last_checksum(again) == last_checksum(run)
    with pytest.raises(UsageError, match="is there already"):
        write_text(path, "", force=False)


def test_a_branch_is_trained_again_from_the_very_beginning() -> None:
    """Its record holds all that it inherits, though not the steps before."""
    parent = trained(moments=[{"at_step": 20, "do": "scale_learning_rate", "factor": 0.5}])
    child = branched(parent, "60", SwitchOptimizer(name="sgd"))
    result = rerun_here(child)
    assert (result.first_difference, result.num_steps) == ("", 120)


def test_a_run_that_was_stopped_and_went_on() -> None:
    """The stop is no part of it."""
    run = trained(moments=[{"at_step": 50, "do": "stop"}])
    work(run, is_resumed=True)
    assert max(losses(run)) == 120
    assert not any(item.step == 50 for item in recorded(run).decisions)
    assert rerun_here(run).first_difference == ""


def test_what_differs_is_named() -> None:
    """The first step, and both values."""
    run = trained(moments=[{"at_step": 40, "do": "scale_learning_rate", "factor": 0.5}])
    record = recorded(run)
    data = read_info(run).preset
    other = preset_from_data({**data, "moment": [{"at_step": 41, "do": "scale_learning_rate", "factor": 0.5}]}, "test")
    result = compared(record, work(create_run(other)))
    assert not result.is_same
    assert "learning rate of step 41" in result.first_difference
    assert result.num_steps == 40


def test_weights_that_differ_alone_are_found() -> None:
    """A checksum stands for what no loss has shown yet."""
    run = trained()
    record = recorded(run)
    step = max(record.evaluations)
    record.evaluations[step] = msgspec.structs.replace(record.evaluations[step], checksum="sha256:0")
    assert "the weights after step 120" in compared(record, run).first_difference


def test_a_changed_version_is_told_with_the_difference() -> None:
    """It is what mostly explains one."""
    run = trained("train.steps=3")
    info = read_info(run)
    write_info(run, msgspec.structs.replace(info, versions={**info.versions, "torch": "1.0"}))
    (note,) = _differences(read_info(run), recorded(run))
    assert note.endswith("and was 1.0")


def test_weights_are_handed_on(tmp_path: Path) -> None:
    """As safetensors, of the end or of a tag, with where they are from."""
    run = trained(moments=[{"at_step": 50, "do": "save_checkpoint", "tag": "mid"}])
    assert write_weights(run, "", tmp_path / "a.safetensors", force=False) == ("step-00000120.pt", 120, "weights")
    assert write_weights(run, "mid", tmp_path / "b.safetensors", force=False)[1] == 50
    with safe_open(tmp_path / "b.safetensors", "pt") as file:
        assert file.metadata()["run"] == run.id
        assert file.metadata()["step"] == "50"
        assert "lin_1.weight" in set(file.keys())
    with pytest.raises(UsageError, match="no checkpoint"):
        write_weights(run, "nowhere", tmp_path / "c.safetensors", force=False)


def test_a_run_that_has_not_begun_cannot_be_trained_again() -> None:
    """It says so."""
    folder: RunFolder = create_run(load_preset("mnist-mlp"))
    with pytest.raises(UsageError, match="has not begun"):
        preset_text(folder)


DEATHS = {
    "after each decision": [Session((40,), 30, 43), Session((60,), 50, 63)],
    "on the way back to it": [Session((40, 60), 30, 63), Session((), 0, 45)],
    "before it is there again": [Session((40, 60), 30, 63), Session((), 0, 35), Session((), 0, 33)],
    "after it was saved again": [Session((40, 60), 30, 63), Session((), 50, 55), Session((), 0, 53)],
}


@pytest.mark.parametrize("death", DEATHS)
def test_decisions_after_the_newest_checkpoint_survive_every_crash(death: str) -> None:
    """Each is taken once more at its step, and no other."""
    halve = {"do": "scale_learning_rate", "factor": 0.5}
    reference = trained(moments=[{"at_step": 40, **halve}, {"at_step": 60, **halve}])
    run = crashed(DEATHS[death], ScaleLearningRate(factor=0.5))
    assert losses(run) == losses(reference)
    assert last_checksum(run) == last_checksum(reference)
    assert [item.step for item in recorded(run).decisions] == [40, 60]
    assert len(replies(run)) == len(set(replies(run)))
    assert rerun_here(run).first_difference == ""
