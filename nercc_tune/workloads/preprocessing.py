"""From a decoded image to the input of a model."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn

from nercc_tune.workloads.pixels import has_colours, to_mode

__all__ = ["FixedSize", "PlainPixels", "Preprocessing", "TimmPreprocessing", "adapt_channels"]

_MODES: dict[int, Literal["L", "RGB"]] = {1: "L", 3: "RGB"}


class Preprocessing(Protocol):
    """Turns an image into a float32 tensor [channels, height, width]; `description` says how, for the fingerprint."""

    @property
    def description(self) -> str:
        """What is done, in one line."""

    @property
    def is_sized(self) -> bool:
        """Whether images of all sizes and channels come out in one shape."""

    def __call__(self, image: Image.Image) -> Tensor:
        """Prepare one image."""


def _to_bytes(image: Image.Image) -> Tensor:
    pixels = np.array(image, dtype=np.uint8)
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def adapt_channels(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """Give one value a channel: those of the data set where the counts agree, else their mean for every channel."""
    return values if len(values) == channels else (sum(values) / len(values),) * channels


@dataclass(frozen=True, kw_only=True)
class FixedSize:
    """What the package's own models expect: `size` by `size` pixels, normalised by the data set's mean and std.

    An image gets a border of `padding` black pixels, then, where it still has another size, is resized bilinearly.
    """

    channels: int
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    padding: int = 0

    @property
    def description(self) -> str:
        """All values."""
        return repr(self)

    @property
    def is_sized(self) -> bool:
        """They do."""
        return True

    def resize(self, image: Image.Image) -> Tensor:
        """Bring an image to the model's size and channels, as bytes [channels, size, size]."""
        image = to_mode(image, _MODES[self.channels])
        if self.padding:
            image = ImageOps.expand(image, self.padding)
        if image.size != (self.size, self.size):
            image = image.resize((self.size, self.size), Image.Resampling.BILINEAR)
        return _to_bytes(image)

    def normalise(self, pixels: Tensor) -> Tensor:
        """Turn bytes [..., channels, size, size] into the float32 input of a model."""
        mean, std = torch.tensor(self.mean)[:, None, None], torch.tensor(self.std)[:, None, None]
        return (pixels.float() / 255 - mean) / std

    def __call__(self, image: Image.Image) -> Tensor:
        """Prepare one image."""
        return self.normalise(self.resize(image))


@dataclass(frozen=True, kw_only=True)
class PlainPixels:
    """For models whose preprocessing is unknown: pixels divided by 255, in the image's own size.

    They are grey or RGB as `channels` say (1 or 3), by default as the image itself is.
    """

    channels: int | None = None

    @property
    def description(self) -> str:
        """What is done; the channels follow from the model and the data."""
        return "PlainPixels()"

    @property
    def is_sized(self) -> bool:
        """They keep their size."""
        return False

    def __call__(self, image: Image.Image) -> Tensor:
        """Prepare one image."""
        channels = self.channels or (3 if has_colours(image) else 1)
        return _to_bytes(to_mode(image, _MODES[channels])).float() / 255


@dataclass(frozen=True, kw_only=True)
class TimmPreprocessing:
    """The evaluation transform that timm states for a model."""

    description: str
    transform: Callable[[Image.Image], Tensor]

    @classmethod
    def of(cls, model: nn.Module) -> TimmPreprocessing:
        """Read the transform from the data configuration of a timm model."""
        from timm.data.config import resolve_model_data_config  # noqa: PLC0415 - timm takes seconds to import
        from timm.data.transforms_factory import create_transform  # noqa: PLC0415 - the same

        config = resolve_model_data_config(model)  # type: ignore[no-untyped-call]  # timm annotates a part
        transform = create_transform(**config, is_training=False)
        return cls(description="timm " + json.dumps(config, sort_keys=True, default=str), transform=transform)

    @property
    def is_sized(self) -> bool:
        """They do."""
        return True

    def __call__(self, image: Image.Image) -> Tensor:
        """Prepare one image."""
        return self.transform(to_mode(image, "RGB"))
