"""Every item of the lecture (the sections are those of the design notes on techniques): where it is, and is seen.

`spec` is "table:name", `preset` a shipped preset with overrides, `seen` what the board must hold after 20 steps,
`command` what changes it live. Items of a later issue have no spec yet and are expected to fail, so that none is
missing in silence.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Item:
    """One row."""

    section: str
    name: str
    spec: str = ""
    preset: str = ""
    seen: str = ""
    command: str = ""
    is_later: bool = False

    @property
    def id(self) -> str:
        """For the test's name."""
        return f"{self.section} {self.name}"


def later(section: str, *names: str) -> list[Item]:
    """Items of part two."""
    return [Item(section, name, is_later=True) for name in names]


LOSS, NORM, RATE = "batch/loss", "batch/gradient_norm", "batch/learning_rate"
GAP, ACCURACY = "gap/loss", "eval/accuracy"
SET, SWITCH, REPLAN = "set_hyperparameter", "switch_optimizer", "set_schedule"
MOVE = "move_to"

_FEW = "task.dataset=digits task.num_train=32 train.batch_size=4 eval.max_batches=1 eval.batch_size=8"
_FEW_WINDOWS = "train.batch_size=4 eval.max_batches=1 eval.batch_size=8"
_SMALL_RESNET = f"resnet18 {_FEW}"

FOUNDATIONS = [
    Item("A1", "linear model and gradient descent", "model:linear", "linreg", LOSS, "set_learning_rate"),
    Item("A1", "a rate above the limit diverges", "optimizer:sgd", "linreg-diverges", LOSS, "set_learning_rate"),
    Item("A1", "raw inputs", "preprocessing:raw", "linreg-raw", LOSS),
    Item("A1", "stacked linear is one matrix", "model:deep-linear", "spiral-deep-linear", ACCURACY),
    Item("A1", "a line cannot part spirals", "model:linear", "spiral-linear", ACCURACY),
    Item("A1", "MLP", "model:mlp", "mnist-mlp", ACCURACY),
    Item("A1", "one wide hidden layer", "model:mlp", "spiral-wide", ACCURACY),
    Item("A1", "ReLU", "activation:relu", "spiral-mlp", "layers/dead"),
    Item("A1", "sigmoid", "activation:sigmoid", "sigmoid-vanish", "layers/gradient_norm"),
    Item("A1", "tanh", "activation:tanh", "init-tanh-xavier", "layers/saturated"),
    Item("A1", "leaky ReLU", "activation:leaky-relu", "spiral-mlp task.activation=leaky-relu", "layers/activation_std"),
    Item("A1", "GELU", "activation:gelu", "spiral-mlp task.activation=gelu", "layers/activation_std"),
    Item("A1", "SiLU", "activation:silu", "spiral-mlp task.activation=silu", "layers/activation_std"),
    Item("A1", "mean squared error", "loss:mse", "outliers-mse", "loss/mse"),
    Item("A1", "absolute error", "loss:l1", "outliers-l1", "loss/l1"),
    Item("A1", "Huber", "loss:huber", "outliers-huber", "loss/huber"),
    Item("A1", "cross entropy", "loss:cross-entropy", "lr-good", "loss/cross-entropy"),
    Item("A1", "binary cross entropy", "loss:bce", "digits-bce", "loss/bce"),
    Item("A1", "maximum likelihood with a Gaussian", "loss:gaussian-nll", "wave-gaussian-nll", "eval/mse"),
    Item("A1", "focal loss", "loss:focal", "digits-focal", "loss/focal"),
    Item("A1", "class weights", "loss:cross-entropy", "lr-good task.class_weights=balanced", "loss/cross-entropy"),
    Item("A1", "the loss is not the goal", "loss:cross-entropy", "overfit-alpha-dropout", ACCURACY),
    Item("A1", "CNN", "model:cnn", "small-cnn", ACCURACY),
    Item("A1", "residual network", "model:residual-mlp", "deep-residual", "layers/gradient_norm"),
    Item("A1", "its plain twin", "model:plain-mlp", "deep-plain", "layers/gradient_norm"),
    Item("A1", "residual CNN", "model:residual-cnn", "residual-cnn", ACCURACY),
    Item("A1", "ResNet", "model:resnet18", _SMALL_RESNET, LOSS),
    Item("A1", "optimizer lab", "dataset:lab-wave", "lab-wave", LOSS, SWITCH),
    Item("A1", "own data", "own:csv"),
    Item("A1", "forgotten zero_grad", "train:zero_grad", "forgotten-zero-grad", NORM),
    Item("A1", "AlexNet", "model:alexnet", f"alexnet {_FEW}", "regularizer/dropout", SET),
    Item("A1", "VGG", "model:vgg11", f"vgg11 {_FEW}", "regularizer/dropout", SET),
    Item("A1", "GoogLeNet", "model:googlenet", f"googlenet {_FEW}", LOSS),
    Item("A1", "DenseNet", "model:densenet121", f"densenet121 {_FEW}", LOSS),
    Item("A1", "MobileNet", "model:mobilenet-v2", f"mobilenet {_FEW}", LOSS),
    Item("A1", "LSTM", "model:lstm", f"char-lstm {_FEW_WINDOWS}", "layers/gradient_norm"),
    Item("A1", "autoencoder", "model:autoencoder", "autoencoder", "loss/mse"),
    Item("A1", "character Transformer", "model:char-transformer", f"char-transformer {_FEW_WINDOWS} schedule.warmup=5",
         ACCURACY),
    Item("A1", "two moons", "dataset:moons", "moons", ACCURACY),
]  # fmt: skip

GENERALISATION = [
    Item("A2", "generalisation gap", "dataset:mnist-5k", "mnist-mlp", GAP, "evaluate"),
    Item("A2", "overfitting", "dataset:mnist-5k", "overfit", GAP, SET),
    Item("A2", "underfitting", "dataset:mnist-5k", "underfit", GAP),
    Item("A2", "one sample a step", "dataset:digits", "online-sgd", "batch_size/1", "set_batch_size"),
    Item("A2", "mini-batches", "dataset:mnist-5k", "minibatch", "batch_size/32", "set_batch_size"),
    Item("A2", "full batch", "dataset:mnist-5k", "full-batch", "batch_size/4000", "set_batch_size"),
    Item("A2", "k-fold", "key:folds", "one-fold", "log/fold 1 of 5"),
    Item("A2", "bootstrap", "train:bootstrap", "bootstrap", ACCURACY),
    Item("A2", "bias and variance", "dataset:sine-25", "bias-width-1", "eval/loss"),
    Item("A2", "bias and variance in balance", "dataset:sine-25", "bias-width-3", "eval/loss"),
    Item("A2", "variance", "dataset:sine-25", "bias-width-100", GAP),
    Item("A2", "bagging", "cli:ensemble", "bootstrap", ACCURACY),
    Item("A2", "gradient noise read-out", "command:measure_gradient_noise", "gradient-noise",
         "measured/gradient_noise", "measure_gradient_noise"),
    Item("A2", "sharpness", "command:measure_sharpness", "flat-small-batch", "measured/sharpness", "measure_sharpness"),
    Item("A2", "sharpness of full batches", "option:sharpness", "flat-large-batch", "measured/sharpness"),
    Item("A2", "sharpness at a scaled rate, small", "option:sharpness", "flat-scaled-small", "measured/sharpness"),
    Item("A2", "sharpness at a scaled rate, large", "option:sharpness", "flat-scaled-large", "measured/sharpness"),
]  # fmt: skip

OPTIMIZERS = [
    Item("A3", "SGD", "optimizer:sgd", "lab-wave-sgd", "optimizer/sgd", SWITCH),
    Item("A3", "momentum", "hyperparameter:momentum", "lab-wave-momentum", "optimizer/momentum", SET),
    Item("A3", "Nesterov", "hyperparameter:nesterov", "lab-wave-nesterov", "optimizer/nesterov", SET),
    Item("A3", "AdaGrad", "optimizer:adagrad", "adagrad-slows", "layers/update_ratio", SWITCH),
    Item("A3", "Adadelta", "optimizer:adadelta", "lab-wave-adadelta", "optimizer/adadelta", SWITCH),
    Item("A3", "RMSprop", "optimizer:rmsprop", "lab-wave-rmsprop", "optimizer/rmsprop", SWITCH),
    Item("A3", "Adam", "optimizer:adam", "lab-wave", "optimizer/adam", SWITCH),
    Item("A3", "Adam without bias correction", "optimizer:adam-uncorrected", "adam-no-bias-correction", LOSS, SWITCH),
    Item("A3", "Adam with it", "optimizer:adam", "adam-corrected", LOSS, SWITCH),
    Item("A3", "AdamW", "optimizer:adamw", "lab-wave-adamw", "optimizer/adamw", SWITCH),
    Item("A3", "Adamax", "optimizer:adamax", "lab-wave-adamax", "optimizer/adamax", SWITCH),
    Item("A3", "NAdam", "optimizer:nadam", "lab-wave-nadam", "optimizer/nadam", SWITCH),
    Item("A3", "RAdam", "optimizer:radam", "lab-wave-radam", "optimizer/radam", SWITCH),
    Item("A3", "Adafactor", "optimizer:adafactor", "lab-wave-adafactor", "optimizer/adafactor", SWITCH),
    Item("A3", "ASGD", "optimizer:asgd", "digits-asgd", "optimizer/asgd", SWITCH),
    Item("A3", "Rprop", "optimizer:rprop", "digits-rprop", "optimizer/rprop", SWITCH),
    Item("A3", "Muon", "optimizer:muon", "mnist-muon", "optimizer/muon", SWITCH),
    Item("A3", "Lion", "optimizer:lion", "lab-wave-lion", "optimizer/lion", SWITCH),
    Item("A3", "schedule-free SGD", "optimizer:schedule-free-sgd", "mnist-schedule-free-sgd schedule.warmup=10",
         "optimizer/schedule-free-sgd", SWITCH),
    Item("A3", "schedule-free AdamW", "optimizer:schedule-free-adamw", "lab-wave-schedule-free",
         "optimizer/schedule-free-adamw", SWITCH),
    Item("A3", "SAM", "optimizer:sam", "mnist-sam", "optimizer/sam", SWITCH),
    Item("A3", "L-BFGS", "optimizer:lbfgs", "digits-lbfgs", "optimizer/lbfgs", SWITCH),
    Item("A3", "Lookahead", "option:lookahead_steps", "mnist-lookahead", LOSS),
    Item("A3", "rates by layer, no decay on biases", "option:layer_decay", "mnist-layer-rates", "groups/6",
         "scale_learning_rate"),
    Item("A3", "Adam is the default", "optimizer:adam", "mnist-mlp", "optimizer/adam", SWITCH),
    Item("A3", "Newton", "optimizer:newton", "rosenbrock optimizer.name=newton optimizer.lr=1",
         "optimizer/newton", SWITCH),
]  # fmt: skip

SURFACES = [
    Item("A4", "ravine", "surface:ravine", "ravine", "race/7", MOVE),
    Item("A4", "saddle", "surface:saddle", "saddle", "race/6", MOVE),
    Item("A4", "inflection", "surface:inflection", "inflection", "race/7", MOVE),
    Item("A4", "local minimum", "surface:local-minimum", "local-minimum", "race/8", MOVE),
    Item("A4", "two wells", "surface:two-wells", "two-wells", "race/5", MOVE),
    Item("A4", "Beale", "surface:beale", "beale", "race/6", MOVE),
    Item("A4", "Rosenbrock", "surface:rosenbrock", "rosenbrock", "race/8", MOVE),
    Item("A4", "Himmelblau", "surface:himmelblau", "himmelblau", "race/7", MOVE),
    Item("A4", "noisy quadratic", "surface:ravine", "noisy-quadratic", "regularizer/gradient_noise", SET),
    Item("A4", "the value is all that is minimised", "loss:value", "ravine", "loss/value", "set_learning_rate"),
]

SCHEDULES = [
    Item("A5", "a good rate", "optimizer:sgd", "lr-good", RATE, "set_learning_rate"),
    Item("A5", "too low", "optimizer:sgd", "lr-low", RATE, "set_learning_rate"),
    Item("A5", "too high", "optimizer:sgd", "lr-high", RATE, "set_learning_rate"),
    Item("A5", "exploding", "optimizer:sgd", "lr-explode", RATE, "set_learning_rate"),
    Item("A5", "constant, and the decay key", "schedule:constant", "manual-decay", RATE, "scale_learning_rate"),
    Item("A5", "step", "schedule:step", "schedule-step", "schedule/step", REPLAN),
    Item("A5", "multistep", "schedule:multistep", "step-decay", "schedule/multistep", REPLAN),
    Item("A5", "exponential", "schedule:exponential", "schedule-exponential", "schedule/exponential", REPLAN),
    Item("A5", "1/t", "schedule:one-over-t", "schedule-one-over-t", "schedule/one-over-t", REPLAN),
    Item("A5", "polynomial", "schedule:polynomial", "schedule-polynomial", "schedule/polynomial", REPLAN),
    Item("A5", "cosine", "schedule:cosine", "cosine", "schedule/cosine", REPLAN),
    Item("A5", "linear", "schedule:linear", "schedule-linear", "schedule/linear", REPLAN),
    Item(
        "A5", "inverse square root", "schedule:inverse-sqrt", "schedule-inverse-sqrt", "schedule/inverse-sqrt", REPLAN
    ),
    Item("A5", "cyclic", "schedule:triangular", "schedule-triangular", "schedule/triangular", REPLAN),
    Item("A5", "warm restarts", "schedule:sgdr", "sgdr-snapshots", "schedule/sgdr", REPLAN),
    Item("A5", "one cycle", "schedule:one-cycle", "one-cycle", "momentum/moved", REPLAN),
    Item("A5", "warmup-stable-decay", "schedule:wsd", "wsd", "schedule/wsd", "cool_down"),
    Item("A5", "plateau", "schedule:plateau", "plateau", "schedule/plateau", REPLAN),
    Item("A5", "warmup", "schedule:constant", "warmup schedule.warmup=10", RATE, REPLAN),
    Item("A5", "without warmup", "schedule:constant", "no-warmup", LOSS, REPLAN),
    Item(
        "A5",
        "snapshot ensemble",
        "average:snapshots",
        "sgdr-snapshots schedule.unit=steps schedule.cycle=5",
        "ensemble/accuracy",
        SET,
    ),
]

REGULARIZERS = [
    Item("A6", "early stopping", "regularizer:early_stopping", "overfit-early-stop", "regularizer/early_stopping", SET),
    Item("A6", "L2", "regularizer:weight_decay", "overfit-l2", "weights/norm", SET),
    Item("A6", "decoupled weight decay", "optimizer:adamw", "overfit-adamw", "weights/norm", SET),
    Item("A6", "L1", "regularizer:l1", "overfit-l1", "weights/near_zero", SET),
    Item("A6", "shift", "regularizer:shift", "overfit-shift", "regularizer/shift", SET),
    Item("A6", "rotation", "regularizer:rotate", "overfit-rotate", "regularizer/rotate", SET),
    Item("A6", "scales", "regularizer:scale", "overfit-scale", "regularizer/scale", SET),
    Item("A6", "crops", "regularizer:crop", "overfit-scale", "regularizer/crop", SET),
    Item("A6", "flips", "regularizer:flip", "overfit-flip", "regularizer/flip", SET),
    Item("A6", "noise on inputs", "regularizer:input_noise", "overfit-input-noise", "regularizer/input_noise", SET),
    Item("A6", "noise on weights", "regularizer:weight_noise", "overfit-weight-noise", "regularizer/weight_noise", SET),
    Item("A6", "noise on gradients", "regularizer:gradient_noise", "overfit-gradient-noise",
         "regularizer/gradient_noise", SET),
    Item("A6", "clipping the norm", "regularizer:gradient_clip", "overfit-clip", NORM, SET),
    Item("A6", "clipping entries", "regularizer:gradient_clip_value", "overfit-clip-value",
         "regularizer/gradient_clip_value", SET),
    Item("A6", "label smoothing", "regularizer:label_smoothing", "cnn-label-smoothing",
         "regularizer/label_smoothing", SET),
    Item("A6", "mixup", "regularizer:mixup", "cnn-mixup", "regularizer/mixup", SET),
    Item("A6", "cutout", "regularizer:cutout", "cnn-cutout", "regularizer/cutout", SET),
    Item("A6", "CutMix", "regularizer:cutmix", "cnn-cutmix", "regularizer/cutmix", SET),
    Item("A6", "dropout", "regularizer:dropout", "overfit-dropout", "regularizer/dropout", SET),
    Item("A6", "dropout in a CNN", "regularizer:dropout", "cnn-dropout", "regularizer/dropout", SET),
    Item("A6", "shift in a CNN", "regularizer:shift", "cnn-shift", "regularizer/shift", SET),
    Item("A6", "dropout of channels", "dropout:spatial", "cnn-spatial-dropout", "regularizer/dropout", SET),
    Item("A6", "Gaussian dropout", "dropout:gaussian", "overfit-gaussian-dropout", "regularizer/dropout", SET),
    Item("A6", "alpha dropout", "dropout:alpha", "overfit-alpha-dropout", "regularizer/dropout", SET),
    Item("A6", "DropConnect", "regularizer:dropconnect", "overfit-dropconnect", "regularizer/dropconnect", SET),
    Item("A6", "stochastic depth", "regularizer:stochastic_depth", "stochastic-depth", "regularizer/stochastic_depth",
         SET),
    Item("A6", "batch norm", "norm:batch", "norm-batch", "layers/activation_std"),
    Item("A6", "layer norm", "norm:layer", "norm-layer", "layers/activation_std"),
    Item("A6", "group norm", "norm:group", "norm-group", "layers/activation_std"),
    Item("A6", "instance norm", "norm:instance", "norm-instance", "layers/activation_std"),
    Item("A6", "RMS norm", "norm:rms", "norm-rms", "layers/activation_std"),
    Item("A6", "test-time augmentation", "eval:tta_shift", "cnn-tta", "tta/accuracy"),
    Item("A6", "MC dropout", "eval:mc_dropout", "mc-dropout", "mc/accuracy", SET),
    Item("A6", "fractional max pooling", "pooling:fractional", "cnn-fractional-pool", GAP),
    Item("A6", "TrivialAugment", "regularizer:trivial_augment", "cnn-trivial-augment", "regularizer/trivial_augment",
         SET),
    Item("A6", "colour jitter", "regularizer:color_jitter", "cnn-color-jitter", "regularizer/color_jitter", SET),
    Item("A6", "max-norm", "regularizer:max_norm", "overfit-max-norm", "weights/norm", SET),
]  # fmt: skip

BABYSITTING = [
    Item("A7", "weights too small", "init:normal", "init-too-small", "layers/activation_std"),
    Item("A7", "healed by batch norm", "norm:batch", "init-too-small-bn", "layers/activation_std"),
    Item("A7", "weights too large", "init:normal", "init-too-large", LOSS),
    Item("A7", "a loss spike", "optimizer:nadam", "loss-spike", LOSS, "roll_back"),
    Item("A7", "He", "init:he", "init-he", "layers/gradient_norm"),
    Item("A7", "Xavier", "init:xavier", "init-tanh-xavier", "layers/gradient_norm"),
    Item("A7", "orthogonal", "init:orthogonal", "init-orthogonal", "layers/gradient_norm"),
    Item("A7", "LSUV", "init:lsuv", "init-lsuv", "layers/activation_std"),
    Item("A7", "vanishing gradients", "activation:sigmoid", "sigmoid-vanish", "layers/gradient_norm"),
    Item("A7", "raw pixels", "preprocessing:raw", "raw-pixels", LOSS),
    Item("A7", "scaled pixels", "preprocessing:scale", "scaled-pixels", ACCURACY),
    Item("A7", "zero mean alone", "preprocessing:center", "centred-pixels", ACCURACY),
    Item("A7", "standardised pixels", "preprocessing:standardize", "standardised-pixels", ACCURACY),
    Item("A7", "whitened pixels", "preprocessing:whiten", "whitened-pixels", GAP),
    Item("A7", "overfit one batch", "train:one_batch", "overfit-one-batch", GAP),
    Item("A7", "verdict: too high", "alarm:learning_rate", "lr-explode", LOSS),
    Item("A7", "verdict: too low", "alarm:learning_rate", "lr-low", LOSS),
    Item("A7", "verdict: underfitting", "alarm:underfitting", "underfit", GAP),
    Item("A7", "verdict: saturated at the start", "alarm:initialization", "sigmoid-vanish", "mark/initialization"),
    Item("A7", "verdict: overfitting", "alarm:overfitting", "overfit", GAP),
    Item("A7", "gradient check", "command:check_gradients", "gradient-check", "measured/gradient_check",
         "check_gradients"),
    Item("A7", "range test", "command:find_learning_rate", "range-test", "measured/range_test", "find_learning_rate"),
    Item("A7", "random search", "search:random"),
    Item("A7", "grid search", "search:grid"),
    Item("A7", "coarse to fine", "search:coarse-to-fine"),
    Item("A7", "Bayesian search (TPE)", "search:tpe"),
    Item("A7", "hopeless trials end early", "pruner:asha"),
]  # fmt: skip

AVERAGES = [
    Item("A8", "ensemble of runs", "cli:ensemble", "mnist-mlp", ACCURACY),
    Item("A8", "EMA", "average:ema_decay", "ema", "ema/accuracy", SET),
    Item("A8", "SWA", "average:swa_from", "swa", "swa/accuracy", SET),
    Item("A8", "where transfer begins", "dataset:mnist-14", "transfer-source", ACCURACY),
    Item("A8", "few samples from scratch", "dataset:digits-14", "transfer-scratch", ACCURACY),
    Item("A8", "freeze and unfreeze", "command:unfreeze", "transfer-stages", "frozen/6", "unfreeze"),
    Item("A8", "a new head on frozen layers", "key:freeze", "transfer-head", "frozen/6", "freeze"),
    Item("A8", "discriminative rates of a transfer", "option:head_rate", "transfer-rates", "groups/2",
         "scale_learning_rate"),
    Item("A8", "weights of an earlier run", "key:from_run", "transfer-finetune", "log/weights of"),
    Item("A8", "a far target from scratch", "dataset:textures", "textures-scratch", ACCURACY),
    Item("A8", "a far target by transfer", "dataset:textures", "textures-finetune", "log/weights of"),
    Item("A8", "pretrained weights", "key:pretrained"),
]  # fmt: skip

ITEMS = [*FOUNDATIONS, *GENERALISATION, *OPTIMIZERS, *SURFACES, *SCHEDULES, *REGULARIZERS, *BABYSITTING, *AVERAGES]
