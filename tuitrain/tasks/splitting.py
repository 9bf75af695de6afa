"""Which samples are trained on and which are kept for validation: numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def stratified_split(
    labels: NDArray[np.generic], num_train: int, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of training and validation samples, drawn at random with the same share of every class on both sides.

    Drawn, because neighbours in the embedded files were written by the same people: taking the first so many
    costs 2 to 4 points of validation accuracy.
    """
    ranks = np.empty(len(labels))
    rng = np.random.default_rng(seed)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        ranks[members] = (np.arange(len(members)) + 0.5) / len(members)
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[np.argsort(ranks, kind="stable")[:num_train]] = True
    return np.flatnonzero(chosen), np.flatnonzero(~chosen)


def split_with_all_classes(
    labels: NDArray[np.integer], num_train: int, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """As `stratified_split`, and every class has at least one sample on either side.

    Where a small class fell on one side as a whole, one sample of it changes sides, so that the training side may
    be off `num_train` by as many samples as there are such classes.

    Args:
        labels: (n,) classes, each at least twice.
        num_train: samples to train on, more or less.
        seed: of the draw.
    """
    train, validation = stratified_split(labels, num_train, seed)
    is_train = np.zeros(len(labels), dtype=bool)
    is_train[train] = True
    num_classes = int(labels.max()) + 1
    for side in (train, validation):
        for label in np.flatnonzero(np.bincount(labels[side], minlength=num_classes) == 0):
            members = np.flatnonzero(labels == label)
            if len(members):
                is_train[members[0]] = side is train
    return np.flatnonzero(is_train), np.flatnonzero(~is_train)
