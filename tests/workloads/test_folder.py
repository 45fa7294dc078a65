from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nercc_tune.errors import DataMissingError, WorkloadError
from nercc_tune.workloads.folder import open_folder


def _write(folder: Path, names: list[str]) -> None:
    for shade, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        Image.fromarray(np.full((4, 4, 3), shade, dtype=np.uint8)).save(folder / name / "image.png")


def test_classes_named_by_numbers_keep_them(tmp_path: Path) -> None:
    _write(tmp_path, ["0002", "0010", "0001"])
    assert open_folder(tmp_path).labels.tolist() == [1, 2, 10]


@pytest.mark.parametrize("names", [["cat", "ant", "7"], ["7", "07", "8"]], ids=["words", "ambiguous numbers"])
def test_other_classes_are_numbered_alphabetically(tmp_path: Path, names: list[str]) -> None:
    _write(tmp_path, names)
    images = open_folder(tmp_path)
    assert images.labels.tolist() == [0, 1, 2]
    shades = [np.asarray(images.open(index))[0, 0, 0] for index in range(3)]
    assert [names[shade] for shade in shades] == sorted(names)


def test_an_image_is_decoded_when_it_is_asked_for(tmp_path: Path) -> None:
    _write(tmp_path, ["a", "b"])
    (tmp_path / "b" / "image.png").write_bytes(b"no image")
    images = open_folder(tmp_path)
    assert images.open(0).size == (4, 4)
    with pytest.raises(
        WorkloadError, match=r"image\.png` must be an image, but cannot be decoded; mend or remove it\.$"
    ):
        images.open(1)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=r"^`data_dir` must be a folder with one sub-folder of images a class"):
        open_folder(tmp_path / "absent")


def test_a_folder_without_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataMissingError, match=r"must hold one sub-folder of images a class, but has no sub-folders\.$"
    ):
        open_folder(tmp_path)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(DataMissingError, match=r"but has no images in them\.$"):
        open_folder(tmp_path)
