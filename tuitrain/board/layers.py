"""The layers of a run over time: every quantity of every layer, thinned so that a run of any length fits.

At most 512 samples are kept. When they are full, neighbours are merged in pairs, and from then on twice as many
looks share a sample, so that old and new are kept equally fine. Of what is merged the value of the largest size
survives, layer by layer and quantity by quantity: a spike outlives every thinning, a short dip does not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tuitrain.protocol.events import LayersMeasured

Floats = NDArray[np.float64]

QUANTITIES = (
    "gradient_norm", "weight_norm", "update_ratio", "activation_mean", "activation_std", "dead", "saturated",
)  # fmt: skip
"""What is kept of each layer; the meaning of each is told by `LayersMeasured`."""

_MOST_SAMPLES = 512


class LayerHistory:
    """What was measured of the layers of one model.

    Args:
        most_samples: how many samples are kept, an even number.
    """

    def __init__(self, most_samples: int = _MOST_SAMPLES) -> None:
        self.num_measured = 0
        """Looks so far, also those before the model changed: it grows with all news."""
        self.names: tuple[str, ...] = ()
        self.step: int = 0
        """The step of the newest look."""
        self._most_samples = most_samples
        self._newest: Floats = np.empty((len(QUANTITIES), 0))
        self._starts: list[int] = []
        self._rows: list[Floats] = []
        self._num_together: int = 1
        self._num_in_last: int = 0

    def add(self, event: LayersMeasured) -> None:
        """Take in one look. Other names are another model: what was known of the former one is forgotten."""
        self.num_measured += 1
        if event.names != self.names:
            self._forget(event.names)
        if self._starts and event.step <= self.step:
            self._cut_from(event.step)
        row = np.array([_one_a_layer(event, quantity) for quantity in QUANTITIES])
        self.step, self._newest = event.step, row
        if self._rows and self._num_in_last < self._num_together:
            self._rows[-1] = _largest(np.stack([self._rows[-1], row]))
            self._num_in_last += 1
            return
        if len(self._rows) == self._most_samples:
            self._halve()
            self._num_together *= 2
        self._starts.append(event.step)
        self._rows.append(row)
        self._num_in_last = 1

    def __len__(self) -> int:
        """Samples kept."""
        return len(self._rows)

    @property
    def first_step(self) -> int:
        """The step of the oldest look that is kept; 0 where there was none."""
        return self._starts[0] if self._starts else 0

    def newest(self, quantity: str) -> Floats:
        """(layers,): the newest values, NaN where they have no meaning."""
        return np.asarray(self._newest[QUANTITIES.index(quantity)])

    def is_known(self, quantity: str) -> bool:
        """Whether any layer ever had a value."""
        index = QUANTITIES.index(quantity)
        return any(not bool(np.isnan(row[index]).all()) for row in self._rows)

    def matrix(self, quantity: str, first: float, last: float, columns: int) -> Floats:
        """(layers, columns): what was known in each of the columns that part the steps `first` to `last`.

        The largest of the looks within a column; where there was none, the look before it, which stands until the
        next one. NaN before the first look and after the last, and where a quantity has no meaning.
        """
        found = np.full((len(self.names), max(0, columns)), np.nan)
        if not self._rows or columns < 1:
            return found
        if last <= first:  # one look alone fills them all
            return np.repeat(self.matrix(quantity, first, first + 1, 1), columns, axis=1)
        index = QUANTITIES.index(quantity)
        rows = np.stack([row[index] for row in self._rows])
        edges = np.linspace(first, last, columns + 1)
        bounds = np.searchsorted(self._starts, edges, side="left")
        # A look at the very last step belongs to the last column.
        bounds[-1] = np.searchsorted(self._starts, edges[-1], side="right")
        for column in range(columns):
            start, stop = int(bounds[column]), int(bounds[column + 1])
            if stop > start:
                found[:, column] = _largest(rows[start:stop])
            elif start > 0 and edges[column] <= self.step:
                found[:, column] = rows[start - 1]
        return found

    def cut_after(self, step: int, num_measured: int) -> None:
        """Forget the samples that begin after a step, as when a run goes back; that is news after so many looks."""
        self.num_measured = num_measured + 1
        if self.step > step:
            self._cut_from(step + 1)
            self.step = self._starts[-1] if self._starts else 0
            self._newest = self._rows[-1] if self._rows else np.full_like(self._newest, np.nan)

    def _forget(self, names: tuple[str, ...]) -> None:
        self.names, self.step = names, 0
        self._newest = np.full((len(QUANTITIES), len(names)), np.nan)
        self._starts, self._rows = [], []
        self._num_together, self._num_in_last = 1, 0

    def _cut_from(self, step: int) -> None:
        """Forget the samples that begin at `step` or later, as when a run goes back."""
        while self._starts and self._starts[-1] >= step:
            self._starts.pop()
            self._rows.pop()
        self._num_in_last = self._num_together

    def _halve(self) -> None:
        self._rows = [
            _largest(np.stack([self._rows[index], self._rows[index + 1]])) for index in range(0, len(self._rows), 2)
        ]
        self._starts = self._starts[::2]


def _one_a_layer(event: LayersMeasured, quantity: str) -> Floats:
    """The values of a quantity; NaN for all layers where it was not measured or not for each of them."""
    values = event.values.get(quantity, [])
    if len(values) != len(event.names):
        return np.full(len(event.names), np.nan)
    return np.array(values, dtype=np.float64)


def _largest(rows: Floats) -> Floats:
    """(samples, …) → (…): the value farthest from zero, with its sign; NaN only where all are."""
    sizes = np.where(np.isnan(rows), -1.0, np.abs(rows))
    return np.asarray(np.take_along_axis(rows, np.argmax(sizes, axis=0)[np.newaxis], axis=0)[0])
