"""What is said of runs that count, but are not what their arm says."""

from __future__ import annotations

from tests.board.test_comparison import comparison, curves
from tuitrain.board.cautions import cautions
from tuitrain.comparing.outcome import outcome_data, outcome_lines
from tuitrain.comparing.report.from_comparison import contents_of
from tuitrain.protocol.commands import Command, Evaluate, ScaleLearningRate, Stop
from tuitrain.protocol.events import CommandApplied, CommandQueued, RunEnded
from tuitrain.ui.compare_verdict import verdict_sheet


def asked(command: Command, actor: str = "user") -> list[CommandQueued | CommandApplied]:
    return [
        CommandQueued(seq=0, time=0.0, step=4, command="7-a", request=command, actor=actor),
        CommandApplied(seq=0, time=0.0, step=5, command="7-a", summary="rate 0.05 → 0.005"),
    ]


def test_a_run_that_was_stopped_early_weakens_every_verdict() -> None:
    """On the screen, on the terminal and for programs: a loss at step 0 is no loss of a training."""
    made = comparison(a=[curves([(20, 0.1)]), curves([(20, 0.2)])], b=[curves([(0, 3.0)]), curves([(0, 3.1)])])
    for view in made.members.values():
        view.state, view.curves.step, view.curves.total_steps = "finished", 20, 20
    assert cautions(made) == []
    late = made.members["b-s1"]
    late.state, late.curves.step = "stopped", 0
    told = "stopped early, and counted as they stood: b-s1 at step 0 of 20"
    assert cautions(made) == [told]
    assert f"But {told}." in outcome_lines(made, "eval/loss")
    assert outcome_data(made, "eval/loss")["cautions"] == [told]
    sheet = verdict_sheet(made.ranking("eval/loss"), "eval/loss", is_lower_better=True, is_done=True, told=[told])
    assert told in sheet.plain
    late.curves.ended = RunEnded(seq=9, time=0.0, step=0, reason="stopped", message="early stopping: …")
    assert cautions(made) == []


def test_a_run_that_was_steered_is_named_with_what_was_done() -> None:
    """It is no run of its arm any more; what its preset decides, an evaluation or an end is no steering."""
    made = comparison(a=[curves([(20, 0.1)])], b=[curves([(20, 0.2)])])
    for command, actor in ((ScaleLearningRate(factor=0.1), "preset"), (Evaluate(), "user"), (Stop(), "user")):
        for event in asked(command, actor):
            made.members["a-s0"].curves.add(event)
    assert cautions(made) == []
    for event in asked(ScaleLearningRate(factor=0.1)):
        made.members["a-s0"].curves.add(event)
    assert cautions(made) == ["steered by hand: a-s0 (rate 0.05 → 0.005 at step 5)"]
    assert any("was steered by hand: rate 0.05" in note for note in contents_of(made).notes)
