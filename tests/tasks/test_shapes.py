"""What is told of a model's parameters without torch is what torch builds."""

from __future__ import annotations

import pytest
import torch

from tuitrain.tasks.build.models import ModelOptions, build_model
from tuitrain.tasks.shapes import parameter_shapes
from tuitrain.tasks.tables import MODELS, NORMS, dataset_spec

OWN = [name for name, spec in MODELS.items() if spec.source == "own" and not spec.needs_text]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", OWN)
def test_names_and_shapes_are_those_of_the_model(name: str, norm: str) -> None:
    """In the same order, for every model of our own and every norm."""
    if norm == "instance" and not MODELS[name].needs_image:
        pytest.skip("needs pictures")
    dataset = dataset_spec("digits")
    options = ModelOptions(name=name, hidden=(12, 8), channels=(8, 16), depth=4, norm=norm)
    model = build_model(options, dataset, 10, torch.zeros(4, *dataset.input_shape))
    told = parameter_shapes(name, dataset, 10, hidden=[12, 8], channels=[8, 16], depth=4, norm=norm)
    built = {parameter: tuple(tensor.shape) for parameter, tensor in model.named_parameters()}
    assert told == built
    assert told is not None
    assert list(told) == list(built)


def test_of_a_model_of_torchvision_nothing_is_told() -> None:
    """Only torch knows it."""
    assert (
        parameter_shapes("resnet18", dataset_spec("digits"), 10, hidden=[], channels=[], depth=8, norm="none") is None
    )
