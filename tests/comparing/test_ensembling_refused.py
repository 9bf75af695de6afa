"""What is no ensemble is refused with a reason, and what is not whole is said."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.comparing.asking import said
from tests.session.again import trained
from tuitrain.comparing.ensembling import ask_together
from tuitrain.errors import RunNotFoundError, UsageError
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder

SHORT = ("train.steps=20", "eval.every_steps=10")


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """TUITRAIN_HOME of this module, so that runs are trained once."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        patch.setenv("TUITRAIN_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def first(home: Path) -> RunFolder:
    """A short run."""
    del home
    return trained(*SHORT)


@pytest.fixture(scope="module")
def second(home: Path) -> RunFolder:
    """Another one of the same task."""
    del home
    return trained(*SHORT, "train.seed=1")


@pytest.fixture
def copy(second: RunFolder) -> Iterator[RunFolder]:
    """A copy of it that may be damaged."""
    path = second.path.with_name("20260101-0000-copy-0000")
    shutil.copytree(second.path, path)
    yield RunFolder(path)
    shutil.rmtree(path)


def why(*names: str) -> str:
    """Why they are refused: exit code 2."""
    with pytest.raises(UsageError) as caught:
        ask_together(names)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["task.data_seed=1"], "different validation samples (task.data_seed 0 and 1), so one was trained on what"),
        (["task.folds=5", "task.fold=2"], "(task.folds 0 and 5 and task.fold 0 and 2), so one was trained on what"),
        (["task.dataset=digits"], "are of different tasks: mnist-5k and digits"),
        (["task.loss=focal"], "have different losses, cross-entropy and focal"),
        (["task.model=autoencoder", "task.norm=none"], "The outputs of"),
    ],
)
def test_runs_that_do_not_go_together_are_refused(first: RunFolder, overrides: list[str], words: str) -> None:
    """Above all those of which one has learned what the other is judged by."""
    other = trained(*SHORT, *overrides)
    text = why(first.id, other.id)
    assert words in text
    assert "Try: " in text


def test_two_folds_of_one_cut_have_nothing_to_be_judged_by(home: Path) -> None:
    """Each was trained on all that the other is validated on; two runs of the same fold do go together."""
    del home
    folds = [trained(*SHORT, "task.folds=5", f"task.fold={fold}", f"train.seed={fold}") for fold in (1, 2)]
    assert "task.fold 1 and 2" in why(*(folder.id for folder in folds))
    same = trained(*SHORT, "task.folds=5", "task.fold=1", "train.seed=7")
    assert len(ask_together([folds[0].id, same.id]).members) == 2


def test_another_draw_of_synthetic_data_is_another_judge(home: Path) -> None:
    """Nobody was trained on it, and yet the numbers cannot be compared."""
    del home
    few = ("task.num_train=100", "task.norm=none", *SHORT)
    folders = [trained(*few, f"task.data_seed={seed}", name="moons") for seed in (0, 1)]
    assert "so they are judged by other samples" in why(*(folder.id for folder in folders))


def test_one_run_or_the_same_run_twice_is_no_ensemble(first: RunFolder) -> None:
    """A run alone needs snapshots, and says where they come from."""
    assert "kept no snapshots. Try: tuitrain run sgdr-snapshots" in why(first.id)
    assert "is named twice" in why(first.id, first.id)
    assert "is named twice" in why(first.id, str(first.path))
    one = trained(*SHORT, "schedule.name=sgdr", "schedule.cycle=20", "average.snapshots=3")
    assert "One snapshot is no ensemble" in why(one.id)


def test_a_surface_predicts_nothing(first: RunFolder) -> None:
    """And is no member."""
    from tests.session.again import work
    from tuitrain.preset import load_preset
    from tuitrain.session.start import create_run

    point = work(create_run(load_preset("ravine", ["train.steps=5"])))
    assert "is a point on a surface" in why(first.id, point.id)


def test_a_run_without_checkpoints_says_how_it_ended(first: RunFolder, copy: RunFolder) -> None:
    """Whether none was recorded, or none is left."""
    for path in copy.checkpoints_path.glob("*.pt"):
        path.unlink()
    text = why(first.id, copy.id)
    assert "has no intact checkpoint" in text
    assert "is gone" in text
    copy.events_path.write_bytes(copy.events_path.read_bytes().split(b"\n", 1)[0] + b"\n")
    assert "has not begun, and has no checkpoint" in why(first.id, copy.id)


def test_a_damaged_checkpoint_is_told_and_an_older_one_taken(first: RunFolder, copy: RunFolder) -> None:
    """By its seal and by the hash in the record; with no other left the run is refused."""
    newest = copy.checkpoints_path / "step-00000020.pt"
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(bytes(data))
    others = sorted(path.name for path in copy.checkpoints_path.glob("*.pt") if path != newest)
    if others:
        found = ask_together([first.id, copy.id])
        assert any("step-00000020.pt" in note and "is taken" in note for note in found.notes)
    for name in others:
        shutil.copy(first.checkpoints_path / "step-00000020.pt", copy.checkpoints_path / name)  # whole, but another's
    text = why(first.id, copy.id)
    assert "has no intact checkpoint" in text
    assert "is not what was recorded" in text or not others


def test_a_run_at_work_is_a_member_and_said_to_be_so(first: RunFolder, copy: RunFolder) -> None:
    """By its newest state; one that was lost as well."""
    lines = copy.events_path.read_bytes().splitlines(keepends=True)
    copy.events_path.write_bytes(b"".join(line for line in lines if b'"RunEnded"' not in line))
    notes = ask_together([first.id, copy.id]).notes
    assert any("was lost: its state of step 20 is taken" in note for note in notes)
    with RunLock.acquire(copy):
        notes = ask_together([first.id, copy.id]).notes
    assert any("is still at work: its state of step 20 is taken" in note for note in notes)


def test_other_data_than_those_it_was_trained_on_are_noticed(
    first: RunFolder, copy: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The numbers are not those that it recorded."""
    from tuitrain.tasks.build import data

    usual = data._split_as_usual

    def shuffled(*arguments: object) -> object:
        arrays = usual(*arguments)  # type: ignore[arg-type]
        return arrays._replace(validation_x=arrays.validation_x[::-1])

    monkeypatch.setattr(data, "_split_as_usual", shuffled)
    notes = ask_together([first.id, copy.id]).notes
    assert sum("have its data changed?" in note for note in notes) == 2


def test_a_folder_that_is_gone_is_not_found(first: RunFolder) -> None:
    """As everywhere."""
    with pytest.raises(RunNotFoundError):
        ask_together([first.id, "20200101-0000-gone-0000"])


def test_wrong_options_are_usage(first: RunFolder, second: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, nothing on stdout."""
    for options, words in (
        (["--at", "first"], "--at first is not known"),
        (["--weights", "lora"], "--weights lora is not known"),
        (["--last", "2"], "--last counts the snapshots"),
        (["--snapshots", "--weights", "ema"], "--snapshots are weights as they were trained"),
        (["--snapshots"], "kept no snapshots"),
    ):
        done = said(capsys, "ensemble", first.id, second.id, *options)
        assert (done.code, done.stdout) == (2, ""), done.stderr
        assert words in done.stderr


def test_a_mistake_need_not_wait_for_torch() -> None:
    """What finds the runs and checks them imports no torch, and nothing that draws."""
    code = "import sys, tuitrain.comparing.ensembling, tuitrain.comparing.predicting; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "textual", "rich", "plotext"} & set(loaded)


def test_a_run_that_diverged_is_no_member(first: RunFolder) -> None:
    """Numbers so large that their squares are none: there is nothing to compare with."""
    del first
    shared = ("task.num_train=100", "task.norm=none", "regularize.dropout=0", "train.steps=3", "optimizer.lr=1e12")
    folders = [trained(*shared, f"train.seed={seed}", name="lab-wave-sgd") for seed in (0, 1)]
    assert "has a loss that is no number: it diverged" in why(*(folder.id for folder in folders))
