"""Colour jitter and TrivialAugment: each picture by itself, within its own range, from a generator."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tuitrain.techniques.build import picture_changes
from tuitrain.techniques.build.picture_changes import CHANGES, color_jittered, trivially_augmented

COUNT = 300


def pictures(channels: int = 1, side: int = 16) -> Tensor:
    return torch.rand(COUNT, channels, side, side, generator=torch.Generator().manual_seed(0)) * 3.0 - 1.0


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("change", [color_jittered, trivially_augmented])
def test_a_picture_stays_within_its_own_range_and_a_flat_one_stays_flat(change: object, channels: int) -> None:
    """Whatever preprocessing made of black and white: with 5 added, what comes out has 5 more."""
    assert callable(change)
    x = pictures(channels)
    found = change(x, 0.9, generator())
    assert found.shape == x.shape
    low, high = x.amin(dim=(1, 2, 3), keepdim=True), x.amax(dim=(1, 2, 3), keepdim=True)
    assert (found >= low - 1e-5).all()
    assert (found <= high + 1e-5).all()
    torch.testing.assert_close(change(x + 5.0, 0.9, generator()), found + 5.0, atol=1e-3, rtol=0.0)
    torch.testing.assert_close(change(torch.full_like(x, 0.7), 0.9, generator()), torch.full_like(x, 0.7))


def test_color_jitter_changes_brightness_and_contrast_by_up_to_its_strength() -> None:
    """Two pixels of grey, far from where it is cut off: their distance is multiplied, within the bounds of both."""
    x = torch.zeros(COUNT, 1, 8, 8)
    x[:, :, 0, 0], x[:, :, 1, :2] = 10.0, torch.tensor([1.0, 2.0])
    found = color_jittered(x, 0.4, generator())
    factors = found[:, 0, 1, 1] - found[:, 0, 1, 0]
    assert 0.36 - 1e-5 <= factors.min() < 0.6
    assert 1.5 < factors.max() <= 1.96 + 1e-5


def test_grey_stays_grey_in_a_colour_picture() -> None:
    """Saturation and hue change colours alone; they keep the mean of the channels, and the hue the distance to grey."""
    grey = pictures().expand(-1, 3, -1, -1)
    found = color_jittered(grey, 0.8, generator())
    torch.testing.assert_close(found[:, 0], found[:, 1])
    x, angle = pictures(3), torch.linspace(-3.0, 3.0, COUNT)
    turned = picture_changes._hue_turned(x, angle)
    torch.testing.assert_close(turned.mean(1), x.mean(1), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(turned.var(1), x.var(1), atol=1e-4, rtol=1e-4)
    back = picture_changes._hue_turned(turned, -angle)
    torch.testing.assert_close(back, x, atol=1e-4, rtol=1e-4)
    third = picture_changes._hue_turned(x, torch.full((COUNT,), 2.0 * torch.pi / 3.0))
    assert min((third - x.roll(shift, 1)).abs().max().item() for shift in (1, 2)) < 1e-4


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_trivial_augment_changes_that_share_of_the_pictures(share: float) -> None:
    """One kind in twelve does nothing, and some of no strength do not either."""
    x = pictures()
    is_changed = ((trivially_augmented(x, share, generator()) - x).abs() > 1e-4).flatten(1).any(1).float().mean().item()
    assert 0.75 * share - 0.02 <= is_changed <= share + 0.05


@pytest.mark.parametrize("name", CHANGES)
def test_each_kind_does_what_its_name_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone: identity nothing; those that move pixels move them; those of light keep every pixel's place."""
    number = CHANGES.index(name)
    drawn = torch.randint
    monkeypatch.setattr(torch, "randint", lambda *args, **options: drawn(*args, **options) * 0 + number)
    x = pictures(3)
    found = trivially_augmented(x, 1.0, generator())
    is_same = ((found - x).abs() < 1e-4).flatten(1).all(1).float().mean().item()
    if name == "identity":
        assert is_same == 1.0
        return
    assert is_same < 0.5
    dot = torch.zeros(COUNT, 3, 17, 17)
    dot[:, :, 8, 8] = 1.0
    moved = trivially_augmented(dot, 1.0, generator())
    if name in {"shift-x", "shift-y"}:
        kept = moved.sum((1, 2, 3) if name == "shift-x" else (1, 3, 2)) > 0
        assert kept.float().mean() > 0.9
        rows = moved[:, 0].sum(2 if name == "shift-y" else 1).argmax(1)
        assert (rows - 8).abs().max() <= 6  # 10 of 32 pixels
        assert (rows - 8).abs().max() >= 4
    elif name in {"brightness", "contrast", "sharpness", "posterize", "autocontrast", "saturation"}:
        assert moved.argmax(dim=-1).shape == dot.argmax(dim=-1).shape
        assert (moved[:, 0].flatten(1).argmax(1) == 8 * 17 + 8).float().mean() > 0.9


def test_a_kind_and_a_strength_for_each_picture() -> None:
    """The same picture everywhere becomes many different ones, the same for the same seed."""
    x = pictures()[:1].expand(COUNT, -1, -1, -1)
    found = trivially_augmented(x, 1.0, generator())
    assert len({picture.numpy().tobytes() for picture in found}) > 0.7 * COUNT
    assert torch.equal(found, trivially_augmented(x, 1.0, generator()))
    assert not torch.equal(found, trivially_augmented(x, 1.0, generator(1)))
