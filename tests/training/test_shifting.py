"""Augmentation moves pixels, and makes none up."""

from __future__ import annotations

import torch

from nercc_tune.training.shifting import shifted

IMAGES = torch.arange(2 * 3 * 1 * 16 * 16, dtype=torch.float32).reshape(2, 3, 1, 16, 16)


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_each_pixel_is_one_of_its_image() -> None:
    moved = shifted(IMAGES, _generator(), is_flipped=True)
    assert moved.shape == IMAGES.shape
    for before, after in zip(IMAGES.flatten(0, 1), moved.flatten(0, 1), strict=True):
        assert set(after.flatten().tolist()) <= set(before.flatten().tolist())


def test_images_are_shifted_by_an_eighth_at_most_each_on_its_own() -> None:
    many = IMAGES[:1, :1].expand(200, 1, 1, 16, 16)
    moved = shifted(many, _generator(), is_flipped=False)
    centres = moved[:, 0, 0, 8, 8] - many[:, 0, 0, 8, 8]
    rows, columns = (centres / 16).round(), centres - 16 * (centres / 16).round()
    assert set(rows.tolist()) == set(columns.tolist()) == {-2.0, -1.0, 0.0, 1.0, 2.0}


def test_half_of_the_images_are_mirrored() -> None:
    ramp = torch.arange(16.0).expand(400, 1, 1, 16, 16)
    is_mirrored = shifted(ramp, _generator(), is_flipped=True).diff(dim=-1).mean((1, 2, 3, 4)) < 0
    assert 150 < int(is_mirrored.sum()) < 250
    assert not bool((shifted(ramp, _generator(), is_flipped=False).diff(dim=-1) < 0).any())


def test_the_generator_alone_decides() -> None:
    one, again, other = (shifted(IMAGES, _generator(seed), is_flipped=True) for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
