from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nercc_tune.errors import DataMissingError, WorkloadError
from nercc_tune.workloads.array_files import read_arrays

_IMAGES, _LABELS = np.zeros((2, 3)), np.array([1, 0])


@pytest.mark.parametrize("given", ["", "images.npy", "labels.npy"])
def test_two_files_are_named_by_their_folder_or_by_either(tmp_path: Path, given: str) -> None:
    np.save(tmp_path / "images.npy", _IMAGES)
    np.save(tmp_path / "labels.npy", _LABELS)
    np.save(tmp_path / "other.npy", _LABELS)
    arrays = read_arrays(tmp_path / given)
    assert arrays.images.shape == (2, 3)
    assert arrays.labels.tolist() == [1, 0]
    assert arrays.notes == ()


@pytest.mark.parametrize("form", ["one file", "two files"])
@pytest.mark.parametrize(("images", "labels"), [("x_test", "y_test"), ("X", "y"), ("test_images", "test_labels")])
def test_other_names_are_taken_and_said(tmp_path: Path, images: str, labels: str, form: str) -> None:
    path = tmp_path / "data.npz"
    if form == "one file":
        np.savez(path, **{images: _IMAGES, labels: _LABELS})  # type: ignore[arg-type]  # NumPy's options stand beside
    else:
        path = tmp_path / f"{images}.npy"
        np.save(path, _IMAGES)
        np.save(tmp_path / f"{labels}.npy", _LABELS)
    arrays = read_arrays(path)
    assert arrays.labels.tolist() == [1, 0]
    told = path if form == "one file" else tmp_path
    assert arrays.notes == (f"of `{told}` taken: `{images}` with the labels `{labels}`",)


def test_the_test_split_is_taken_of_several(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=np.ones(5), y_train=np.ones(5), x_test=_IMAGES, y_test=_LABELS)
    assert read_arrays(tmp_path / "a.npz").images.shape == (2, 3)


def test_arrays_without_names_are_taken_in_their_order(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", _IMAGES, _LABELS)
    assert read_arrays(tmp_path / "a.npz").labels.tolist() == [1, 0]


@pytest.mark.parametrize("name", ["images.npy", "queries.npy", "queries.npz"])
def test_images_without_labels_are_refused(tmp_path: Path, name: str) -> None:
    with (tmp_path / name).open("wb") as file:
        np.save(file, _IMAGES)
    with pytest.raises(DataMissingError, match=rf"a folder with `images\.npy` and `labels\.npy`, but got .*{name}\.$"):
        read_arrays(tmp_path / name)


def test_a_folder_without_arrays_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=r"^`data_dir` must be the path of an \.npz file"):
        read_arrays(tmp_path)


def test_an_archive_without_the_arrays_says_what_it_holds(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", pictures=_IMAGES, labels=_LABELS)
    with pytest.raises(WorkloadError, match=r"lacks one of them; it holds labels, pictures\.$"):
        read_arrays(tmp_path / "a.npz")


@pytest.mark.parametrize("kind", ["archive", "pickle", "text"])
def test_a_file_that_is_no_array_is_refused(tmp_path: Path, kind: str) -> None:
    np.save(tmp_path / "labels.npy", _LABELS)
    images = tmp_path / "images.npy"
    if kind == "archive":
        with images.open("wb") as file:
            np.savez(file, _IMAGES)
    elif kind == "pickle":
        np.save(images, np.array([None, 1]), allow_pickle=True)
    else:
        images.write_text("0 1", encoding="utf-8")
    with pytest.raises(
        WorkloadError, match=r"images\.npy` must be (one array, but is an archive|an \.npz file of pla)"
    ):
        read_arrays(tmp_path)
