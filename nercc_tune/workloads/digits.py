"""The handwritten digits that come with scikit-learn: 1 797 grey images of 8 by 8 pixels."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from PIL import Image

from nercc_tune.workloads.image_set import ImageSet

__all__ = ["open_digits"]

_QUERIES = 800
_SPLIT_SEED = 0
_BRIGHTEST = 16  # of the original pixels


def _shuffle_key(index: int) -> bytes:
    """Order images by a hash, which no version of a random generator can change."""
    return hashlib.sha256(f"{_SPLIT_SEED}/{index}".encode()).digest()


def open_digits(*, is_training: bool) -> ImageSet:
    """Open the 800 images that are served, or the 997 others, with which models are trained."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - scikit-learn takes a second to import

    bunch = load_digits()
    order = sorted(range(len(bunch.target)), key=_shuffle_key)
    chosen = np.array(order[_QUERIES:] if is_training else order[:_QUERIES])
    pixels = np.round(bunch.images[chosen] * (255 / _BRIGHTEST)).astype(np.uint8)
    return ImageSet(
        name="digits",
        split="train" if is_training else "queries",
        labels=torch.from_numpy(bunch.target[chosen].astype(np.int64)),
        open=lambda index: Image.fromarray(pixels[index]),
    )
