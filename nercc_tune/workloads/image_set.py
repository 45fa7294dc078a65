"""Labelled images that are decoded one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image
from torch import Tensor

from nercc_tune.workloads.pixels import Depth

__all__ = ["ImageSet", "sample_indices"]

_SAMPLE = 16


def sample_indices(count: int) -> list[int]:
    """Return a few indices, spread evenly, that stand for a data set of `count` queries."""
    return sorted({i * (count - 1) // (_SAMPLE - 1) for i in range(_SAMPLE)})


def _need_not(_index: int) -> Depth | None:
    return None


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageSet:
    """One split of a data set of images.

    Attributes:
        labels: int64 [n].
        open: Decodes an image.
        check: Finds out, at least cost, whether an image can be decoded, and how deep it is; nothing for those in
            memory.
        look: Decodes an image and finds out how deep it is; None for those in memory, which are decoded already.
        tell: Names an image in a message.
        notes: What a reader should know of the data set.
    """

    name: str
    split: str
    labels: Tensor
    open: Callable[[int], Image.Image]
    check: Callable[[int], Depth | None] = _need_not
    look: Callable[[int], tuple[Image.Image, Depth | None]] | None = None
    tell: Callable[[int], str] = lambda index: f"image {index}"
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)
