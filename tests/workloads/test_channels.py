from __future__ import annotations

import pytest
import torch
from PIL import Image
from torch import nn

from nercc_tune.workloads.channels import fit_channels
from nercc_tune.workloads.image_set import ImageSet
from nercc_tune.workloads.queries import ImageQueries

_GREY, _MIXED, _COLOURED = ("L", "1", "LA", "I;16"), ("L", "RGB", "P", "RGBA"), ("RGB", "P", "RGBA", "CMYK")


class _TakesAll(nn.Module):
    def forward(self, queries: torch.Tensor) -> torch.Tensor:
        return queries.mean((1, 2, 3), keepdim=True)[:, :, 0, 0]


def _images(modes: tuple[str, ...]) -> ImageSet:
    return ImageSet(
        name="mixed",
        split="all",
        labels=torch.zeros(len(modes), dtype=torch.int64),
        open=lambda index: Image.new(modes[index], (4, 4)),
    )


@pytest.mark.parametrize("modes", [_GREY, _MIXED, _MIXED[::-1], _COLOURED])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_model_gets_the_channels_that_it_takes_whatever_the_files_are(modes: tuple[str, ...], channels: int) -> None:
    images = _images(modes)
    preprocessing, notes = fit_channels(nn.Conv2d(channels, 2, 4), images, model_name="conv")
    queries, _ = ImageQueries(images=images, preprocessing=preprocessing).load(range(4))
    assert queries.shape == (4, channels, 4, 4)
    expected = {
        1: ("`conv` takes one channel: coloured images are turned grey",) * (modes != _GREY),
        3: ("`conv` takes three channels: grey images get three equal channels",) * (modes != _COLOURED),
    }
    assert notes == expected[channels]


@pytest.mark.parametrize(("modes", "channels"), [(_GREY, 1), (_MIXED, 3), (_COLOURED, 3)])
@pytest.mark.parametrize("model", [_TakesAll(), nn.Linear(7, 2)], ids=["takes both", "takes neither"])
def test_the_images_say_where_the_model_does_not(modes: tuple[str, ...], channels: int, model: nn.Module) -> None:
    preprocessing, _ = fit_channels(model, _images(modes), model_name="any")
    assert preprocessing.channels == channels
