"""Steps as epochs, samples and seconds."""

from __future__ import annotations

import msgspec
import numpy as np

from tests.comparing.made_up import started
from tuitrain.board.curves import Curves
from tuitrain.board.positions import Positions


def test_samples_and_epochs_follow_the_batch_size() -> None:
    """100 steps of 8, then batches of 32: 50 steps of an epoch become 12.5."""
    positions = Positions()
    positions.batches_change(0, 50, 8)
    positions.batches_change(100, 25, 32)
    steps = np.array([0.0, 50.0, 100.0, 125.0])
    assert positions.at(steps, "samples").tolist() == [0, 400, 800, 1600]
    assert positions.at(steps, "epoch").tolist() == [0, 1, 2, 3]
    assert positions.at(steps, "step") is steps


def test_seconds_are_interpolated_and_go_on_at_the_average_speed() -> None:
    """A pause adds time at one step."""
    positions = Positions()
    positions.note(100, 1.0)
    positions.note(100, 3.0)
    positions.note(200, 5.0)
    assert positions.at(np.array([50.0, 150.0, 200.0, 240.0]), "seconds").tolist() == [1.5, 4.0, 5.0, 6.0]


def test_a_run_that_went_back_forgets_what_was_later() -> None:
    """Both when it was and how large the batches were."""
    positions = Positions()
    positions.batches_change(0, 10, 1)
    positions.note(100, 1.0)
    positions.note(200, 2.0)
    positions.batches_change(150, 10, 4)
    positions.cut_after(120)
    positions.batches_change(120, 10, 1)
    positions.note(130, 4.0)
    assert positions.at(np.array([130.0]), "seconds").tolist() == [4.0]
    assert positions.at(np.array([200.0]), "samples").tolist() == [200.0]


def test_a_million_marks_stay_few() -> None:
    """And the seconds stay right."""
    positions = Positions()
    for step in range(1, 20_001):
        positions.note(step, step / 10)
    np.testing.assert_allclose(positions.at(np.array([777.0, 19_999.0]), "seconds"), [77.7, 1999.9])


def test_a_branch_begins_where_its_parent_was() -> None:
    """By epochs and samples it goes on there, beside its parent; its own seconds begin with it."""
    found = Curves()
    first = msgspec.structs.replace(started(1000, 0), step=500, steps_per_epoch=50, batch_size=8, seconds=2.0)
    found.add(first)
    found.add_steps(600, 3.0)
    ends = np.array([500.0, 600.0])
    assert found.positions.at(ends, "epoch").tolist() == [10.0, 12.0]
    assert found.positions.at(ends, "samples").tolist() == [4000.0, 4800.0]
    assert found.positions.at(np.array([500.0, 600.0, 700.0]), "seconds").tolist() == [0.0, 1.0, 2.0]
    assert found.samples_per_second == 800.0
