"""What a run on the ravine says in its first 40 steps, made by hand with numpy: for board and screen, without torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tuitrain.board.board import Word
from tuitrain.protocol.description import CommandInfo, GroupState, OptimizerState
from tuitrain.protocol.events import (
    Column,
    EvalFinished,
    Heartbeat,
    LearningRatePlanned,
    RaceStarted,
    RunStarted,
    StepsFinished,
)
from tuitrain.protocol.plan import Schedule
from tuitrain.protocol.racing import Racer, coordinate_metric
from tuitrain.techniques.plan import first_plan

START = (-8.0, 1.5)
STEPS = 40


def descent(rate: float, momentum: float) -> NDArray[np.float64]:
    """(40, 2): gradient descent on the ravine."""
    point, velocity, found = np.array(START), np.zeros(2), []
    for _ in range(STEPS):
        velocity = momentum * velocity + np.array([point[0] / 32.0, 2.0 * point[1]])
        point = point - rate * velocity
        found.append(point)
    return np.array(found)


MARKS = {"sgd": descent(0.9, 0.0), "momentum": descent(0.2, 0.9)}


def ravine_words() -> list[Word]:
    """In the order in which a run says them."""
    plan = first_plan(Schedule(name="constant", num_steps=200), {"all": 0.9})
    group = GroupState(name="all", num_tensors=1, num_parameters=2, hyperparameters={"momentum": 0.0})
    racers = (Racer(label="sgd"), Racer(label="momentum", learning_rate=0.2))
    columns = [
        Column(metric=coordinate_metric(index, axis), first_step=1, values=points[:, axis].tolist())
        for index, points in enumerate(MARKS.values())
        for axis in range(2)
    ]
    own = MARKS["sgd"]
    losses = (own[:, 0] ** 2 / 64.0 + own[:, 1] ** 2).tolist()
    columns += [
        Column(metric="batch/loss", first_step=1, values=losses),
        Column(metric="batch/learning_rate", first_step=1, values=[0.9] * STEPS),
        Column(metric="batch/gradient_norm", first_step=1, values=losses),
    ]
    metrics = {"train/loss": losses[-1], "eval/loss": losses[-1]}
    return [
        RunStarted(
            run="20261121-1400-ravine-0a0a", session="0a0a", title="The ravine", total_steps=200, steps_per_epoch=1,
            batch_size=1, num_train=1, num_validation=1, seed=0, device="cpu", torch_threads=1, num_parameters=2,
            metrics=(), layers=(), optimizer=OptimizerState(name="sgd", groups=(group,)), optimizers=("sgd", "newton"),
            commands=(CommandInfo(name="move_to"), CommandInfo(name="pause")),
        ),
        LearningRatePlanned(step=0, plan=plan, summary="constant schedule"),
        RaceStarted(step=0, surface="ravine", since=0, start=START, racers=racers),
        StepsFinished(step=STEPS, columns=tuple(columns)),
        EvalFinished(step=STEPS, metrics=metrics, eval_seconds=0.001, num_samples=1),
        Heartbeat(step=STEPS, state="running", steps_per_second=10.0, watching_share=0.01),
    ]  # fmt: skip
