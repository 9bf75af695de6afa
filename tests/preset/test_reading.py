"""A preset is checked whole: every mistake at once, with its place and what to try."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuitrain.errors import PresetError
from tuitrain.preset import Preset, list_presets, load_preset, preset_from_data

MINIMAL = 'title = "t"\n[task]\ndataset = "digits"\nmodel = "mlp"\n'


def written(folder: Path, text: str, name: str = "mine") -> str:
    """A preset file."""
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def problems_of(name: str, *overrides: str) -> tuple[str, ...]:
    """Everything that is wrong."""
    with pytest.raises(PresetError) as caught:
        load_preset(name, overrides)
    assert caught.value.exit_code == 2
    return caught.value.problems


@pytest.mark.parametrize("preset", list_presets(), ids=lambda preset: preset.name)
def test_a_shipped_preset_says_what_to_look_for_and_survives_recording(preset: Preset) -> None:
    """Title, about, look_for and press are there; its data in run.json reads back the same."""
    assert all((preset.title, preset.about, preset.look_for, preset.press, preset.chapter))
    assert preset_from_data(preset.to_data(), "run.json") == preset


def test_all_mistakes_come_at_once_with_their_places(tmp_path: Path) -> None:
    """Wrong kinds, unknown keys, unknown names and impossible combinations, of file and command line together."""
    path = written(
        tmp_path,
        MINIMAL.replace("mlp", "mpl")
        + 'hiden = [3]\n[train]\nepochs = -1\n[optimizer]\nname = "adm"\n[schedule]\nname = "step"\ngama = 2\n'
        + '[[moment]]\nat_step = 3\ndo = "scale_learning_rate"\nfactor = 0\n',
    )
    problems = problems_of(path, "train.batch_size=many", "eval.every_steps=3", "eval.every_epochs=1", "nonsense")
    text = "\n".join(problems)
    for part in (
        'task.model = "mpl" is not known. Did you mean "mlp"?',
        'task.hiden is not a key of a preset. Did you mean "hidden"?',
        "train.epochs = -1 should be greater than 0",
        'optimizer.name = "adm" is not known. Did you mean "adam"?',
        "schedule.step_size",
        'Did you mean "gamma"?',
        "moment 1 (at step 3): scale_learning_rate: factor = 0 is not above 0",
        'command line: train.batch_size = "many" is not a whole number. Try: train.batch_size=64',
        "eval.every_steps and eval.every_epochs exclude each other",
        'command line: "nonsense" is not of the form section.key=value',
    ):
        assert part in text
    assert all(problem.startswith((path, "command line")) for problem in problems)


def test_a_rate_that_is_no_number_is_said() -> None:
    """The example of the house style."""
    assert problems_of("mnist-mlp", "optimizer.lr=fast") == (
        'command line: optimizer.lr = "fast" is not a number. Try: optimizer.lr=3e-4',
    )


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["task.dataset=line", "regularize.shift=2"], "works on images, and line has none"),
        (["task.dataset=lab-wave", "regularize.label_smoothing=0.1"], "needs classes"),
        (["task.dataset=spiral", "task.model=cnn"], "needs images"),
        (["task.model=linear", "optimizer.name=muon"], "hidden 2-D weights"),
        (["train.batch_size=5000"], "more than the 4000 training samples"),
        (["optimizer.name=sgd", "optimizer.nesterov=true"], "needs momentum"),
        (["regularize.weight_decay=0.1", "optimizer.weight_decay=0.1"], "the same thing"),
        (["optimizer.beta1=1.0"], "is not in 0 ≤ beta1 < 1"),
        (["optimizer.momentum=0.9"], "adam has no such hyper-parameter"),
        (["train.device=gpu"], "train.device"),
        (["task.num_train=9000"], "more than the 4000"),
    ],
)
def test_what_cannot_work_is_said_before_anything_starts(overrides: list[str], said: str) -> None:
    """One sentence, with the key."""
    assert said in "\n".join(problems_of("mnist-mlp", *overrides))


def test_unknown_presets_name_the_nearest() -> None:
    """Or what there is."""
    assert 'Did you mean "mnist-mlp"?' in problems_of("mnist-mpl")[0]
    assert "no such file" in problems_of("nowhere/x.toml")[0]


def test_broken_toml_names_the_line(tmp_path: Path) -> None:
    """As the parser says it."""
    assert "not valid TOML" in problems_of(written(tmp_path, "title = \n"))[0]


def test_a_preset_extends_one_other(tmp_path: Path) -> None:
    """Keys over keys; a section that names another optimizer starts afresh; over as many levels as there are."""
    preset = load_preset(
        written(tmp_path, 'extends = "lr-good"\ntitle = "x"\n[train]\nsteps = 5\n[optimizer]\nname = "adamw"\n')
    )
    assert (preset.train.steps, preset.train.epochs, preset.train.batch_size) == (5, None, 32)
    assert (preset.optimizer.name, preset.optimizer.lr, preset.optimizer.further) == ("adamw", None, {})
    written(tmp_path, 'extends = "mine"\ntitle = "y"\n', "second")
    second = load_preset(str(tmp_path / "second.toml"))
    assert (second.title, second.train.steps, second.task.dataset) == ("y", 5, "digits")
    written(tmp_path, 'extends = "third"\ntitle = "z"\n', "third")
    assert "comes back to itself" in problems_of(str(tmp_path / "third.toml"))[0]


def test_overrides_are_toml_values_and_replace_their_rivals() -> None:
    """Bare words are texts; steps replace epochs; betas are split where they are used."""
    preset = load_preset("mnist-mlp", ["train.steps=7", "task.hidden=[8, 8]", "optimizer.betas=[0.8, 0.9]"])
    assert (preset.train.steps, preset.train.epochs) == (7, None)
    assert preset.task.hidden == [8, 8]
    assert preset.optimizer.further == {"betas": [0.8, 0.9]}
