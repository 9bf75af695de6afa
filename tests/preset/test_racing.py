"""What is wrong with a race is said before it starts, all at once."""

from __future__ import annotations

import pytest

from tuitrain.errors import PresetError
from tuitrain.preset import list_presets, load_preset, preset_from_data
from tuitrain.preset.racing import rivals_of, start_of


def mistakes(*overrides: str, preset: str = "ravine") -> str:
    with pytest.raises(PresetError) as found:
        load_preset(preset, overrides)
    return str(found.value)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("surface.name=ravin",), 'surface.name = "ravin" is not known. Did you mean "ravine"?'),
        (("surface.name=",), "surface.name is missing"),
        (("surface.start=[1.0]",), "surface.start = [1.0] has 1 numbers, not 2. Try surface.start='[-8.0, 1.5]'"),
        (("surface.start=[1e9, 0.0]",), "far outside of the view"),
        (("task.model=mlp",), 'task.model = "mlp" needs data, and a surface has none'),
        (("task.dataset=digits",), 'task.model = "surface" is a point on a surface'),
        (("train.batch_size=32",), "train.batch_size has no meaning on a surface"),
        (("regularize.dropout=0.5",), "has no meaning on a surface"),
        (("task.loss=mse",), 'task.loss = "mse" is for regression, and surface is not. Try task.loss=value'),
        (("optimizer.name=muon",), "works on hidden 2-D weights"),
        (("optimizer.name=newton", "regularize.gradient_noise=1.0"), "draws at random, and newton compares losses"),
        (('rival=[{name="adm"}]',), 'rival 1.name = "adm" is not known. Did you mean "adam"?'),
        (('rival=[{name="adam", beta1=2.0}]',), "rival 1.beta1"),
        (('rival=[{name="muon"}]',), 'rival 1.name = "muon" works on hidden 2-D weights'),
        (('rival=[{name="sgd", nesterov=true}]',), "rival 1.nesterov = true needs momentum"),
        (('rival=[{name="sgd"}, {lr=0.1}]',), "rival 2.name is missing"),
        (('rival=[{name="sgd", lr=-1.0}]',), "rival 1.lr"),
        ((f"rival=[{', '.join(8 * [chr(123) + 'name=' + chr(34) + 'sgd' + chr(34) + chr(125)])}]",), "7 at most"),
    ],
)
def test_a_race_that_cannot_be_is_refused(overrides: tuple[str, ...], said: str) -> None:
    """With what to try."""
    assert said in mistakes(*overrides)


@pytest.mark.parametrize(
    ("preset", "overrides", "is_refused"),
    [
        ("mnist-mlp", (), True),
        ("lr-good", ("task.model=linear",), True),
        ("linreg", (), False),
        ("lab-wave", ("task.hidden=[8]",), False),
        ("lab-wave", (), True),
    ],
)
def test_newton_is_for_few_parameters(preset: str, overrides: tuple[str, ...], is_refused: bool) -> None:
    """A line has two, an MLP of 8 hidden units 25; at most 200."""
    more = ("optimizer.name=newton", "optimizer.lr=1.0", "train.batch_size=full", *overrides)
    if is_refused:
        assert "takes a Hessian, of at most 200 parameters" in mistakes(*more, preset=preset)
    else:
        assert load_preset(preset, more).optimizer.name == "newton"


def test_rivals_need_a_surface() -> None:
    """Elsewhere there is nothing to race on."""
    assert "rival 1 races on a surface" in mistakes('rival=[{name="sgd"}]', preset="linreg")
    assert "surface.name is for" in mistakes("surface.name=ravine", preset="linreg")


def test_racers_of_one_optimizer_get_names_of_their_own() -> None:
    """By their rate, then by number; the run itself has the plain one."""
    labels = [
        rival.label
        for rival in rivals_of(load_preset("ravine", ['rival=[{name="sgd", lr=0.5}, {name="sgd", lr=0.5}]']))
    ]
    assert labels == ["sgd 0.5", "sgd #2"]
    assert [rival.label for rival in rivals_of(load_preset("ravine"))][:2] == ["momentum", "nesterov"]


def test_a_race_comes_back_from_its_record() -> None:
    """What run.json keeps is the same race; other runs keep nothing of it."""
    preset = load_preset("ravine", ["surface.start=[-4.0, 1.0]"])
    again = preset_from_data(preset.to_data(), "test")
    assert again == preset
    assert start_of(again) == (-4.0, 1.0)
    assert not {"surface", "rival"} & load_preset("linreg").to_data().keys()


def test_no_surface_is_judged_as_a_network_would_be() -> None:
    """A slow way down is what a race shows; an alarm about the rate of it would be a false one."""
    for preset in (preset for preset in list_presets() if preset.chapter == "Surfaces"):
        alarms = load_preset(preset.name).alarms
        assert (alarms.plateau, alarms.learning_rate, alarms.underfitting) == ("off", "off", "off"), preset.name
