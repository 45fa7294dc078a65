"""Pixels of every kind that image files hold, brought to eight bits and to grey or RGB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from nercc_tune.errors import WorkloadError
from nercc_tune.text.one_line import one_line

__all__ = ["Depth", "depth_of", "has_colours", "to_eight_bits", "to_mode"]

_GREYS = {"1", "L", "LA", "La"}
_DEEP = {"F", "I", "I;16", "I;16B", "I;16L", "I;16N"}
_WHITE = 65535  # of 16 bits
_BITS_TAG, _PHOTOMETRIC_TAG, _FORMAT_TAG = 258, 262, 339  # of a TIFF file
_WHITE_IS_ZERO, _SIGNED = 0, 2


def hint_at_white(largest: int, white: int) -> str:
    """Return what to say where images are all so dark that their white may be another.

    >>> hint_at_white(4080, 65535)
    '; where white is less than that, as 4095 of 12 bits, scale them before'
    """
    return "; where white is less than that, as 4095 of 12 bits, scale them before" if 2 * largest < white else ""


@dataclass(frozen=True, kw_only=True)
class Depth:
    """How many grey levels an image has, where these are more than 256.

    Attributes:
        kind: In words; of it alone depends how the image is read.
        white: The value that becomes 255.
        largest: The largest that the image holds.
        is_inverted: Whether 0 is white instead.
    """

    kind: str
    white: int
    largest: int
    is_inverted: bool = False


def has_colours(image: Image.Image) -> bool:
    """Whether an image is of a kind that can hold more than greys."""
    return image.mode not in _GREYS | _DEEP


def depth_of(image: Image.Image, *, name: str) -> Depth | None:
    """Return how many grey levels an image has, or None where eight bits or fewer hold a pixel.

    Integers of 32 bits are taken for 16 bits in a larger container where the largest is at least 256 and at most 65535,
    and everywhere in the formats that go no deeper (PNG, PGM).

    Raises:
        WorkloadError: The file does not say which of its values is white: floats, signed integers, other ones of 32
            bits.
    """
    if image.mode not in _DEEP:
        return None
    tags = getattr(image, "tag_v2", {})  # of a TIFF file
    values = np.asarray(image)
    low, high = float(values.min()), float(values.max())
    if image.mode.startswith("I;16"):
        bits = int(tags.get(_BITS_TAG, (16,))[0])
        inverted = tags.get(_PHOTOMETRIC_TAG) == _WHITE_IS_ZERO
        return Depth(kind=f"{bits} bits", white=2**bits - 1, largest=int(high), is_inverted=inverted)
    if image.mode == "I" and image.format in {"PNG", "PPM"}:
        return Depth(kind="16 bits", white=_WHITE, largest=int(high))
    is_short = tags.get(_FORMAT_TAG, (1,))[0] == _SIGNED and tags.get(_BITS_TAG, (32,))[0] == 16
    if image.mode == "I" and not is_short and low >= 0 and (high == 0 or 255 < high <= _WHITE):
        return Depth(kind="16-bit values in 32 bits", white=_WHITE, largest=int(high))
    what = "floats" if image.mode == "F" else "signed integers of 16 bits" if is_short else "integers of 32 bits"
    raise WorkloadError(
        f"`{one_line(name)}` must say which of its values is white, but holds {what} from {low:g} to {high:g}; "
        "save it with 8 or 16 bits a pixel."
    )


def to_eight_bits(image: Image.Image, *, name: str = "an image") -> Image.Image:
    """Scale the greys of a deeper image to 0…255 by its depth; any other image is returned as it is.

    Raises:
        WorkloadError: As for `depth_of`.
    """
    depth = depth_of(image, name=name)
    if depth is None:
        return image
    values = np.asarray(image).astype(np.int64)
    values = depth.white - values if depth.is_inverted else values
    return Image.fromarray(((values * 255 + depth.white // 2) // depth.white).astype(np.uint8))


def to_mode(image: Image.Image, mode: Literal["L", "RGB"]) -> Image.Image:
    """Turn an image into eight bits of grey or RGB, whatever it is; transparency is dropped, as torchvision does.

    Raises:
        WorkloadError: As for `depth_of`.
    """
    image = to_eight_bits(image)
    if image.mode == "La":
        image = image.convert("LA")
    elif image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    elif image.mode == "LAB":
        image = image.convert("RGB")
    return image.convert(mode)
