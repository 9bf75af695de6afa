"""Weights that are handed on are those whose numbers stand in the record."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from tests.session.again import trained
from tests.training.harness import trainer_of
from tuitrain.preset import preset_from_data
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.session.exporting import write_weights
from tuitrain.session.recorded import recorded
from tuitrain.training.checksum import weights_checksum

AVERAGING = {
    "schedule-free-sgd": ("optimizer.lr=0.5",),
    "schedule-free-adamw": ("optimizer.lr=0.01",),
    "asgd": ("optimizer.lr=0.05", "optimizer.t0=20"),
}
SWITCH = {"at_step": 40, "do": "switch_optimizer", "name": "schedule-free-adamw", "lr": 0.01}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUITRAIN_HOME", str(tmp_path))


def measured(run: RunFolder, path: Path) -> tuple[str, float]:
    """Checksum and validation loss of weights in a file, by a new trainer of the run's preset."""
    trainer = trainer_of(preset_from_data(read_info(run).preset, "test"))
    trainer.task.model.load_state_dict(load_file(path))
    return weights_checksum(trainer.task.model), trainer.evaluator.evaluate(0).metrics["eval/loss"]


def told_in(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata())


@pytest.mark.parametrize("name", AVERAGING)
@pytest.mark.parametrize("at", ["", "mid"])
def test_exported_weights_give_the_loss_that_was_recorded(name: str, at: str, tmp_path: Path) -> None:
    """Bit for bit, of an optimizer whose average is what is evaluated; what is trained differs, and is had by name."""
    moments = [{"at_step": 80, "do": "save_checkpoint", "tag": "mid"}]
    run = trained(f"optimizer.name={name}", *AVERAGING[name], moments=moments)
    _, step, words = write_weights(run, at, tmp_path / "default", force=False)
    write_weights(run, at, tmp_path / "raw", force=False, which="raw")
    evaluation = recorded(run).evaluations[step]
    assert measured(run, tmp_path / "default") == (evaluation.checksum, evaluation.metrics["eval/loss"])
    assert measured(run, tmp_path / "raw")[1] != evaluation.metrics["eval/loss"]
    assert f"the average that {name} keeps" in words
    assert (told_in(tmp_path / "default")["weights"], told_in(tmp_path / "default")["weights_are"]) == (
        "evaluated",
        words,
    )
    assert "not the average that is evaluated" in told_in(tmp_path / "raw")["weights_are"]


def test_a_switch_to_such_an_optimizer_counts_from_where_it_took_over(tmp_path: Path) -> None:
    """The checkpoint tells what was at work, not the preset."""
    run = trained("optimizer.name=sgd", moments=[SWITCH])
    _, step, words = write_weights(run, "", tmp_path / "new", force=False)
    evaluation = recorded(run).evaluations[step]
    assert measured(run, tmp_path / "new") == (evaluation.checksum, evaluation.metrics["eval/loss"])
    assert "schedule-free-adamw" in words


def test_of_any_other_optimizer_the_weights_are_one_and_the_same(tmp_path: Path) -> None:
    """Adam's, and those of an average that has not begun."""
    for overrides in (("optimizer.name=adam",), ("optimizer.name=asgd", "optimizer.t0=1000", "optimizer.lr=0.05")):
        run = trained(*overrides)
        for which in ("evaluated", "raw"):
            _, step, words = write_weights(run, "", tmp_path / which, force=True, which=which)
            assert words == "weights"
        evaluated, raw = load_file(tmp_path / "evaluated"), load_file(tmp_path / "raw")
        assert all(torch.equal(evaluated[key], raw[key]) for key in evaluated.keys() | raw.keys())
        assert measured(run, tmp_path / "evaluated")[0] == recorded(run).evaluations[step].checksum
