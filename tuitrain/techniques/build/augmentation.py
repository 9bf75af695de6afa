"""What is done to a batch before the model sees it: random, from a generator of its own, sample by sample.

Written for whole batches on the training device: torchvision's transforms of a batch treat all its images alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional

from tuitrain.protocol.plan import Value
from tuitrain.techniques.build.picture_changes import color_jittered, trivially_augmented
from tuitrain.techniques.regularizers import strength_of


class Augmentation:
    """The batch regularizers, whose strengths may change at any time.

    Args:
        values: name → strength, as in `techniques.regularizers`; a missing one is 0.
        num_classes: of a classification; else 0.
    """

    NAMES = (
        "trivial_augment", "shift", "crop", "scale", "rotate", "flip", "color_jitter", "cutout", "input_noise", "mixup",
        "cutmix",
    )  # fmt: skip

    def __init__(self, values: dict[str, Value], num_classes: int) -> None:
        self.values = {name: strength_of(values, name) for name in self.NAMES}
        self._num_classes = num_classes

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The batch as it is trained on; x and y are left as they are.

        Args:
            x: (n, *input_shape) float32.
            y: (n,) classes or (n, num_targets) numbers.
            generator: source of all randomness, on the CPU.

        Returns:
            x of the same shape; y, or (n, num_classes) shares of classes where samples are mixed.
        """
        on = self.values
        if on["trivial_augment"]:
            x = trivially_augmented(x, on["trivial_augment"], generator)
        if on["shift"]:
            x = shifted(x, int(on["shift"]), generator)
        if on["crop"] or on["scale"] or on["rotate"]:
            x = warped(x, generator, crop=on["crop"], scale=on["scale"], rotate=on["rotate"])
        if on["flip"]:
            is_flipped = torch.rand(len(x), generator=generator).to(x.device) < on["flip"]
            x = torch.where(is_flipped[:, None, None, None], x.flip(-1), x)
        if on["color_jitter"]:
            x = color_jittered(x, on["color_jitter"], generator)
        if on["cutout"]:
            x = cut_out(x, int(on["cutout"]), generator)
        if on["input_noise"]:
            x = x + on["input_noise"] * torch.randn(x.shape, generator=generator).to(x.device)
        if on["mixup"] or on["cutmix"]:
            x, y = self._mixed(x, y, generator)
        return x, y

    def _mixed(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """torchvision's MixUp or CutMix; where both are on, either at random."""
        from torchvision.transforms import v2

        mixup, cutmix = self.values["mixup"], self.values["cutmix"]
        is_mixup = mixup > 0 and (cutmix == 0 or torch.rand((), generator=generator).item() < 0.5)
        images = x if x.ndim == 4 else x.reshape(len(x), -1, 1, 1)  # torchvision mixes nothing but images
        with drawing_from(generator):
            if is_mixup:
                mixed = v2.MixUp(alpha=mixup, num_classes=self._num_classes)(images, y)
            else:
                mixed = v2.CutMix(alpha=cutmix, num_classes=self._num_classes)(images, y)
        return mixed[0].reshape(x.shape), mixed[1].float()


@contextmanager
def drawing_from(generator: torch.Generator) -> Iterator[None]:
    """Let code that knows only torch's global random state draw from `generator`, a CPU one."""
    before = torch.get_rng_state()
    torch.set_rng_state(generator.get_state())
    try:
        yield
        generator.set_state(torch.get_rng_state())
    finally:
        torch.set_rng_state(before)


def shifted(x: Tensor, limit: int, generator: torch.Generator) -> Tensor:
    """Move each image by up to `limit` pixels in each direction; what comes in from outside repeats its edge.

    Args:
        x: (n, channels, height, width).
        limit: at least 1.
        generator: on the CPU.
    """
    count, _, height, width = x.shape
    offsets = torch.randint(0, 2 * limit + 1, (2, count), generator=generator).to(x.device)
    rows = (offsets[0][:, None] - limit + torch.arange(height, device=x.device)).clamp(0, height - 1)  # (n, height)
    columns = (offsets[1][:, None] - limit + torch.arange(width, device=x.device)).clamp(0, width - 1)  # (n, width)
    samples = torch.arange(count, device=x.device)[:, None, None]
    return x.permute(0, 2, 3, 1)[samples, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def warped(x: Tensor, generator: torch.Generator, *, crop: float, scale: float, rotate: float) -> Tensor:
    """Turn, zoom and crop each image on its own, in one bilinear sampling; outside repeats the edge.

    Args:
        x: (n, channels, height, width).
        generator: on the CPU.
        crop: the part kept has an area of at least 1 − crop.
        scale: size changes by a factor between 1 − scale and 1/(1 − scale).
        rotate: largest angle in degrees.
    """
    count = len(x)
    draws = torch.rand((5, count), generator=generator)
    side = torch.sqrt(1.0 - crop * draws[0])
    left, top = (1.0 - side) * (2.0 * draws[1] - 1.0), (1.0 - side) * (2.0 * draws[2] - 1.0)
    zoom = torch.exp(math.log(1.0 - scale) * (2.0 * draws[3] - 1.0)) if scale else torch.ones(count)
    angle = math.radians(rotate) * (2.0 * draws[4] - 1.0)
    aspect = x.shape[2] / x.shape[3]  # the grid is in halves of each side: turning must know their ratio
    cosine, sine = side * zoom * torch.cos(angle), side * zoom * torch.sin(angle)
    theta = torch.stack(
        [torch.stack([cosine, -sine * aspect, left], dim=1), torch.stack([sine / aspect, cosine, top], dim=1)], dim=1
    )
    grid = functional.affine_grid(theta.to(x.device), list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, padding_mode="border", align_corners=False)


def cut_out(x: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Set a square of each image to 0, the mean of standardised data; its centre is anywhere in the image.

    Args:
        x: (n, channels, height, width).
        side: of the square, in pixels.
        generator: on the CPU.
    """
    count, _, height, width = x.shape
    draws = torch.rand((2, count), generator=generator).to(x.device)
    top = torch.floor(draws[0] * height)[:, None] - side // 2
    left = torch.floor(draws[1] * width)[:, None] - side // 2
    rows, columns = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
    in_rows = (rows >= top) & (rows < top + side)  # (n, height)
    in_columns = (columns >= left) & (columns < left + side)  # (n, width)
    return x.masked_fill((in_rows[:, :, None] & in_columns[:, None, :])[:, None], 0.0)
