"""Augmentation: queries shifted by whole pixels, and mirrored."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["shifted"]

_SHARE = 1 / 8  # of the width: 4 of the 32 pixels of CIFAR-10, as is usual there


def shifted(images: Tensor, generator: torch.Generator, *, is_flipped: bool) -> Tensor:
    """Return images [B, K, C, H, W] of which each is shifted by up to an eighth of its size, the edge being repeated.

    Args:
        images: Normalised.
        generator: Draws, on the CPU.
        is_flipped: Whether half of them are mirrored, too.
    """
    flat = images.flatten(0, 1)
    count, size = len(flat), flat.shape[-2:]
    most = max(1, round(min(size) * _SHARE))
    shifts = torch.randint(0, 2 * most + 1, (2, count, 1), generator=generator)
    rows, columns = (torch.arange(length).expand(count, length) for length in size)
    if is_flipped:
        is_mirrored = torch.rand(count, 1, generator=generator) < 0.5
        columns = torch.where(is_mirrored, size[1] - 1 - columns, columns)
    padded = nn.functional.pad(flat, (most,) * 4, mode="replicate")
    rows, columns = ((places + shift).to(flat.device) for places, shift in zip((rows, columns), shifts, strict=True))
    at = torch.arange(count, device=flat.device)[:, None, None]
    taken = padded[at, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    return taken.reshape(images.shape)
