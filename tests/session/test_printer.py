"""The plain screen: what it says of the numbers, and over how many samples they are means."""

from __future__ import annotations

import io

import pytest

from tuitrain.protocol.events import EvalFinished, RunEnded
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
