"""Overfit one batch: the first thing to try with any model, as a preset made of another.

A model that cannot learn a handful of samples by heart has a bug in its data, its loss or its update (CS231n,
"babysitting the learning process"): so the batch is always the same, everything that regularizes is off, and the
schedule is constant.
"""

from __future__ import annotations

from tuitrain.errors import UsageError
from tuitrain.preset.dataset import dataset_of
from tuitrain.preset.racing import is_surface
from tuitrain.preset.reading import preset_from_data
from tuitrain.preset.schema import Preset
from tuitrain.tasks.tables import model_spec

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
        UsageError: there is no batch, as on a surface.
    """
    if is_surface(preset):
        raise UsageError("A surface has no batch to learn by heart.", hint=f"tuitrain run {preset.name}")
    data, dataset = preset.to_data(), dataset_of(preset)
    num_steps = num_steps or NUM_STEPS
    size = preset.train.batch_size
    available = preset.task.num_train or dataset.num_train
    num_samples = size if isinstance(size, int) else min(_SAMPLES_OF_FULL, available)
    # Left out, a network keeps the dropout of its paper.
    dropout = {"dropout": 0.0} if model_spec(preset.task.model).dropout else {}
    data["task"] |= {"num_train": num_samples, "label_noise": 0.0}
    data["train"].pop("epochs", None)
    data["train"] |= {"steps": num_steps, "batch_size": "full", "one_batch": True, "bootstrap": False}
    every = max(1, num_steps // _EVALUATIONS)
    # One batch of validation samples tells enough here: that they are not learned.
    data["eval"] = {"every_steps": every, "batch_size": preset.eval.batch_size, "max_batches": 1}
    data["alarms"] |= {"overfitting": "off", "plateau": "off"}
    data |= {"schedule": {"name": "constant"}, "regularize": dropout, "moment": [], "average": {}}
    data["title"] = f"{preset.title}: one batch"
    return preset_from_data(data, f"one batch of {preset.name}")
