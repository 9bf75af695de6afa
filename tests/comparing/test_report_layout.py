"""Ticks, names beside their lines, texts that fit, numbers with as many digits as they have."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuitrain.board.verdict import rank
from tuitrain.comparing.report.chart import chart, spread_apart
from tuitrain.comparing.report.contents import Figure, Line
from tuitrain.comparing.report.drawing import Area, Marker, Polyline, Text
from tuitrain.comparing.report.lettering import font_for, shortened, text_width, wrapped
from tuitrain.comparing.report.numbers import mean_text, signed, value_text
from tuitrain.comparing.report.ticks import linear_ticks, log_ticks, tick_label
from tuitrain.comparing.report.whisker import whisker_range


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0, 1.0, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        (0.93, 0.97, (0.93, 0.94, 0.95, 0.96, 0.97)),
        (-3.0, 11.0, (0.0, 5.0, 10.0)),
        (0.0, 2000.0, (0.0, 500.0, 1000.0, 1500.0, 2000.0)),
        (5.0, 5.0, (5.0,)),
        (math.nan, 1.0, ()),
    ],
)
def test_linear_ticks_are_round(low: float, high: float, ticks: tuple[float, ...]) -> None:
    """Multiples of 1, 2 or 5."""
    assert linear_ticks(low, high) == ticks


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.01, 10.0, (0.01, 0.1, 1.0, 10.0)),
        (0.3, 4.0, (0.5, 1.0, 2.0)),
        (1e-12, 1.0, (1e-12, 1e-9, 1e-6, 1e-3, 1.0)),
        (1e-307, 1e307, (1e-200, 1.0, 1e200)),
        (0.0, 1.0, ()),
    ],
)
def test_log_ticks_are_decades(low: float, high: float, ticks: tuple[float, ...]) -> None:
    """Or 1, 2, 5 within few of them, or every other one of many."""
    assert log_ticks(low, high) == pytest.approx(ticks)


@settings(max_examples=200, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_ticks_of_any_range_are_few_and_within(one: float, other: float) -> None:
    """Also where floats end."""
    low, high = sorted((one, other))
    span = high - low
    for ticks in (linear_ticks(low, high), log_ticks(low, high)):
        assert len(ticks) <= 25
        assert all(low - 1e-6 * span <= tick <= high + 1e-6 * span + abs(high) * 1e-2 for tick in ticks)
        assert list(ticks) == sorted(set(ticks))


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (0.25, "0.25"), (1500.0, "1500"), (20000.0, "20k"), (1e-5, "1e-5"), (3e8, "3e8")]
)
def test_ticks_are_written_short(value: float, text: str) -> None:
    """As a person would."""
    assert tick_label(value) == text


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0.0, 300.0), max_size=15))
def test_names_keep_their_order_and_do_not_touch(places: list[float]) -> None:
    """15 pixels apart within 300."""
    places.sort()
    found = spread_apart(places, 15.0, 0.0, 300.0)
    assert len(found) == len(places)
    assert all(after - before >= 15.0 - 1e-6 for before, after in itertools.pairwise(found))
    assert all(-1e-6 <= place <= 300.0 + 1e-6 for place in found)
    if all(after - before >= 15.0 for before, after in itertools.pairwise(places)):
        assert found == pytest.approx(places)


def test_long_texts_are_shortened_in_their_middle() -> None:
    """Ends differ where labels are made of settings."""
    label = "optimizer.name=adamw optimizer.lr=0.0003 train.batch_size=512"
    short = shortened(label, 12.0, 120.0)
    assert short.startswith("optim")
    assert short.endswith("512")
    assert text_width(short, 12.0) <= 120.0
    assert shortened("short", 12.0, 120.0) == "short"
    assert all(text_width(line, 12.0) <= 200.0 for line in wrapped(f"{label} {'x' * 300} {label}", 12.0, 200.0))


def test_letters_that_a_font_lacks_are_set_in_another_or_spelled() -> None:
    """Never a box."""
    assert font_for("a × b – c", 12.0)[1] == "a x b - c"
    assert "中" not in font_for("中", 12.0)[1] or font_for("中", 12.0)[0] is not font_for("a", 12.0)[0]


def line(label: str, *ys: float) -> Line:
    return Line(label, tuple(float(x) for x in range(len(ys))), ys)


def test_a_line_is_broken_where_it_has_no_value() -> None:
    """Two stretches of two points, one mark for a point alone; the axis is not moved by infinity."""
    lines = (line("a", 1.0, 2.0, math.nan, 2.0, 1.0, math.inf, 3.0),)
    marks = chart(Figure("f", "x", "y", False, lines), ("a",)).marks
    assert sum(isinstance(mark, Polyline) and mark.ink == 0 for mark in marks) == 2
    ticks = [mark.text for mark in marks if isinstance(mark, Text) and mark.anchor == "end"]
    assert ticks == ["1", "1.5", "2", "2.5", "3"]


def test_what_a_logarithm_cannot_show_is_left_out() -> None:
    """Zero and less; a band that goes there ends at the bottom."""
    banded = Line("a", (0.0, 1.0, 2.0), (0.1, 1.0, 10.0), (-0.1, 0.5, 9.0), (0.2, 2.0, 11.0))
    drawing = chart(Figure("f", "x", "y", True, (line("b", 0.0, -1.0, 1.0, 2.0), banded)), ("a", "b"))
    (area,) = [mark for mark in drawing.marks if isinstance(mark, Area)]
    assert len(area.points) == 6
    assert all(0.0 <= y <= drawing.height for _, y in area.points)
    (other,) = [mark for mark in drawing.marks if isinstance(mark, Polyline) and mark.ink == 1]
    assert len(other.points) == 2


def test_an_arm_has_its_colour_in_every_figure() -> None:
    """Also in one where another is missing."""
    marks = chart(Figure("f", "x", "y", False, (line("b", 1.0, 2.0),)), ("a", "b")).marks
    assert {mark.ink for mark in marks if isinstance(mark, Marker)} == {1}


def test_a_value_has_as_many_digits_as_its_deviation_supports() -> None:
    """Two of the deviation."""
    found = rank({"a": {"0": 0.9123, "1": 0.9187, "2": 0.9094}}, is_lower_better=False, metric="m").standings[0]
    assert mean_text(found) == "0.9135 ± 0.0048"
    assert value_text(0.91234567) == "0.91235"
    assert value_text(None) == value_text(math.inf) == "–"
    assert (signed(-0.0123), signed(0.5), signed(0.0)) == ("−0.012", "+0.5", "0")


def test_whiskers_do_not_drown_the_differences() -> None:
    """With two seeds an interval is a hundred times as wide as the arms are apart: it goes out of the picture."""
    values = {"a": {"0": 1.0, "1": 1.2}, "b": {"0": 0.9, "1": 0.7}, "c": {"0": 0.5, "1": 0.8}}
    ranking = rank(values, is_lower_better=False, metric="m")
    scale = whisker_range(ranking)
    assert scale is not None
    low = ranking.standings[1].low
    assert low is not None
    assert low < scale[0] < -0.4
    assert scale[1] < 1.0
