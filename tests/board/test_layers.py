"""The layers: a bounded history in which spikes survive, and verdicts that say what a person should see."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.board.test_board import folded, recorded
from tests.recordings import HAND_MADE
from tuitrain.board import layer_verdicts
from tuitrain.board.layer_verdicts import Verdict, healthy, verdicts
from tuitrain.board.layers import QUANTITIES, LayerHistory
from tuitrain.protocol.events import LayersMeasured

NAN, INF = math.nan, math.inf
HEALTHY = {
    "gradient_norm": 0.5, "weight_norm": 12.0, "update_ratio": 1e-3, "activation_mean": 0.1, "activation_std": 0.7,
    "dead": 0.02, "saturated": NAN,
}  # fmt: skip


def look(step: int, num_layers: int = 3, /, **values: list[float]) -> LayersMeasured:
    """A look at a healthy net, but for some values."""
    names = tuple(f"lin_{number}" for number in range(1, num_layers + 1))
    everything = {name: values.get(name, [value] * num_layers) for name, value in HEALTHY.items()}
    return LayersMeasured(step=step, names=names, values=everything)


def history_of(*events: LayersMeasured, most_samples: int = 512) -> LayerHistory:
    """A history that was given some looks."""
    history = LayerHistory(most_samples)
    for event in events:
        history.add(event)
    return history


def said(num_layers: int = 3, /, **values: list[float]) -> list[str]:
    """What stands out in one look."""
    return [verdict.text for verdict in verdicts(history_of(look(1, num_layers, **values)))]


def test_the_board_folds_looks() -> None:
    """Through `apply`, as everything; a recording without looks has none."""
    board = folded([*recorded(HAND_MADE), look(300)])
    assert board.layers.names == ("lin_1", "lin_2", "lin_3")
    assert board.layers.newest("weight_norm").tolist() == [12.0] * 3
    assert folded(recorded(HAND_MADE)).layers.names == ()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(width=32), min_size=1, max_size=200), st.sampled_from([2, 4, 8]), st.integers(1, 9), st.data()
)
def test_the_history_is_bounded_and_the_largest_survives(
    values: list[float], most: int, columns: int, data: st.DataObject
) -> None:
    """However many looks: never more samples than agreed, and the value of the largest size is still there."""
    stride = data.draw(st.integers(1, 50))
    history = LayerHistory(most)
    for index, value in enumerate(values):
        history.add(look(1 + index * stride, 1, gradient_norm=[value]))
        assert len(history) <= most
    found = history.matrix("gradient_norm", history.first_step, history.step, columns)
    assert found.shape == (1, columns)
    known = [abs(value) for value in values if not math.isnan(value)]
    if known:
        assert np.nanmax(np.abs(found)) == max(known)
    else:
        assert np.isnan(found).all()


def test_samples_stay_equally_fine() -> None:
    """After many looks the oldest samples are no coarser than the newest: a ramp stays a ramp, all along."""
    history = history_of(*(look(step, 1, gradient_norm=[float(step)]) for step in range(1, 3001)), most_samples=64)
    assert 32 <= len(history) <= 64
    ramp = history.matrix("gradient_norm", 1, 3000, 10)[0]
    assert ramp == pytest.approx(np.arange(300, 3001, 300), abs=64)


def test_columns_know_what_was_measured_in_them() -> None:
    """The largest look of a column; the one before where there was none; nothing before the first or after the last."""
    gradients = {10: [1.0, NAN], 11: [-4.0, NAN], 40: [2.0, 7.0]}
    history = history_of(*(look(step, 2, gradient_norm=values) for step, values in gradients.items()))
    found = history.matrix("gradient_norm", 0, 60, 6)
    np.testing.assert_array_equal(found[0], [NAN, -4.0, -4.0, -4.0, 2.0, NAN])
    np.testing.assert_array_equal(found[1], [NAN, NAN, NAN, NAN, 7.0, NAN])
    assert history.matrix("gradient_norm", 10, 40, 3)[0, -1] == 2.0
    assert history.matrix("gradient_norm", 0, 60, 0).shape == (2, 0)
    assert (history_of(look(5)).matrix("dead", 5, 5, 4) == 0.02).all()


def test_another_model_starts_again() -> None:
    """Other names: what was known is forgotten, but there is news."""
    history = history_of(look(1), look(2), look(3, 5))
    assert (len(history), len(history.names), history.first_step, history.num_measured) == (1, 5, 3, 3)


def test_a_run_that_goes_back_takes_its_looks_with_it() -> None:
    """What was measured at that step or later is no longer true."""
    events = [look(step, 1, gradient_norm=[float(step)]) for step in (10, 20, 30, 40)]
    history = history_of(*events, look(20, 1, gradient_norm=[0.5]))
    assert (len(history), history.step) == (2, 20)
    assert history.matrix("gradient_norm", 10, 20, 2)[0].tolist() == [10.0, 0.5]


def test_quantities_that_are_missing_or_of_another_length_are_unknown() -> None:
    """An older or a newer version may know others."""
    event = LayersMeasured(step=1, names=("a", "b"), values={"gradient_norm": [1.0], "sharpness": [1.0, 2.0]})
    history = history_of(event)
    assert all(np.isnan(history.newest(quantity)).all() for quantity in QUANTITIES)
    assert not any(history.is_known(quantity) for quantity in QUANTITIES)
    assert verdicts(history) == []
    assert healthy(history) == "Nothing stands out."


def test_a_healthy_net_says_nothing() -> None:
    """And the ratio of its updates is told."""
    assert said() == []
    assert (
        said(40, activation_std=[1.0] * 39 + [1e-3], gradient_norm=[0.01 * (number + 1) for number in range(40)]) == []
    )
    assert healthy(history_of(look(1))) == "Nothing stands out. Update ratio 1e-3; about 1e-3 is usual."
    assert verdicts(LayerHistory()) == []


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"gradient_norm": [1e-3, 0.03, 1.0]}, "vanishing gradient: the first layer's is 1/1000 of the last one's"),
        ({"gradient_norm": [2e-7, 0.03, 1.0]}, "vanishing gradient: the first layer's is 2e-7 of the last one's"),
        ({"gradient_norm": [5e3, 40.0, 1.0]}, "exploding gradient: the first layer's is 5000× the last one's"),
        ({"gradient_norm": [0.0, 0.4, 1.0]}, "no gradient reaches lin_1: the weights do not learn"),
        ({"gradient_norm": [0.0, 0.0, 0.0]}, "no gradient reaches every layer: the weights do not learn"),
        (
            {"activation_std": [0.16, 1e-8, 1e-9]},
            "deviation of activations 0.16 → 1e-8 over depth: initialised too small",
        ),
        (
            {"activation_std": [0.9, 3e6, 1.0]},
            "deviation of activations 0.9 → 3e6 over depth: initialised too large",
        ),
        ({"saturated": [0.1, 0.2, 0.89]}, "89 % of lin_3 saturated"),
        ({"saturated": [0.6, 0.7, 0.5]}, "70 % of lin_2 saturated, and 2 layers more"),
        ({"dead": [0.0, 0.62, NAN]}, "62 % of the units of lin_2 are dead"),
        ({"update_ratio": [1e-3, 0.3, 0.2]}, "update ratio of lin_2 and lin_3 above 1e-1: rate too high?"),
        ({"update_ratio": [1e-6, 2e-6, 0.0]}, "update ratio of every layer below 1e-5: rate too low?"),
        ({"update_ratio": [1e-6, 1e-3, 1e-3]}, "lin_1 hardly learns: update ratio below 1e-5"),
        ({"weight_norm": [1.0, NAN, INF]}, "weights of lin_2 and lin_3 are not finite"),
        ({"gradient_norm": [1.0, INF, 1.0]}, "gradient of lin_2 is not finite"),
    ],
)
def test_trouble_is_told_in_plain_words(values: dict[str, list[float]], text: str) -> None:
    """One sentence for each kind, and no other beside it."""
    assert said(**values) == [text]


@pytest.mark.parametrize(
    "values",
    [
        {"gradient_norm": [1.1e-2, 0.5, 1.0]},
        {"gradient_norm": [NAN, 0.5, 1.0]},
        {"gradient_norm": [NAN, NAN, NAN]},
        {"activation_std": [0.16, 0.002, 1e-9]},
        {"activation_std": [NAN, NAN, NAN]},
        {"saturated": [0.49, NAN, 0.0]},
        {"dead": [0.49, NAN, 0.0]},
        {"update_ratio": [0.09, 1.1e-5, NAN]},
    ],
)
def test_what_is_within_the_bounds_or_unknown_is_no_trouble(values: dict[str, list[float]]) -> None:
    """Just inside each bound; NaN is not known, and not wrong."""
    assert said(**values) == []


def test_the_worst_comes_first_and_names_its_cells() -> None:
    """For the screen, which colours them."""
    found = verdicts(
        history_of(look(1, saturated=[0.9, 0.1, 0.1], gradient_norm=[1e-5, 1e-4, 1.0], update_ratio=[1.0] * 3))
    )
    assert [(verdict.quantity, verdict.layers, verdict.is_alarm) for verdict in found] == [
        ("gradient_norm", (0, 1), True), ("saturated", (0,), False), ("update_ratio", (0, 1, 2), False),
    ]  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_values_can_be_judged(data: st.DataObject) -> None:
    """Every verdict names layers that there are, in one line."""
    num_layers = data.draw(st.integers(1, 6))
    values = {
        quantity: data.draw(st.lists(st.floats(), min_size=num_layers, max_size=num_layers)) for quantity in QUANTITIES
    }
    history = history_of(look(1, num_layers, **values))
    for verdict in verdicts(history):
        assert isinstance(verdict, Verdict)
        assert "\n" not in verdict.text
        assert all(0 <= layer < num_layers for layer in verdict.layers)
    assert healthy(history).startswith("Nothing stands out.")


def test_the_bounds_are_in_order() -> None:
    """What is usual lies between them."""
    assert layer_verdicts.UPDATE_TOO_SMALL < 1e-3 < layer_verdicts.UPDATE_TOO_LARGE
    assert layer_verdicts.VANISHING < 1.0 < layer_verdicts.EXPLODING
    assert layer_verdicts.FALLING < 1.0 < layer_verdicts.GROWING
