"""Sharpness: the largest eigenvalue of the Hessian, by power iteration on products with it (double backward)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from tuitrain.protocol.description import OptimizerState
from tuitrain.tasks.build.data import Split
from tuitrain.tasks.build.task import Task
from tuitrain.training.refusing import RefusedError
from tuitrain.training.untouched import buffers_kept, evaluating, random_state_kept

Vector = list[Tensor]
"""One tensor a parameter, in its shape."""
Product = Callable[[Vector], Vector]

_SAMPLES_AT_ONCE = 1000
_TOLERANCE = 1e-3
_FEWEST_PRODUCTS = 5


@dataclass(frozen=True)
class TopEigenvalue:
    """What a power iteration came to."""

    value: float
    history: list[float]
    has_converged: bool


def largest_eigenvalue(product: Product, like: Sequence[Tensor], num_products: int, seed: int) -> TopEigenvalue:
    """The largest (not the largest in size) eigenvalue of a symmetric matrix that is known by its products.

    Args:
        product: with a vector.
        like: tensors of the shapes of a vector.
        num_products: at most; as many again where the eigenvalue largest in size is negative.
        seed: of the vector that it begins with; no other randomness is used.
    """
    found = _power_iteration(product, like, num_products, seed)
    if not found.value < 0.0:
        return found
    # H + |λ| I has only eigenvalues of 0 and above, and the same vectors: its largest is that of H, moved.
    shift = -found.value

    def shifted(vector: Vector) -> Vector:
        return torch._foreach_add(product(vector), torch._foreach_mul(vector, shift))  # type: ignore[return-value, unused-ignore]

    return _power_iteration(shifted, like, num_products, seed, shift)


def sharpness(
    task: Task, parameters: Sequence[Tensor], *, num_products: int, num_samples: int, seed: int,
    beat: Callable[[], None] = lambda: None,
) -> TopEigenvalue:  # fmt: skip
    """λ of the training loss over a fixed part of the samples, in eval mode; the model is left as it is.

    Args:
        task: gives model, data and loss.
        parameters: those that are trained.
        num_products: with the Hessian, at most.
        num_samples: of the training data.
        seed: of the first vector.
        beat: called before each product.

    Raises:
        RefusedError: the model cannot be differentiated twice, there is no memory for it, or a number is not finite.
    """
    samples = task.train_sample(num_samples)

    def product(vector: Vector) -> Vector:
        beat()
        return _hessian_product(task, samples, parameters, vector)

    try:
        with (
            random_state_kept(samples.x.device), buffers_kept(task.model), evaluating(task.model), torch.enable_grad(),
            _twice_differentiable(),
        ):  # fmt: skip
            found = largest_eigenvalue(product, parameters, num_products, seed)
    except torch.OutOfMemoryError:
        raise RefusedError(
            f"a second derivative over {len(samples)} samples does not fit into memory.",
            hint=f"num_samples={max(1, len(samples) // 4)}.",
        ) from None
    except (RuntimeError, NotImplementedError) as error:
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        raise RefusedError(
            f"the model cannot be differentiated twice: {reason}",
            hint="operations that torch can differentiate twice.",
        ) from None
    if not math.isfinite(found.value):
        raise RefusedError("the curvature is not finite at these weights.", hint="roll_back first.")
    return found


@contextmanager
def _twice_differentiable() -> Iterator[None]:
    """Plain attention in place of the fused one and no cuDNN, whose recurrent nets have a single derivative."""
    with sdpa_kernel(SDPBackend.MATH), torch.backends.cudnn.flags(enabled=False):
        yield


def stable_rate(eigenvalue: float, optimizer: OptimizerState) -> float:
    """The rate above which full-batch descent diverges along a direction of this curvature; NaN where none is known.

    2/λ, with heavy-ball momentum (2 + 2β)/λ, with Nesterov's (2 + 2β)/((1 + 2β) λ) (Cohen et al. 2021, arXiv
    2103.00065, section 2 and appendix B).
    """
    if not eigenvalue > 0.0 or optimizer.name != "sgd":
        return math.nan
    values = optimizer.groups[0].hyperparameters
    beta = values.get("momentum", 0.0)
    momentum = float(beta) if isinstance(beta, int | float) else 0.0
    rate = (2.0 + 2.0 * momentum) / eigenvalue
    return rate / (1.0 + 2.0 * momentum) if values.get("nesterov") else rate


def _power_iteration(
    product: Product, like: Sequence[Tensor], num_products: int, seed: int, shift: float = 0.0
) -> TopEigenvalue:
    """The eigenvalue largest in size, by its Rayleigh quotient, less what all were moved by."""
    generator = torch.Generator().manual_seed(seed)
    vector = _unit([torch.randn(t.shape, generator=generator, dtype=t.dtype).to(t.device) for t in like])
    history: list[float] = []
    num_calm = 0
    for _ in range(num_products):
        image = product(vector)
        value = _dot(vector, image) - shift
        size = math.sqrt(_dot(image, image))
        history.append(value)
        if not math.isfinite(size) or size == 0.0:
            return TopEigenvalue(value, history, has_converged=size == 0.0)
        if len(history) > 1 and abs(value - history[-2]) <= _TOLERANCE * abs(value):
            num_calm += 1
        else:
            num_calm = 0
        if num_calm >= 2 and len(history) >= _FEWEST_PRODUCTS:
            return TopEigenvalue(value, history, has_converged=True)
        vector = [part / size for part in image]
    return TopEigenvalue(history[-1], history, has_converged=False)


def _hessian_product(task: Task, samples: Split, parameters: Sequence[Tensor], vector: Vector) -> Vector:
    """H v of the mean loss (Pearlmutter 1994): the gradient of ∇L · v."""
    total = [torch.zeros_like(part) for part in vector]
    for x, y, share in task.parts_of(samples, _SAMPLES_AT_ONCE):
        loss = task.training_loss(task.model(x), y)
        gradients = torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True, materialize_grads=True)
        slopes = [
            (gradient * part).sum() for gradient, part in zip(gradients, vector, strict=True) if gradient.requires_grad
        ]
        if not slopes:  # a loss that is linear in all weights
            continue
        products = torch.autograd.grad(torch.stack(slopes).sum(), parameters, allow_unused=True, materialize_grads=True)
        torch._foreach_add_(total, products, alpha=share)
    return total


def _dot(one: Vector, other: Vector) -> float:
    return float(sum((a.double() * b.double()).sum() for a, b in zip(one, other, strict=True)))


def _unit(vector: Vector) -> Vector:
    size = math.sqrt(_dot(vector, vector))
    return [part / size for part in vector]
