"""What was asked for becomes arms and members, and every mistake is said before anything starts."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.comparing.made_up import made_up_run
from tuitrain.comparing.differing import labels_by_difference, leaves
from tuitrain.comparing.folder import create_comparison, read_plan
from tuitrain.comparing.planning import Wish, plan_comparison
from tuitrain.errors import PresetError, TuitrainError, UnknownNameError, UsageError
from tuitrain.preset.sets import list_sets
from tuitrain.protocol.comparing import ComparisonPlan, Member
from tuitrain.rundir.labels import renamed
from tuitrain.rundir.places import RunFolder, read_info, write_info


def plan(
    *subjects: str, vary: tuple[str, ...] = (), overrides: tuple[str, ...] = (), **further: object
) -> ComparisonPlan:
    return plan_comparison(Wish(subjects=subjects, vary=vary, overrides=overrides, **further))  # type: ignore[arg-type]


def value(member: Member, section: str, key: str) -> object:
    found = member.preset[section]
    assert isinstance(found, dict)
    return found[key]


def test_every_combination_of_what_is_varied_is_an_arm_and_every_seed_a_member() -> None:
    """Two optimizers, two batch sizes, three seeds: four arms of three."""
    made = plan("mnist-mlp", vary=("optimizer.name=sgd,adam", "train.batch_size=32,512"), num_seeds=3)
    assert made.arms == (
        "sgd · batch_size 32", "sgd · batch_size 512", "adam · batch_size 32", "adam · batch_size 512"
    )  # fmt: skip
    assert len(made.members) == 12
    assert [member.seed for member in made.members[:3]] == [0, 1, 2]
    assert [value(member, "train", "seed") for member in made.members[:3]] == [0, 1, 2]
    assert value(made.members[3], "train", "batch_size") == 512
    assert value(made.members[11], "optimizer", "name") == "adam"
    assert len({member.key for member in made.members}) == 12
    assert made.members[11].varied == {"optimizer.name": "adam", "train.batch_size": 512}


def test_lists_are_varied_too_and_a_name_that_was_given_is_kept() -> None:
    """A comma within a list ends no value; of a name that is taken a person is told, as the folder is made."""
    made = plan("mnist-mlp", vary=("task.hidden=[64],[128,64]",), name="mine")
    assert made.arms == ("hidden [64]", "hidden [128,64]")
    assert value(made.members[1], "task", "hidden") == [128, 64]
    create_comparison(made)
    again = plan("mnist-mlp", num_seeds=2, name="mine")
    assert again.name == "mine"
    with pytest.raises(UsageError, match='There is a comparison "mine" already'):
        create_comparison(again)


def test_a_switched_optimizer_has_its_own_default_rate() -> None:
    """The rate of the preset is that of its own optimizer."""
    made = plan("mnist-mlp", vary=("optimizer.name=sgd,adam",), overrides=("train.steps=7",))
    optimizer = made.members[0].preset["optimizer"]
    assert isinstance(optimizer, dict)
    assert "lr" not in optimizer or optimizer["lr"] is None
    assert {value(member, "train", "steps") for member in made.members} == {7}


@pytest.mark.parametrize("name", [members.name for members in list_sets()])
def test_every_set_that_ships_can_be_compared(name: str, home: Path) -> None:
    """With its labels, its metric and what one should see."""
    if name.startswith("transfer"):  # their source has to be run first
        with pytest.raises(PresetError, match="tuitrain run transfer-source"):
            plan(name)
        return
    made = plan(name)
    shown = next(members for members in list_sets() if members.name == name)
    assert made.arms == tuple(run.label for run in shown.run)
    assert (made.metric, made.title, made.look_for) == (shown.metric, shown.title, shown.look_for)
    assert made.name == name


def test_folds_are_members_of_an_arm() -> None:
    """One line a fold, each with another validation part."""
    made = plan("lr-good", num_folds=5)
    assert [member.fold for member in made.members] == [1, 2, 3, 4, 5]
    assert [value(member, "task", "fold") for member in made.members] == [1, 2, 3, 4, 5]
    assert {member.seed for member in made.members} == {0}
    assert made.members[0].pair == "0/1"


def test_runs_that_are_there_are_read_and_presets_beside_them_are_run(home: Path) -> None:
    """Mixed; a run by its name; one asked for twice is one arm."""
    folder = made_up_run(home / "runs", "20261121-1200-made-up-aaaa", num_steps=10)
    renamed(folder, "the old one")
    made = plan("the old one", "aaaa", "lr-good")
    assert made.arms == ("the old one", "lr-good")
    assert [bool(member.run) for member in made.members] == [True, False]
    assert made.notes == ("runs of different tasks: mnist-5k, digits; their numbers are not comparable",)


def test_runs_that_are_there_alone_need_no_folder(home: Path) -> None:
    """And cannot be varied: they stay as they are."""
    for name in ("one", "two"):
        made_up_run(home / "runs", name, num_steps=10)
    assert plan("one", "two").name == ""
    with pytest.raises(UsageError, match="stay as they are"):
        plan("one", "two", num_seeds=3)


def test_a_metric_that_no_run_has_is_refused_before_anything_starts(home: Path) -> None:
    """With runs that are there alone, too; one that was not evaluated yet may still bring it."""
    for name in ("one", "two"):
        made_up_run(home / "runs", name, num_steps=1000)
    made_up_run(home / "runs", "young", num_steps=10).events_path.write_bytes(b"")
    for subjects in (("one", "two"), ("one", "mnist-mlp")):
        with pytest.raises(UnknownNameError, match='Try: "eval/loss"'):
            plan(*subjects, metric="eval/los")
        assert plan(*subjects, metric="batch/gradient_norm").metric == "batch/gradient_norm"
    assert plan("one", "young", metric="eval/my_score").metric == "eval/my_score"


def test_runs_that_differ_in_the_seed_alone_are_one_arm_where_that_is_asked_for(home: Path) -> None:
    """Another task is another arm."""
    for name, seed, dataset in (("one", 0, "mnist-5k"), ("two", 1, "mnist-5k"), ("three", 0, "digits")):
        made_up_run(home / "runs", name, num_steps=10, seed=seed, dataset=dataset)
    assert plan("one", "two").arms == ("one", "two")
    made = plan("one", "two", "three", is_by_seed=True)
    assert [member.arm for member in made.members] == [made.arms[0], made.arms[0], made.arms[1]]


def test_runs_without_a_name_are_called_by_what_they_do_not_share(home: Path) -> None:
    """Their ids say nothing; the end of one is there where the words alone would name two."""
    for name, seed, dataset in (("r-one", 0, "mnist-5k"), ("r-two", 1, "mnist-5k"), ("r-three", 0, "digits")):
        made_up_run(home / "runs", name, num_steps=10, seed=seed, dataset=dataset)
    runs = ("r-one", "r-two", "r-three")
    first, second, third = plan(*runs).arms
    assert (first, second) == ("made-up · dataset mnist-5k · one", "made-up · dataset mnist-5k · two")
    assert third == "made-up · dataset digits"
    assert plan(*runs, is_by_seed=True).arms == ("made-up · dataset mnist-5k", third)
    renamed(RunFolder(home / "runs" / "r-three"), "my best")
    assert plan(*runs).arms == ("r-one", "r-two", "my best")


def test_a_rate_that_was_left_open_names_a_run_too(home: Path) -> None:
    """One was started with optimizer.lr=0.1, the other one without."""
    presets = [{"optimizer": {"name": "sgd", **more}} for more in ({"lr": 0.1}, {})]
    assert labels_by_difference([(f"r{number}", "mlp", leaves(preset)) for number, preset in enumerate(presets)]) == [
        "mlp · lr 0.1", "mlp · lr 0.001"
    ]  # fmt: skip


def test_copies_of_a_run_are_two_arms(home: Path) -> None:
    """They have one id, and nothing differs."""
    folders = [made_up_run(home / place, "one", num_steps=10) for place in ("runs", "backup")]
    made = plan(*(str(folder.path) for folder in folders))
    assert made.arms == ("one", "one (2)")
    assert [member.arm for member in made.members] == ["one", "one (2)"]


def test_what_a_strange_preset_holds_does_no_harm(home: Path) -> None:
    """Where a table should be there may be a word."""
    folders = [made_up_run(home / "runs", name, num_steps=10) for name in ("one", "two")]
    for folder in folders:
        info = msgspec.structs.replace(read_info(folder), preset={"task": "abc", "train": 3})
        write_info(folder, info)
    assert plan("one", "two", is_by_seed=True).arms == ("one", "two")


def test_lists_that_are_varied_can_be_read_back(home: Path) -> None:
    """Of numbers, and of words; and filtered by as they were written."""
    made = plan("mnist-mlp", vary=("task.hidden=[64],[128,64]",))
    assert [member.varied for member in made.members] == [{"task.hidden": "[64]"}, {"task.hidden": "[128,64]"}]
    assert read_plan(create_comparison(made)).members == made.members


def test_arms_that_train_the_very_same_are_said(home: Path) -> None:
    """They may be meant: two equal ones should come out equal."""
    assert plan("sgd", "adam", vary=("optimizer.name=sgd,adam",)).notes[-2:] == (
        "sgd · sgd and adam · sgd train the very same", "sgd · adam and adam · adam train the very same"
    )  # fmt: skip
    assert plan("linreg", "linreg").notes == ("linreg and linreg (2) train the very same",)
    assert plan("linreg", num_seeds=2).notes == ()


def test_a_comparison_that_is_there_is_not_made_again_under_another_name(home: Path) -> None:
    """A name that a person gave is taken, or free; one that was made up is told apart."""
    create_comparison(plan("linreg", num_seeds=2, name="mine"))
    create_comparison(plan("linreg", num_seeds=2))
    assert plan("linreg", num_seeds=2).name == "linreg-2"
    with pytest.raises(UsageError, match="--resume mine, or another --name"):
        create_comparison(plan("linreg", num_seeds=2, name="mine"))
    with pytest.raises(TuitrainError, match="mine is the name of a comparison"):
        plan("mine/lr-0.1", "linreg")


def test_runs_alone_are_not_to_be_repeated_but_their_preset_is(home: Path) -> None:
    """What is tried instead can be done."""
    made_up_run(home / "runs", "one", num_steps=10)
    with pytest.raises(UsageError, match="started from: made-up"):
        plan("one", num_seeds=3)
    with pytest.raises(UsageError, match="another preset or run beside it"):
        plan("one")


def test_a_second_run_of_a_seed_is_no_further_seed(home: Path) -> None:
    """A rerun would count twice, and a branch that was steered would take the place of its parent."""
    for name, seed in (("one", 0), ("two", 1), ("again", 0)):
        made_up_run(home / "runs", name, num_steps=10, seed=seed)
    made = plan("one", "two", "again", is_by_seed=True)
    assert [member.arm for member in made.members] == ["one", "one", "again"]


def test_names_of_optimizers_stand_for_the_main_preset_with_them() -> None:
    """What a beginner types; it says what it did."""
    made = plan("sgd", "momentum", "adam")
    assert made.arms == ("sgd", "momentum", "adam")
    assert value(made.members[1], "optimizer", "momentum") == 0.9
    assert made.notes[0].startswith(
        "sgd, momentum, adam are mnist-mlp with that optimizer at its default learning rate: sgd 0.001, momentum 0.001"
    )


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (Wish(subjects=["mnist-mpl"]), 'named "mnist-mpl". Did you mean "mnist-mlp"'),
        (Wish(subjects=["optimisers"]), 'Did you mean "optimizers"?'),
        (Wish(subjects=["mnist-mlp"]), "One run alone is compared with nothing"),
        (Wish(subjects=["mnist-mlp"], num_seeds=10**12), "more than the 10000 of a comparison"),
        (Wish(subjects=["mnist-mlp"], vary=["optimizer.name=sgd,adm"]), 'Did you mean "adam"'),
        (Wish(subjects=["mnist-mlp"], vary=["optimizer.lr"]), "not of the form key=a,b"),
        (Wish(subjects=["mnist-mlp"], vary=["lr=1,2"]), '"lr" is no key of a preset. Try: optimizer.lr=1,2'),
        (Wish(subjects=[], overrides=["train.seed=3"]), "nothing to compare"),
        (Wish(subjects=["sdg", "adam"]), 'Did you mean "sgd"'),
        (Wish(subjects=["mnist-mlp"], vary=["optimizer.lr=1,,2"]), "not of the form key=a,b"),
        (Wish(subjects=["mnist-mlp"], vary=["optimizer.lr=0.1,0.1"]), "has 0.1 twice"),
        (Wish(subjects=["mnist-mlp"], vary=["optimizer.lr=1e-1,0.1"]), "has 0.1 twice"),
        (Wish(subjects=["mnist-mlp"], vary=["optimizer.lr=1,2", "optimizer.lr=3,4"]), "is there twice"),
        (Wish(subjects=["mnist-mlp"], num_folds=1), "at least 2"),
        (Wish(subjects=["mnist-mlp"], num_seeds=2, metric="eval/acuracy"), '"eval/accuracy"'),
        (Wish(subjects=["ravine"], num_folds=5), "surface"),
        (Wish(subjects=["mnist-mlp"], num_seeds=20_000), "more than the 10000"),
        (Wish(subjects=["linreg"], vary=["train.seed=1,2"], num_seeds=3), "repeat the same runs"),
        (Wish(subjects=["optimzers"]), 'Did you mean "optimizers"?'),
        (Wish(subjects=["no/such/run"]), "is no run folder"),
    ],
)
def test_a_wish_that_cannot_be_says_what_to_try(wish: Wish, words: str) -> None:
    """Before anything is made."""
    with pytest.raises(TuitrainError) as caught:
        plan_comparison(wish)
    assert words in str(caught.value)
    assert any(word in str(caught.value) for word in ("Try", "Did you mean", "Leave it out"))


def test_mistakes_of_all_arms_come_at_once() -> None:
    """And each once, however many arms share it."""
    with pytest.raises(PresetError) as caught:
        plan("mnist-mlp", "lr-good", vary=("optimizer.lr=fast,0.1",), overrides=("train.stps=3",))
    assert len([problem for problem in caught.value.problems if "stps" in problem]) == 1
    assert any('"fast"' in problem for problem in caught.value.problems)


def test_a_run_folder_that_is_damaged_is_said(home: Path) -> None:
    """Not drawn without a word."""
    folder = made_up_run(home / "runs", "one", num_steps=10)
    RunFolder(folder.path).info_path.write_text("{")
    with pytest.raises(TuitrainError, match="damaged"):
        plan("one", "lr-good")
