from __future__ import annotations

import pytest
import torch
from PIL import Image
from torch import nn

from nercc_tune.workloads.preprocessing import FixedSize, PlainPixels, TimmPreprocessing, adapt_channels


def _fixed(channels: int = 1, padding: int = 0) -> FixedSize:
    return FixedSize(channels=channels, size=32, mean=(0.5,) * channels, std=(0.25,) * channels, padding=padding)


def test_a_border_is_black_and_the_middle_untouched() -> None:
    query = _fixed(padding=2)(Image.new("L", (28, 28), 255))
    assert torch.equal(query[0, 2:-2, 2:-2], torch.full((28, 28), 2.0))
    assert query.sum() == 2.0 * 28**2 - 2.0 * (32**2 - 28**2)


@pytest.mark.parametrize(("channels", "mode"), [(1, "RGB"), (3, "L"), (3, "P"), (3, "RGBA")])
def test_sizes_and_channels_become_those_of_the_model(channels: int, mode: str) -> None:
    query = _fixed(channels)(Image.new(mode, (8, 11)))
    assert query.shape == (channels, 32, 32)
    assert torch.equal(query, torch.full_like(query, -2.0))


def test_channels_keep_their_values_or_share_the_mean() -> None:
    assert adapt_channels((0.1, 0.2, 0.3), 3) == (0.1, 0.2, 0.3)
    assert adapt_channels((0.1,), 3) == (0.1, 0.1, 0.1)
    assert adapt_channels((0.1, 0.2, 0.3), 1) == pytest.approx((0.2,))


def test_plain_pixels_keep_size_and_greys() -> None:
    assert PlainPixels()(Image.new("L", (3, 2), 255)).tolist() == [[[1.0] * 3] * 2]
    assert PlainPixels()(Image.new("RGBA", (3, 2))).shape == (3, 2, 3)


def test_descriptions_tell_preprocessings_apart() -> None:
    assert (
        len({_fixed().description, _fixed(3).description, _fixed(padding=2).description, PlainPixels().description})
        == 4
    )


def test_timm_states_size_and_normalisation_of_a_model() -> None:
    model = nn.Identity()
    model.pretrained_cfg = {  # type: ignore[assignment]  # timm leaves a plain dict on its models
        "input_size": (3, 48, 48), "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "crop_pct": 1.0,
        "interpolation": "bicubic",
    }  # fmt: skip
    prepare = TimmPreprocessing.of(model)
    query = prepare(Image.new("L", (60, 90), 255))
    assert torch.allclose(query, torch.ones(3, 48, 48))
    assert '"input_size": [3, 48, 48]' in prepare.description
