"""Changes of pictures that keep their label: brightness and colour, and TrivialAugment's one of many.

Pictures come as they are trained on, mean 0 or not: what is black and what is white is taken from each picture itself.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

_LARGEST_SHEAR = 0.3
_LARGEST_SHIFT = 10.0 / 32.0
_LARGEST_ANGLE = 30.0
_LARGEST_FACTOR = 0.9
_FEWEST_LEVELS = 2.0**4

CHANGES = (
    "identity", "shear-x", "shear-y", "shift-x", "shift-y", "rotate", "brightness", "contrast", "sharpness",
    "posterize", "solarize", "autocontrast", "saturation",
)  # fmt: skip
"""What TrivialAugment chooses from; the last one of colour pictures alone."""
_NUM_WARPS = 6
"""Those that move pixels, and the one that does nothing."""


def color_jittered(x: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Brightness, contrast, and of three channels saturation and hue, each picture by factors of its own.

    Args:
        x: (n, channels, height, width).
        strength: factors are within 1 ± strength, the hue turns by up to strength/4 of the circle.
        generator: on the CPU.
    """
    draws = (2.0 * torch.rand((4, len(x)), generator=generator) - 1.0).to(x.device)
    factors = 1.0 + strength * draws[:3, :, None, None, None]
    low, high = _range(x)
    x = _contrasted(_brightened(x, factors[0], low), factors[1])
    if x.shape[1] == 3:
        x = _hue_turned(_saturated(x, factors[2]), 0.5 * math.pi * strength * draws[3])
    return x.clamp(low, high)


def trivially_augmented(x: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """One change of `CHANGES` for each picture, of a strength of its own (Müller & Hutter 2021, arXiv 2103.10158).

    The ranges are those of its RA space: shears to 0.3, shifts to 10 pixels of 32, turns to 30°, factors 0.1 to 1.9,
    down to 4 bits; solarize turns over what is above a threshold. Equalize is left out.

    Args:
        x: (n, channels, height, width).
        share: of the pictures that are changed at all, 0 to 1.
        generator: on the CPU.
    """
    count, is_colour = len(x), x.shape[1] == 3
    kind = torch.randint(0, len(CHANGES) if is_colour else len(CHANGES) - 1, (count,), generator=generator)
    draws = torch.rand((3, count), generator=generator)
    kind = torch.where(draws[0] < share, kind, 0).to(x.device)
    strength = torch.round(30.0 * draws[1]).div(30.0).to(x.device)  # 31 steps, as in the paper
    sign = torch.where(draws[2] < 0.5, -1.0, 1.0).to(x.device)
    moved = _warped_by_kind(x, kind, strength * sign)
    factor = (1.0 + _LARGEST_FACTOR * strength * sign)[:, None, None, None]
    low, high = _range(x)
    span = (high - low).clamp(min=1e-12)
    levels = torch.round(256.0 * (_FEWEST_LEVELS / 256.0) ** strength)[:, None, None, None]
    threshold = low + (1.0 - strength)[:, None, None, None] * span
    changed = {
        "brightness": _brightened(x, factor, low), "contrast": _contrasted(x, factor),
        "sharpness": _blurred(x).lerp(x, factor),
        "posterize": low + torch.floor((x - low) / span * levels) / levels * span,
        "solarize": torch.where(x > threshold, high + low - x, x), "autocontrast": _stretched(x, low, span),
        "saturation": _saturated(x, factor) if is_colour else x,
    }  # fmt: skip
    found = torch.where((kind < _NUM_WARPS)[:, None, None, None], moved, x)
    for number, name in enumerate(CHANGES[_NUM_WARPS:], start=_NUM_WARPS):
        found = torch.where((kind == number)[:, None, None, None], changed[name].clamp(low, high), found)
    return found


def _warped_by_kind(x: Tensor, kind: Tensor, strength: Tensor) -> Tensor:
    """Each picture sheared, moved or turned, as its kind says; outside repeats the edge."""
    nothing = torch.zeros_like(strength)
    by_kind = {name: torch.where(kind == CHANGES.index(name), strength, nothing) for name in CHANGES[1:_NUM_WARPS]}
    angle = math.radians(_LARGEST_ANGLE) * by_kind["rotate"]
    aspect = x.shape[2] / x.shape[3]  # the grid is in halves of each side: turning must know their ratio
    cosine, sine = torch.cos(angle), torch.sin(angle)
    top = [cosine, (_LARGEST_SHEAR * by_kind["shear-x"] - sine) * aspect, 2.0 * _LARGEST_SHIFT * by_kind["shift-x"]]
    bottom = [(_LARGEST_SHEAR * by_kind["shear-y"] + sine) / aspect, cosine, 2.0 * _LARGEST_SHIFT * by_kind["shift-y"]]
    theta = torch.stack([torch.stack(top, dim=1), torch.stack(bottom, dim=1)], dim=1)
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, padding_mode="border", align_corners=False)


def _range(x: Tensor) -> tuple[Tensor, Tensor]:
    """The darkest and the brightest value of each picture, (n, 1, 1, 1)."""
    return x.amin(dim=(1, 2, 3), keepdim=True), x.amax(dim=(1, 2, 3), keepdim=True)


def _brightened(x: Tensor, factor: Tensor, low: Tensor) -> Tensor:
    return low + factor * (x - low)


def _contrasted(x: Tensor, factor: Tensor) -> Tensor:
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return mean + factor * (x - mean)


def _saturated(x: Tensor, factor: Tensor) -> Tensor:
    """(n, 3, height, width): 0 is grey, 1 as it is."""
    grey = x.mean(dim=1, keepdim=True)
    return grey + factor * (x - grey)


def _hue_turned(x: Tensor, angle: Tensor) -> Tensor:
    """Colours turned around the axis of greys, by angles (n,) in radians (Rodrigues' formula)."""
    cosine, sine = torch.cos(angle)[:, None, None, None], torch.sin(angle)[:, None, None, None]
    grey = x.mean(dim=1, keepdim=True)
    across = (x.roll(-1, 1) - x.roll(1, 1)) / math.sqrt(3.0)
    return grey + cosine * (x - grey) + sine * across


def _blurred(x: Tensor) -> Tensor:
    """The mean of 3×3 pixels with five times the weight in the middle, as Pillow's SMOOTH."""
    around = functional.avg_pool2d(functional.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return (9.0 * around + 4.0 * x) / 13.0


def _stretched(x: Tensor, low: Tensor, span: Tensor) -> Tensor:
    """Each channel to the whole range of the picture."""
    least, most = x.amin(dim=(2, 3), keepdim=True), x.amax(dim=(2, 3), keepdim=True)
    return low + (x - least) / (most - least).clamp(min=1e-12) * span
