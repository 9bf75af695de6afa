"""Overfit one batch: any preset made to learn a handful of samples by heart, and what the run says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.harness import finish, trainer_of
from tuitrain.errors import PresetError, UsageError
from tuitrain.preset import load_preset
from tuitrain.preset.combining import regularizer_values
from tuitrain.preset.one_batch import NUM_STEPS, for_one_batch
from tuitrain.preset.reading import list_presets
from tuitrain.preset.schema import AverageSection


def test_the_batch_is_always_the_same_and_nothing_regularizes() -> None:
    """Model, loss, optimizer and rate stay; augmentation, noise, schedule and moments go."""
    preset = for_one_batch(load_preset("cnn-mixup", ["schedule.name=cosine", "regularize.dropout=0.5"]))
    whole = load_preset("cnn-mixup")
    assert (preset.task.model, preset.optimizer) == (whole.task.model, whole.optimizer)
    assert preset.train.batch_size == "full"
    assert preset.task.num_train == whole.train.batch_size
    assert preset.regularize.further == {}
    assert preset.schedule.name == "constant"
    assert preset.train.steps == NUM_STEPS
    assert for_one_batch(load_preset("full-batch"), 50).task.num_train == 64
    assert for_one_batch(load_preset("full-batch"), 50).train.steps == 50


def test_every_preset_but_a_surface_can_be_tried_on_one_batch() -> None:
    """Snapshots and averages go with the schedule, and the dropout of a paper with all that regularizes."""
    for preset in list_presets():
        if preset.task.dataset == "surface":
            with pytest.raises(UsageError, match="no batch"):
                for_one_batch(preset)
            continue
        made = for_one_batch(preset)
        assert made.average == AverageSection()
        assert not regularizer_values(made).get("dropout")


def test_few_data_of_ones_own_are_one_batch(tmp_path: Path) -> None:
    """All of them, where there are fewer than a batch would be."""
    path = tmp_path / "few.csv"
    path.write_text("x,y\n" + "".join(f"{number},{number * 2}\n" for number in range(20)), encoding="utf-8")
    own = ["task.dataset=csv", f"task.path={path}", "task.target_kind=regression", "train.batch_size=full"]
    preset = load_preset("linreg", own)
    assert for_one_batch(preset).task.num_train == 16


@pytest.mark.parametrize("name", ["mnist-mlp", "small-cnn", "overfit-dropout", "spiral-mlp", "digits-bce"])
def test_a_sound_model_learns_it_by_heart_and_the_run_ends_then(name: str) -> None:
    """Every answer right, and the loss below a twentieth of the first."""
    told = finish(trainer_of(for_one_batch(load_preset(name))))
    assert told.ended.reason == "stopped"
    assert "learned by heart" in told.ended.message
    assert "NOT" not in told.ended.message
    assert told.ended.step < NUM_STEPS
    assert told.ended.last["train/accuracy"] == 1.0


def test_a_broken_one_does_not_and_says_what_to_do() -> None:
    """Gradients that vanish; and a rate of nothing."""
    for preset in (load_preset("init-too-small"), load_preset("mnist-mlp", ["optimizer.lr=1e-9"])):
        told = finish(trainer_of(for_one_batch(preset, 40)))
        assert told.ended.reason == "finished"
        assert "NOT learned by heart" in told.ended.message
        assert "look for a bug" in told.ended.message


def test_other_runs_say_nothing_of_it() -> None:
    """Also where they learn everything by heart."""
    told = finish(trainer_of(load_preset("overfit-one-batch", ["train.one_batch=false", "train.steps=40"])))
    assert told.ended.last["train/accuracy"] == 1.0
    assert (told.ended.reason, told.ended.message) == ("finished", "")


def test_what_does_not_go_together_is_said_before_it_starts() -> None:
    """A batch of one has no variance for batch norm; a forgotten zero_grad none for L-BFGS and SAM."""
    with pytest.raises(PresetError, match="no variance"):
        for_one_batch(load_preset("norm-batch", ["train.batch_size=1"]))
    with pytest.raises(PresetError, match=r"train\.zero_grad = false: sam zeroes them itself"):
        load_preset("mnist-sam", ["train.zero_grad=false"])
