"""The recording that was written by hand: what a run says that goes on over NaN and ends as failed."""

from __future__ import annotations

import msgspec

from tests.recordings import HAND_MADE
from tuitrain.protocol.carrier import RunInfo
from tuitrain.protocol.codec import encode
from tuitrain.protocol.description import GroupState, OptimizerState
from tuitrain.protocol.events import (
    AlarmRaised,
    Column,
    EvalFinished,
    Event,
    LearningRatePlanned,
    RunEnded,
    RunStarted,
    StageEntered,
    StepsFinished,
)
from tuitrain.protocol.plan import Schedule
from tuitrain.rundir.places import RunFolder, write_info
from tuitrain.techniques.plan import first_plan

TITLE = "A line through points"


def hand_made() -> list[Event]:
    """A run on the line whose weights go bad at step 30 and which goes on until step 40."""
    plan = first_plan(Schedule(name="constant", num_steps=100), {"all": 0.1})
    group = GroupState(name="all", num_tensors=2, num_parameters=2, hyperparameters={"momentum": 0.0})
    losses = [4.0 / step for step in range(1, 30)] + [float("nan")] * 6 + [float("inf")] * 5
    norms = [2.0 / step for step in range(1, 30)] + [float("nan")] * 11
    events: list[Event] = [
        StageEntered(stage="importing torch"),
        RunStarted(
            run=HAND_MADE, session="0a0a", title=TITLE, total_steps=100, steps_per_epoch=10,
            batch_size=100, num_train=1000, num_validation=100, seed=0, device="cpu", torch_threads=1, num_parameters=2,
            metrics=(), layers=(), optimizer=OptimizerState(name="sgd", groups=(group,)), optimizers=("sgd", "adam"),
            commands=(),
        ),
        LearningRatePlanned(step=0, plan=plan, summary="constant at 0.1"),
        _evaluation(0, 4.2, 4.3),
    ]  # fmt: skip
    for first in range(1, 41, 10):
        columns = (
            Column(metric="batch/loss", first_step=first, values=losses[first - 1 : first + 9]),
            Column(metric="batch/gradient_norm", first_step=first, values=norms[first - 1 : first + 9 : 2], stride=2),
            Column(metric="batch/learning_rate", first_step=first, values=[0.1] * 10),
        )
        events += [StepsFinished(step=first + 9, columns=columns)]
        bad = first == 21
        events += [_evaluation(first + 9, *((float("nan"), float("inf")) if bad else (4.0 / first, 4.2 / first)))]
    alarm = AlarmRaised(
        step=30, kind="nonfinite_loss", message="the loss of step 30 is nan", value=float("nan"), module="0.linear",
        advice="decay the learning rate", action="continue",
    )  # fmt: skip
    trace = "Traceback (most recent call last):\n  …\nValueError: the labels are out of range\n"
    ended = RunEnded(step=40, reason="failed", message="ValueError: the labels are out of range", traceback=trace)
    events = [*events[:-2], alarm, *events[-2:], ended]
    return [
        msgspec.structs.replace(event, seq=number, time=1.8e9 + number / 10, seconds=number / 10)
        for number, event in enumerate(events, 1)
    ]


def write_by_hand(folder: RunFolder) -> None:
    """Write the recording into an empty folder."""
    info = RunInfo(id=HAND_MADE, preset_name="linreg", title=TITLE, created=1.8e9, session="0a0a", host="recorded")
    write_info(folder, info)
    folder.events_path.write_bytes(b"".join(encode(event) + b"\n" for event in hand_made()))


def _evaluation(step: int, train: float, validation: float) -> EvalFinished:
    metrics = {"train/loss": train, "eval/loss": validation}
    return EvalFinished(step=step, metrics=metrics, eval_seconds=0.001, num_samples=100)
