"""A fold stays the fold that it is, and never begins with what was trained on its validation samples."""

from __future__ import annotations

import pytest

from tests.session.again import branched, last_checksum, trained
from tuitrain.errors import PresetError, UsageError
from tuitrain.preset import load_preset
from tuitrain.protocol.commands import SetEnd
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.session.branching import branch_point, overrides_as_commands
from tuitrain.session.recorded import recorded
from tuitrain.session.start import create_run

FOLD = ("task.folds=5", "task.fold=2", "train.steps=40")


@pytest.fixture
def fold() -> RunFolder:
    """The second of five folds."""
    return trained(*FOLD)


@pytest.mark.parametrize(
    "split", [(), ("task.folds=5", "task.fold=3"), ("task.folds=4", "task.fold=2"), (*FOLD[:2], "task.data_seed=1")]
)
def test_weights_that_have_seen_the_validation_samples_are_refused(fold: RunFolder, split: tuple[str, ...]) -> None:
    """Of another fold, of other folds, of the usual split, of another draw: with what to train in its place."""
    preset = load_preset("mnist-mlp", ["task.hidden=[16]", f"task.from_run={fold.id}", *split])
    with pytest.raises(PresetError, match=r"was trained on samples that this run validates on. Try: a run with"):
        create_run(preset)


def test_weights_of_the_same_fold_are_taken(fold: RunFolder) -> None:
    """Other pictures, too."""
    base = ["task.hidden=[16]", f"task.from_run={fold.id}"]
    assert create_run(load_preset("mnist-mlp", [*base, *FOLD])).info_path.exists()
    other = ["task.dataset=digits", "train.batch_size=16"]
    assert create_run(load_preset("mnist-mlp", [*base, *other, "task.fold=1", "task.folds=3"])).info_path.exists()


def test_a_branch_and_a_resumed_run_are_the_same_fold(fold: RunFolder) -> None:
    """And a branch cannot become another one."""
    point = branch_point(fold, "end")
    with pytest.raises(UsageError, match=r"task\.fold cannot change in a branch"):
        overrides_as_commands(point, ["task.fold=3"])
    child = branched(fold, "end", SetEnd(step=60))
    assert read_info(child).preset["task"] == read_info(fold).preset["task"]
    started = recorded(child).started
    assert started is not None
    assert (started.num_train, started.num_validation) == (640, 1000)


def test_a_fold_is_trained_again_bit_for_bit(fold: RunFolder) -> None:
    """And another one is another run."""
    again = trained(*FOLD)
    assert last_checksum(again) == last_checksum(fold)
    assert last_checksum(trained("task.folds=5", "task.fold=3", "train.steps=40")) != last_checksum(fold)
