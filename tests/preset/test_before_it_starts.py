"""What would end a run in a traceback, or in nothing learned, is said before it starts."""

from __future__ import annotations

import pytest

from tests.preset.test_reading import problems_of
from tuitrain.preset.reading import list_presets, load_preset, parse_value

OWN = ("task.dataset=csv", "task.path=there-is-none.csv")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ((*OWN, "task.target=²"), "does not exist"),
        ((*OWN, "task.target=--5"), "does not exist"),
        (("task.dataset=csv", "task.path=~there-is-nobody/x.csv"), "does not exist"),
        (("task.dataset=csv", 'task.path="a\\u0000b.csv"'), "b.csv"),
        ((f"regularize.early_stopping=1{'0' * 90}",), "is too large"),
        (("train.seed=-1",), "train.seed = -1 should be greater than or equal to 0"),
        ((f"train.seed=1{'0' * 30}",), "should be less than"),
        (("task.data_seed=-1",), "task.data_seed = -1 should be"),
        (
            ("task.dataset=digits", "task.model=cnn", "task.norm=instance", "task.channels=[4,4,4,4]"),
            "one pixel left to normalise at convolution 4",
        ),
        (("task.norm=batch", "task.num_train=1", "train.batch_size=full"), "no variance to normalise a batch by"),
        (("task.preprocess=whiten", "task.num_train=1", "train.batch_size=full"), "at least 2 training samples"),
        ((f"task.class_weights={[0] * 10}",), "are all 0"),
        (("schedule.warmup=100", "train.steps=100"), "schedule.warmup = 100 leaves nothing of 100 steps"),
        (("schedule.warmup=12", "schedule.unit=epochs"), "leaves nothing of 10 epochs"),
    ],
)
def test_it_is_said_in_words(overrides: tuple[str, ...], said: str) -> None:
    """As one problem, not as a crash."""
    problems = problems_of("mnist-mlp", *overrides)
    assert len(problems) == 1
    assert said in problems[0]


def test_instance_norm_is_fine_while_there_are_pixels() -> None:
    """Three convolutions on 8×8 pictures still have two by two."""
    load_preset("mnist-mlp", ["task.dataset=digits", "task.model=cnn", "task.norm=instance", "task.channels=[4,4,4]"])


@pytest.mark.parametrize(("text", "value"), [(".5", 0.5), ("-.5", -0.5), (".5e-3", 5e-4), (".", "."), (".a", ".a")])
def test_a_number_may_begin_with_its_point(text: str, value: object) -> None:
    """As people write it; TOML would want the 0."""
    assert parse_value(text) == value


def test_all_shipped_presets_pass() -> None:
    """None of them warms up for longer than it trains."""
    assert len(list_presets()) > 100
