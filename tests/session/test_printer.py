"""The plain screen: what it says of the numbers, over how many samples, and how fast the training went."""

from __future__ import annotations

import io
import math

import pytest
from msgspec import structs

from tests.comparing.made_up import started
from tuitrain.board.training_time import TrainingTime
from tuitrain.protocol.events import (
    Column,
    EvalFinished,
    Event,
    Heartbeat,
    Paused,
    Resumed,
    RunEnded,
    StageEntered,
    StepsFinished,
)
from tuitrain.session.printer import Printer


def evaluation(step: int, sizes: tuple[int | None, int]) -> EvalFinished:
    return EvalFinished(
        step=step, metrics={"eval/loss": 0.5}, eval_seconds=0.0, num_train_samples=sizes[0], num_samples=sizes[1]
    )


def test_the_sizes_of_an_evaluation_are_told_once_and_again_where_they_change(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On the line of the first, at the end, and in the JSON."""
    stream = io.StringIO()
    printer = Printer("run", stream)
    assert printer.summary()["num_evaluated"] == {"train": None, "validation": None}
    printer.take([evaluation(0, (25, 200)), evaluation(1, (25, 200)), evaluation(2, (None, 25))])
    lines = stream.getvalue().splitlines()
    told = [line.partition("; ")[2] for line in lines]
    assert told == ["train of 25, validation of 200", "", "train of 25, validation of 25"]
    printer.take([evaluation(3, (25, 200)), RunEnded(step=3, reason="finished")])
    assert printer.summary()["num_evaluated"] == {"train": 25, "validation": 200}
    printer.finish(as_json=False)
    assert "train of 25, validation of 200" in capsys.readouterr().out


def at(seconds: float, event: Event) -> Event:
    """The event, said so many seconds after the session began."""
    return structs.replace(event, seconds=seconds)


def steps(step: int, loss: float = 1.0) -> StepsFinished:
    return StepsFinished(step=step, columns=(Column(metric="batch/loss", first_step=step, values=[loss]),))


STORY = (
    at(0.0, StageEntered(stage="importing torch")),
    at(30.0, started(100, seed=0)),
    at(32.0, steps(50)),
    at(32.0, Paused(step=50, reason="asked")),
    at(90.0, Heartbeat(step=50, state="paused", steps_per_second=0.0, watching_share=0.0)),
    at(132.0, Resumed(step=50)),
    at(134.0, steps(100)),
    at(135.0, RunEnded(step=100, reason="finished")),
)


def test_importing_and_pauses_are_no_training() -> None:
    """A hundred steps in 5 of 135 seconds; another session goes on counting."""
    clock = TrainingTime()
    for event in STORY:
        clock.take(event)
    assert (clock.num_steps, clock.seconds, clock.steps_per_second) == (100, 5.0, 20.0)
    for event in (at(40.0, structs.replace(started(200, seed=0), step=100)), at(45.0, steps(200))):
        clock.take(event)
    assert (clock.num_steps, clock.seconds) == (200, 10.0)


def test_the_summary_tells_the_speed_of_training(capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the whole time that the run took; for programs as well."""
    printer = Printer("r", io.StringIO())
    printer.take([*STORY])
    printer.finish(as_json=False)
    assert capsys.readouterr().out.startswith("r: finished at step 100 after 135.0 s (20 steps/s)")
    assert printer.summary()["steps_per_second"] == 20.0


@pytest.mark.parametrize(("losses", "told"), [([], "loss –"), ([0.5], "loss 0.5"), ([math.nan], "loss nan")])
def test_a_loss_is_told_once_there_is_one(losses: list[float], told: str) -> None:
    """A dash before; NaN where it is NaN."""
    stream = io.StringIO()
    printer = Printer("r", stream)
    printer.take([STORY[1], *(steps(index + 1, loss) for index, loss in enumerate(losses))])
    assert f"  {told}\n" in stream.getvalue()
