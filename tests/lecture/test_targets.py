"""The numbers that the presets promise, with the margins of the design notes on techniques (parts B and C).

Each `targets_*.py` beside this file holds some of them as its `TARGETS`. The quick ones run in the normal suite, the
long ones with `-m slow`. `python -m tests.lecture.test_targets` prints the table of target and measured, over three
seeds.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests.lecture.promises import Target
from tests.training.harness import finish, trainer_of
from tuitrain.preset import load_preset, preset_from_data
from tuitrain.protocol.events import EvalFinished
from tuitrain.training.run import LOSS

TARGETS: list[Target] = [
    target
    for path in sorted(Path(__file__).parent.glob("targets_*.py"))
    for target in import_module(f"tests.lecture.{path.stem}").TARGETS
]


def params() -> list[object]:
    """One a target; the long ones are marked."""
    return [
        pytest.param(target, id=f"{target.name}: {target.promise}", marks=[pytest.mark.slow] if target.is_slow else [])
        for target in TARGETS
    ]


@pytest.mark.parametrize("target", params())
def test_a_preset_keeps_its_promise(target: Target) -> None:
    """With its own seed."""
    assert target.holds(0), target.shown(0)


@pytest.mark.slow
def test_a_decay_by_hand_shows_in_the_next_epoch() -> None:
    """×0.1 at epoch 6 of manual-decay: the loss falls by a fifth at once, and the accuracy ends above 0.92."""
    base = load_preset("manual-decay")
    moments = [{"at_step": 750, "do": "scale_learning_rate", "factor": 0.1}]
    told = finish(trainer_of(preset_from_data({**base.to_data(), "moment": moments}, "test")))
    values = list(told.values[LOSS].values())
    before, later = sum(values[650:750]) / 100, sum(values[800:900]) / 100
    assert later < 0.8 * before
    assert told.all(EvalFinished)[-1].metrics["eval/accuracy"] > 0.92


def main() -> None:
    """Target and measured, over three seeds."""
    for target in TARGETS:
        held = [target.holds(seed) for seed in range(3)]
        shown = " | ".join(target.shown(seed) for seed in range(3))
        sys.stdout.write(f"| {target.name} | {target.promise} | {shown} | {sum(held)}/3 |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
