"""Several predictions of one sample as one: the mean of probabilities, or of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from tuitrain.techniques.losses import loss_spec

_LARGEST_LOG_VARIANCE = 20.0


def mean_prediction(outputs: Sequence[Tensor], loss: str) -> Tensor:
    """Outputs whose prediction is the mean of the predictions of several.

    Args:
        outputs: at least one, each (n, num_outputs) as a model gives them.
        loss: a name of `techniques.losses.LOSSES`, which says what outputs mean.

    Returns:
        (n, num_outputs) of the same meaning: of classes the logarithm of the mean probability; of mean and variance
        those of the mixture (Lakshminarayanan et al. 2017, arXiv 1612.01474); of numbers their mean.
    """
    stacked = torch.stack(list(outputs))
    spec = loss_spec(loss)
    if loss == "bce":  # each class has a probability of its own
        return _log_mean(functional.logsigmoid(stacked)) - _log_mean(functional.logsigmoid(-stacked))
    if spec.kind == "classification":
        return _log_mean(functional.log_softmax(stacked, dim=-1))
    if spec.outputs_per_target == 1:
        return stacked.mean(dim=0)
    means, log_variances = stacked.chunk(2, dim=-1)
    variances = log_variances.clamp(-_LARGEST_LOG_VARIANCE, _LARGEST_LOG_VARIANCE).exp()
    mean = means.mean(dim=0)
    variance = (variances + (means - mean).square()).mean(dim=0)
    return torch.cat([mean, variance.log()], dim=-1)


def _log_mean(logarithms: Tensor) -> Tensor:
    """log of the mean over the first dimension of what these are the logarithms of."""
    return torch.logsumexp(logarithms, dim=0) - math.log(len(logarithms))
