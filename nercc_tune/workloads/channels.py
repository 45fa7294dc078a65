"""How many channels a model takes that does not say it."""

from __future__ import annotations

import torch
from PIL import Image
from torch import nn

from nercc_tune.workloads.image_set import ImageSet, sample_indices
from nercc_tune.workloads.pixels import has_colours
from nercc_tune.workloads.preprocessing import PlainPixels

__all__ = ["fit_channels"]

_REFUSALS = (RuntimeError, ValueError, TypeError, AssertionError, IndexError, NotImplementedError)


def fit_channels(model: nn.Module, images: ImageSet, *, model_name: str) -> tuple[PlainPixels, tuple[str, ...]]:
    """Try which channels a model takes, and return the plain preprocessing that gives them, with what to know of it.

    A folder may mix grey files and coloured ones, so one image does not tell. A model that takes both gets RGB where a
    sample of the images holds colours; for one that takes neither the same is returned, and its refusal is told later.
    """
    sample = [has_colours(images.open(index)) for index in sample_indices(len(images))]
    first = images.open(0)
    wanted = (3, 1) if any(sample) else (1, 3)
    channels = next((count for count in wanted if _answers(model, first, count)), wanted[0])
    changed = any(sample) if channels == 1 else not all(sample)
    how = "coloured images are turned grey" if channels == 1 else "grey images get three equal channels"
    many = "one channel" if channels == 1 else "three channels"
    return PlainPixels(channels=channels), (f"`{model_name}` takes {many}: {how}",) * changed


def _answers(model: nn.Module, image: Image.Image, channels: int) -> bool:
    query = PlainPixels(channels=channels)(image)
    try:
        with torch.no_grad():
            model(query[None])
    except _REFUSALS:
        return False
    return True
