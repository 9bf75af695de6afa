"""Averages of a run in its folder: resumed, trained again, branched with another decay, and handed on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.session.again import branched, rerun_here, trained
from tuitrain.errors import UsageError
from tuitrain.protocol.commands import SetHyperparameter
from tuitrain.rundir.places import RunFolder
from tuitrain.session.branching import branch_point, overrides_as_commands
from tuitrain.session.exporting import preset_text, write_weights
from tuitrain.session.recorded import recorded
from tuitrain.training.checkpoint import newest_intact

AVERAGED = ("average.ema_decay=0.9", "average.swa_from=60", "average.swa_every=10")
CHANGE = {"at_step": 50, "do": "set_hyperparameter", "name": "ema_decay", "value": 0.5}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUITRAIN_HOME", str(tmp_path))


def ema(folder: RunFolder) -> dict[int, float]:
    found = recorded(folder).evaluations
    return {step: fact.metrics["ema/loss"] for step, fact in found.items() if "ema/loss" in fact.metrics}


def test_a_decay_that_was_changed_is_changed_again() -> None:
    """In a rerun, and in what is exported as a preset."""
    run = trained(*AVERAGED, moments=[CHANGE])
    assert rerun_here(run).is_same
    assert "ema_decay" in preset_text(run).rpartition("[[moment]]")[2]


def test_a_branch_averages_otherwise_from_where_it_begins() -> None:
    """`average.ema_decay=…` is a command there; the average up to there is its parent's."""
    parent = trained(*AVERAGED, moments=[{"at_step": 40, "do": "save_checkpoint", "tag": "mid"}])
    point = branch_point(parent, "mid")
    commands, settings = overrides_as_commands(point, ["average.ema_decay=0.5", "average.snapshots=2"])
    assert commands == [
        SetHyperparameter(name="ema_decay", value=0.5), SetHyperparameter(name="snapshots", value=2),
    ]  # fmt: skip
    assert not settings
    child = branched(parent, "mid", commands[0])
    same = trained(*AVERAGED, moments=[{**CHANGE, "at_step": 40}])
    assert {step: loss for step, loss in ema(same).items() if step > 40} == {
        step: loss for step, loss in ema(child).items() if step > 40
    }
    assert ema(child)[120] != ema(parent)[120]
    with pytest.raises(UsageError, match="cannot change in a branch"):
        overrides_as_commands(point, ["average.dropout=0.5"])
    with pytest.raises(UsageError, match=r"train\.bootstrap cannot change in a branch"):
        overrides_as_commands(point, ["train.bootstrap=true"])


def test_the_weights_of_an_average_are_handed_on(tmp_path: Path) -> None:
    """Those that were trained unless a person asks for others; what is not there is said, with what is."""
    run = trained(*AVERAGED, moments=[{"at_step": 75, "do": "save_checkpoint", "tag": "mid"}])
    for which in ("raw", "ema", "swa"):
        write_weights(run, "", tmp_path / which, force=False, which=which)
    write_weights(run, "", tmp_path / "default", force=False)
    found = newest_intact(run.checkpoints_path)
    assert found is not None
    state = found[1]
    averages = state["followers"]["averages"]
    for name, expected in (("default", state["model"]), ("raw", state["model"]), ("ema", averages["ema"]),
                           ("swa", averages["swa"])):  # fmt: skip
        tensors = load_file(tmp_path / name)
        assert all(torch.equal(tensors[key], expected[key]) for key in expected), name
    assert not torch.equal(load_file(tmp_path / "ema")["lin_1.weight"], load_file(tmp_path / "raw")["lin_1.weight"])
    with pytest.raises(UsageError, match="batch norm of the swa weights"):
        write_weights(run, "mid", tmp_path / "early", force=False, which="swa")
    with pytest.raises(UsageError, match="is not known"):
        write_weights(run, "", tmp_path / "other", force=False, which="best")
    plain = trained()
    with pytest.raises(UsageError, match="holds no ema weights"):
        write_weights(plain, "", tmp_path / "none", force=False, which="ema")
