"""A branch is its parent up to where they part, and does something otherwise from there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.session.again import branched, last_checksum, losses, replies, trained, work
from tuitrain.errors import TuitrainError, UsageError
from tuitrain.protocol.commands import (
    ScaleLearningRate,
    SetBatchSize,
    SetEnd,
    SetHyperparameter,
    SetLearningRate,
    SetSchedule,
    SetSeed,
    SwitchOptimizer,
)
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.session.arms import Arm, standings, verdict
from tuitrain.session.branching import branch_point, command_of, overrides_as_commands
from tuitrain.session.recorded import recorded
from tuitrain.techniques.checking import check_command

MOMENTS = [
    {"at_step": 20, "do": "scale_learning_rate", "factor": 0.5},
    {"at_step": 40, "do": "switch_optimizer", "name": "sgd", "momentum": 0.9},
    {"at_step": 50, "do": "save_checkpoint", "tag": "here"},
    {"at_step": 70, "do": "set_hyperparameter", "name": "dropout", "value": 0.4},
]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUITRAIN_HOME", str(tmp_path))


def after(folder: RunFolder, step: int) -> dict[int, float]:
    return {at: loss for at, loss in losses(folder).items() if at > step}


@pytest.mark.parametrize("at", ["0", "20", "41", "50", "here", "70", "71", "120"])
@pytest.mark.parametrize("schedule", ["cosine", "plateau"])
def test_a_branch_that_does_nothing_otherwise_is_its_parent(at: str, schedule: str) -> None:
    """Bit for bit, with and without a checkpoint on the way, in a hand-over, on a moment."""
    more = ["schedule.patience=0", "schedule.threshold=0.2"] if schedule == "plateau" else []
    parent = trained(f"schedule.name={schedule}", *more, moments=MOMENTS)
    step = 50 if at == "here" else int(at)
    child = branched(parent, at)
    assert after(child, step) == after(parent, step)
    if at != "120":
        assert last_checksum(child) == last_checksum(parent)
    info = read_info(child)
    assert (info.parent, info.branched_at) == (parent.id, step)
    assert len(replies(child)) == len(set(replies(child)))


def test_what_is_done_otherwise_is_done_after_the_state_is_there() -> None:
    """The rate of the branch, not of the state: the error of half the world."""
    parent = trained(moments=MOMENTS)
    child = branched(parent, "here", SetLearningRate(lr=0.5), SetEnd(step=80))
    rates = dict(recorded(child).values("batch/learning_rate"))
    assert rates[51] == pytest.approx(0.5, rel=1e-6)
    assert max(rates) == 80
    same = trained(moments=[*MOMENTS[:3], {"at_step": 50, "do": "set_learning_rate", "lr": 0.5}, MOMENTS[3]])
    assert after(child, 50) == {at: loss for at, loss in after(same, 50).items() if at <= 80}


def test_a_decision_at_the_step_itself_is_not_inherited() -> None:
    """It first acts beyond: this is where one does it the other way."""
    parent = trained(moments=[{"at_step": 30, "do": "save_checkpoint"}])
    one = branched(parent, "30", ScaleLearningRate(factor=0.1))
    other = branched(one, "30", SwitchOptimizer(name="sgd"))
    decided = [(item.step, item.command.__struct_config__.tag) for item in recorded(other).decisions]
    assert decided == [(30, "switch_optimizer")]


def test_a_branch_of_a_branch_of_a_run_that_went_back() -> None:
    """All that was decided on the way, and nothing of what was left."""
    moments = [
        {"at_step": 30, "do": "scale_learning_rate", "factor": 0.5},
        {"at_step": 60, "do": "set_hyperparameter", "name": "beta1", "value": 0.8},
        {"at_step": 80, "do": "roll_back", "to": 0, "skip_batches": 3, "scale_learning_rate": 0.7},
    ]
    parent = trained(moments=moments)
    child = branched(parent, "70", SetHyperparameter(name="dropout", value=0.1))
    grandchild = branched(child, "100")
    assert after(grandchild, 100) == after(child, 100)
    assert last_checksum(grandchild) == last_checksum(child)
    assert {at: loss for at, loss in losses(child).items() if at <= 70} == {
        at: loss for at, loss in losses(parent).items() if at in losses(child) and at <= 70
    }


def test_a_branch_that_is_killed_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """From its own checkpoint, with what it inherits taken once."""
    parent = trained("schedule.name=cosine", moments=MOMENTS)
    whole = branched(parent, "60", ScaleLearningRate(factor=3.0))
    part = branched(parent, "60", ScaleLearningRate(factor=3.0))
    for path in part.checkpoints_path.glob("step-00000120*"):
        path.unlink()
    work(part, is_resumed=True)
    assert after(part, 60) == after(whole, 60)
    assert last_checksum(part) == last_checksum(whole)


def test_other_seeds_part_at_once() -> None:
    """And the same seed does not."""
    parent = trained(moments=[{"at_step": 60, "do": "save_checkpoint"}])
    one, other, third = (branched(parent, "60", SetSeed(seed=seed)) for seed in (1, 2, 1))
    assert after(one, 60) == after(third, 60)
    assert after(one, 60)[61] != after(other, 60)[61]


@pytest.mark.parametrize(
    ("override", "command"),
    [
        ("optimizer.lr=0.01", SetLearningRate(lr=0.01)),
        ("optimizer.beta1=0.8", SetHyperparameter(name="beta1", value=0.8)),
        ("optimizer.name=sgd", SwitchOptimizer(name="sgd")),
        ("schedule.name=cosine", SetSchedule(name="cosine")),
        ("regularize.dropout=0.5", SetHyperparameter(name="dropout", value=0.5)),
        ("train.batch_size=32", SetBatchSize(batch_size=32)),
        ("train.batch_size=full", SetBatchSize(batch_size=640)),
        ("train.steps=300", SetEnd(step=300)),
        ("train.epochs=10", SetEnd(step=400)),
        ("train.seed=7", SetSeed(seed=7)),
    ],
)
def test_keys_of_a_preset_become_commands(override: str, command: object) -> None:
    """Which act on the state as it is."""
    point = branch_point(trained("train.steps=3"), "2")
    assert overrides_as_commands(point, [override]) == ([command], {})


def test_keys_that_are_no_part_of_a_state_change_the_preset() -> None:
    """How often it evaluates and saves, what it does at a NaN."""
    point = branch_point(trained("train.steps=3"), "2")
    commands, settings = overrides_as_commands(point, ["eval.every_steps=2", "train.on_nonfinite=pause"])
    assert commands == []
    assert settings == {"eval": {"every_steps": 2}, "train": {"on_nonfinite": "pause"}}


@pytest.mark.parametrize(
    ("at", "changes", "words"),
    [
        ("999", [], "not yet at 999"),
        ("no-such", [], "no checkpoint tagged"),
        ("../../etc", [], "no checkpoint tagged"),
        ("2", ["task.model=cnn"], "task.model cannot change"),
        ("2", ["optimizer.layer_decay=0.5"], "the groups stay"),
        ("2", ["optimizer.lr"], "not of the form"),
        ("2", ["optimizer.lr=-1"], "above 0"),
        ("2", ["optimizer.nam=sgd"], "nam"),
        ("2", ["train.moments=1"], "train.moments cannot change"),
        ("2", ["schedule.unit=epochs"], "steps in a branch"),
    ],
)
def test_what_cannot_be_is_said_before_anything_starts(at: str, changes: list[str], words: str, tmp_path: Path) -> None:
    """With what to do instead, and no folder is left."""
    parent = trained("train.steps=3")

    def try_it() -> None:
        for command in overrides_as_commands(branch_point(parent, at), changes)[0]:
            check_command(command)

    with pytest.raises(TuitrainError, match=words):
        try_it()
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_a_damaged_checkpoint_is_passed_over_or_refused() -> None:
    """On the way the one before it is taken; by its tag there is no other."""
    parent = trained(moments=MOMENTS)
    path = next(parent.checkpoints_path.glob("*-here.pt"))
    data = bytearray(path.read_bytes())
    data[1000] ^= 4
    path.write_bytes(data)
    assert branch_point(parent, "60").checkpoint != path
    with pytest.raises(UsageError, match="gone or damaged"):
        branch_point(parent, "here")


def test_arms_are_compared_on_the_same_batches() -> None:
    """Batch by batch; two that do the same are not told apart."""
    parent = trained(moments=[{"at_step": 60, "do": "save_checkpoint"}])
    arms = [
        Arm(text, [] if text == "as it was" else [command_of(text)])
        for text in ("as it was", "set_learning_rate lr=2.0", "scale_learning_rate factor=1.0")
    ]
    for arm in arms:
        arm.record = recorded(branched(parent, "60", *arm.commands))
    found = standings(arms, 60)
    assert found[-1].arm.text == "set_learning_rate lr=2.0"
    assert found[-1].is_clear
    assert found[1].behind == 0.0
    assert "not clearly" in verdict(found)
    assert "is ahead, by" in verdict([found[0], found[2]])


@pytest.mark.parametrize("text", ["switch_optimizer nam=sgd", "scale_learning_rate 0.1", "jump", "undo now=1"])
def test_an_arm_that_is_no_command_is_refused(text: str) -> None:
    """Before anything starts."""
    with pytest.raises(TuitrainError):
        command_of(text)
