"""Ways that a run has been on: after each going back the board and the record hold the one that led there."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.board.test_ghosts import SGD, line, steps
from tuitrain.board.board import LOSS, Board
from tuitrain.board.curves import Curves
from tuitrain.protocol.codec import decode_event, encode_event
from tuitrain.protocol.events import (
    AlarmRaised,
    Column,
    EvalFinished,
    Event,
    LayersMeasured,
    OptimizerSwitched,
    RolledBack,
    StepsFinished,
)
from tuitrain.session.recorded import Recorded


def back(step: int, from_step: int, timeline: int, origin: int | None, **fields: Any) -> RolledBack:
    return RolledBack(
        step=step, from_step=from_step, timeline=timeline, origin=origin, source="memory", total_steps=400,
        steps_per_epoch=10, batch_size=8, optimizer=SGD, **fields,
    )  # fmt: skip


def taken(first: int, last: int, value: float, seconds: float) -> list[Event]:
    """Steps with an evaluation at each."""
    column = Column(metric=LOSS, first_step=first, values=[value] * (last - first + 1))
    looks = (
        EvalFinished(step=step, metrics={"eval/loss": value}, eval_seconds=0.0, num_samples=1)
        for step in range(first, last + 1)
    )
    return [StepsFinished(step=last, seconds=seconds, columns=(column,)), *looks]


class Walk:
    """A run as it would be told: the ways that it was on, and what it said."""

    def __init__(self) -> None:
        self.ways: list[list[tuple[int, float]]] = [[]]
        self.said: list[Event] = []

    def go(self, num_steps: int) -> None:
        now = self.ways[-1]
        first, value = len(now) + 1, float(len(self.ways))
        now += [(step, value) for step in range(first, first + num_steps)]
        self.said += taken(first, first + num_steps - 1, value, float(len(self.said)))

    def turn(self, origin: int, step: int) -> None:
        """To a step of a way, which has it."""
        self.said.append(back(step, len(self.ways[-1]), len(self.ways), origin))
        self.ways.append(self.ways[origin][:step])


@st.composite
def walks(draw: st.DrawFn) -> Walk:
    walk = Walk()
    walk.go(draw(st.integers(1, 30)))
    for _ in range(draw(st.integers(1, 6))):
        origin = draw(st.integers(0, len(walk.ways) - 1))
        walk.turn(origin, draw(st.integers(0, len(walk.ways[origin]))))
        walk.go(draw(st.integers(1, 30)))
    return walk


@settings(max_examples=60, deadline=None)
@given(walks())
def test_what_stands_is_the_way_to_where_the_run_is(walk: Walk) -> None:
    """However often it went back, forward and across: on the board, in a comparison's curves, and in the record."""
    board, record, curves = Board(), Recorded(), Curves()
    for event in (decode_event(encode_event(event)) for event in walk.said):
        board.apply(event)
        record.add(event)
        curves.add(event)
    way = walk.ways[-1]
    assert line(board) == way
    assert board.evals["eval/loss"] == way
    assert [*record.values(LOSS)] == way
    assert {step: found.metrics["eval/loss"] for step, found in record.evaluations.items()} == dict(way)
    assert curves.evaluated["eval/loss"] == way
    for ghost in board.ghosts:
        left = dict(walk.ways[ghost.way])
        drawn = ghost.series[LOSS].points(0, 1e9, 10_000)
        assert drawn == [(step, left[int(step)]) for step, _ in drawn]
        assert ghost.last == len(walk.ways[ghost.way])


def test_an_undo_to_a_step_that_was_passed_twice_brings_back_all_that_is_kept_by_step() -> None:
    """Back from 200 to 100, on to 250 another way, and back to 200 as it was: marks, layers, switches, seconds too."""
    board = Board()
    steps(board, 1, 150, 1.0)
    board.apply(AlarmRaised(step=150, kind="plateau", message="flat", value=1.0))
    board.apply(LayersMeasured(step=150, names=("a",), values={"weight_norm": [1.0]}))
    switched = OptimizerSwitched(
        step=160, asked_step=150, from_name="adam", to_name="sgd", handover="cold", expected_ratio=1.0, optimizer=SGD
    )
    board.apply(switched)
    steps(board, 151, 200, 1.0)
    at_150 = board.axis.of(150, "seconds")
    board.apply(back(100, 200, 1, 0))
    assert (board.switched_at, len(board.layers), board.marks[-1].label) == ([], 0, "rolled back")
    steps(board, 101, 250, 9.0)
    board.apply(AlarmRaised(step=180, kind="plateau", message="of the other way", value=1.0))
    board.apply(LayersMeasured(step=190, names=("a",), values={"weight_norm": [9.0]}))
    num_looks = board.layers.num_measured
    board.apply(back(200, 250, 2, 0, undone="roll_back"))
    assert {value for _, value in line(board)} == {1.0}
    assert [step for step, _ in line(board)] == list(range(1, 201))
    assert [(ghost.first, ghost.last) for ghost in board.ghosts] == [(100, 250)]
    assert (board.switched_at, board.optimizer_since) == ([160], 160)
    assert [mark.step for mark in board.marks] == [150, 160, 200]
    assert board.layers.newest("weight_norm").tolist() == [1.0]
    assert board.layers.num_measured > num_looks, "whoever draws them sees that they are others"
    assert board.axis.of(150, "seconds") == at_150
    assert any("of the other way" in entry.text + entry.detail for entry in board.log), "the log tells what was"


def test_a_stream_that_does_not_tell_the_way_reads_as_ever() -> None:
    """One of before `origin`: what is not ahead is taken for the present way; and 0 is told, not left out."""
    board = Board()
    steps(board, 1, 200, 1.0)
    board.apply(back(100, 200, 1, None))
    steps(board, 101, 250, 9.0)
    board.apply(back(200, 250, 2, None))
    assert line(board)[-1] == (200.0, 9.0)
    assert b'"origin":0' in encode_event(back(1, 2, 1, 0))
    assert msgspec.structs.asdict(decode_event(encode_event(back(1, 2, 1, None))))["origin"] is None
