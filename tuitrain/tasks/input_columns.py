"""How the columns of a table of one's own become the inputs of a model; what one must know to use its weights."""

from __future__ import annotations

import msgspec


class InputColumn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A column of a table: one input, or one for each category."""

    name: str
    fill: float | None = None
    """Put where a cell is missing: the mean of the training side; None where no cell may be."""
    categories: tuple[str, ...] = ()
    """Of a text column, those of the training side, sorted: input i is 1 where the cell is category i, else 0."""

    @property
    def num_inputs(self) -> int:
        """Inputs that it gives."""
        return len(self.categories) or 1
