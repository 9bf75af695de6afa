"""What a preset says of weights of before and of frozen layers is checked before the run starts, all at once."""

from __future__ import annotations

import pytest

from tests.training.harness import trainer_of
from tuitrain.errors import PresetError
from tuitrain.preset import load_preset
from tuitrain.preset.dataset import dataset_of
from tuitrain.preset.transferring import shapes_of


def problems_of(name: str, *overrides: str) -> list[str]:
    """Every mistake of a preset."""
    with pytest.raises(PresetError) as caught:
        load_preset(name, overrides)
    return list(caught.value.problems)


def test_every_mistake_comes_at_once() -> None:
    """Weights of two kinds, a tag of no run, a pattern that fits nothing, a rate that is no number."""
    found = problems_of(
        "mnist-mlp", "task.pretrained=true", "task.from_run=last", 'task.freeze=["lin_7"]', "optimizer.head_rate=0",
    )  # fmt: skip
    text = "\n".join(found)
    assert "there are no such weights of mlp" in text
    assert "task.from_run and task.pretrained exclude each other" in text
    assert 'task.freeze: No layer named "lin_7". Try: "lin_2".' in text
    assert "optimizer.head_rate" in text


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (['task.freeze=["*"]'], "leaves nothing to train"),
        (["task.new_head=true"], "no weights are taken"),
        (["task.from_tag=best"], "no meaning without task.from_run"),
        (['task.freeze=["lin_1"]', "optimizer.name=muon"], "leaves no hidden 2-D weights"),
        (["optimizer.name=lbfgs", "train.batch_size=full", "optimizer.head_rate=10"], "takes one"),
    ],
)
def test_what_does_not_go_together_is_said(overrides: list[str], words: str) -> None:
    """With what to try."""
    found = problems_of("mnist-mlp", *overrides)
    assert any(words in problem for problem in found), found


def test_a_moment_that_freezes_nothing_is_said() -> None:
    """By its number and its step."""
    from tuitrain.preset import preset_from_data

    data = load_preset("mnist-mlp").to_data()
    data["moment"] = [{"at_step": 5, "do": "unfreeze", "patterns": ["conv_*"]}]
    with pytest.raises(PresetError, match=r'moment 1 \(at step 5\): No layer named "conv_\*"'):
        preset_from_data(data, "test")


def test_a_model_that_cannot_be_frozen_is_no_reason_to_crash() -> None:
    """A model without pictures to look at, or without widths, is told as before."""
    assert problems_of("lab-wave", "task.model=cnn", 'task.freeze=["conv_1"]')
    assert problems_of("mnist-mlp", "task.model=residual-mlp", "task.hidden=[]", 'task.freeze=["lin_0"]')


@pytest.mark.parametrize("name", ["char-lstm", "char-transformer", "autoencoder", "cnn-fractional-pool", "ravine"])
def test_what_is_known_of_a_model_before_torch_is_what_torch_builds(name: str) -> None:
    """Otherwise its own layers could not be frozen, and its own weights would not fit it; or nothing is known."""
    preset = load_preset(name)
    known = shapes_of(preset, dataset_of(preset))
    built = {key: tuple(tensor.shape) for key, tensor in trainer_of(preset).task.model.named_parameters()}
    assert known is None or known == built


def test_layers_of_a_text_model_can_be_frozen() -> None:
    """By their own names, which only torch knows."""
    assert load_preset("char-lstm", ['task.freeze=["embed", "lstm_*"]']).task.freeze == ["embed", "lstm_*"]
