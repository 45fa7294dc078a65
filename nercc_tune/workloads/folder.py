"""A folder of images with one sub-folder a class."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from nercc_tune.errors import DataMissingError, WorkloadError
from nercc_tune.text.one_line import one_line
from nercc_tune.workloads.image_set import ImageSet

__all__ = ["open_folder"]


def _number_classes(names: list[str]) -> dict[str, int]:
    """Number classes by their names where all are whole numbers, else in alphabetic order."""
    numbers = {name: int(name) for name in names if name.isascii() and name.isdigit()}
    if len(set(numbers.values())) == len(names):
        return numbers
    return {name: number for number, name in enumerate(sorted(names))}


def open_folder(path: Path, *, name: str = "folder", split: str = "all") -> ImageSet:
    """Open a folder of images with one sub-folder a class; no image is decoded before it is asked for.

    The label of a class is the number its sub-folder is named by (`7`, `0007`), where all are; otherwise sub-folders
    are numbered in alphabetic order.

    Raises:
        DataMissingError: The folder is not there, or holds no images in sub-folders.
    """
    from torchvision.datasets import ImageFolder  # noqa: PLC0415 - torchvision takes a second to import

    told = one_line(path)
    if not path.is_dir():
        raise DataMissingError(f"`data_dir` must be a folder with one sub-folder of images a class, but got {told}.")
    try:
        images = ImageFolder(path, allow_empty=True)
    except FileNotFoundError as error:
        raise DataMissingError(
            f"`{told}` must hold one sub-folder of images a class, but has no sub-folders."
        ) from error
    if not len(images):
        raise DataMissingError(f"`{told}` must hold one sub-folder of images a class, but has no images in them.")
    numbers = _number_classes(images.classes)

    def decode(index: int) -> Image.Image:
        file = images.samples[index][0]
        try:
            with Image.open(file) as image:
                return image.copy()
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise WorkloadError(
                f"`{one_line(file)}` must be an image, but cannot be decoded; mend or remove it."
            ) from error

    labels = [numbers[images.classes[target]] for target in images.targets]
    return ImageSet(name=name, split=split, labels=torch.tensor(labels), open=decode)
