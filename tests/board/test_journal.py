"""The journal: an entry for what is worth telling, a mark for every decision."""

from __future__ import annotations

import math
from typing import Any

import pytest
from msgspec.structs import replace

from tests.board.test_board import folded, recorded
from tests.recordings import ALL, ASKED, HAND_MADE
from tuitrain.board.board import Board
from tuitrain.board.journal import Mark, entry_for, mark_for
from tuitrain.protocol.carrier import CarrierStatus, CommandSeen, DamageSeen
from tuitrain.protocol.commands import Pause, PreviewSwitch, Request, ScaleLearningRate
from tuitrain.protocol.description import OptimizerState
from tuitrain.protocol.events import (
    AlarmRaised,
    BatchesSkipped,
    Branched,
    CadenceChanged,
    CheckpointSaved,
    CommandApplied,
    CommandQueued,
    CommandRefused,
    EvalFinished,
    HandoverCancelled,
    HandoverStarted,
    Heartbeat,
    HyperparameterChanged,
    LearningRatePlanned,
    OptimizerSwitched,
    PaceChanged,
    Paused,
    Reseeded,
    Resumed,
    RolledBack,
    RunEnded,
    StageEntered,
    StepsFinished,
    StepsThinned,
    SwitchPreviewed,
    UnknownEvent,
    UpdateMeasured,
)
from tuitrain.protocol.measured import (
    GradientNoiseMeasured,
    GradientsChecked,
    LearningRateRangeTested,
    SharpnessMeasured,
)
from tuitrain.protocol.plan import LearningRatePlan

SGD = OptimizerState(name="sgd", groups=())
PLAN = LearningRatePlan(segments=())
SWITCHED: dict[str, Any] = {
    "asked_step": 3, "from_name": "adam", "to_name": "sgd", "expected_ratio": 1.0, "optimizer": SGD,
}  # fmt: skip


BACK: dict[str, Any] = {
    "timeline": 1, "source": "memory", "total_steps": 9, "steps_per_epoch": 1, "batch_size": 1, "optimizer": SGD,
}  # fmt: skip

RANGE = LearningRateRangeTested(
    step=5, rates=[1e-3, 0.02, 1.0], losses=[2.0, 1.0, math.nan], smoothed=[2.0, 1.0], suggestion=0.02, edge=0.1,
    learning_rate=1e-4, stopped="nonfinite", optimizer="sgd", batch_size=32, measure_seconds=0.3,
)  # fmt: skip
CHECK: dict[str, Any] = {
    "tensors": (), "num_kinks": 0, "step_size": 1e-5, "num_samples": 16, "has_penalties": False, "measure_seconds": 0.1,
}  # fmt: skip
SHARP = SharpnessMeasured(
    step=5, sharpness=10.6, history=[1.0, 10.6], has_converged=True, learning_rate=0.1, stable_rate=2 / 10.6,
    optimizer="sgd", num_samples=1000, measure_seconds=0.3,
)  # fmt: skip
NOISE = GradientNoiseMeasured(
    step=5, batch_sizes=[1, 32], cosines=[0.11, 0.77], noise_scale=40.7, gradient_norm=1.0, trace=40.7, batch_size=4,
    num_batches=20, num_samples=1000, measure_seconds=0.2,
)  # fmt: skip


@pytest.mark.parametrize(
    ("event", "said", "mark"),
    [
        (StageEntered(stage="importing torch"), "importing torch", ""),
        (CommandQueued(step=5, command="1", request=ScaleLearningRate(factor=0.1), actor="user"),
         "asked: scale_learning_rate factor=0.1", ""),
        (CommandQueued(step=5, command="1", request=Pause(), actor="preset"), "", ""),
        (CommandQueued(step=5, command="1", request=PreviewSwitch(name="sgd"), actor="user"), "", ""),
        (CommandRefused(step=5, command="1", reason="it is not paused."), "refused: it is not paused.", ""),
        (CommandApplied(step=5, command="1", summary="paused"), "", ""),
        (LearningRatePlanned(step=5, plan=PLAN, summary="×0.1: 1 → 0.1", cause="1"), "×0.1", "×0.1"),
        (LearningRatePlanned(step=0, plan=PLAN, summary="cosine"), "", ""),
        (HandoverStarted(step=5, num_steps=50, from_name="adam", to_name="sgd", cause="1"),
         "hand-over to sgd begun", "hand-over to sgd"),
        (HandoverCancelled(step=5, to_name="sgd", reason="the run stops"), "hand-over to sgd dropped", ""),
        (OptimizerSwitched(step=5, handover="match", **SWITCHED), "adam → sgd handed over", "adam → sgd"),
        (OptimizerSwitched(step=5, handover="cold", **SWITCHED), "adam → sgd taken cold", "adam → sgd"),
        (OptimizerSwitched(step=5, handover="explicit", **SWITCHED), "adam → sgd at a given rate", "adam → sgd"),
        (UpdateMeasured(step=5, ratio=1.018), "first update ×1.02", ""),
        (SwitchPreviewed(step=5, from_name="adam", to_name="sgd", cold_ratio=2.0, learning_rates={}, handover_steps=50,
                         extra_memory_bytes=0), "", ""),
        (HyperparameterChanged(step=5, name="momentum", before="0.9", after="0.8", optimizer=SGD),
         "momentum 0.9 → 0.8", "momentum 0.8"),
        (PaceChanged(step=5, max_steps_per_second=20.0), "pace 20 steps/s", ""),
        (PaceChanged(step=5), "pace let go", ""),
        (Paused(step=5, reason="asked"), "paused", "paused"),
        (Resumed(step=5), "resumed", ""),
        (Resumed(step=5, num_steps=3), "3 steps more", ""),
        (CheckpointSaved(step=5, path="checkpoints/a.pt", num_bytes=2_500_000, sha256="", save_seconds=0.01),
         "saved a", ""),
        (AlarmRaised(step=5, kind="nonfinite_loss", message="the loss of step 5 is nan", value=math.nan),
         "the loss of step 5 is nan", "nonfinite loss"),
        (AlarmRaised(step=5, kind="loss_spike", message="loss 4.31 at step 5", value=9.2, action="roll_back"),
         "loss 4.31 at step 5", "loss spike"),
        (AlarmRaised(step=5, kind="dead_run", message="no step is finished for 60 s", value=60.0),
         "no step is finished for 60 s", "dead run"),
        (AlarmRaised(step=6, kind="dead_run", message="it goes on at step 6", value=0.0), "it goes on at step 6", ""),
        (CadenceChanged(step=5, metric="batch/gradient_norm", stride=4, reason="budget"),
         "gradient norm every 4 steps", ""),
        (StepsThinned(step=5, metric="batch/loss", num_left_out=7), "7 values of batch/loss left out", ""),
        (EvalFinished(step=5, metrics={"eval/loss": 0.25, "eval/accuracy": 0.9}, eval_seconds=0.012, num_samples=1),
         "eval 0.250 / 0.900  12 ms", ""),
        (EvalFinished(step=5, metrics={"eval/loss": math.nan}, eval_seconds=0.0, num_samples=1), "eval nan  0 ms", ""),
        (RANGE, "range test: the loss falls fastest at lr 0.02", ""),
        (GradientsChecked(step=5, worst_error=1.2e-9, worst_tensor="lin_1.weight", verdict="right", **CHECK),
         "gradient check: relative error 1.2e-09, right: at most 1e-7", ""),
        (GradientsChecked(step=5, worst_error=0.5, worst_tensor="lin_1.weight", verdict="wrong", **CHECK),
         "gradient check: relative error 0.5, wrong: above 1e-2", ""),
        (SHARP, "sharpness λ 10.6", ""),
        (NOISE, "gradient noise scale 40.7 samples", ""),
        (RunEnded(step=5, reason="finished"), "finished", ""),
        (RunEnded(step=5, reason="stopped"), "stopped", "stopped"),
        (RunEnded(step=5, reason="aborted"), "aborted", "aborted"),
        (RunEnded(step=5, reason="failed", message="boom"), "failed", "failed"),
        (Heartbeat(step=5, state="running", steps_per_second=1.0, watching_share=0.0), "", ""),
        (StepsFinished(step=5, columns=()), "", ""),
        (UnknownEvent(name="Teleported"), "", ""),
        (DamageSeen(line_number=7, detail="not JSON"), "line 7 cannot be read", ""),
        (DamageSeen(line_number=0, detail="the disk is full"), "the disk is full", ""),
        (RolledBack(step=5, from_step=9, **BACK), "rolled back", "rolled back"),
        (RolledBack(step=5, from_step=9, undone="pause", **BACK), "undone: pause", "undone"),
        (BatchesSkipped(step=5, num_batches=7), "7 batches left out", "7 batches out"),
        (Reseeded(step=5, seed=3), "seed 3 from here on", "seed 3"),
        (Branched(step=5, parent="other"), "branch of other", "branched"),
        (CarrierStatus(status="lost"), "lost at step 5", "lost"),
        (CarrierStatus(status="silent"), "silent at step 5", ""),
        (CarrierStatus(status="moved"), "moved at step 5", ""),
        (CarrierStatus(status="live"), "", ""),
        (CommandSeen(request=Request(id="1", session="s", actor="user", time=0.0, command=Pause())), "", ""),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)  # fmt: skip
def test_what_each_word_says(event: Any, said: str, mark: str) -> None:
    """One line in the log, and a mark on the charts where it is a decision or an alarm."""
    entry, placed = entry_for(event, 5), mark_for(event, 5)
    assert (entry.text if entry is not None else "") == said
    assert (placed.label if placed is not None else "") == mark


def test_the_same_thing_again_is_counted_not_repeated() -> None:
    """Three refusals in a row are one line; evaluations in a row are the newest one."""
    board = Board()
    for number in range(3):
        board.apply(CommandRefused(step=number, command=str(number), reason="it is not paused."))
    for step in range(4):
        board.apply(EvalFinished(step=step, metrics={"eval/loss": 1.0 / (step + 1)}, eval_seconds=0.0, num_samples=1))
    assert [(entry.text, entry.step, entry.count) for entry in board.log] == [
        ("refused: it is not paused.", 2, 3),
        ("eval 0.25  0 ms", 3, 4),
    ]


def test_a_best_state_that_moves_on_does_not_keep_evaluations_apart() -> None:
    """Each evaluation the best so far: the log holds the newest of both, not one line an evaluation."""
    board = Board()
    for step in range(1, 5):
        board.apply(EvalFinished(step=step, metrics={"eval/loss": 1.0 / step}, eval_seconds=0.0, num_samples=1))
        path = f"checkpoints/step-0000000{step}-best.pt"
        board.apply(CheckpointSaved(step=step, path=path, num_bytes=1, sha256="", save_seconds=0.0))
    assert [(entry.text, entry.count) for entry in board.log] == [
        ("eval 0.25  0 ms", 4),
        ("saved step-00000004-best", 1),
    ]


def test_what_to_try_is_told_as_such() -> None:
    """A hint is a fragment such as a name; alone it says nothing."""
    entry = entry_for(CommandRefused(step=1, command="1", reason='No layer named "_1".', hint='"lin_1".'), 1)
    assert entry is not None
    assert entry.detail == 'Try: "lin_1".'


def test_a_long_log_forgets_its_beginning() -> None:
    """Bounded, and the newest entry is always there."""
    board = Board()
    for step in range(5000):
        board.apply(Paused(step=step, reason="asked") if step % 2 else Resumed(step=step))
    assert len(board.log) <= 2000
    assert board.log[-1].step == 4999


def test_every_decision_of_one_pause_is_marked() -> None:
    """They share a step, not a mark; a switch and the plan that follows from it are one decision."""
    labels = [mark.label for mark in folded(recorded(ASKED)).marks if mark.step == 120]
    assert labels == ["paused", "held constant", "weight_decay 0.01", "stopped"]
    board = Board()
    board.apply(OptimizerSwitched(step=7, handover="cold", cause="1", **SWITCHED))
    board.apply(LearningRatePlanned(step=7, plan=PLAN, summary="sgd takes over at 0.1", cause="1"))
    assert board.marks == [Mark(7, "adam → sgd", cause="1")]


def test_a_refused_command_is_told_and_not_marked() -> None:
    """Asked, refused with the reason; nothing changed, so no mark."""
    board = folded(recorded(ASKED))
    texts = [entry.text for entry in board.log]
    asked = texts.index("asked: pause")
    assert texts[asked + 1] == "refused: it is paused already."
    assert not board.asked
    assert [mark.label for mark in board.marks][:3] == ["paused", "paused", "×0.1"]


@pytest.mark.parametrize("name", ALL)
def test_every_decision_of_a_recording_has_entry_and_mark(name: str) -> None:
    """Each fact with a cause that changed the run is found in the log at its step, and marked there."""
    words = recorded(name)
    board = folded(words)
    for word in words:
        if isinstance(word, LearningRatePlanned | HyperparameterChanged | OptimizerSwitched) and word.cause:
            assert any(entry.step == word.step and entry.kind == "decision" for entry in board.log)
            is_left = any(isinstance(other, RolledBack) for other in words)  # what was left leaves no mark
            assert is_left or any(mark.step == word.step and mark.cause == word.cause for mark in board.marks)


def test_the_hand_made_run_over_nan_tells_its_end() -> None:
    """Alarm, NaN evaluation, the failure with its message."""
    board = folded(recorded(HAND_MADE))
    assert [(mark.step, mark.label) for mark in board.marks] == [(30, "nonfinite loss"), (40, "failed")]
    assert board.log[-1].detail == "ValueError: the labels are out of range"
    gap = dict(board.evals["gap/loss"])
    assert math.isnan(gap[30])
    assert gap[40] == pytest.approx(0.2 / 31)
    assert board.series["batch/loss"].nonfinite_steps == list(range(30, 41))


def test_an_alarm_says_what_the_run_does_before_what_one_may_do() -> None:
    """Where it does nothing by itself, only the advice."""
    told = [
        entry_for(AlarmRaised(step=5, kind="plateau", message="m", value=1.0, advice="decay", action=action), 5)
        for action in ("continue", "pause", "stop", "roll_back")
    ]
    assert [entry.detail for entry in told if entry] == ["decay", "decay", "it stops; decay", "it goes back; decay"]


@pytest.mark.parametrize(
    ("event", "advised"),
    [
        (RANGE, "it rises above 0.1; the rate now, 0.0001, is 200× lower: set_learning_rate lr=0.02"),
        (replace(RANGE, learning_rate=0.5), "is beyond that: set_learning_rate lr=0.02"),
        (replace(RANGE, learning_rate=0.015), "is near it"),
        (replace(RANGE, suggestion=math.nan, learning_rate=0.5), "near a floor: the rate now, 0.5, is above that"),
        (replace(RANGE, edge=math.nan), "it did not rise up to 1"),
        (SHARP, "lr 0.1 is 53 % of the 0.19 that λ allows"),
        (replace(SHARP, learning_rate=0.18), "at the edge of stability"),
        (replace(SHARP, learning_rate=0.5), "beyond the edge of stability: lr 0.5 is 2.6× the 0.19"),
        (replace(SHARP, stable_rate=math.nan, optimizer="adam"), "not of adam"),
        (replace(SHARP, sharpness=-1.0), "curves downwards"),
        (NOISE, "batches of 4 are far below it: larger ones pay"),
        (replace(NOISE, batch_size=32), "cosine to the full gradient 0.77 at batch 32; batches of 32 are near it"),
        (replace(NOISE, noise_scale=1.0, batch_size=32), "smaller ones are cheaper"),
    ],
)
def test_a_measurement_comes_with_advice(event: Any, advised: str) -> None:
    """The number alone says little: what it means for the run as it is now."""
    entry = entry_for(event, 0)
    assert entry is not None
    assert advised in entry.detail
