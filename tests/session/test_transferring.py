"""A run that begins with the weights of another one: found before it starts, kept, and exact ever after."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.session.again import SMALL, branched, last_checksum, losses, rerun_here, trained, work
from tuitrain.errors import PresetError
from tuitrain.preset import load_preset, preset_from_data
from tuitrain.protocol.commands import SetEnd
from tuitrain.protocol.events import CommandRefused, RunEnded, WeightsLoaded
from tuitrain.rundir.follower import read_events
from tuitrain.rundir.labels import renamed
from tuitrain.rundir.places import RunFolder, read_info, runs_folder
from tuitrain.session.recorded import recorded
from tuitrain.session.start import create_run
from tuitrain.training.checkpoint import load_checkpoint

STAGES = [
    {"at_step": 40, "do": "unfreeze", "patterns": ["lin_1"]},
    {"at_step": 60, "do": "freeze", "patterns": ["lin_2.bias"]},
    {"at_step": 80, "do": "unfreeze", "patterns": ["*"], "factor": 0.5},
]


def begun(*overrides: str, moments: list[dict[str, Any]] | None = None) -> RunFolder:
    """A whole run with changes."""
    preset = load_preset("mnist-mlp", [*SMALL, *overrides])
    return work(create_run(preset_from_data({**preset.to_data(), "moment": moments or []}, "test")))


def problems_of(*overrides: str) -> str:
    """Why a run does not start; nothing may be made."""
    before = sorted(runs_folder().glob("*"))
    with pytest.raises(PresetError) as caught:
        create_run(load_preset("mnist-mlp", [*SMALL, *overrides]))
    assert sorted(runs_folder().glob("*")) == before
    return str(caught.value)


@pytest.fixture
def source() -> RunFolder:
    """The run that others begin with."""
    return trained("train.steps=40")


def test_the_weights_that_a_run_ended_with_are_those_that_another_begins_with(source: RunFolder) -> None:
    """Bit for bit; which run and which file is recorded, and told."""
    run = begun(f"task.from_run={source.id}", 'task.freeze=["lin_1", "norm_1"]', "train.steps=10", "train.seed=5")
    before = load_checkpoint(max(source.checkpoints_path.glob("step-00000040.pt")))["model"]
    after = load_checkpoint(max(run.checkpoints_path.glob("step-00000010.pt")))["model"]
    for name in ("lin_1.weight", "lin_1.bias", "norm_1.weight", "norm_1.running_mean"):
        assert torch.equal(before[name], after[name])
    assert not torch.equal(before["lin_2.weight"], after["lin_2.weight"])
    told = next(event for event in read_events(run) if isinstance(event, WeightsLoaded))
    weights = read_info(run).weights
    assert weights is not None
    assert (told.source, told.checkpoint, told.sha256) == (source.id, "step-00000040.pt", weights.sha256)
    assert not told.left
    assert read_info(run).preset["task"]["from_run"] == source.id  # type: ignore[index]


def test_a_run_is_found_by_preset_name_label_last_and_tag(source: RunFolder) -> None:
    """All mean the same run here; what is recorded is its id."""
    renamed(source, "digits at first")
    for text in ("mnist-mlp", "digits at first", "last", source.id[:-2]):
        folder = create_run(load_preset("mnist-mlp", [*SMALL, f'task.from_run="{text}"']))
        weights = read_info(folder).weights
        assert weights is not None
        assert weights.run == source.id
        shutil.rmtree(folder.path)
    best = create_run(load_preset("mnist-mlp", [*SMALL, "task.from_run=last", "task.from_tag=best"]))
    weights = read_info(best).weights
    assert weights is not None
    assert weights.checkpoint.endswith("-best.pt")


def test_a_new_head_is_initialised_though_it_fits(source: RunFolder) -> None:
    """And what was left is told."""
    run = begun(f"task.from_run={source.id}", "task.new_head=true", "train.steps=5")
    told = next(event for event in read_events(run) if isinstance(event, WeightsLoaded))
    assert told.left == ("lin_2.weight (a new head)", "lin_2.bias (a new head)")


def test_a_rerun_and_a_branch_are_exact_though_the_source_was_deleted(source: RunFolder) -> None:
    """Frozen from the start, unfrozen in stages: bit for bit the same, from the file that the run kept."""
    run = begun("task.from_run=mnist-mlp", "task.new_head=true", 'task.freeze=["lin_1", "norm_*"]', moments=STAGES)
    assert not [event for event in read_events(run) if isinstance(event, CommandRefused)]
    shutil.rmtree(source.path)
    assert rerun_here(run).first_difference == ""
    child = branched(run, "100", SetEnd(step=130))
    assert losses(child)[110] == losses(run)[110]
    assert rerun_here(child).first_difference == ""


def test_a_resumed_run_goes_on_exactly(source: RunFolder) -> None:
    """From a checkpoint in the midst of the stages; the weights of before are not taken again."""
    whole = begun(f"task.from_run={source.id}", 'task.freeze=["lin_1"]', moments=STAGES)
    stopped = begun(
        f"task.from_run={source.id}", 'task.freeze=["lin_1"]', moments=[*STAGES, {"at_step": 70, "do": "stop"}]
    )
    shutil.rmtree(source.path)
    again = work(stopped, is_resumed=True)
    assert last_checksum(again) == last_checksum(whole)
    assert sum(isinstance(event, WeightsLoaded) for event in read_events(again)) == 1


def test_weights_that_were_changed_are_not_begun_with(source: RunFolder) -> None:
    """The file in the folder of the run is told by its hash."""
    folder = create_run(load_preset("mnist-mlp", [*SMALL, f"task.from_run={source.id}"]))
    other = next(iter(source.checkpoints_path.glob("*-best.pt")))  # whole, but not what was recorded
    folder.weights_path.unlink()
    folder.weights_path.write_bytes(other.read_bytes())
    work(folder)
    ended = [event for event in read_events(folder) if isinstance(event, RunEnded)][-1]
    assert ended.reason == "failed"
    assert "weights.pt: is not what this run began with" in ended.message
    assert not ended.traceback


def test_what_cannot_be_begun_with_is_said_before_the_start(source: RunFolder) -> None:
    """Unknown, ambiguous, without a checkpoint, of another model, a tag that is not there."""
    trained("train.steps=10")
    assert 'No run named "nothing"' in problems_of("task.from_run=nothing")
    assert "is ambiguous" in problems_of('task.from_run="2"')
    assert "there is no run of the preset transfer-source. Try: tuitrain run transfer-source first." in problems_of(
        "task.from_run=transfer-source"
    )
    assert "no intact checkpoint tagged" in problems_of(f"task.from_run={source.id}", "task.from_tag=stable")
    misfit = problems_of(
        f"task.from_run={source.id}", "task.hidden=[20]", "task.dataset=digits", "task.norm=none", "train.batch_size=16"
    )
    assert "fits this model: lin_1.weight 20×64 here, 16×784 there" in misfit
    for path in source.checkpoints_path.glob("step-*.pt"):
        path.unlink()
    assert "has no intact checkpoint" in problems_of(f"task.from_run={source.id}")


def test_a_damaged_checkpoint_is_passed_over(source: RunFolder) -> None:
    """The one before it is taken: the record tells the hash of each."""
    newest = source.checkpoints_path / "step-00000040.pt"
    data = newest.read_bytes()
    newest.unlink()
    Path(newest).write_bytes(data[:-40])
    folder = create_run(load_preset("mnist-mlp", [*SMALL, f"task.from_run={source.id}"]))
    weights = read_info(folder).weights
    assert weights is not None
    assert weights.checkpoint != newest.name
    assert recorded(source).ended is not None
