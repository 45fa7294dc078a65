"""Data sets that torchvision knows by name."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from PIL import Image

from nercc_tune.errors import DataMissingError, WorkloadError
from nercc_tune.text.one_line import one_line
from nercc_tune.workloads.data_request import DataRequest
from nercc_tune.workloads.image_set import ImageSet

__all__ = ["IndexedImages", "TorchvisionSet"]


class IndexedImages(Protocol):
    """What the constructors of torchvision give: pairs of an image and its label, by number."""

    def __getitem__(self, index: int, /) -> tuple[Image.Image, int]: ...


def _construct(kind: str, request: DataRequest, **options: object) -> IndexedImages:
    from torchvision import datasets  # noqa: PLC0415 - torchvision takes a second to import

    built: IndexedImages = getattr(datasets, kind)(request.data_dir, **options)
    return built


@dataclass(frozen=True, kw_only=True)
class TorchvisionSet:
    """How to open one of torchvision's classification sets.

    torchvision compares the pickles of the CIFAR sets, and every archive that it unpacks, with their published MD5
    before it reads them, and loads no other pickle than of tensors alone.

    `kind` is its class. `files` says where below the data directory torchvision keeps its files, those of one split
    with a `{split}`; `has_splits` whether it takes `split="test"` rather than `train=False`, and `labels` which
    attribute has the labels.
    """

    name: str
    kind: str
    files: str
    has_splits: bool = False
    labels: str = "targets"
    construct: Callable[..., IndexedImages] = _construct

    def open(self, request: DataRequest) -> ImageSet:
        """Open a split, after fetching it where its files are not there.

        Raises:
            DataMissingError: The files are neither there nor to be had.
            WorkloadError: The files are there, but hold something else.
        """
        choice: dict[str, object] = {"split": request.split} if self.has_splits else {"train": request.is_training}
        try:
            images = self.construct(self.kind, request, **choice, download=False)
        except (RuntimeError, OSError):
            images = self._download(request, choice)
        except (pickle.UnpicklingError, AssertionError, EOFError, LookupError, TypeError, ValueError) as error:
            raise WorkloadError(
                f"the files of `{self.name}` in {one_line(request.data_dir)} cannot be read "
                f"({one_line(error, longest=100)}); remove them, so that they are downloaded again."
            ) from error
        labels: Sequence[int] = getattr(images, self.labels)
        return ImageSet(
            name=self.name,
            split=request.split,
            labels=torch.as_tensor(labels, dtype=torch.int64),
            open=lambda index: images[index][0],
        )

    def _download(self, request: DataRequest, choice: dict[str, object]) -> IndexedImages:
        request.notify(f"downloading {self.name} to {request.data_dir}")
        made = [folder for folder in (request.data_dir, *request.data_dir.parents) if not folder.exists()]
        try:
            return self.construct(self.kind, request, **choice, download=True)
        except (RuntimeError, OSError) as error:  # URLError is an OSError
            _remove_empty(made)
            reason = one_line(str(error).strip().split("\n")[0])
            expected = request.data_dir / self.files.format(split=request.split)
            raise DataMissingError(
                f"the data set `{self.name}` is expected at {expected}, is not there "
                f"and cannot be downloaded ({reason}); put its files there, or name another folder with --data-dir."
            ) from error


def _remove_empty(made: Sequence[Path]) -> None:
    """Remove the folders that a download in vain has made, innermost first; what holds a file stays."""
    if made and made[0].is_dir():
        for below, _, _ in os.walk(made[0], topdown=False):
            if not any(Path(below).iterdir()):
                Path(below).rmdir()
    for folder in made[1:]:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
