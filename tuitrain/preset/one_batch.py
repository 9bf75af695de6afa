"""Overfit one batch: the first thing to try with any model, as a preset made of another.

A model that cannot learn a handful of samples by heart has a bug in its data, its loss or its update (CS231n,
"babysitting the learning process"): so the batch is always the same, everything that regularizes is off, and the
schedule is constant.
"""

from __future__ import annotations

from tuitrain.preset.reading import preset_from_data
from tuitrain.preset.schema import Preset

NUM_STEPS = 300
_SAMPLES_OF_FULL = 64
_EVALUATIONS = 30


def for_one_batch(preset: Preset, num_steps: int | None = None) -> Preset:
    """The preset, made to learn its first batch by heart.

    Args:
        preset: checked; its model, loss, optimizer and learning rate stay.
        num_steps: at most; None means 300. It ends as soon as the batch is learned.

    Raises:
        PresetError: the two do not go together, e.g. batch norm and a batch of one.
    """
    data = preset.to_data()
    num_steps = num_steps or NUM_STEPS
    size = preset.train.batch_size
    num_samples = size if isinstance(size, int) else min(_SAMPLES_OF_FULL, preset.task.num_train or _SAMPLES_OF_FULL)
    data["task"] |= {"num_train": num_samples, "label_noise": 0.0}
    data["train"].pop("epochs", None)
    data["train"] |= {"steps": num_steps, "batch_size": "full", "one_batch": True}
    data["eval"] = {"every_steps": max(1, num_steps // _EVALUATIONS), "batch_size": preset.eval.batch_size}
    data["alarms"] |= {"overfitting": "off", "plateau": "off"}
    data |= {"schedule": {"name": "constant"}, "regularize": {}, "moment": [], "title": f"{preset.title}: one batch"}
    return preset_from_data(data, f"one batch of {preset.name}")
