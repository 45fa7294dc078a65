from __future__ import annotations

from pathlib import Path
from typing import NoReturn
from urllib.error import URLError

import numpy as np
import pytest
from PIL import Image

from nercc_tune.errors import DataMissingError, WorkloadError
from nercc_tune.workloads.data_request import DataRequest
from nercc_tune.workloads.datasets import DATASETS, state_preprocessing
from nercc_tune.workloads.digits import open_digits
from nercc_tune.workloads.image_set import ImageSet
from nercc_tune.workloads.models import MODELS
from nercc_tune.workloads.torchvision_set import IndexedImages, TorchvisionSet


class _Pairs:
    """A stand-in for one of torchvision's sets."""

    targets = (3, 1)

    def __getitem__(self, index: int, /) -> tuple[Image.Image, int]:
        return Image.new("L", (2, 2), index), self.targets[index]


def _request(data_dir: Path, told: list[str] | None = None, *, is_training: bool = False) -> DataRequest:
    return DataRequest(data_dir=data_dir, is_training=is_training, notify=(told if told is not None else []).append)


def test_digits_are_served_and_trained_on_apart() -> None:
    queries, training = open_digits(is_training=False), open_digits(is_training=True)
    assert (len(queries), len(training)) == (800, 997)
    contents = [{s.open(i).tobytes() for i in range(len(s))} for s in (queries, training)]
    assert len(contents[0]) == 800
    assert not contents[0] & contents[1]
    assert (np.bincount(queries.labels.numpy()) > 60).all()


@pytest.mark.parametrize("has_splits", [False, True])
def test_torchvision_is_asked_for_the_split_and_only_downloads_what_is_not_there(
    tmp_path: Path, has_splits: bool
) -> None:
    asked: list[dict[str, object]] = []

    def construct(kind: str, _request: DataRequest, **options: object) -> IndexedImages:
        asked.append({"kind": kind, **options})
        if not options["download"]:
            raise RuntimeError("Dataset not found")
        return _Pairs()

    known = TorchvisionSet(name="pairs", kind="Pairs", files="pairs", has_splits=has_splits, construct=construct)
    told: list[str] = []
    images = known.open(_request(tmp_path, told))
    choice = {"split": "test"} if has_splits else {"train": False}
    assert asked == [{"kind": "Pairs", **choice, "download": download} for download in (False, True)]
    assert told == [f"downloading pairs to {tmp_path}"]
    assert images.labels.tolist() == [3, 1]
    assert images.open(1).getpixel((0, 0)) == 1


def test_a_failed_download_says_where_the_files_belong(tmp_path: Path) -> None:
    def construct(_kind: str, _request: DataRequest, **options: object) -> NoReturn:
        raise URLError("no route") if options["download"] else RuntimeError("Dataset not found")

    known = TorchvisionSet(name="pairs", kind="Pairs", files="pairs/{split}", construct=construct)
    with pytest.raises(
        DataMissingError,
        match=r"^the data set `pairs` is expected at .*/pairs/test, is not there and cannot be downloaded "
        r"\(<urlopen error no route>\); put its files there, or name another folder with --data-dir\.$",
    ):
        known.open(_request(tmp_path))


@pytest.mark.parametrize("below", ["cifar10/test", "test"])
def test_cifar10_may_be_a_folder_of_images(tmp_path: Path, below: str) -> None:
    for label in ("0", "9"):
        (tmp_path / below / label).mkdir(parents=True)
        Image.new("RGB", (32, 32)).save(tmp_path / below / label / "0.png")
    images = DATASETS["cifar10"].open(_request(tmp_path))
    assert isinstance(images, ImageSet)
    assert (images.name, images.split, images.labels.tolist()) == ("cifar10", "test", [0, 9])


@pytest.mark.parametrize("name", ["folder", "npz"])
def test_data_of_the_user_have_no_training_split(tmp_path: Path, name: str) -> None:
    assert not DATASETS[name].has_training_split
    with pytest.raises(
        WorkloadError, match=rf"^the data set `{name}` has no training split; name one of torchvision's inst"
    ):
        DATASETS[name].open(_request(tmp_path, is_training=True))


def test_own_models_take_every_set_in_their_own_channels() -> None:
    for data in DATASETS.values():
        for model in MODELS.values():
            prepare = state_preprocessing(data, model)
            assert len(prepare.mean) == len(prepare.std) == prepare.channels == model.channels


def test_images_get_a_border_for_models_of_32_pixels_alone() -> None:
    image = Image.linear_gradient("L").resize((28, 28))
    pixels = state_preprocessing(DATASETS["mnist"], MODELS["base_mlp"]).resize(image)[0].numpy()
    assert np.array_equal(pixels, np.asarray(image))
    bordered = state_preprocessing(DATASETS["mnist"], MODELS["lenet5"]).resize(image)[0].numpy()
    assert np.array_equal(bordered, np.pad(np.asarray(image), 2))


def test_torchvision_knows_the_classes_of_the_registry() -> None:
    from torchvision import datasets  # noqa: PLC0415 - torchvision takes a second to import

    known = [getattr(data.open, "__self__", None) for data in DATASETS.values()]
    kinds = [entry.kind for entry in known if isinstance(entry, TorchvisionSet)]
    assert len(kinds) == 6
    assert all(hasattr(datasets, kind) for kind in kinds)


def test_mnist_is_read_where_torchvision_keeps_it(data_root: Path) -> None:
    images = DATASETS["mnist"].open(_request(data_root))
    assert isinstance(images, ImageSet)
    assert len(images) == 10_000
    assert images.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert images.open(0).size == (28, 28)
