"""The dataset that a preset means: one of the table, or one's own."""

from __future__ import annotations

from tuitrain.preset.schema import Preset
from tuitrain.tasks.tables import DatasetSpec, dataset_spec


def dataset_of(preset: Preset) -> DatasetSpec:
    """The spec of a preset's dataset."""
    return dataset_spec(preset.task.dataset)
