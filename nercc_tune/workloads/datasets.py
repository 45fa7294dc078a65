"""The registry of data sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nercc_tune.errors import WorkloadError
from nercc_tune.workloads.arrays import open_arrays
from nercc_tune.workloads.cifar10 import open_cifar10
from nercc_tune.workloads.data_request import DataRequest
from nercc_tune.workloads.digits import open_digits
from nercc_tune.workloads.folder import open_folder
from nercc_tune.workloads.image_set import ImageSet
from nercc_tune.workloads.models import OwnModel
from nercc_tune.workloads.preprocessing import FixedSize, adapt_channels
from nercc_tune.workloads.queries import ArrayQueries
from nercc_tune.workloads.torchvision_set import TorchvisionSet

__all__ = ["DATASETS", "DataSet", "state_preprocessing"]

_PADDED_SIZE = 32


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """How to open a data set, and how the package's own models normalise it.

    `mean` and `std` are those of the training pixels, of one channel or of three; `padding` is the black border that
    brings an image to 32 by 32 pixels, which models of another size do without. Models of timm follow their own
    preprocessing instead. Data of the user have no split to train with.
    """

    open: Callable[[DataRequest], ImageSet | ArrayQueries]
    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.5,)
    padding: int = 0
    has_training_split: bool = True


def state_preprocessing(data: DataSet, model: OwnModel) -> FixedSize:
    """Say how images of a data set are prepared for one of the package's own models."""
    return FixedSize(
        channels=model.channels,
        size=model.size,
        mean=adapt_channels(data.mean, model.channels),
        std=adapt_channels(data.std, model.channels),
        padding=data.padding if model.size == _PADDED_SIZE else 0,
    )


def _open_digits(request: DataRequest) -> ImageSet:
    return open_digits(is_training=request.is_training)


def _open_folder(request: DataRequest) -> ImageSet:
    _refuse_training("folder", request)
    return open_folder(request.data_dir)


def _open_arrays(request: DataRequest) -> ImageSet | ArrayQueries:
    _refuse_training("npz", request)
    return open_arrays(request.data_dir)


def _refuse_training(name: str, request: DataRequest) -> None:
    if request.is_training:
        raise WorkloadError(f"the data set `{name}` has no training split; name one of torchvision's instead.")


_CIFAR100 = TorchvisionSet(name="cifar100", kind="CIFAR100", files="cifar-100-python")
_FASHION = TorchvisionSet(name="fashionmnist", kind="FashionMNIST", files="FashionMNIST/raw")
_KMNIST = TorchvisionSet(name="kmnist", kind="KMNIST", files="KMNIST/raw")
_MNIST = TorchvisionSet(name="mnist", kind="MNIST", files="MNIST/raw")
_STL10 = TorchvisionSet(name="stl10", kind="STL10", files="stl10_binary", has_splits=True, labels="labels")
_SVHN = TorchvisionSet(name="svhn", kind="SVHN", files="{split}_32x32.mat", has_splits=True, labels="labels")

DATASETS: dict[str, DataSet] = {
    "cifar10": DataSet(open=open_cifar10, mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616)),
    "cifar100": DataSet(open=_CIFAR100.open, mean=(0.5071, 0.4865, 0.4409), std=(0.2673, 0.2564, 0.2762)),
    "digits": DataSet(open=_open_digits, mean=(0.3053,), std=(0.3759,)),
    "fashionmnist": DataSet(open=_FASHION.open, mean=(0.2860,), std=(0.3530,), padding=2),
    "folder": DataSet(open=_open_folder, has_training_split=False),
    "kmnist": DataSet(open=_KMNIST.open, mean=(0.1918,), std=(0.3483,), padding=2),
    "mnist": DataSet(open=_MNIST.open, mean=(0.1307,), std=(0.3081,), padding=2),
    "npz": DataSet(open=_open_arrays, has_training_split=False),
    "stl10": DataSet(open=_STL10.open, mean=(0.4467, 0.4398, 0.4066), std=(0.2603, 0.2566, 0.2713)),
    "svhn": DataSet(open=_SVHN.open, mean=(0.4377, 0.4438, 0.4728), std=(0.1980, 0.2010, 0.1970)),
}
