"""SGD with all it can be, and the first optimizers that scale each weight by its own history."""

from __future__ import annotations

from tuitrain.techniques.hyperparameter import Hyperparameter
from tuitrain.techniques.optimizer_spec import OptimizerSpec, beta, eps, momentum, weight_decay

CLASSIC: tuple[OptimizerSpec, ...] = (
    OptimizerSpec(
        name="sgd",
        summary="steps against the gradient; with momentum, along a velocity",
        paper="Robbins & Monro 1951; Polyak 1964; Nesterov 1983; Sutskever et al. 2013",
        learning_rate=1e-3,
        hyperparameters=(
            momentum(0.0),
            Hyperparameter(
                name="nesterov", default=False, kind="bool", help="look ahead along the velocity; needs momentum"
            ),
            weight_decay(0.0, "l2"),
        ),
        decay="l2",
        momentum_name="momentum",
        state_tensors=1,
        family="direction",
        good_for="vision with a schedule; the reference for everything else",
        watch="the rate must suit the problem: too high explodes, too low crawls",
    ),
    OptimizerSpec(
        name="adagrad",
        summary="divides by the root of the sum of all squared gradients",
        paper="Duchi, Hazan & Singer 2011",
        learning_rate=1e-2,
        hyperparameters=(eps(1e-10), weight_decay(0.0, "l2")),
        decay="l2",
        state_tensors=1,
        family="step size",
        good_for="sparse features",
        watch="the sum only grows: the step shrinks like 1/√t and learning stops",
    ),
    OptimizerSpec(
        name="adadelta",
        summary="scales by the running size of past updates: no learning rate to set (1.0)",
        paper="Zeiler 2012",
        learning_rate=1.0,
        hyperparameters=(beta("rho", 0.9, "squared gradients and updates"), eps(1e-6), weight_decay(0.0, "l2")),
        decay="l2",
        state_tensors=2,
        family="step size",
        good_for="trying without tuning",
        watch="the first steps are tiny (0.003) whatever the gradient",
    ),
    OptimizerSpec(
        name="rmsprop",
        summary="AdaGrad that forgets: divides by a running mean of squared gradients",
        paper="Tieleman & Hinton 2012",
        learning_rate=1e-2,
        hyperparameters=(
            beta("alpha", 0.99, "mean of the squared gradient"),
            eps(1e-8),
            weight_decay(0.0, "l2"),
        ),
        decay="l2",
        state_tensors=1,
        family="step size",
        good_for="recurrent nets, reinforcement learning",
        watch="no bias correction: the first step is 10 × lr",
    ),
    OptimizerSpec(
        name="asgd",
        summary="SGD that keeps the average of its weights and evaluates that",
        paper="Polyak & Juditsky 1992",
        learning_rate=1e-2,
        hyperparameters=(
            Hyperparameter(name="lambd", default=1e-4, low=0.0, scale="log", is_live=False, help="decay of the rate"),
            Hyperparameter(name="alpha", default=0.75, low=0.0, high=1.0, is_live=False, help="power of that decay"),
            Hyperparameter(name="t0", default=1e6, low=0.0, scale="log", help="step at which averaging begins"),
            weight_decay(0.0, "l2"),
        ),
        decay="l2",
        state_tensors=1,
        family="direction",
        takeover="cold",
        good_for="noisy gradients at a constant rate",
        watch="torch's t0 is a million steps: set it to where averaging shall begin; its rate decays by itself as well",
    ),
    OptimizerSpec(
        name="rprop",
        summary="looks at the sign of the gradient alone: each weight has a step of its own",
        paper="Riedmiller & Braun 1993",
        learning_rate=1e-2,
        hyperparameters=(
            Hyperparameter(
                name="eta_minus",
                default=0.5,
                low=0.0,
                high=1.0,
                is_low_included=False,
                is_high_included=False,
                help="factor where the sign flips",
            ),
            Hyperparameter(
                name="eta_plus", default=1.2, low=1.0, is_low_included=False, help="factor where the sign stays"
            ),
            Hyperparameter(name="step_min", default=1e-6, low=0.0, scale="log", help="smallest step"),
            Hyperparameter(name="step_max", default=50.0, low=0.0, scale="log", help="largest step"),
        ),
        decay="none",
        state_tensors=2,
        family="step size",
        is_step_its_rate=False,
        takeover="cold",
        combines_not="a schedule (the rate is only its first step), weight decay",
        good_for="full batches",
        watch='mini-batches flip signs by chance: use batch_size = "full"; its rate is only its first step',
    ),
)
