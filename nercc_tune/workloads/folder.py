"""A folder of images with one sub-folder a class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, UnidentifiedImageError

from nercc_tune.errors import DataMissingError, WorkloadError
from nercc_tune.text.one_line import one_line
from nercc_tune.workloads.class_folders import find_classes
from nercc_tune.workloads.image_set import ImageSet
from nercc_tune.workloads.pixels import Depth, depth_of, to_eight_bits

__all__ = ["open_folder"]

_BROKEN = (ArithmeticError, EOFError, LookupError, OSError, SyntaxError, TypeError, ValueError)
_LONGEST_REASON = 100


def _number_classes(names: Sequence[str]) -> dict[str, int]:
    """Number classes by their names where all are whole numbers, else in alphabetic order."""
    numbers = {name: int(name) for name in names if name.isascii() and name.isdigit()}
    if len(set(numbers.values())) == len(names):
        return numbers
    return {name: number for number, name in enumerate(sorted(names))}


def open_folder(path: Path, *, name: str = "folder", split: str = "all") -> ImageSet:
    """Open a folder of images with one sub-folder a class; no image is decoded before it is asked for.

    The label of a class is the number its sub-folder is named by (`7`, `0007`), where all are; otherwise sub-folders
    are numbered in alphabetic order. What is hidden, belongs to a system, or holds no image is left out, which the
    notes say. Images of more than eight bits a pixel are scaled to eight.

    Raises:
        DataMissingError: The folder is not there, or holds no images in sub-folders.
        WorkloadError: Its sub-folders are no classes.
    """
    if not path.is_dir():
        raise DataMissingError(
            f"`data_dir` must be a folder with one sub-folder of images a class, but got {one_line(path)}."
        )
    classes = find_classes(path)
    numbers = _number_classes(list(classes.files))
    files = [file for images in classes.files.values() for file in images]
    labels = [numbers[of] for of, images in classes.files.items() for _ in images]
    return ImageSet(
        name=name,
        split=split,
        labels=torch.tensor(labels),
        open=lambda index: _decode(files[index])[0],
        check=lambda index: _check(files[index]),
        look=lambda index: _decode(files[index]),
        tell=lambda index: files[index],
        notes=classes.notes,
    )


def _decode(file: str) -> tuple[Image.Image, Depth | None]:
    try:
        with Image.open(file) as image:
            return to_eight_bits(image, name=file).copy(), depth_of(image, name=file)
    except (*_BROKEN, Image.DecompressionBombError) as error:
        raise _undecodable(file, error) from error


def _check(file: str) -> Depth | None:
    """Decode an image, in a small size where its format can."""
    try:
        with Image.open(file) as image:
            image.draft(None, (1, 1))  # a JPEG file is read to its end nonetheless
            image.load()
            return depth_of(image, name=file)
    except (*_BROKEN, Image.DecompressionBombError) as error:
        raise _undecodable(file, error) from error


def _undecodable(file: str, error: Exception) -> WorkloadError:
    if isinstance(error, UnidentifiedImageError):
        reason = "it is in no known format"
    else:
        reason = getattr(error, "strerror", None) or one_line(error, longest=_LONGEST_REASON)
    return WorkloadError(
        f"`{one_line(file)}` must be an image, but cannot be decoded ({reason}); "
        "mend it, or remove it before the study begins."
    )
