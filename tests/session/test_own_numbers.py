"""Runs on tables of one's own: told in the unit of the targets, understood in a line, and usable elsewhere."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file
from torch.nn import functional

from tests.session.again import losses, work
from tuitrain.board.board import Board
from tuitrain.comparing.ensembling import ask_together
from tuitrain.preset import load_preset
from tuitrain.rundir.follower import read_events
from tuitrain.rundir.places import RunFolder
from tuitrain.session.exporting import write_weights
from tuitrain.session.printer import Printer
from tuitrain.session.recorded import recorded
from tuitrain.session.start import create_run

Floats = NDArray[np.float64]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUITRAIN_HOME", str(tmp_path / "home"))


def data(folder: Path, *, is_regression: bool = True) -> tuple[Path, Floats, NDArray[Any]]:
    """An archive with its sides given; inputs and targets, and those of the validation side."""
    rng = np.random.default_rng(0)
    x = np.stack([1.7e12 + rng.uniform(0, 1e5, 200), rng.normal(5, 0.1, 200), np.full(200, 3.0)], axis=1)
    y: NDArray[Any] = 40_000 + 0.3 * (x[:, 0] - 1.7e12) + rng.normal(0, 300, 200)
    if not is_regression:
        y = np.where(x[:, 1] > 5, "tall", "small")
    np.savez(folder / "in.npz", x_train=x[:160], y_train=y[:160], x_val=x[160:], y_val=y[160:])
    return folder / "in.npz", x[160:], y[160:]


def trained(path: Path, *overrides: str) -> RunFolder:
    fixed = (
        "task.dataset=npz", f'task.path="{path}"', "task.hidden=[8]", "train.batch_size=32", "train.steps=60",
        "train.device=cpu", "eval.every_steps=20", "optimizer.lr=0.02",
    )  # fmt: skip
    return work(create_run(load_preset("mnist-mlp", [*fixed, *overrides])))


def used_elsewhere(run: RunFolder, out: Path, x: Floats) -> tuple[torch.Tensor, dict[str, Any]]:
    """What the exported weights give for rows of the table, with nothing but the file, torch and safetensors."""
    write_weights(run, "", out, force=True)
    with safe_open(out, framework="pt") as file:
        about = json.loads(file.metadata()["data"])
    weights, how = load_file(out), about["inputs"]
    assert how["computed_in"] == "float64"
    shift, scale = (torch.tensor(how[key], dtype=torch.float64) for key in ("shift", "scale"))
    moved = (torch.from_numpy(x) - shift) / scale
    if "matrix" in how:
        moved = moved.flatten(1) @ torch.tensor(how["matrix"], dtype=torch.float64)
    hidden = functional.relu(functional.linear(moved.float(), weights["lin_1.weight"], weights["lin_1.bias"]))
    return functional.linear(hidden, weights["lin_2.weight"], weights["lin_2.bias"]), about


@pytest.mark.parametrize("preprocess", ["standardize", "scale", "whiten", "center"])
def test_exported_weights_of_a_regression_give_its_error_in_its_own_unit(tmp_path: Path, preprocess: str) -> None:
    """With what the file itself tells, on the rows as they stand in the table."""
    path, x, y = data(tmp_path)
    run = trained(path, "task.loss=l1", f"task.preprocess={preprocess}")
    outputs, about = used_elsewhere(run, tmp_path / "out", x)
    given = about["targets"]
    predicted = outputs[:, 0].double().numpy() * given["deviation"][0] + given["mean"][0]
    metrics = recorded(run).evaluations[60].metrics
    assert np.abs(predicted - y).mean() == pytest.approx(metrics["eval/loss"], rel=1e-5)
    assert np.square(predicted - y).mean() == pytest.approx(metrics["eval/mse"], rel=1e-5)


def test_exported_weights_of_classes_name_them(tmp_path: Path) -> None:
    """The very accuracy, and the loss to within a rounding."""
    path, x, y = data(tmp_path, is_regression=False)
    run = trained(path)
    outputs, about = used_elsewhere(run, tmp_path / "out", x)
    names = np.array(about["class_names"])
    metrics = recorded(run).evaluations[60].metrics
    assert (names[outputs.argmax(1)] == y).mean() == metrics["eval/accuracy"]
    right = torch.tensor([about["class_names"].index(name) for name in y])
    assert functional.cross_entropy(outputs, right).item() == pytest.approx(metrics["eval/loss"], rel=1e-5)


def test_a_run_says_what_it_took_its_data_for(tmp_path: Path) -> None:
    """In its record, in one line; the loss of a batch and that of an evaluation are of one unit."""
    path, _, _ = data(tmp_path)
    run = trained(path)
    record = recorded(run)
    assert record.started is not None
    line = record.started.data
    told = "in.npz: 160 samples to train on, 40 to validate on; 3 features; regression of 1 target, mean "
    assert line.startswith(told)
    assert "standardized to train on and told in its own unit" in line
    printed, board = io.StringIO(), Board()
    printer = Printer(run.id, printed)
    events = list(read_events(run))
    printer.take([*events])
    for event in events:
        board.apply(event)
    assert line in printed.getvalue().splitlines()
    assert printer.summary()["data"] == line
    assert any(entry.detail.endswith(line) for entry in board.log)
    classes = recorded(trained(data(tmp_path, is_regression=False)[0])).started
    assert classes is not None
    assert "; 2 classes: small " in classes.data
    train = record.evaluations[60].metrics["train/loss"]
    assert 0.1 < np.mean([losses(run)[step] for step in range(55, 60)]) / train < 10


def test_numbers_of_the_data_go_with_the_weights(tmp_path: Path) -> None:
    """A run that goes on after its file was changed, and an ensemble of runs on parts of it, mean what they meant."""
    path, x, y = data(tmp_path)
    one, other = trained(path), trained(path, "task.num_train=100", "train.seed=1")
    assert losses(one) != losses(other)
    score = ask_together([one.id, other.id])
    for member, run in zip(score.members, (one, other), strict=True):
        recorded_loss = recorded(run).evaluations[60].metrics["eval/loss"]
        assert member.metrics["loss"] == pytest.approx(recorded_loss, rel=1e-4)
        assert member.recorded == pytest.approx({"loss": recorded_loss})
    assert score.ensemble.metrics["loss"] + score.disagreement == pytest.approx(score.mean.metrics["loss"], rel=1e-4)
    np.savez(path, x_train=np.tile(x, (4, 1)), y_train=np.tile(y * 100, 4), x_val=x, y_val=y)
    again = ask_together([one.id, other.id])
    assert again.members[0].metrics["loss"] == pytest.approx(score.members[0].metrics["loss"], rel=1e-4)
