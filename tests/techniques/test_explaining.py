"""Whatever a person can set by name is explained by that name."""

from __future__ import annotations

import pytest

from tuitrain.errors import UnknownNameError
from tuitrain.techniques.averages import AVERAGES
from tuitrain.techniques.explaining import explained
from tuitrain.techniques.freezing import matched


@pytest.mark.parametrize("name", AVERAGES)
def test_an_average_is_explained(name: str) -> None:
    """What it does, and what it takes."""
    lines = explained(name)
    assert lines[0] == f"{name} — one of the averages"
    assert AVERAGES[name].hyperparameter.help in lines[-1]


def test_parameters_of_no_layer_are_not_suggested() -> None:
    """The point of a surface has a name and no module around it; an empty name is no help."""
    with pytest.raises(UnknownNameError) as found:
        matched(["nolayer"], {"point": (2,)})
    assert "" not in found.value.known
