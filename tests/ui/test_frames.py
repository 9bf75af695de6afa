"""The pace of drawing: the same for the live screen and those above it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tuitrain.ui.screens as screens
from tuitrain.ui.frames import DRAW_SHARE, FRAME_SECONDS, Frames


@given(st.lists(st.floats(0.0, 3.0), min_size=1, max_size=20))
def test_drawing_takes_no_more_than_its_share(costs: list[float]) -> None:
    """However long each frame takes, by a clock of the test; and no two are nearer than they may be."""
    now, drawn, ended = 100.0, 0.0, -1.0
    frames = Frames(timer=lambda: now)
    for cost in costs:
        while not frames.is_due:
            now += 0.01
        assert now - ended >= FRAME_SECONDS
        with frames.drawing():
            now += cost
        drawn, ended = drawn + cost, now
    while not frames.is_due:
        now += 0.01
    assert drawn <= DRAW_SHARE * (now - 100.0) + 1e-9


def test_a_key_is_answered_at_once() -> None:
    """Whatever the last frame cost."""
    now = 5.0
    frames = Frames(timer=lambda: now)
    with frames.drawing():
        now += 2.0
    assert not frames.is_due
    frames.hurry()
    assert frames.is_due


@pytest.mark.parametrize("name", ["live", "above", "comparing"])
def test_the_rule_stands_in_one_place(name: str) -> None:
    """A screen keeps no clock of its own."""
    text = (Path(screens.__path__[0]) / f"{name}.py").read_text(encoding="utf-8")
    assert "Frames()" in text
    assert "time.monotonic" not in text
