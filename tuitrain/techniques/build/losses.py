"""The losses of the table, for training and for evaluation."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from tuitrain.techniques.losses import loss_spec

_LARGEST_LOG_VARIANCE = 20.0
_SMALLEST_PROBABILITY = 1e-7


class Criterion:
    """What is minimised, and how the result is judged.

    Args:
        name: a name of `techniques.losses.LOSSES`.
        values: its hyper-parameters.
        num_classes: of a classification; else 0.
        class_weights: (num_classes,), or None for equal ones.
        deviation: (num_targets,) of the targets in their own unit, where they are standardized; losses and metrics are
            then told in that unit. What is minimised stays as it is: a rate means the same in dollars and in cents.
    """

    def __init__(
        self, name: str, values: dict[str, float], num_classes: int = 0, class_weights: Tensor | None = None,
        deviation: Tensor | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.label_smoothing = 0.0
        """Share of the target that is spread over all classes; may change at any time."""
        self._spec = loss_spec(name)
        self._values = values
        self._num_classes = num_classes
        self._weights = class_weights
        self._deviation = deviation

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean loss of a batch as it is minimised: with label smoothing and class weights.

        Args:
            outputs: (n, num_outputs) of the model; of a text (n, length, num_outputs).
            targets: (n,) classes, (n, num_classes) shares of classes, or (n, num_targets) numbers; of a text
                (n, length) classes, each of which counts as a sample.
        """
        outputs, targets = _one_a_row(outputs, targets)
        if self.name == "cross-entropy" and self._weights is None:
            return functional.cross_entropy(outputs, targets, label_smoothing=self.label_smoothing)
        if self.name == "mse":
            return functional.mse_loss(outputs, targets)
        if self.name == "value":
            return outputs.mean()
        losses = self._by_sample(outputs, self._prepared(targets), self._weights)
        if self._weights is None or self.name == "bce":
            return losses.mean()
        # The mean over the weights of the samples, as torch takes it for classes; for shares of classes alike,
        # and 0 where no sample of the batch has a weight.
        return losses.sum() / self.weight_of(targets).clamp(min=1e-12)

    def weight_of(self, targets: Tensor) -> Tensor:
        """What a batch counts in a mean of training losses over several: its samples, or the weights of their classes.

        Args:
            targets: as `training_loss` takes them.
        """
        if self._weights is None or self.name == "bce":
            return torch.tensor(float(len(targets)))
        is_shared = targets.is_floating_point()
        return (targets.to(self._weights.dtype) @ self._weights if is_shared else self._weights[targets]).sum()

    def told_loss(self, loss: Tensor, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of a batch as people read it: what `training_loss` gave, in the unit of the targets."""
        if self._deviation is None:
            return loss
        with torch.no_grad():
            return self._told(outputs, targets).mean()

    def summed_metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Metrics summed over the samples of a batch: the loss without smoothing and weights, and of classes accuracy.

        A regression that is not judged by its squared error gets that as well, as `mse`. A window of a text is one
        sample, and its metrics are the means over its characters.
        """
        if outputs.ndim == 3:
            rows = self.summed_metrics(*_one_a_row(outputs, targets))
            return {name: value / targets.shape[1] for name, value in rows.items()}
        if self._spec.kind == "classification":
            loss = self._by_sample(outputs, targets, None).sum()
            return {"loss": loss, "accuracy": (outputs.argmax(dim=1) == targets).sum()}
        found = {"loss": self._told(outputs, targets).sum()}
        if self.name not in {"mse", "value"}:
            found["mse"] = functional.mse_loss(*self._in_own_unit(outputs, targets)) * targets.shape[0]
        return found

    def metrics_by_sample(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """What `summed_metrics` sums, (n,) each: for comparisons of predictions sample by sample."""
        if outputs.ndim == 3:
            rows = self.metrics_by_sample(*_one_a_row(outputs, targets))
            return {name: values.reshape(targets.shape).mean(dim=1) for name, values in rows.items()}
        if self._spec.kind == "classification":
            is_right = (outputs.argmax(dim=1) == targets).to(outputs.dtype)
            return {"loss": self._by_sample(outputs, targets, None), "accuracy": is_right}
        found = {"loss": self._told(outputs, targets)}
        if self.name not in {"mse", "value"}:
            found["mse"] = functional.mse_loss(*self._in_own_unit(outputs, targets), reduction="none").mean(dim=1)
        return found

    def _told(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(n,) losses of a regression in the unit of the targets."""
        if self._deviation is None:
            return self._by_sample(outputs, targets, None)
        losses = self._by_target(outputs, targets)
        match self.name:
            case "l1":
                losses = losses * self._deviation
            case "gaussian-nll":  # the density is one over the unit
                losses = losses + self._deviation.log()
            case _:  # squares; the delta of huber counts in deviations, so that its corner moves along
                losses = losses * self._deviation.square()
        return losses.mean(dim=1)

    def _in_own_unit(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """What is predicted and what is right, both without the mean that was taken off them."""
        predicted = outputs.chunk(2, dim=1)[0] if self._spec.outputs_per_target == 2 else outputs
        if self._deviation is None:
            return predicted, targets
        return predicted * self._deviation, targets * self._deviation

    def _prepared(self, targets: Tensor) -> Tensor:
        """Targets with smoothing, for losses that torch does not smooth."""
        if not self.label_smoothing or self._spec.kind != "classification":
            return targets
        share = _as_shares(targets, self._num_classes)
        return share * (1.0 - self.label_smoothing) + self.label_smoothing / self._num_classes

    def _by_sample(self, outputs: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        """(n,) losses; a regression's mean over its targets."""
        match self.name:
            case "value":
                return outputs[:, 0]
            case "cross-entropy":
                return functional.cross_entropy(outputs, targets, weight=weights, reduction="none")
            case "bce":
                shares = _as_shares(targets, outputs.shape[1]).to(outputs.dtype)
                return functional.binary_cross_entropy_with_logits(
                    outputs, shares, weight=weights, reduction="none"
                ).sum(dim=1)
            case "focal":
                return self._focal(outputs, targets, weights)
            case _:
                return self._by_target(outputs, targets).mean(dim=1)

    def _by_target(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(n, num_targets) losses of a regression."""
        match self.name:
            case "mse":
                return functional.mse_loss(outputs, targets, reduction="none")
            case "l1":
                return functional.l1_loss(outputs, targets, reduction="none")
            case "huber":
                return functional.huber_loss(outputs, targets, reduction="none", delta=self._values["huber_delta"])
            case _:
                mean, log_variance = outputs.chunk(2, dim=1)
                variance = log_variance.clamp(-_LARGEST_LOG_VARIANCE, _LARGEST_LOG_VARIANCE).exp()
                return functional.gaussian_nll_loss(mean, targets, variance, reduction="none")

    def _focal(self, outputs: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        log_p = functional.log_softmax(outputs, dim=1)
        # Where p rounds to 1, a power below 1 of 1 − p would have an infinite slope.
        others = (-torch.expm1(log_p)).clamp(min=_SMALLEST_PROBABILITY)
        terms = -(others ** self._values["focal_gamma"]) * log_p
        if weights is not None:
            terms = terms * weights
        if targets.ndim == 1:
            return terms.gather(1, targets[:, None])[:, 0]
        return (terms * targets).sum(dim=1)


def balanced_weights(labels: Tensor, num_classes: int) -> Tensor:
    """Weights of classes that make each count alike: n / (num_classes · n_k); 0 for a class without samples."""
    if labels.ndim == 2:  # windows of a text at every place: all characters but the last few come first in one
        labels = labels[:, 0]
    counts = torch.bincount(labels, minlength=num_classes).float()
    return torch.where(counts > 0, len(labels) / (num_classes * counts.clamp(min=1.0)), 0.0)


def _one_a_row(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs and targets of a text as those of so many samples; others as they are."""
    return (outputs.flatten(0, 1), targets.flatten()) if outputs.ndim == 3 else (outputs, targets)


def _as_shares(targets: Tensor, num_classes: int) -> Tensor:
    return targets if targets.ndim == 2 else functional.one_hot(targets, num_classes).float()
