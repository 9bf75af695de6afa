"""k-fold cross-validation: all samples cut into parts, one of which is validated on and the others trained on.

The cut depends on the samples and on a seed of its own, never on which part is asked for: so the parts are disjoint
and cover everything, whatever else differs between the runs. Numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_STREAM = 2
"""Sets the draw of the parts apart from the other draws of the same seed."""


@dataclass(frozen=True)
class Fold:
    """Which part is validated on."""

    number: int
    """From 1 to `total`."""
    total: int
    """Parts, at least 2."""

    def num_validation(self, num_samples: int) -> int:
        """Samples of this part: parts differ by one sample at most, and the first are the larger ones."""
        return len(range(self.number - 1, num_samples, self.total))

    def sides(
        self, num_samples: int, seed: int, labels: NDArray[np.generic] | None = None
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Indices of training and validation samples, each in rising order.

        Args:
            num_samples: in all.
            seed: of the draw.
            labels: (num_samples,) classes, of each of which a part gets its share within one sample; None draws
                without a look at the targets.
        """
        order = np.random.default_rng([_STREAM, seed]).permutation(num_samples)
        if labels is not None:
            order = order[np.argsort(labels[order], kind="stable")]
        is_validation = np.zeros(num_samples, dtype=bool)
        # Dealt like cards, class after class: so sizes are as even as the shares of the classes.
        is_validation[order[self.number - 1 :: self.total]] = True
        return np.flatnonzero(~is_validation), np.flatnonzero(is_validation)

    def block(self, num_samples: int) -> tuple[int, int]:
        """Where this part begins and ends among samples whose neighbours resemble each other, as those of a text."""
        return (self.number - 1) * num_samples // self.total, self.number * num_samples // self.total
