"""What was measured because somebody asked: the run waited for it, and is as it was before.

`cause` is the id of the command, empty where the run measured by itself.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tuitrain.protocol.event_base import EventBase

GradientVerdict = Literal["right", "kinks", "doubtful", "wrong"]
"""By the largest relative error: up to 1e-7, 1e-4, 1e-2, and above (the thresholds of CS231n, neural-networks-3)."""


class LearningRateRangeTested(EventBase, frozen=True, kw_only=True):
    """A copy of the run was trained with a rate that rises exponentially (Smith 2017, arXiv 1506.01186)."""

    step: int
    rates: list[float]
    """Ascending; as many as were tried before the loss grew too large."""
    losses: list[float]
    """Batch loss before the update at each rate; the last one may be non-finite."""
    smoothed: list[float]
    """The same curve without its noise, finite; as long as `rates` but for a non-finite last loss."""
    suggestion: float
    """The rate at which the loss falls fastest; NaN where it nowhere falls by more than its noise."""
    edge: float
    """The largest rate before the loss rises; NaN where it did not rise up to the highest rate tried."""
    learning_rate: float
    """Of the run, first group, for its next step."""
    stopped: Literal["diverged", "nonfinite", "end"]
    """Why the sweep ended: four times the best smoothed loss, a loss that is no number, or the highest rate."""
    optimizer: str
    batch_size: int
    measure_seconds: float
    notes: tuple[str, ...] = ()
    cause: str = ""


class TensorCheck(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The gradient of one tensor against finite differences."""

    name: str
    num_entries: int
    """That were compared."""
    worst_error: float
    """Largest |a − n| / max(|a|, |n|, r), 0 or more; r is the root mean square of the tensor's gradient."""
    analytic: float
    """Of the entry with the largest error: what the backward pass says."""
    numeric: float
    """And what (L(w + h) − L(w − h)) / 2h says."""
    rounding: float = 0.0
    """Relative error that the rounding of the loss alone may bring at this h; below it an error says nothing."""


class GradientsChecked(EventBase, frozen=True, kw_only=True):
    """The gradients of a float64 copy were compared with centred differences."""

    step: int
    tensors: tuple[TensorCheck, ...]
    """In the order of the model."""
    worst_error: float
    worst_tensor: str
    verdict: GradientVerdict
    num_kinks: int
    """Entries that only agree at a smaller h: a kink, as that of a ReLU, lies within h of the weight."""
    step_size: float
    """h."""
    num_samples: int
    has_penalties: bool
    """Whether L1 and label smoothing were part of the loss."""
    measure_seconds: float
    notes: tuple[str, ...] = ()
    cause: str = ""


class SharpnessMeasured(EventBase, frozen=True, kw_only=True):
    """The largest eigenvalue λ of the Hessian of the training loss, without penalties, in eval mode."""

    step: int
    sharpness: float
    """λ; below 0 only where every curvature is."""
    history: list[float]
    """The estimate after each product with the Hessian."""
    has_converged: bool
    """Whether the last estimates differ by less than a thousandth."""
    learning_rate: float
    """Of the first group, for the next step."""
    stable_rate: float
    """The rate above which full-batch descent along that direction diverges: 2/λ of plain gradient descent (Cohen et
    al. 2021, arXiv 2103.00065); NaN for optimizers of which no such bound is known, and where λ is not above 0."""
    optimizer: str
    num_samples: int
    measure_seconds: float
    cause: str = ""


class GradientNoiseMeasured(EventBase, frozen=True, kw_only=True):
    """Gradients of batches were compared with that of all samples, in eval mode, without augmentation."""

    step: int
    batch_sizes: list[int]
    """Ascending."""
    cosines: list[float]
    """Mean cosine between the gradient of a batch of each size and that of all samples."""
    noise_scale: float
    """B_simple, in samples: trace of the covariance of one sample's gradient over the squared norm of the gradient
    (McCandlish et al. 2018, arXiv 1812.06162); infinite where the noise hides the gradient."""
    gradient_norm: float
    """L2 norm of the gradient of all samples."""
    trace: float
    """Of the covariance of one sample's gradient."""
    batch_size: int
    """Of the run."""
    num_batches: int
    """Of each size."""
    num_samples: int
    """That count as all."""
    measure_seconds: float
    cause: str = ""


Measurement = LearningRateRangeTested | GradientsChecked | SharpnessMeasured | GradientNoiseMeasured
