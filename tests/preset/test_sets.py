"""Comparison sets: all that ship can be run, and a broken one says everything that is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuitrain.errors import PresetError, UnknownNameError
from tuitrain.preset import sets
from tuitrain.preset.sets import ComparisonSet, list_sets, load_set


@pytest.mark.parametrize("members", [pytest.param(members, id=members.name) for members in list_sets()])
def test_every_set_that_ships_can_be_run(members: ComparisonSet) -> None:
    """Its presets with their overrides are right; seeds and data are those of one another; it says what to see."""
    presets = members.presets()
    assert len(presets) == len(members.run)
    assert all((members.title, members.about, members.look_for))
    assert {preset.train.seed for preset in presets.values()} == {0}
    assert len({preset.task.dataset for preset in presets.values()}) == 1
    assert members.metric in {"eval/loss", "eval/accuracy", "gap/loss", "batch/loss", "sharpness"}


def test_an_unknown_set_names_the_nearest() -> None:
    """As with presets."""
    with pytest.raises(UnknownNameError, match='No comparison set named "optimisers"\\. Try: "optimizers"'):
        load_set("optimisers")


def test_all_mistakes_of_a_set_come_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of the file first; then every arm's own, by its label."""
    monkeypatch.setattr(sets, "presets_folder", lambda: tmp_path)
    folder = tmp_path / "sets"
    folder.mkdir()
    (folder / "wrong.toml").write_text('title = "x"\nlokk_for = "y"\nrun = [{ label = "a", preset = 3 }]\n')
    with pytest.raises(PresetError) as caught:
        load_set("wrong")
    text = str(caught.value)
    assert "lokk_for is not a key of a comparison set" in text
    assert "about is missing" in text

    arm = '[[run]]\nlabel = "a"\npreset = "{}"\noverrides = ["optimizer.lr=fast"]\n'
    (folder / "arms.toml").write_text(
        'title = "x"\nabout = "x"\nlook_for = "x"\n' + arm.format("mnist-mlp") + arm.format("mnist-mpl")
    )
    with pytest.raises(PresetError) as caught:
        load_set("arms").presets()
    text = str(caught.value)
    assert 'the label "a" is there twice' in text
    assert 'optimizer.lr = "fast" is not a number' in text
    assert "mnist-mpl" in text
    (folder / "torn.toml").write_text("title = ")
    with pytest.raises(PresetError, match="not valid TOML"):
        load_set("torn")
