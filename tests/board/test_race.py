"""The board of a race: who is where, also after going back, and in a picture of any size."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.board.race_events import MARKS, ravine_words
from tuitrain.board.board import Board
from tuitrain.protocol.events import RacerLost, RaceStarted, RolledBack
from tuitrain.protocol.racing import Racer
from tuitrain.ui.race import race_view, table_lines
from tuitrain.ui.widgets.palette import Palette
from tuitrain.ui.widgets.terrain import draw_race

COLOURS = {"low": (20, 60, 80), "high": (60, 90, 120)}


def board_of(num_words: int | None = None) -> Board:
    board = Board()
    for word in ravine_words()[:num_words]:
        board.apply(word)
    return board


def test_every_racer_has_its_way_from_the_start() -> None:
    """The start, then a point a step; the value of the surface at each."""
    view = race_view(board_of())
    assert view is not None
    own, rival = view.paths[:2]
    assert own.steps.tolist() == [float(step) for step in range(41)]
    assert own.points[0].tolist() == [-8.0, 1.5]
    assert own.values[0] == pytest.approx(3.25)
    assert rival.label == "momentum"
    assert len(rival.steps) == 41


def test_a_racer_that_is_lost_stays() -> None:
    """Its way ends, its marker is a cross, the table says so."""
    board = board_of()
    board.apply(RacerLost(step=40, index=1, label="momentum"))
    view = race_view(board)
    assert view is not None
    assert view.paths[1].marker == "×"
    assert "lost" in table_lines(view, 32)[2].plain
    before = race_view(board, until=20)
    assert before is not None
    assert before.paths[1].lost_at is None


def test_after_a_move_only_the_new_ways_are_shown() -> None:
    """From the new start."""
    board = board_of()
    racers = (Racer(label="sgd"), Racer(label="momentum", learning_rate=0.2))
    board.apply(RaceStarted(step=40, surface="ravine", since=40, start=(2.0, 1.0), racers=racers, cause="a"))
    view = race_view(board)
    assert view is not None
    assert [len(path.steps) for path in view.paths] == [1, 1]
    assert board.marks[-1].label == "moved"


def test_what_was_left_is_a_ghost() -> None:
    """The run's own way beyond the step that it went back to."""
    board = board_of()
    assert board.optimizer is not None
    board.apply(
        RolledBack(
            step=10,
            from_step=40,
            timeline=1,
            source="memory",
            total_steps=200,
            steps_per_epoch=1,
            batch_size=1,
            optimizer=board.optimizer,
        )
    )
    view = race_view(board)
    assert view is not None
    assert len(view.paths[0].steps) == 11
    assert [len(ghost) for ghost in view.ghosts] == [30]


def test_the_cursor_shows_the_race_as_it_was() -> None:
    """Up to the step that is read."""
    view = race_view(board_of(), until=5)
    assert view is not None
    assert [path.steps[-1] for path in view.paths] == [5.0] * len(view.paths)


def test_an_unknown_surface_is_no_race() -> None:
    """Of a newer version: the charts are shown."""
    board = board_of()
    board.apply(RaceStarted(step=0, surface="torus", since=0, start=(0.0, 0.0), racers=(Racer(label="sgd"),)))
    assert race_view(board) is None
    assert race_view(Board()) is None


@pytest.mark.parametrize("depth", ["full", "sixteen", "none"])
@pytest.mark.parametrize("size", [(120, 40), (60, 17), (20, 6), (12, 4), (3, 1)])
@pytest.mark.parametrize("markers", ["braille", "ascii"])
def test_the_picture_has_the_size_that_was_asked_for(depth: str, size: tuple[int, int], markers: str) -> None:
    """Whatever the terminal can show; in ASCII nothing else."""
    view = race_view(board_of())
    assert view is not None
    palette = Palette(COLOURS, depth=depth)  # type: ignore[arg-type]
    lines = [re.sub("\x1b\\[[0-9;]*m", "", line) for line in draw_race(view, *size, palette, markers)]  # type: ignore[arg-type]
    assert [len(line) for line in lines] == [size[0]] * size[1]
    if markers == "ascii":
        assert "".join(lines).isascii()
    if size[0] >= 60:
        wanted = "O" if markers == "ascii" else "●"
        assert wanted in "".join(lines)


def test_the_bands_are_drawn_once() -> None:
    """A later frame on the same ground lays ways over the same cells."""
    from tuitrain.ui.widgets import terrain

    view = race_view(board_of())
    assert view is not None
    terrain._contour.cache_clear()
    for _ in range(3):
        draw_race(view, 80, 24, Palette(COLOURS))
    assert (terrain._contour.cache_info().misses, terrain._contour.cache_info().hits) == (1, 2)
    once, again = (draw_race(view, 80, 24, Palette(COLOURS)) for _ in range(2))
    assert once == again


def test_the_hand_made_race_flips_as_sgd_does() -> None:
    """So that the picture of the tests is that of the lecture."""
    assert np.sign(MARKS["sgd"][:4, 1]).tolist() == [-1.0, 1.0, -1.0, 1.0]
