"""CIFAR-10, as torchvision keeps it or as a folder of images."""

from __future__ import annotations

from nercc_tune.workloads.data_request import DataRequest
from nercc_tune.workloads.folder import open_folder
from nercc_tune.workloads.image_set import ImageSet
from nercc_tune.workloads.torchvision_set import TorchvisionSet

__all__ = ["open_cifar10"]

_FILES = "cifar-10-batches-py"
_KNOWN = TorchvisionSet(name="cifar10", kind="CIFAR10", files=_FILES)


def open_cifar10(request: DataRequest) -> ImageSet:
    """Open torchvision's files where they are there, else `cifar10/<split>` or `<split>` with a sub-folder a class.

    Raises:
        DataMissingError: None of them is there, and they cannot be downloaded.
    """
    if not (request.data_dir / _FILES).is_dir():
        for folder in (request.data_dir / "cifar10" / request.split, request.data_dir / request.split):
            if folder.is_dir():
                return open_folder(folder, name="cifar10", split=request.split)
    return _KNOWN.open(request)
