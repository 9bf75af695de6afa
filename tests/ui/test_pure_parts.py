"""Actions, composing, looking, steering: what needs no screen to be tested."""

from __future__ import annotations

import pytest

from tests.board.test_board import folded, recorded
from tests.recordings import STEERED
from tests.ui.watching import FakeSource
from tuitrain.errors import TuitrainError
from tuitrain.protocol.commands import (
    RollBack,
    ScaleLearningRate,
    SetEnd,
    SetHyperparameter,
    SetPace,
    SetSchedule,
    Stop,
    SwitchOptimizer,
    Undo,
)
from tuitrain.protocol.describe import COMMANDS
from tuitrain.protocol.events import AlarmRaised, BatchSizeChanged, Paused
from tuitrain.techniques.optimizers import OPTIMIZERS
from tuitrain.ui import text
from tuitrain.ui.actions import ACTIONS, BY_ID, MEASURE_ACTIONS, key_table
from tuitrain.ui.composing import FORMS, BranchWish, composed, effect_of, form_for, proposed_plan
from tuitrain.ui.figures import CHARTS, Sight, figure_of
from tuitrain.ui.looking import Look
from tuitrain.ui.steering import command_for, refusal
from tuitrain.ui.widgets.header import header_line, short_name

RUNNING = folded(recorded(STEERED)[:25])
FINISHED = folded(recorded(STEERED))


def test_every_action_has_a_key_of_its_own() -> None:
    """No key means two things; every action is in the README's table."""
    keys = [key for action in ACTIONS for key in action.key.split(",")]
    assert len(keys) == len(set(keys))
    assert all(f"| {action.title} |" in key_table() for action in ACTIONS)


def test_every_command_has_a_key() -> None:
    """A preview comes with the switch, resume with pause, skipping with a roll-back, a seed with a branch.

    Unfreeze comes with freeze.
    """
    asked = {action.command for action in (*ACTIONS, *MEASURE_ACTIONS) if action.command}
    assert set(COMMANDS) - asked == {"preview_switch", "resume", "skip_batches", "set_seed", "unfreeze"}


@pytest.mark.parametrize("chart", CHARTS)
@pytest.mark.parametrize("columns", [0, 8, 80, 300])
def test_a_figure_costs_at_most_a_few_points_a_column(chart: str, columns: int) -> None:
    """Whatever the board holds."""
    figure = figure_of(chart, FINISHED, Look().views[chart], Sight(), columns)
    assert all(len(curve.xs) == len(curve.ys) for curve in figure.curves)
    assert all(len(curve.xs) <= 3 * max(8, columns) + 20 for curve in figure.curves)
    assert [mark.label for mark in figure.marks if mark.role == "mark"][:1] == ["×0.5"]


def test_the_learning_rate_chart_shows_past_plan_and_what_would_have_been() -> None:
    """Solid, dotted, fainter; a proposal in its own colour."""
    decayed = folded([word for word in recorded(STEERED) if getattr(word, "step", 0) < 70])
    curves = {curve.name: curve for curve in figure_of("rate", decayed, Look().views["rate"], Sight(), 80).curves}
    assert {name: curve.kind for name, curve in curves.items()} == {
        "past": "line", "without it": "dotted", "plan": "dotted",
    }  # fmt: skip
    assert curves["past"].is_emphasised
    assert max(curves["without it"].ys) == pytest.approx(2 * max(curves["plan"].ys), rel=0.1)


@pytest.mark.parametrize(
    ("form", "choice", "line", "command"),
    [
        ("decay", None, "0.5", ScaleLearningRate(factor=0.5)),
        ("decay", None, "factor=10", ScaleLearningRate(factor=10)),
        (
            "schedule", "step", "step_size=50 gamma=0.2",
            SetSchedule(name="step", hyperparameters={"step_size": 50, "gamma": 0.2}),
        ),
        (
            "optimizer", "adam", "betas=[0.8,0.9]",
            SwitchOptimizer(name="adam", hyperparameters={"beta1": 0.8, "beta2": 0.9}),
        ),
        ("hyperparameter", "gradient_clip", "none", SetHyperparameter(name="gradient_clip", value="none")),
        ("undo", None, "", Undo()),
        ("roll_back", None, "best", RollBack(to="best")),
        ("roll_back", None, "300 skip_batches=20 scale_learning_rate=0.5",
         RollBack(to=300, skip_batches=20, scale_learning_rate=0.5)),
        ("length", None, "5000", SetEnd(step=5000)),
        ("branch", None, "", BranchWish("end", ())),
        ("branch", None, "optimizer.lr=0.01 at=300 train.seed=1",
         BranchWish("300", ("optimizer.lr=0.01", "train.seed=1"))),
    ],
)  # fmt: skip
def test_words_become_commands(form: str, choice: str | None, line: str, command: object) -> None:
    """Bare words stand for the one argument that matters."""
    assert composed(FORMS[form], choice, line) == command


@pytest.mark.parametrize(
    ("form", "choice", "line", "said"),
    [
        ("decay", None, "fast", "is not a number"),
        ("decay", None, "0.1 0.2", "not of the form name=value"),
        ("optimizer", "sgd", "momentum=2", "is not in"),
        ("optimizer", "sgd", "nesterov=true", "needs momentum"),
        ("schedule", "step", "", "needs it"),
        ("roll_back", None, "", "needs to"),
        ("roll_back", None, "300 skip_batches=-1", "0 or more"),
        ("branch", None, "faster", "not of the form key=value"),
    ],
)
def test_wrong_words_say_why(form: str, choice: str | None, line: str, said: str) -> None:
    """Before anything is asked."""
    with pytest.raises(TuitrainError, match=said):
        composed(FORMS[form], choice, line)


def test_the_effect_of_a_plan_is_told_and_drawn() -> None:
    """Now and at the end."""
    command = ScaleLearningRate(factor=0.1)
    assert "now," in effect_of(command, RUNNING)
    plan = proposed_plan(command, RUNNING)
    assert plan is not None
    assert len(plan.segments) == 1 + len(RUNNING.plan.segments if RUNNING.plan is not None else ())


def test_going_back_says_where_to() -> None:
    """What an undo takes back, and that what is left stays."""
    board = folded(recorded(STEERED))
    words = effect_of(Undo(), board)
    assert words.startswith("takes back set_schedule name=linear of step 200; 100 steps")
    assert "nothing was decided" in effect_of(Undo(), RUNNING)
    back = effect_of(RollBack(to="120", skip_batches=5, scale_learning_rate=0.5), board)
    assert "at or before 120" in back
    assert "5 batches" in back
    assert "×0.5" in back
    assert "to best;" in effect_of(RollBack(to="best"), board)
    assert "the same again" in effect_of(BranchWish("end", ()), board)
    assert "not 300" in effect_of(SetEnd(step=500), board)


def test_forms_offer_what_the_run_has() -> None:
    """Optimizers it can switch to, hyper-parameters of the one at work."""
    assert {choice.name for choice in form_for("optimizer", RUNNING).choices} == set(OPTIMIZERS) - {"lbfgs", "newton"}
    names = [choice.name for choice in form_for("hyperparameter", RUNNING).choices]
    assert names == ["beta1", "beta2", "eps", "weight_decay"]


def test_the_form_of_regularizers_lists_those_that_are_on_first() -> None:
    """All that can act on the run, with what each does."""
    choices = form_for("regularize", FINISHED).choices
    assert {choice.name for choice in choices} == set(FINISHED.regularizers)
    assert choices[0].name == "gradient_clip"
    assert "now 4" in choices[0].summary
    assert "now 0" in choices[1].summary


def test_a_second_stop_aborts() -> None:
    """While the first one waits for its answer."""
    board = folded(recorded(STEERED)[:25])
    assert command_for("stop", board) == Stop()
    board.asked["1"] = Stop()
    assert command_for("stop", board) == Stop(abort=True)


def test_the_pace_halves_doubles_and_lets_go() -> None:
    """From the preset's 20 a second."""
    assert command_for("slower", RUNNING) == SetPace(max_steps_per_second=10.0)
    assert isinstance(command_for("faster", RUNNING), SetPace)


def test_what_cannot_be_asked_is_refused_with_the_reason() -> None:
    """A finished run, a replay."""
    source = FakeSource(STEERED)
    source.drain(1.0)
    assert refusal(BY_ID["decay"], source) == "the run has finished"
    assert refusal(BY_ID["toggle_log"], source) == ""
    source.refuses_because = "this is a replay"
    assert refusal(BY_ID["decay"], source) == "this is a replay"


def test_the_cursor_enters_at_the_newest_step_and_leaves_there() -> None:
    """And stays within the window."""
    look = Look()
    look.move_cursor(1000, -1)
    assert look.sight == Sight(cursor=990)
    look.move_cursor(1000, -1, is_far=True)
    assert look.sight == Sight(cursor=890)
    look.next_window(1000)
    look.move_cursor(1000, -1, is_far=True)
    assert look.sight == Sight(cursor=870)
    for _ in range(7):
        look.move_cursor(1000, 1, is_far=True)
    assert look.sight == Sight()


@pytest.mark.parametrize("width", [20, 60, 80, 120, 300])
def test_the_header_never_overflows(width: int) -> None:
    """The last words go first; who and what state stay."""
    line = header_line(STEERED, RUNNING, width, is_reading=False, note="")
    assert line.cell_length <= max(width, 40)
    assert "mnist-mlp-5eed" in line.plain
    assert short_name(STEERED) == "mnist-mlp-5eed"


def test_the_header_shows_the_newest_alarm_until_a_decision_follows() -> None:
    """Beside the step, at 80 columns too."""
    board = folded(recorded(STEERED)[:25])
    board.apply(AlarmRaised(step=board.step, kind="loss_spike", message="loss 4.31", value=9.2))
    assert f"loss spike at {board.step}" in header_line(STEERED, board, 80, is_reading=False, note="").plain
    board.apply(Paused(step=board.step, reason="asked", cause="1"))
    assert "loss spike" not in header_line(STEERED, board, 80, is_reading=False, note="").plain


def test_the_epoch_of_the_header_follows_the_batch_size() -> None:
    """A full batch is an epoch a step from there on."""
    board = folded(recorded(STEERED)[:25])
    before = board.axis.of(board.step, "epoch")
    board.apply(BatchSizeChanged(step=board.step, before=64, after=4000, steps_per_epoch=1))
    board.step += 10
    assert f"epoch {before + 10:.1f}" in header_line(STEERED, board, 200, is_reading=False, note="").plain


def test_numbers_in_words() -> None:
    """As short as they can be read."""
    assert (text.count(6250), text.duration(3725), text.duration(200_000)) == ("6 250", "1:02:05", "2d 7h")
    assert (text.memory(2_100_000_000), text.share(0.019)) == ("2.1 GB", "1.9 %")
    assert (text.rate(0.05), text.rate(2310.4), text.rate(18.5)) == ("20.0 s/step", "2 310 steps/s", "18.5 steps/s")
