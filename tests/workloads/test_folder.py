from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nercc_tune.errors import DataMissingError, WorkloadError
from nercc_tune.workloads.folder import open_folder


def _write(folder: Path, names: list[str], *, suffix: str = ".png", size: int = 4) -> None:
    for shade, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        pixels = np.random.default_rng(shade).integers(0, 255, (size, size, 3), dtype=np.uint8)
        pixels[0, 0] = shade
        Image.fromarray(pixels).save(folder / name / f"image{suffix}")


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


def _spoil(file: Path, how: str) -> None:
    if how == "other":
        file.write_bytes(b"no image")
    elif how == "cut":
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2])
    else:
        file.unlink()


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize(
    ("how", "reason"),
    [("other", "it is in no known format"), ("cut", ".*[Tt]runcated.*"), ("gone", "No such file or directory")],
)
def test_an_image_is_decoded_when_it_is_asked_for_or_checked(
    tmp_path: Path, how: str, reason: str, suffix: str
) -> None:
    _write(tmp_path, ["a", "b"], suffix=suffix, size=64)
    images = open_folder(tmp_path)
    _spoil(tmp_path / "b" / f"image{suffix}", how)
    assert images.open(0).size == (64, 64)
    assert images.check(0) is None
    for look in (images.open, images.check):
        with pytest.raises(
            WorkloadError,
            match=rf"image\{suffix}` must be an image, but cannot be decoded \({reason}\); "
            r"mend it, or remove it before the study begins\.$",
        ):
            look(1)


def test_junk_is_said_once_and_changes_neither_images_nor_labels(tmp_path: Path) -> None:
    _write(tmp_path, ["ant", "bee", "cat"])
    clean = open_folder(tmp_path)
    _write(tmp_path, [".ipynb_checkpoints", "ant/.thumbs"])
    (tmp_path / "bar").mkdir()
    (tmp_path / "bee" / "empty.png").touch()
    images = open_folder(tmp_path)
    assert images.labels.tolist() == clean.labels.tolist() == [0, 1, 2]
    assert [images.tell(index) for index in range(3)] == [clean.tell(index) for index in range(3)]
    assert clean.notes == ()
    told = f"of `{tmp_path}` left out, since"
    assert images.notes == (
        f"{told} hidden, of the system or a link back, and no class: `.ipynb_checkpoints`",
        f"{told} without an image, and no class: `bar`; the classes are numbered without",
        f"{told} hidden or empty: `bee/empty.png`",
    )


def test_classes_named_by_numbers_stay_so_beside_junk(tmp_path: Path) -> None:
    _write(tmp_path, ["0002", "0010"])
    for junk in (".ipynb_checkpoints", "notes"):
        (tmp_path / junk).mkdir()
    images = open_folder(tmp_path)
    assert images.labels.tolist() == [2, 10]
    assert images.notes[-1].endswith("no class: `notes`")


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
