"""The chapters of the lecture, in their order: how home groups the presets."""

from __future__ import annotations

CHAPTERS: dict[str, str] = {
    "Foundations": "data, model, loss, and the step against the gradient",
    "Losses": "what is minimised, and what that punishes",
    "Initialisation": "where weights begin decides whether a deep net learns",
    "Preprocessing and normalisation": "what the first layer sees, and every later one",
    "Optimizers": "which way, and how far",
    "Learning rate": "the first hyper-parameter",
    "Schedules": "start high, then decay",
    "Babysitting": "reading the curves: overfitting, underfitting, too high, too low",
    "Regularization": "noise in training, the mean at test",
    "Batch size": "how many samples a step",
    "Depth": "what skips are for",
}
"""Name → what it is about."""
