"""Optimizers of another kind: matrices, signs, averages, sharpness, curvature."""

from __future__ import annotations

from tuitrain.techniques.hyperparameter import Hyperparameter
from tuitrain.techniques.optimizer_spec import OptimizerSpec, beta, eps, momentum, weight_decay

_INTERPOLATION = Hyperparameter(
    name="beta1", default=0.9, low=0.0, high=1.0, is_low_included=False, is_high_included=False, scale="complement",
    is_live=False, help="share of the average in the point where gradients are taken",
)  # fmt: skip

MODERN: tuple[OptimizerSpec, ...] = (
    OptimizerSpec(
        name="muon",
        summary="orthogonalises the momentum of hidden 2-D weights; AdamW works on the rest",
        paper="Jordan et al. 2024; scaling of Liu et al. 2025",
        learning_rate=1e-3,
        hyperparameters=(
            beta("momentum", 0.95, "mean of the gradient"),
            Hyperparameter(name="nesterov", default=True, kind="bool", help="look ahead along the momentum"),
            weight_decay(0.1, "decoupled"),
            Hyperparameter(
                name="ns_steps", default=5, low=1, high=20, kind="int", help="Newton–Schulz iterations a step"
            ),
            Hyperparameter(
                name="adamw_weight_decay", default=0.01, low=0.0, scale="log", help="weight decay of the rest"
            ),
        ),
        decay="decoupled",
        state_tensors=1,
        family="direction",
        good_for="hidden matrices of MLPs and transformers",
        watch="only the weights of linear layers, without the last one: not embeddings, not convolutions",
    ),
    OptimizerSpec(
        name="lion",
        summary="steps by the sign of a momentum: every weight moves by exactly lr",
        paper="Chen et al. 2023 (arXiv 2302.06675)",
        learning_rate=1e-4,
        hyperparameters=(
            beta("beta1", 0.9, "mix of momentum and gradient whose sign is taken"),
            beta("beta2", 0.99, "momentum"),
            weight_decay(0.0, "decoupled"),
        ),
        decay="decoupled",
        momentum_name="beta2",
        state_tensors=1,
        family="direction and step size",
        good_for="large batches, with half of AdamW's memory",
        watch="needs a rate 3 to 10 times lower than AdamW, and a weight decay as much higher",
    ),
    OptimizerSpec(
        name="schedule-free-sgd",
        summary="SGD between a fast point and its average: no schedule, no end to plan",
        paper="Defazio et al. 2024 (arXiv 2405.15682)",
        learning_rate=1.0,
        hyperparameters=(_INTERPOLATION, weight_decay(0.0, "l2")),
        decay="l2",
        state_tensors=1,
        family="direction",
        takeover="cold",
        combines_not="a decaying schedule (warmup is fine); batch norm sees the wrong weights when evaluated",
        good_for="runs whose end is not known",
        watch="rates 10 to 50 times those of SGD with momentum; what is evaluated is the average, not what is trained",
    ),
    OptimizerSpec(
        name="schedule-free-adamw",
        summary="AdamW between a fast point and its average: no schedule, no end to plan",
        paper="Defazio et al. 2024 (arXiv 2405.15682)",
        learning_rate=2.5e-3,
        hyperparameters=(
            _INTERPOLATION,
            beta("beta2", 0.999, "mean of the squared gradient"),
            eps(1e-8),
            weight_decay(0.0, "decoupled"),
        ),
        decay="decoupled",
        state_tensors=2,
        family="direction and step size",
        takeover="cold",
        combines_not="a decaying schedule (warmup is fine); batch norm sees the wrong weights when evaluated",
        good_for="runs whose end is not known",
        watch="rates 1 to 10 times those of AdamW, and a warmup; what is evaluated is the average, not what is trained",
    ),
    OptimizerSpec(
        name="sam",
        summary="SGD on the gradient at the worst point nearby: looks for flat minima",
        paper="Foret et al. 2021 (arXiv 2010.01412)",
        learning_rate=1e-2,
        hyperparameters=(
            Hyperparameter(name="rho", default=0.05, low=0.0, scale="log", help="how far away the worst point is"),
            momentum(0.9),
            weight_decay(0.0, "l2"),
        ),
        decay="l2",
        momentum_name="momentum",
        state_tensors=1,
        family="direction",
        good_for="generalisation on small data",
        watch="two gradients a step: a step takes twice as long",
    ),
    OptimizerSpec(
        name="lbfgs",
        summary="a quasi-Newton method: builds up the curvature from the last gradients, with a line search",
        paper="Liu & Nocedal 1989; strong Wolfe line search",
        learning_rate=1.0,
        hyperparameters=(
            Hyperparameter(name="max_iter", default=20, low=1, high=1000, kind="int", help="iterations a step"),
            Hyperparameter(name="max_eval", default=25, low=2, high=2000, kind="int", help="loss evaluations a step"),
            Hyperparameter(
                name="history_size",
                default=10,
                low=1,
                high=1000,
                kind="int",
                is_live=False,
                help="gradients that it remembers",
            ),
        ),
        decay="none",
        state_tensors=20,
        family="curvature",
        is_step_its_rate=False,
        takeover="rate",
        needs_closure=True,
        combines_not="mini-batches, dropout, noise, augmentation, mixing, gradient clipping, several parameter groups, "
        "weight decay",
        good_for="small problems, full batch",
        watch="each step is up to max_eval passes over all data; with mini-batches it does worse than SGD",
    ),
    OptimizerSpec(
        name="newton",
        summary="Newton's method: the gradient through the inverse Hessian, so that a quadratic is solved in one step",
        paper="Nocedal & Wright 2006, section 3.3, with full steps and no safeguard",
        learning_rate=1.0,
        hyperparameters=(),
        decay="none",
        state_tensors=0,
        family="curvature",
        is_step_its_rate=False,
        takeover="rate",
        needs_closure=True,
        needs_hessian=True,
        combines_not="more than 200 parameters, mini-batches, noise, augmentation, gradient clipping, weight decay",
        good_for="surfaces and other problems of a few parameters",
        watch="it goes to where the gradient is 0, whatever that is: also up to a saddle or a maximum",
    ),
)
