"""Runs asked together: alone they say what they recorded, together the mean of their predictions."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec import structs

from tests.comparing.asking import said
from tests.session.again import trained
from tests.training.harness import trainer_of
from tuitrain.cli_ensemble import table
from tuitrain.comparing.ensembling import EnsembleScore, Gain, Score, _best, ask_together, gain
from tuitrain.comparing.members import Weights, find_sources
from tuitrain.preset import preset_from_data
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.session.recorded import recorded
from tuitrain.tasks.build.task import Task
from tuitrain.training.checkpoint import load_checkpoint
from tuitrain.training.state import random_states

PART = ("eval.batch_size=320", "eval.max_batches=2")
CYCLES = ("schedule.name=sgdr", "schedule.cycle=40", "average.snapshots=3")


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """TUITRAIN_HOME of this module, so that runs are trained once."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        patch.setenv("TUITRAIN_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def runs(home: Path) -> list[RunFolder]:
    """Three runs of one task, whose model, optimizer, preprocessing and training data differ."""
    del home
    return [
        trained(*PART, "average.ema_decay=0.9", "average.swa_from=0.5", "average.swa_every=10"),
        trained(*PART, "train.seed=1", "task.hidden=[24, 8]", "optimizer.name=schedule-free-adamw",
                "average.ema_decay=0.9"),
        trained(*PART, "train.seed=2", "train.bootstrap=true", "task.preprocess=scale", "task.model=residual-mlp",
                "task.depth=2", "regularize.stochastic_depth=0.3", "task.label_noise=0.1", "average.ema_decay=0.9"),
    ]  # fmt: skip


def last_metrics(run: RunFolder, prediction: str = "eval") -> dict[str, float]:
    """What a run measured of a prediction at its end."""
    found = recorded(run).evaluations
    metrics = found[max(found)].metrics
    return {name: metrics[f"{prediction}/{name}"] for name in ("loss", "accuracy")}


def asked(*folders: RunFolder, which: Weights = "raw", last: int = 0, is_whole: bool = False) -> EnsembleScore:
    """All of them together."""
    return ask_together([folder.id for folder in folders], which=which, last=last, is_whole=is_whole)


@pytest.mark.parametrize(("which", "prediction"), [("raw", "eval"), ("ema", "ema")])
def test_each_run_alone_says_what_it_recorded(runs: list[RunFolder], which: Weights, prediction: str) -> None:
    """Of the weights as they are, and of their average, whatever the runs differ in."""
    found = asked(*runs, which=which)
    for score, run in zip(found.members, runs, strict=True):
        assert (score.run, score.step) == (run.id, 120)
        assert score.metrics == pytest.approx(last_metrics(run, prediction), abs=1e-6)
        assert score.recorded == pytest.approx(last_metrics(run, prediction), abs=1e-12)
    assert found.mean.metrics["loss"] == pytest.approx(np.mean([score.metrics["loss"] for score in found.members]))
    assert found.best.metrics["accuracy"] == max(score.metrics["accuracy"] for score in found.members)
    assert found.num_samples == 640
    assert found.num_validation == 1000
    assert any("judged on 640 of the 1000" in note for note in found.notes)
    assert not any("data changed" in note for note in found.notes)


def test_the_best_state_of_each_says_what_was_measured_there(runs: list[RunFolder]) -> None:
    """At its own step."""
    found = ask_together([run.id for run in runs], at="best")
    for score, run in zip(found.members, runs, strict=True):
        metrics = recorded(run).evaluations[score.step].metrics
        assert score.step == int(next(run.checkpoints_path.glob("*-best.pt")).name[5:13])
        assert score.metrics["loss"] == pytest.approx(metrics["eval/loss"], abs=1e-6)


def test_the_mean_of_the_weights_brings_its_statistics(runs: list[RunFolder], home: Path) -> None:
    """SWA with batch norm; a run without it says which weights it has."""
    del home
    other = trained("train.seed=5", "average.swa_from=0.5", "average.swa_every=10")
    found = asked(runs[0], other, which="swa")
    assert found.members[0].metrics == pytest.approx(last_metrics(runs[0], "swa"), abs=1e-6)
    with pytest.raises(Exception, match=r"has no swa weights at step 120. Try: --weights raw"):
        asked(*runs, which="swa")


def test_what_was_measured_of_other_samples_is_not_compared(runs: list[RunFolder]) -> None:
    """An older version took the first samples, and the smaller of two sizes."""
    source = find_sources([runs[0].id], "last")[0]
    now = source.record.evaluations[120]
    assert source.metrics_at(120, "eval", 640) == pytest.approx(last_metrics(runs[0]))
    assert not source.metrics_at(120, "eval", 1000)
    source.record.evaluations[120] = structs.replace(now, num_train_samples=None)
    assert not source.metrics_at(120, "eval", 640)
    source.record.evaluations[120] = structs.replace(now, num_train_samples=None, num_samples=1000)
    assert source.metrics_at(120, "eval", 1000)


def test_together_they_give_the_mean_probability(runs: list[RunFolder]) -> None:
    """Worked out anew from the checkpoints: mean of softmax, its negative logarithm, its largest class."""
    probabilities, classes = [], []
    members = [runs[0], runs[2], trained("train.seed=6")]  # of a schedule-free one the checkpoint has other weights
    for run in members:
        trainer = trainer_of(preset_from_data(read_info(run).preset, run.id))
        task: Task = trainer.task
        task.model.load_state_dict(load_checkpoint(max(run.checkpoints_path.glob("step-00000120.pt")))["model"])
        task.model.eval()
        with torch.no_grad():
            probabilities.append(task.model(task.validation.x).softmax(dim=1))
        classes.append(probabilities[-1].argmax(dim=1))
    mean, labels = torch.stack(probabilities).mean(dim=0), task.validation.y
    found = asked(*members, is_whole=True)
    assert found.num_samples == 1000
    loss = -mean[torch.arange(1000), labels].log().mean()
    assert found.ensemble.metrics["loss"] == pytest.approx(float(loss), abs=1e-6)
    assert found.ensemble.metrics["accuracy"] == pytest.approx(float((mean.argmax(dim=1) == labels).float().mean()))
    pairs = [(classes[0] != classes[1]), (classes[0] != classes[2]), (classes[1] != classes[2])]
    assert found.disagreement == pytest.approx(float(torch.stack(pairs).float().mean()))
    best = next(item for item in found.against_best if item.metric == "loss")
    lowest = min(score.metrics["loss"] for score in found.members)
    assert best.difference == pytest.approx(found.ensemble.metrics["loss"] - lowest)


def test_numbers_are_averaged_as_they_are(home: Path) -> None:
    """And a squared error gains by the mean what the members differ (Krogh & Vedelsby 1995)."""
    del home
    shared = ("task.num_train=100", "task.norm=none", "regularize.dropout=0", "train.steps=60")
    folders = [trained(*shared, f"train.seed={seed}", name="lab-wave") for seed in (0, 1)]
    found = asked(*folders, is_whole=True)
    assert not found.is_classified
    gained = found.mean.metrics["loss"] - found.ensemble.metrics["loss"]
    assert gained == pytest.approx(found.disagreement, rel=1e-4)
    assert [item.metric for item in found.against_best] == ["loss"]


@pytest.fixture(scope="module")
def cycles(home: Path) -> RunFolder:
    """A run that kept three snapshots."""
    del home
    return trained(*CYCLES)


def test_of_one_run_its_snapshots_are_the_members(cycles: RunFolder) -> None:
    """Together they are what the run evaluated as its ensemble; the newest is the run itself, at the end of a cycle."""
    found = asked(cycles)
    assert [score.label for score in found.members] == [f"{cycles.id} step {step}" for step in (40, 80, 120)]
    assert [score.step for score in found.members] == [40, 80, 120]
    assert found.ensemble.metrics == pytest.approx(last_metrics(cycles, "ensemble"), abs=1e-6)
    assert found.members[-1].metrics == pytest.approx(last_metrics(cycles), abs=1e-6)


def test_only_the_newest_snapshots_are_taken(cycles: RunFolder, runs: list[RunFolder]) -> None:
    """And with several runs those of each."""
    labels = [score.label for score in asked(cycles, last=2).members]
    assert labels == [f"{cycles.id} step {step}" for step in (80, 120)]
    other = trained(*CYCLES, "train.seed=4")
    assert len(asked(cycles, other, which="snapshots").members) == 6
    assert runs[0].id not in labels


def test_whoever_asks_is_left_as_before(runs: list[RunFolder]) -> None:
    """Random states, threads, and every file of the runs."""
    torch.manual_seed(5)
    random.seed(5)
    torch.set_num_threads(1)
    before, files = random_states(), {path: path.stat().st_mtime_ns for path in runs[0].path.rglob("*")}
    asked(*runs)
    after = random_states()
    assert torch.equal(before["torch"], after["torch"])
    assert before["python"] == after["python"]
    assert torch.equal(before["numpy"][1], after["numpy"][1])
    assert {path: path.stat().st_mtime_ns for path in runs[0].path.rglob("*")} == files


def test_an_interval_is_that_of_the_mean_difference() -> None:
    """Close to the normal one, the same every time, and a word that follows from it and from what is better."""
    rng = np.random.default_rng(3)
    mine, theirs = rng.normal(1.0, 0.5, 900), rng.normal(1.2, 0.5, 900)
    found = gain("loss", "another", mine, theirs)
    error = (mine - theirs).std() / 30.0
    assert found.low == pytest.approx(found.difference - 1.96 * error, abs=0.1 * error)
    assert found.high == pytest.approx(found.difference + 1.96 * error, abs=0.1 * error)
    assert found == gain("loss", "another", mine, theirs)
    assert found.verdict == "better"
    assert gain("loss", "", theirs, mine).verdict == "worse"
    assert gain("accuracy", "", theirs, mine).verdict == "better"
    assert gain("accuracy", "", mine, theirs).verdict == "worse"
    assert gain("loss", "", mine, mine).verdict == "cannot tell"
    assert gain("loss", "", mine, rng.permutation(mine)).verdict == "cannot tell"


def test_a_member_that_diverged_is_never_the_best() -> None:
    """NaN is below nothing and above nothing, wherever it stands."""
    losses = (math.nan, 0.3, math.nan, 0.2, math.inf)
    scores = [Score(label="", run="", step=9, metrics={"loss": loss, "accuracy": -loss}) for loss in losses]
    assert (_best(scores, "loss"), _best(scores, "accuracy")) == (3, 3)


def test_each_metric_has_its_best_single_one() -> None:
    """A difference in loss is not read off the row of the most accurate one."""
    scores = [
        Score(label=label, run=label, step=9, metrics={"accuracy": accuracy, "loss": loss})
        for label, accuracy, loss in (("one", 0.94, 0.3), ("two", 0.93, 0.2))
    ]
    mine = {"accuracy": 0.95, "loss": 0.25}
    gains = [
        Gain(metric="accuracy", against="one", difference=0.01, low=0.001, high=0.02, verdict="better"),
        Gain(metric="loss", against="two", difference=0.05, low=0.01, high=0.09, verdict="worse"),
    ]
    found = EnsembleScore(
        members=scores, mean=Score(label="mean of 2", metrics=mine), best=scores[0],
        ensemble=Score(label="ensemble of 2", metrics=mine), against_best=gains, against_mean=gains, disagreement=0.1,
        is_classified=True, num_samples=100, num_validation=100, notes=[],
    )  # fmt: skip
    lines = [" ".join(line.split()) for line in table(found)]
    assert "best by accuracy 9 0.9400 0.3000" in lines
    assert "best by loss 9 0.9300 0.2000" in lines
    assert any(line.startswith("loss +0.0500 against the best by loss") for line in lines)
    assert lines[-2:] == ["by accuracy better than the best single one", "by loss worse than the best single one"]
    same = replace(found, members=scores[:1], against_best=[replace(item, against="one") for item in gains])
    lines = [" ".join(line.split()) for line in table(same)]
    assert len([line for line in lines if line.startswith("best single")]) == 1


def test_runs_of_a_comparison_are_called_as_they_are_there(runs: list[RunFolder]) -> None:
    """An id says nothing of what was trained."""
    found = ask_together([run.id for run in runs], labels={runs[0].id: "adam-s0"})
    assert [score.label for score in found.members] == ["adam-s0", runs[1].id, runs[2].id]
    assert found.members[0].run == runs[0].id


def test_the_command_prints_a_table_and_json(runs: list[RunFolder], capsys: pytest.CaptureFixture[str]) -> None:
    """The result on stdout, the progress on stderr."""
    names = [run.id for run in runs]
    done = said(capsys, "ensemble", *names)
    assert done.code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["RUN", "STEP", "LOSS", "ACCURACY"]
    assert [line.split()[0] for line in lines[1:4]] == names
    assert "ensemble of 3" in done.stdout
    assert "95 %" in done.stdout
    assert "asking" not in done.stdout
    assert "asking" in done.stderr
    data = json.loads(said(capsys, "ensemble", *names, "--json").stdout)
    assert data["ensemble"]["metrics"]["loss"] == pytest.approx(asked(*runs).ensemble.metrics["loss"], abs=1e-6)
    assert {item["verdict"] for item in data["against_best"]} <= {"better", "worse", "cannot tell"}
