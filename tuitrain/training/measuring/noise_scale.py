"""Gradient noise: how far the gradient of a batch is from that of all samples, and how large a batch would pay."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tuitrain.tasks.build.data import Split
from tuitrain.tasks.build.task import Task
from tuitrain.training.untouched import buffers_kept, evaluating, random_state_kept

_SAMPLES_AT_ONCE = 1000


@dataclass(frozen=True)
class Noise:
    """Of the gradients of batches around that of all samples."""

    cosines: dict[int, float]
    """Batch size → mean cosine."""
    squared_norms: dict[int, float]
    """Batch size → mean squared norm of the gradient."""
    full_norm: float
    num_samples: int

    def split(self, batch_size: int) -> tuple[float, float]:
        """(|G|², tr Σ), both without bias, from batches of this size and all samples.

        McCandlish et al. 2018, arXiv 1812.06162, appendix A.1: with b < B, |G|² = (B |g_B|² − b |g_b|²) / (B − b) and
        tr Σ = (|g_b|² − |g_B|²) / (1/b − 1/B).
        """
        small, large = batch_size, self.num_samples
        small_square, large_square = self.squared_norms[small], self.full_norm**2
        signal = (large * large_square - small * small_square) / (large - small)
        trace = (small_square - large_square) / (1.0 / small - 1.0 / large)
        return signal, max(0.0, trace)


def gradient_noise(
    task: Task, parameters: Sequence[Tensor], batch_sizes: Sequence[int], *, num_batches: int, num_samples: int,
    seed: int, beat: Callable[[], None] = lambda: None,
) -> Noise:  # fmt: skip
    """Compare gradients at the weights as they are, in eval mode and without augmentation; nothing is changed.

    Args:
        task: gives model, data and loss.
        parameters: those that are trained.
        batch_sizes: each at most the number of samples.
        num_batches: of each size, drawn without replacement.
        num_samples: of the training data, that count as all.
        seed: of the batches.
        beat: called before each of them.
    """
    samples = task.train_sample(num_samples)
    generator = torch.Generator().manual_seed(seed)
    cosines: dict[int, float] = {}
    squares: dict[int, float] = {}
    with random_state_kept(samples.x.device), buffers_kept(task.model), evaluating(task.model), torch.enable_grad():
        full = _gradient(task, samples, parameters, beat)
        full_norm = _norm(full)
        for size in batch_sizes:
            found: list[tuple[float, float]] = []
            for _ in range(num_batches):
                chosen = torch.randperm(len(samples), generator=generator)[:size].to(samples.x.device)
                gradient = _gradient(task, Split(samples.x[chosen], samples.y[chosen]), parameters, beat)
                norm = _norm(gradient)
                is_nothing = norm == 0.0 or full_norm == 0.0
                cosine = 0.0 if is_nothing else float((gradient * full).sum()) / (norm * full_norm)
                found.append((cosine, norm**2))
            cosines[size] = sum(cosine for cosine, _ in found) / num_batches
            squares[size] = sum(square for _, square in found) / num_batches
    return Noise(cosines, squares, full_norm, len(samples))


def noise_scale(signal: float, trace: float) -> float:
    """B_simple = tr Σ / |G|²; infinite where the noise hides the gradient, NaN without either."""
    if signal > 0.0:
        return trace / signal
    return math.inf if trace > 0.0 else math.nan


def _gradient(task: Task, samples: Split, parameters: Sequence[Tensor], beat: Callable[[], None]) -> Tensor:
    """Of the mean loss, all parameters in one vector."""
    total: Tensor | None = None
    for x, y, share in task.parts_of(samples, _SAMPLES_AT_ONCE):
        beat()
        loss = task.training_loss(task.model(x), y)
        parts = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
        vector = torch.cat([part.reshape(-1) for part in parts]).mul_(share)
        total = vector if total is None else total.add_(vector)
    assert total is not None  # there is at least one sample
    return total


def _norm(vector: Tensor) -> float:
    return float(torch.linalg.vector_norm(vector))
