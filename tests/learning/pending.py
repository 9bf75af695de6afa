"""What the walk names and this version does not have yet. Each set is to be emptied as its names come."""

from __future__ import annotations

PENDING_PRESETS = frozenset({
    "ravine", "saddle", "inflection", "local-minimum", "two-wells", "beale", "rosenbrock", "himmelblau",
    "noisy-quadratic", "ema", "swa", "bootstrap", "cnn-tta", "mc-dropout", "flat-small-batch", "flat-large-batch",
    "flat-scaled-small", "flat-scaled-large", "alexnet", "vgg11", "googlenet", "densenet121", "mobilenet", "char-lstm",
    "char-transformer", "autoencoder", "cnn-fractional-pool", "cnn-trivial-augment", "cnn-color-jitter",
    "overfit-max-norm", "moons", "bias-width-1", "bias-width-3", "bias-width-100", "transfer-source",
    "transfer-scratch", "transfer-head", "transfer-finetune", "transfer-stages", "textures-scratch",
    "textures-finetune", "overfit-one-batch", "forgotten-zero-grad",
})  # fmt: skip
PENDING_KEYS = frozenset({"v", "p", "0"})
"""Measure, freeze or unfreeze, and another start on a surface."""
PENDING_COMMANDS = frozenset({"lr-find", "check", "surface"})
