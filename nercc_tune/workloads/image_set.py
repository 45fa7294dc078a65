"""Labelled images that are decoded one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image
from torch import Tensor

__all__ = ["ImageSet"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageSet:
    """One split of a data set of images: `open(index)` decodes an image, `labels` are int64 [n]."""

    name: str
    split: str
    labels: Tensor
    open: Callable[[int], Image.Image]

    def __len__(self) -> int:
        return len(self.labels)
