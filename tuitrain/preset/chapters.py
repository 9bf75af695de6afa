"""The chapters of the lecture, in their order: how home groups the presets."""

from __future__ import annotations

from collections.abc import Iterable

from tuitrain.preset.schema import Preset

CHAPTERS: dict[str, str] = {
    "Foundations": "data, model, loss, and the step against the gradient",
    "Losses": "what is minimised, and what that punishes",
    "Initialisation": "where weights begin decides whether a deep net learns",
    "Preprocessing and normalisation": "what the first layer sees, and every later one",
    "Surfaces": "optimizers as points on a function, racing from one start",
    "Optimizers": "which way, and how far",
    "Learning rate": "the first hyper-parameter",
    "Schedules": "start high, then decay",
    "Babysitting": "reading the curves: overfitting, underfitting, too high, too low",
    "Regularization": "noise in training, the mean at test",
    "Ensembles": "several predictions as one, and averages of the weights",
    "Batch size": "how many samples a step",
    "Depth": "what skips are for",
    "Transfer": "weights of another task: what to keep, what to train again",
    "Architectures": "networks that made history, and what they read",
}
"""Name → what it is about."""


def by_chapter(presets: Iterable[Preset]) -> dict[str, list[Preset]]:
    """Chapter → its presets in their order; those of no chapter come last, under an empty name."""
    found: dict[str, list[Preset]] = {chapter: [] for chapter in (*CHAPTERS, "")}
    for preset in sorted(presets, key=lambda preset: (preset.order, preset.name)):
        found.get(preset.chapter, found[""]).append(preset)
    return {chapter: members for chapter, members in found.items() if members}
