"""Data made from formulas: numpy only, the same for the same seed on every machine."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LINE_FLOOR = 1.115
"""Mean squared residual of the `line` data around their least-squares line."""


class Arrays(NamedTuple):
    """Training and validation data as they come, before preprocessing."""

    train_x: NDArray[np.generic]
    train_y: NDArray[np.generic]
    validation_x: NDArray[np.generic]
    validation_y: NDArray[np.generic]


def line(seed: int, num_train: int, num_validation: int) -> Arrays:
    """The line y = 2x + 1 with x in (0, 100) and noise scaled so that no line fits better than `LINE_FLOOR`."""
    rng = np.random.default_rng(seed)
    train_x, train_y = _line_points(rng, num_train)
    validation_x, validation_y = _line_points(rng, num_validation)
    return Arrays(train_x, train_y, validation_x, validation_y)


def line_outliers(seed: int, num_train: int, num_validation: int) -> Arrays:
    """The line y = 2x + 1 with x in (−3, 3), noise of deviation 0.3, and one training point in ten moved up by 20."""
    rng = np.random.default_rng(seed)
    halves = []
    for count, is_training in ((num_train, True), (num_validation, False)):
        x = rng.uniform(-3.0, 3.0, (count, 1))
        y = 2.0 * x + 1.0 + 0.3 * rng.standard_normal((count, 1))
        if is_training:
            y[rng.permutation(count)[: count // 10]] += 20.0
        halves.append((x.astype(np.float32), y.astype(np.float32)))
    return Arrays(halves[0][0], halves[0][1], halves[1][0], halves[1][1])


def spiral(seed: int, num_train: int, num_validation: int) -> Arrays:
    """Two arms of an Archimedean spiral, one and a half turns, with a little noise."""
    rng = np.random.default_rng(seed)
    points = [_spiral_points(rng, count) for count in (num_train, num_validation)]
    return Arrays(points[0][0], points[0][1], points[1][0], points[1][1])


def moons(seed: int, num_train: int, num_validation: int) -> Arrays:
    """Two half circles of radius 1 that reach into each other, with noise of deviation 0.2."""
    rng = np.random.default_rng(seed)
    points = [_moon_points(rng, count) for count in (num_train, num_validation)]
    return Arrays(points[0][0], points[0][1], points[1][0], points[1][1])


def sine_25(seed: int, num_train: int, num_validation: int) -> Arrays:
    """y = sin(x) + 0.3 ε with x uniform in (−π, π); validation is the sine on a grid, without noise.

    The mean over many seeds of the squared error there is bias² + variance (Geman et al. 1992).
    """
    rng = np.random.default_rng(seed)
    x = rng.uniform(-np.pi, np.pi, (num_train, 1))
    y = np.sin(x) + 0.3 * rng.standard_normal((num_train, 1))
    grid = np.linspace(-np.pi, np.pi, num_validation)[:, None]
    return Arrays(x.astype(np.float32), y.astype(np.float32), grid.astype(np.float32), np.sin(grid).astype(np.float32))


def lab_wave(seed: int, num_train: int, num_validation: int) -> Arrays:
    """The wave y = exp(−x²) cos(10x) + 0.03 ε with x uniform in (−3, 3): the data of the optimizer lab."""
    rng = np.random.default_rng(seed)
    halves = []
    for count in (num_train, num_validation):
        x = rng.uniform(-3.0, 3.0, (count, 1))
        y = np.exp(-(x**2)) * np.cos(10.0 * x) + 0.03 * rng.standard_normal((count, 1))
        halves.append((x.astype(np.float32), y.astype(np.float32)))
    return Arrays(halves[0][0], halves[0][1], halves[1][0], halves[1][1])


def nothing(seed: int, num_train: int, num_validation: int) -> Arrays:  # noqa: ARG001
    """What a point on a surface is trained on: one empty sample a side, so that a step is one look at the function."""
    train, validation = np.zeros((num_train, 1), np.float32), np.zeros((num_validation, 1), np.float32)
    return Arrays(train, train, validation, validation)


def textures(seed: int, num_train: int, num_validation: int) -> Arrays:
    """Fine wavy stripes in ten directions, 18° apart, 14×14 pixels, with the same number of each direction."""
    rng = np.random.default_rng(seed)
    pictures = [_stripes(rng, count) for count in (num_train, num_validation)]
    return Arrays(pictures[0][0], pictures[0][1], pictures[1][0], pictures[1][1])


def _line_points(rng: np.random.Generator, count: int) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    x = rng.uniform(0.0, 100.0, count)
    noise = rng.standard_normal(count)
    design = np.stack([x, np.ones(count)], axis=1)
    noise -= design @ np.linalg.lstsq(design, noise, rcond=None)[0]
    noise *= np.sqrt(LINE_FLOOR / np.mean(noise**2))
    y = 2.0 * x + 1.0 + noise
    return x[:, None].astype(np.float32), y[:, None].astype(np.float32)


def _spiral_points(rng: np.random.Generator, count: int) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    label = np.arange(count) % 2
    along = np.sqrt(rng.uniform(0.02, 1.0, count))
    angle = 3.0 * np.pi * along + np.pi * label
    points = np.stack([along * np.cos(angle), along * np.sin(angle)], axis=1)
    points += 0.02 * rng.standard_normal(points.shape)
    return points.astype(np.float32), label.astype(np.int64)


def _stripes(rng: np.random.Generator, count: int) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    """White noise, of which only waves of about 2.2 pixels in one direction are left; and white noise on top."""
    label = np.arange(count) % 10
    angle = np.pi * label[:, None, None] / 10.0
    rows, columns = np.meshgrid(*(2.0 * np.pi * np.fft.fftfreq(32),) * 2, indexing="ij")
    kept = np.zeros((count, 32, 32))
    for sign in (-1.0, 1.0):
        away = (columns - sign * 2.8 * np.cos(angle)) ** 2 + (rows - sign * 2.8 * np.sin(angle)) ** 2
        kept += np.exp(-away / (2.0 * 0.3**2))
    waves = np.fft.ifft2(np.fft.fft2(rng.standard_normal(kept.shape)) * kept).real[:, :14, :14]
    pictures = waves / waves.std() + 0.8 * rng.standard_normal(waves.shape)
    return pictures.astype(np.float32), label.astype(np.int64)


def _moon_points(rng: np.random.Generator, count: int) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    label = np.arange(count) % 2
    angle = rng.uniform(0.0, np.pi, count)
    sign = 1.0 - 2.0 * label
    points = np.stack([label + sign * np.cos(angle), 0.5 * label + sign * np.sin(angle)], axis=1)
    points += 0.2 * rng.standard_normal(points.shape)
    return points.astype(np.float32), label.astype(np.int64)
