"""What is done to a batch: it does what it says, sample by sample, from a generator of its own."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from tuitrain.techniques.build.augmentation import Augmentation, cut_out, drawing_from, warped
from tuitrain.techniques.regularizers import REGULARIZERS

STRENGTHS: dict[str, Any] = {
    "shift": 2, "crop": 0.4, "scale": 0.3, "rotate": 20.0, "flip": 0.5, "cutout": 4, "input_noise": 0.5, "mixup": 0.2,
    "cutmix": 1.0, "color_jitter": 0.5, "trivial_augment": 1.0,
}  # fmt: skip
COUNT = 64


def images(height: int = 12, width: int = 12, channels: int = 2) -> Tensor:
    return torch.randn(COUNT, channels, height, width, generator=torch.Generator().manual_seed(0))


def labels() -> Tensor:
    return torch.arange(COUNT) % 4


def only(name: str) -> dict[str, Any]:
    """One of them, at the strength above."""
    return {name: STRENGTHS[name]}


def augmented(x: Tensor, seed: int = 0, **strengths: Any) -> tuple[Tensor, Tensor]:
    return Augmentation(strengths, 4)(x, labels()[: len(x)], torch.Generator().manual_seed(seed))


def test_the_names_are_those_of_the_table() -> None:
    """Everything that acts on the batch."""
    assert set(Augmentation.NAMES) == {name for name, spec in REGULARIZERS.items() if spec.where == "batch"}
    assert set(STRENGTHS) == set(Augmentation.NAMES)


@pytest.mark.parametrize("name", list(STRENGTHS))
@pytest.mark.parametrize("shape", [(12, 12), (8, 14)])
def test_one_regularizer_keeps_shapes_leaves_its_input_and_draws_from_its_own_generator(
    name: str, shape: tuple[int, int]
) -> None:
    """The same seed gives the same batch, another one another; torch's random state is not touched."""
    x = images(*shape)
    before, state = x.clone(), torch.get_rng_state()
    found, shares = augmented(x, **only(name))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(x, before)
    assert found.shape == x.shape
    assert found.dtype == torch.float32
    assert found.isfinite().all()
    assert not torch.equal(found, x)
    again, again_shares = augmented(x, **only(name))
    assert torch.equal(found, again)
    assert torch.equal(shares, again_shares)
    assert not torch.equal(augmented(x, seed=1, **only(name))[0], found)
    assert shares.shape == ((COUNT, 4) if name in {"mixup", "cutmix"} else (COUNT,))


def test_without_any_the_batch_is_the_very_same_and_nothing_is_drawn() -> None:
    """Not even a copy."""
    x, y, generator = images(), labels(), torch.Generator().manual_seed(3)
    state = generator.get_state()
    found = Augmentation({}, 4)(x, y, generator)
    assert found[0] is x
    assert found[1] is y
    assert torch.equal(generator.get_state(), state)


def test_all_of_them_together_work() -> None:
    """In one batch."""
    x, y = augmented(images(), **STRENGTHS)
    assert x.isfinite().all()
    torch.testing.assert_close(y.sum(1), torch.ones(COUNT))


def test_a_flip_mirrors_that_share_of_the_images() -> None:
    """Left to right; all at 1."""
    x = images()
    assert torch.equal(augmented(x, flip=1.0)[0], x.flip(-1))
    half = augmented(x, flip=0.5)[0]
    flipped = [bool(torch.equal(one, two.flip(-1))) for one, two in zip(half, x, strict=True)]
    kept = [bool(torch.equal(one, two)) for one, two in zip(half, x, strict=True)]
    assert sum(flipped) + sum(kept) == COUNT
    assert 16 < sum(flipped) < 48


@pytest.mark.parametrize("side", [1, 3, 4, 30])
def test_a_cutout_erases_one_square(side: int) -> None:
    """Of that side, where it lies within the image; every other pixel is as it was."""
    x = torch.ones(2000, 2, 9, 9)
    erased = cut_out(x, side, torch.Generator().manual_seed(0)) == 0
    assert torch.equal(erased[:, 0], erased[:, 1])
    for mask in erased[:, 0]:
        rows, columns = mask.any(1).sum().item(), mask.any(0).sum().item()
        assert mask.sum() == rows * columns
        assert min(rows, columns) >= 1
        assert max(rows, columns) <= min(side, 9)
    assert erased.any(0).all()
    if side <= 4:
        assert (erased[:, 0].sum((1, 2)) == side * side).any()


def test_input_noise_has_its_deviation() -> None:
    """Also on vectors."""
    x = torch.zeros(64, 200)
    noise, _ = augmented(x, input_noise=0.7)
    assert noise.std().item() == pytest.approx(0.7, rel=0.03)
    assert noise.mean().item() == pytest.approx(0.0, abs=0.03)


def test_a_rotation_turns_by_at_most_its_angle_and_keeps_the_distance_to_the_middle() -> None:
    """In pixels, also of an image that is no square."""
    for height, width in ((21, 21), (21, 41)):
        x = torch.zeros(COUNT, 1, height, width)
        middle_row, middle_column = (height - 1) // 2, (width - 1) // 2
        x[:, :, middle_row, middle_column + 8] = 1.0
        turned = warped(x, torch.Generator().manual_seed(0), crop=0.0, scale=0.0, rotate=45.0)[:, 0]
        mass = turned.sum((1, 2))
        rows = (turned.sum(2) * torch.arange(height)).sum(1) / mass - middle_row
        columns = (turned.sum(1) * torch.arange(width)).sum(1) / mass - middle_column
        torch.testing.assert_close(torch.hypot(rows, columns), torch.full((COUNT,), 8.0), atol=0.35, rtol=0.0)
        angles = torch.rad2deg(torch.atan2(rows, columns))
        assert angles.abs().max() <= 47
        assert angles.min() < -30
        assert angles.max() > 30


def test_a_scale_zooms_within_its_factor() -> None:
    """Two dots come nearer or farther by 1 − s to 1/(1 − s)."""
    x = torch.zeros(COUNT, 1, 41, 41)
    x[:, :, 20, 10] = x[:, :, 20, 30] = 1.0
    zoomed = warped(x, torch.Generator().manual_seed(0), crop=0.0, scale=0.3, rotate=0.0)[:, 0, 20]
    left = zoomed[:, :20].argmax(1)
    right = zoomed[:, 20:].argmax(1) + 20
    factors = (right - left) / 20
    assert factors.min() >= 0.69
    assert factors.max() <= 1.46
    assert factors.min() < 0.8
    assert factors.max() > 1.25


def test_a_crop_keeps_at_least_its_share_of_the_area() -> None:
    """A ramp shows which part was taken: its slope is the side, its middle the place, both within the image."""
    ramp = torch.linspace(-1, 1, 101).expand(COUNT, 1, 101, 101)
    taken = warped(ramp, torch.Generator().manual_seed(0), crop=0.5, scale=0.0, rotate=0.0)[:, 0, 50]
    sides = taken[:, 75] - taken[:, 25]  # half of the width, where the whole ramp gives 1
    assert sides.min() >= math.sqrt(0.5) - 0.02
    assert sides.max() <= 1.01
    assert sides.min() < 0.8
    middles = taken[:, 50].abs()
    assert (middles <= 1 - sides + 0.02).all()
    assert middles.max() > 0.05


def test_no_warp_is_the_image_itself() -> None:
    """Bilinear sampling at the pixels."""
    x = images()
    torch.testing.assert_close(warped(x, torch.Generator(), crop=0.0, scale=0.0, rotate=0.0), x, atol=1e-5, rtol=0.0)


@pytest.mark.parametrize("shape", [(2, 12, 12), (5,)])
def test_mixup_blends_inputs_and_labels_by_one_weight(shape: tuple[int, ...]) -> None:
    """λ x + (1 − λ) x', λ y + (1 − λ) y'; of images and of vectors."""
    x = torch.randn(COUNT, *shape, generator=torch.Generator().manual_seed(0))
    mixed, shares = augmented(x, mixup=1.0)
    lam = shares[0, labels()[0]].item()
    assert 0.0 < lam < 1.0
    torch.testing.assert_close(mixed, lam * x + (1 - lam) * x.roll(1, 0), atol=1e-5, rtol=1e-5)
    one_hot = torch.nn.functional.one_hot(labels(), 4).float()
    torch.testing.assert_close(shares, lam * one_hot + (1 - lam) * one_hot.roll(1, 0))


def test_cutmix_pastes_a_patch_and_mixes_labels_by_its_area() -> None:
    """Each pixel is of one image or the other, and the share of the label is the share of the pixels."""
    x = images()
    areas = []
    for seed in range(8):
        mixed, shares = augmented(x, seed=seed, cutmix=1.0)
        is_other = (mixed != x).any(1)
        assert torch.equal(torch.where(is_other[:, None], x.roll(1, 0), x), mixed)
        areas.append(is_other.float().mean().item())
        assert shares[0, labels()[0]].item() == pytest.approx(1 - areas[-1], abs=1e-6)
    assert max(areas) > 0.1


def test_both_mixes_take_turns() -> None:
    """Some batches are blended, some pasted."""
    x = images()
    pasted = []
    for seed in range(30):
        mixed, _ = augmented(x, seed=seed, mixup=0.8, cutmix=0.8)
        pasted.append(bool(((mixed == x) | (mixed == x.roll(1, 0))).all()))
    assert 5 < sum(pasted) < 25


def test_drawing_from_a_generator_moves_it_and_not_the_global_state() -> None:
    """Also when what draws fails."""
    generator, reference = torch.Generator().manual_seed(5), torch.Generator().manual_seed(5)
    before = torch.get_rng_state()
    with drawing_from(generator):
        drawn = torch.rand(3)
    assert torch.equal(drawn, torch.rand(3, generator=reference))
    assert torch.equal(generator.get_state(), reference.get_state())
    with pytest.raises(ValueError, match="x"), drawing_from(generator):
        raise ValueError("x")
    assert torch.equal(torch.get_rng_state(), before)
