"""What curves say, on made-up ones: each verdict where it belongs, once, with its number, and not beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import pytest

from tests.training.harness import finish, told, trainer_of
from tuitrain.preset import load_preset, preset_from_data
from tuitrain.protocol.events import AlarmRaised
from tuitrain.training.verdicts import Verdict, Verdicts

NAMES = ("lin_1", "lin_2", "lin_3")
FINE = {
    "gradient_norm": [0.5, 0.6, 1.0], "activation_std": [0.6, 0.5, 0.4], "dead": [0.1, 0.1, math.nan],
    "saturated": [math.nan] * 3,
}  # fmt: skip


def read(
    train: Sequence[float],
    loss: Sequence[float] | None = None,
    batches: Sequence[float] = (),
    *,
    is_rising: bool = False,
) -> list[tuple[int, Verdict]]:
    """All verdicts with the evaluation, from 0, at which each is given: one every 100 steps of a run as long."""
    verdicts = Verdicts(100 * (len(train) - 1), math.log(10.0), is_standardised=True)
    for value in batches:
        verdicts.note_batch(value)
    given = []
    for step, (one, other) in enumerate(zip(train, loss or train, strict=True)):
        found = verdicts.note_evaluation(100 * step, one, other, is_rising=is_rising)
        if found is not None:
            given.append((step, found))
    return given


def kinds(*arguments: Sequence[float], is_rising: bool = False) -> list[tuple[int, str]]:
    return [(step, verdict.kind) for step, verdict in read(*arguments, is_rising=is_rising)]


def look(**changed: list[float]) -> Verdict | None:
    """At the layers in the first step."""
    return Verdicts(100, math.log(10.0), is_standardised=True).note_layers(NAMES, {**FINE, **changed})


FALLING = [2.3 * math.exp(-step / 4.0) + 0.05 for step in range(21)]


def test_a_usual_run_is_left_alone() -> None:
    """It falls fast, then slowly, to a floor; with a gap; or slowly because of a warmup."""
    assert kinds(FALLING) == []
    assert kinds(FALLING, [value + 0.2 for value in FALLING]) == []
    assert kinds([2.3 - 0.03 * step for step in range(21)], is_rising=True) == []


def test_a_loss_far_above_a_blind_guess_is_said_before_the_first_step() -> None:
    """Four times ln 10; nothing where it is near, and nothing where a blind guess is not known."""
    (found,) = read([50.0, *FALLING])
    assert (found[0], found[1].kind, found[1].value) == (0, "initialization", 50.0)
    assert "2.303" in found[1].message
    assert kinds([9.0, *FALLING]) == []
    assert Verdicts(10, math.nan, is_standardised=True).note_evaluation(0, 1e9, 1e9, is_rising=False) is None


def test_a_loss_that_goes_up_is_too_high_a_rate() -> None:
    """Twice in a row above one and a half times the first; once is a hiccup of Adam."""
    assert kinds([2.0, 2.5, 3.5, 4.0, 9.0, 30.0]) == [(3, "rate_too_high")]
    assert kinds([2.0, 4.0, *FALLING[2:]]) == []


def test_a_loss_that_blew_up_and_never_came_back_is_too_high_a_rate() -> None:
    """A batch at three times the first, and nothing learned in a quarter of the run."""
    flat = [2.3, *([2.31] * 20)]
    assert kinds(flat, flat, [2.3, 80.0, 2.4])[0] == (5, "rate_too_high")
    assert (5, "rate_too_high") not in kinds(flat, flat, [2.3, 2.5, 2.4])


def test_a_loss_that_jumps_and_does_not_get_on_is_too_high_a_rate() -> None:
    """As long as the jumps are large against the first loss; at the floor they are noise."""
    jumping = [2.0, 0.8, *([0.4, 0.65] * 8)]
    found = kinds(jumping)
    assert [kind for _, kind in found] == ["rate_too_high"]
    assert kinds([2.0, 0.8, *([0.02, 0.03] * 8)]) == []
    getting_on = [2.0 - 0.1 * step + 0.16 * (step % 2) for step in range(18)]
    assert "rate_too_high" not in {kind for _, kind in kinds(getting_on)}


def test_a_loss_that_falls_steadily_and_hardly_is_too_low_a_rate() -> None:
    """Said when two fifths of the run are over; a curve that bends is none, nor one that does not move."""
    assert kinds([2.6 - 0.04 * step for step in range(21)])[0] == (8, "rate_too_low")
    assert kinds([2.6 - 0.08 * step for step in range(21)]) == [(8, "rate_too_low")]
    assert (8, "rate_too_low") not in kinds([2.3 - 1e-5 * step for step in range(21)])


def test_both_losses_high_and_together_are_underfitting() -> None:
    """With a gap it is something else; with a low loss it is the floor."""
    flat = [3.0, 2.4, 2.1, *([1.9] * 18)]
    assert kinds(flat) == [(12, "underfitting")]
    assert kinds(flat, [value * 1.4 for value in flat]) == []
    assert kinds([3.0, 2.0, 1.5, *([1.2] * 18)]) == []


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"saturated": [0.2, 0.9, math.nan]}, "90 % of the activations of lin_2"),
        ({"dead": [0.1, 0.95, math.nan]}, "95 % of the units of lin_2 are dead"),
        ({"activation_std": [0.05, 1e-5, 1e-6]}, "too small"),
        ({"activation_std": [2.0, 900.0, 1.0]}, "too large"),
        ({"gradient_norm": [1e-5, 1e-3, 0.1]}, "vanishing gradient"),
    ],
)
def test_the_first_look_shows_a_bad_beginning(changed: dict[str, list[float]], word: str) -> None:
    """With its number; the last layer may be as it likes."""
    found = look(**changed)
    assert found is not None
    assert word in found.message
    assert found.kind == "initialization"
    assert look() is None
    assert look(activation_std=[0.6, 0.5, 1e-9]) is None


def test_a_short_run_is_given_time() -> None:
    """Slow and early look alike in a few dozen steps; what goes up is told at once."""
    verdicts = Verdicts(30, math.nan, is_standardised=True)
    assert not any(verdicts.note_evaluation(step, 2.0 - 0.001 * step, 2.0, is_rising=False) for step in range(30))
    assert kinds([2.0, 2.5, 3.5, 4.0]) == [(3, "rate_too_high")]


def test_a_decision_begins_the_story_anew_and_keeps_its_beginning() -> None:
    """What was said may be said again; the first loss is still what it is compared with."""
    verdicts = Verdicts(20, math.nan, is_standardised=True)
    curve = [2.0, 3.5, 4.0, 4.5]
    first = [verdicts.note_evaluation(100 * step, value, value, is_rising=False) for step, value in enumerate(curve)]
    assert [found.kind for found in first if found] == ["rate_too_high"]
    verdicts.forget()
    again = [verdicts.note_evaluation(step, 5.0, 5.0, is_rising=False) for step in (400, 500)]
    assert [found.kind for found in again if found] == ["rate_too_high"]


def test_it_goes_on_from_its_state() -> None:
    """As plain data, through JSON; with the same verdicts."""
    whole = kinds([2.6 - 0.04 * step for step in range(21)])
    verdicts = Verdicts(2000, math.log(10.0), is_standardised=True)
    given = []
    for step in range(21):
        found = verdicts.note_evaluation(100 * step, 2.6 - 0.04 * step, 2.6 - 0.04 * step, is_rising=False)
        given += [(step, found.kind)] if found else []
        state = json.loads(json.dumps(verdicts.state_dict()))
        verdicts = Verdicts(2000, math.log(10.0), is_standardised=True)
        verdicts.load_state_dict(state)
    assert given == whole


def test_a_verdict_is_an_alarm_with_what_to_do_and_may_stop_the_run() -> None:
    """By the settings of the preset: said, off, or an end that says why."""
    said = finish(trainer_of(load_preset("lr-low"))).all(AlarmRaised)
    assert [(alarm.kind, alarm.action) for alarm in said] == [("rate_too_low", "continue")]
    assert "3 to 10 times higher" in said[0].advice
    assert finish(trainer_of(load_preset("lr-low", ["alarms.learning_rate=off"]))).all(AlarmRaised) == []
    stopped = finish(trainer_of(load_preset("lr-low", ["alarms.learning_rate=stop"])))
    assert stopped.ended.reason == "failed"
    assert "too low" in stopped.ended.message
    assert stopped.ended.step == said[0].step


def test_a_bad_beginning_may_stop_the_run_before_it_costs_anything() -> None:
    """After the first step at the latest."""
    ended = finish(trainer_of(load_preset("init-too-small", ["alarms.initialization=stop"]))).ended
    assert (ended.reason, ended.step) == ("failed", 1)


def test_forgotten_zero_grad_adds_up_and_goes_on_after_a_resume() -> None:
    """The gradient of a step is the sum of all so far; what a resumed run adds to comes back with it."""
    from tests.training.test_state import SMALL, assert_the_same, whole_and_resumed

    forgotten = told(*SMALL, "train.zero_grad=false", "train.telemetry_budget=1.0")
    usual = told(*SMALL, "train.telemetry_budget=1.0")
    step = max(usual.values["batch/gradient_norm"].keys() & forgotten.values["batch/gradient_norm"].keys())
    assert forgotten.values["batch/gradient_norm"][1] == usual.values["batch/gradient_norm"][1]
    assert forgotten.values["batch/gradient_norm"][step] > 3.0 * usual.values["batch/gradient_norm"][step]
    assert_the_same(*whole_and_resumed(*SMALL, "train.zero_grad=false"))


def test_a_preset_of_before_has_the_usual_verdicts() -> None:
    """Recorded presets know nothing of them."""
    data = load_preset("lr-low").to_data()
    for key in ("initialization", "learning_rate", "underfitting"):
        del data["alarms"][key]
    assert preset_from_data(data, "test").alarms.learning_rate == "notify"
