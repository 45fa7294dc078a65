"""Queries from arrays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from nercc_tune.errors import WorkloadError
from nercc_tune.workloads.array_files import read_arrays
from nercc_tune.workloads.image_set import ImageSet
from nercc_tune.workloads.labels import read_labels
from nercc_tune.workloads.pixels import hint_at_white
from nercc_tune.workloads.queries import ArrayQueries

__all__ = ["open_arrays"]

_CHANNELS = (1, 3)
_WHITE = {"uint8": 255, "uint16": 65535}
_LARGEST_NORMALISED = 10.0  # bytes less a mean and divided by a std hardly reach further


def open_arrays(path: Path) -> ImageSet | ArrayQueries:
    """Open an `.npz` file with the arrays `images` and `labels`, or two `.npy` files.

    Images of bytes [n, h, w], [n, h, w, c] or [n, c, h, w] are images like those of any data set and go through the
    preprocessing of the model. Images of floats are served as they are, [n, h, w, c] turned into [n, c, h, w]. The last
    axis is that of the channels where its length is 1 or 3 and that of the second is not. Vectors [n, d] are served as
    they are, those of bytes divided by 255. Values of 16 bits are scaled by 65535, images to bytes.

    Raises:
        DataMissingError: There is no file at `path`.
        WorkloadError: The file holds something else.
    """
    arrays = read_arrays(path)
    images, dtype = arrays.images, arrays.images.dtype
    is_whole = dtype.name in _WHITE
    if not (images.ndim in (2, 3, 4) and 0 not in images.shape[1:] and (is_whole or np.issubdtype(dtype, np.floating))):
        hint = ' (`.astype("uint8")`)' if dtype.kind in "iub" else ""
        raise WorkloadError(
            f"`images` must be bytes or floats with 2 to 4 axes, but got {dtype} of shape {images.shape}; "
            f"save them as such{hint}."
        )
    labels = read_labels(arrays.labels, len(images))
    if dtype.name == "uint16":
        _check_depth(images)
    notes = (*arrays.notes, *_tell(images))
    if is_whole and images.ndim > 2:
        return _to_images(_to_bytes(images), labels, notes)
    return _to_queries(images.astype(np.float32) / _WHITE.get(dtype.name, 1), labels, notes)


def _check_depth(images: NDArray[np.generic]) -> None:
    largest = int(images.max())
    if 0 < largest < 256:
        raise WorkloadError(
            f"`images` of 16 bits must use them, but their largest value is {largest}, which fits into bytes; "
            'save them as bytes (`.astype("uint8")`).'
        )


def _tell(images: NDArray[np.generic]) -> Iterator[str]:
    largest = images.max()
    if images.dtype.name == "uint16":
        yield (
            f"the images have 16 bits and are scaled, 65535 being white; their largest value is {largest}"
            + hint_at_white(int(largest), 65535)
        )
    elif images.dtype != np.uint8 and images.ndim > 2 and images.min() >= 0 and largest > _LARGEST_NORMALISED:
        yield (
            f"the images are floats up to {largest:g} and are served as they are; "
            "save them as bytes to have them scaled and normalised as the model expects"
        )


def _to_bytes(pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint8, copy=False)
    return ((pixels.astype(np.uint32) * 255 + _WHITE["uint16"] // 2) // _WHITE["uint16"]).astype(np.uint8)


def _is_channels_last(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[3] in _CHANNELS and shape[1] not in _CHANNELS


def _to_images(pixels: NDArray[np.uint8], labels: torch.Tensor, notes: tuple[str, ...]) -> ImageSet:
    if pixels.ndim == 4 and not _is_channels_last(pixels.shape):
        pixels = np.moveaxis(pixels, 1, -1)
    if pixels.ndim == 4 and pixels.shape[3] not in _CHANNELS:
        raise WorkloadError(f"`images` of bytes must have 1 or 3 channels, but got the shape {pixels.shape}.")
    pixels = pixels[..., 0] if pixels.ndim == 4 and pixels.shape[3] == 1 else pixels
    pixels = np.ascontiguousarray(pixels)
    return ImageSet(
        name="npz", split="all", labels=labels, open=lambda index: Image.fromarray(pixels[index]), notes=notes
    )


def _to_queries(values: NDArray[np.floating], labels: torch.Tensor, notes: tuple[str, ...]) -> ArrayQueries:
    if _is_channels_last(values.shape):
        values = np.moveaxis(values, -1, 1)
    queries = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
    if not torch.isfinite(queries).all():
        raise WorkloadError("`images` must be finite, but got NaN or infinity.")
    return ArrayQueries(name="npz", queries=queries, labels=labels, notes=notes)
