"""Queries from an `.npz` file."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from nercc_tune.errors import DataMissingError, WorkloadError
from nercc_tune.text.one_line import one_line
from nercc_tune.workloads.image_set import ImageSet
from nercc_tune.workloads.queries import ArrayQueries

__all__ = ["open_arrays"]

_CHANNELS = (1, 3)

# What NumPy and the archive raise for files that were cut, changed or made to harm.
_BROKEN = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def _read(path: Path) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    if not path.is_file():
        raise DataMissingError(
            f"`data_dir` must be the path of an .npz file with `images` and `labels`, but got {one_line(path)}."
        )
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return arrays["images"], arrays["labels"]
    except KeyError as error:
        raise WorkloadError(
            f"`{one_line(path)}` must hold the arrays `images` and `labels`, but lacks one of them."
        ) from error
    except _BROKEN as error:
        raise WorkloadError(
            f"`{one_line(path)}` must be an .npz file of plain arrays, but cannot be read: {one_line(error)}"
        ) from error


def _check_labels(labels: NDArray[np.generic], count: int) -> torch.Tensor:
    if not (labels.shape == (count,) and np.issubdtype(labels.dtype, np.integer) and count > 0 and labels.min() >= 0):
        raise WorkloadError(
            f"`labels` must be {count or 'one or more'} whole numbers >= 0, one for each image, "
            f"but got {labels.dtype} of shape {labels.shape}."
        )
    return torch.from_numpy(labels.astype(np.int64))


def _is_channels_last(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[3] in _CHANNELS and shape[1] not in _CHANNELS


def _to_images(pixels: NDArray[np.uint8], labels: torch.Tensor) -> ImageSet:
    if pixels.ndim == 4 and not _is_channels_last(pixels.shape):
        pixels = np.moveaxis(pixels, 1, -1)
    if pixels.ndim == 4 and pixels.shape[3] not in _CHANNELS:
        raise WorkloadError(f"`images` of bytes must have 1 or 3 channels, but got the shape {pixels.shape}.")
    pixels = pixels[..., 0] if pixels.ndim == 4 and pixels.shape[3] == 1 else pixels
    pixels = np.ascontiguousarray(pixels)
    return ImageSet(name="npz", split="all", labels=labels, open=lambda index: Image.fromarray(pixels[index]))


def _to_queries(values: NDArray[np.floating], labels: torch.Tensor) -> ArrayQueries:
    if _is_channels_last(values.shape):
        values = np.moveaxis(values, -1, 1)
    queries = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
    if not torch.isfinite(queries).all():
        raise WorkloadError("`images` must be finite, but got NaN or infinity.")
    return ArrayQueries(name="npz", queries=queries, labels=labels)


def open_arrays(path: Path) -> ImageSet | ArrayQueries:
    """Open an `.npz` file with the arrays `images` and `labels`.

    Images of bytes [n, h, w], [n, h, w, c] or [n, c, h, w] are images like those of any data set and go through the
    preprocessing of the model. Images of floats are served as they are, [n, h, w, c] turned into [n, c, h, w]. The last
    axis is that of the channels where its length is 1 or 3 and that of the second is not. Vectors [n, d] are served as
    they are, those of bytes divided by 255.

    Raises:
        DataMissingError: There is no file at `path`.
        WorkloadError: The file holds something else.
    """
    images, labels = _read(path)
    is_bytes = images.dtype == np.uint8
    if not (images.ndim in (2, 3, 4) and (is_bytes or np.issubdtype(images.dtype, np.floating))):
        raise WorkloadError(
            f"`images` must be bytes or floats with 2 to 4 axes, but got {images.dtype} of shape {images.shape}."
        )
    checked = _check_labels(labels, len(images))
    if is_bytes and images.ndim > 2:
        return _to_images(images.astype(np.uint8), checked)
    values = images.astype(np.float32)
    return _to_queries(values / 255 if is_bytes else values, checked)
