"""What data were taken for, in numbers for whoever uses the weights and in one line for whoever starts a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec

from tuitrain.tasks.input_columns import InputColumn
from tuitrain.tasks.own_parts import counted, shortened

_MOST_CLASSES = 8
_MOST_COLUMNS = 4


class Understood(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a dataset was taken for."""

    source: str
    """Name of the file, the folder or the shipped dataset."""
    kind: Literal["classification", "regression", "surface"]
    num_train: int
    num_validation: int
    input_shape: tuple[int, ...]
    """Shape of one sample as the model gets it; channels first for pictures."""
    num_outputs: int
    preprocess: str
    unit: str = "samples"
    columns: tuple[InputColumn, ...] = ()
    """Of a table: the inputs in their order."""
    class_names: tuple[str, ...] = ()
    """What output 0, 1, … stands for; empty: the numbers are the names."""
    class_counts: tuple[int, ...] = ()
    """Samples of each class on both sides together, where the data are one's own."""
    target: str = ""
    """Name of the column that is learned."""
    target_mean: tuple[float, ...] = ()
    """Of a regression on one's own data, over the training side, one a target."""
    target_deviation: tuple[float, ...] = ()
    is_standardized: bool = False
    """Whether the model gives (target − mean) / deviation, while losses are told in the unit of the targets."""
    is_reconstruction: bool = False
    notes: tuple[str, ...] = ()
    """What was left out, filled in or guessed, one clause each."""

    @property
    def sentence(self) -> str:
        """One line of all that, for people; empty where there are no data."""
        if self.kind == "surface":
            return ""
        sides = f"{_number(self.num_train)} {self.unit} to train on, {_number(self.num_validation)} to validate on"
        return f"{self.source}: " + "; ".join([sides, self._inputs, self._outputs, *self.notes])

    @property
    def _inputs(self) -> str:
        if len(self.input_shape) > 1:
            return "×".join(map(str, self.input_shape))
        num_inputs = math.prod(self.input_shape)
        if self.unit != "samples":
            return counted(num_inputs, "character")
        if not self.columns:
            return counted(num_inputs, "feature")
        names = _listed([shortened(column.name) for column in self.columns], _MOST_COLUMNS)
        wider = f", {num_inputs} inputs" if num_inputs != len(self.columns) else ""
        return f"{counted(len(self.columns), 'feature')} ({names}){wider}"

    @property
    def _outputs(self) -> str:
        of = f" of {shortened(self.target)}" if self.target else ""
        if self.is_reconstruction:
            return "it learns its own inputs"
        if self.kind == "classification":
            told = f"{counted(self.num_outputs, 'class')}{of}"
            if not self.class_counts:
                return told
            pairs = zip(self.class_names, self.class_counts, strict=True)
            each = [f"{shortened(name)} {_number(count)}" for name, count in pairs]
            return f"{told}: {_listed(each, _MOST_CLASSES)}"
        of = of or f" of {counted(self.num_outputs, 'target')}"
        if not self.target_mean:
            return f"regression{of}"
        moments = zip(self.target_mean, self.target_deviation, strict=True)
        each = [f"{mean:.4g} ± {deviation:.4g}" for mean, deviation in moments]
        how = ", standardized to train on and told in its own unit" if self.is_standardized else ""
        return f"regression{of}, mean {_listed(each, _MOST_COLUMNS)}{how}"


def _listed(items: Sequence[str], most: int) -> str:
    """All of a few items, or the first of many and how many more there are."""
    if len(items) <= most + 1:  # "and 1 more" says no less
        return ", ".join(items)
    return f"{', '.join(items[:most])} and {len(items) - most} more"


def _number(count: int) -> str:
    return f"{count:,}".replace(",", " ")
