"""The x axis: the same place in steps, epochs and seconds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuitrain.board.axis import Axis

marks = st.lists(st.tuples(st.integers(0, 50), st.floats(0.0, 10.0)), max_size=40)


@settings(max_examples=80, deadline=None)
@given(marks, st.lists(st.floats(0, 3000), min_size=2, max_size=20))
def test_seconds_never_go_back_as_steps_go_on(increments: list[tuple[int, float]], asked: list[float]) -> None:
    """Whatever was noted; with as many noted as it takes to thin them."""
    axis = Axis()
    step, seconds = 0, 0.0
    for more_steps, more_seconds in increments:
        step, seconds = step + more_steps, seconds + more_seconds
        axis.note(step, seconds)
    found = [axis.of(place, "seconds") for place in sorted(asked)]
    assert found == sorted(found)
    assert axis.of(step, "seconds") == pytest.approx(seconds)


def test_a_pause_is_time_without_steps() -> None:
    """The step during which it happened takes as long as the pause."""
    axis = Axis()
    for step, seconds in ((0, 5.0), (10, 6.0), (10, 60.0), (20, 61.0)):
        axis.note(step, seconds)
    assert axis.of(0, "seconds") == 5.0
    assert axis.of(10, "seconds") == 60.0
    assert axis.of(15, "seconds") == pytest.approx(60.5)


def test_what_comes_late_or_from_an_earlier_step_is_ignored() -> None:
    """Facts are stamped when they happen, measurements when they are written."""
    axis = Axis()
    axis.note(10, 2.0)
    axis.note(5, 3.0)
    axis.note(12, 1.0)
    assert axis.of(10, "seconds") == 2.0
    assert axis.of(20, "seconds") == pytest.approx(4.0)


def test_a_week_of_marks_is_thinned_and_stays_right() -> None:
    """Many more notes than are kept."""
    axis = Axis()
    for step in range(1, 100_001):
        axis.note(step, step * 0.5)
    assert axis.of(100_000, "seconds") == 50_000.0
    assert axis.of(31_415, "seconds") == pytest.approx(15_707.5)


def test_epochs_need_no_clock() -> None:
    """And an unknown length of the epoch is one step, never a division by zero."""
    axis = Axis()
    axis.steps_per_epoch = 0
    assert axis.of(7, "epoch") == 7.0
    assert axis.of(7, "seconds") == 0.0
