from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from nercc_tune.errors import DataMissingError, WorkloadError
from nercc_tune.workloads.arrays import open_arrays
from nercc_tune.workloads.image_set import ImageSet
from nercc_tune.workloads.queries import ArrayQueries

_LABELS = np.array([1, 0])


def _save(tmp_path: Path, **arrays: NDArray[np.generic]) -> Path:
    path = tmp_path / "queries.npz"
    np.savez(path, allow_pickle=True, **arrays)
    return path


@pytest.mark.parametrize("shape", [(2, 5, 4, 3), (2, 3, 5, 4), (2, 5, 4), (2, 5, 4, 1), (2, 1, 5, 4)])
def test_bytes_are_images_whichever_axis_has_the_channels(tmp_path: Path, shape: tuple[int, ...]) -> None:
    pixels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    images = open_arrays(_save(tmp_path, images=pixels, labels=_LABELS))
    assert isinstance(images, ImageSet)
    image = images.open(1)
    assert image.size == (4, 5)
    expected = np.moveaxis(pixels, 1, -1) if shape[1] in (1, 3) else pixels
    assert np.array_equal(np.asarray(image), expected[1].squeeze())
    assert images.labels.tolist() == [1, 0]


def test_floats_are_served_as_they_are_with_the_channels_first(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(2, 5, 4, 3))
    source = open_arrays(_save(tmp_path, images=values, labels=_LABELS))
    assert isinstance(source, ArrayQueries)
    queries, labels = source.load([1])
    assert queries.shape == (1, 3, 5, 4)
    assert queries.dtype == torch.float32
    assert np.array_equal(queries[0].numpy(), np.moveaxis(values[1], -1, 0).astype(np.float32))
    assert labels.tolist() == [0]


def test_floats_with_the_channels_first_stay_as_they_are(tmp_path: Path) -> None:
    source = open_arrays(_save(tmp_path, images=np.zeros((2, 3, 5, 3)), labels=_LABELS))
    assert isinstance(source, ArrayQueries)
    assert source.queries.shape == (2, 3, 5, 3)


def test_vectors_of_bytes_are_divided_by_255(tmp_path: Path) -> None:
    source = open_arrays(_save(tmp_path, images=np.array([[0, 255], [51, 0]], dtype=np.uint8), labels=_LABELS))
    assert isinstance(source, ArrayQueries)
    assert torch.equal(source.queries, torch.tensor([[0.0, 1.0], [0.2, 0.0]]))


def test_images_of_16_bits_are_scaled_to_bytes(tmp_path: Path) -> None:
    pixels = np.linspace(0, 65535, 40).astype(">u2").reshape(2, 5, 4)
    images = open_arrays(_save(tmp_path, images=pixels, labels=_LABELS))
    assert isinstance(images, ImageSet)
    assert np.abs(np.asarray(images.open(1)) / 255 - pixels[1] / 65535).max() <= 0.5 / 255 + 1e-9
    assert images.notes == ("the images have 16 bits and are scaled, 65535 being white; their largest value is 65535",)


def test_vectors_of_16_bits_are_divided_by_65535(tmp_path: Path) -> None:
    source = open_arrays(_save(tmp_path, images=np.array([[0, 65535], [13107, 0]], dtype=np.uint16), labels=_LABELS))
    assert isinstance(source, ArrayQueries)
    assert torch.equal(source.queries, torch.tensor([[0.0, 1.0], [0.2, 0.0]]))


@pytest.mark.parametrize(("largest", "is_said"), [(255.0, True), (65535.0, True), (1.0, False), (3.5, False)])
def test_floats_that_look_like_bytes_are_said(tmp_path: Path, largest: float, is_said: bool) -> None:
    values = np.linspace(0, largest, 40).reshape(2, 5, 4)
    for images, is_image in ((values, True), (values - 0.5, False), (values.reshape(2, 20), False)):
        source = open_arrays(_save(tmp_path, images=images, labels=_LABELS))
        assert isinstance(source, ArrayQueries)
        assert [f"floats up to {largest:g} and are served" in note for note in source.notes] == [True] * (
            is_image and is_said
        )


def test_labels_may_be_a_column(tmp_path: Path) -> None:
    assert open_arrays(_save(tmp_path, images=np.zeros((2, 3)), labels=_LABELS[:, None])).labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        (
            {"images": np.zeros((2, 3))},
            r"must hold the arrays `images` and `labels`, but lacks one of them; it holds images",
        ),
        (
            {"images": np.zeros(2), "labels": _LABELS},
            r"^`images` must be bytes or floats with 2 to 4 axes, but got float64",
        ),
        (
            {"images": np.zeros((2, 3), dtype=np.int64), "labels": _LABELS},
            r"^`images` must be bytes or floats .* got int64",
        ),
        (
            {"images": np.full((2, 3), 255, dtype=np.uint16), "labels": _LABELS},
            r"^`images` of 16 bits must use them, but their largest value is 255, .* as bytes \(`\.astype\(",
        ),
        (
            {"images": np.array([[1.0], [np.nan]]), "labels": _LABELS},
            r"^`images` must be finite, but got NaN or infinity\.$",
        ),
        (
            {"images": np.zeros((2, 5, 4, 2), dtype=np.uint8), "labels": _LABELS},
            r"^`images` of bytes must have 1 or 3 channels",
        ),
        (
            {"images": np.zeros((2, 0, 3), dtype=np.uint8), "labels": _LABELS},
            r"^`images` must be bytes or floats .* shape \(2, 0, 3\); save them as such \(`\.astype\(\"uint8\"\)`\)\.$",
        ),
        ({"images": np.zeros((2, 3)), "labels": np.zeros(3, dtype=int)}, r"^`labels` must be 2 .* of shape \(3,\)\.$"),
        ({"images": np.zeros((2, 3)), "labels": np.array([0, -1])}, r"^`labels` must be 2 whole numbers >= 0"),
        (
            {"images": np.zeros((0, 3)), "labels": np.zeros(0, dtype=int)},
            r"^`labels` must be one or more whole numbers",
        ),
        ({"images": np.zeros((2, 3)), "labels": np.array([None, 1])}, r"must be an \.npz file of plain arrays"),
    ],
    ids=[
        "missing",
        "scalars",
        "type",
        "shallow",
        "nan",
        "channels",
        "no pixels",
        "labels count",
        "negative",
        "empty",
        "pickle",
    ],
)
def test_other_contents_are_refused(tmp_path: Path, arrays: dict[str, NDArray[np.generic]], match: str) -> None:
    with pytest.raises(WorkloadError, match=match):
        open_arrays(_save(tmp_path, **arrays))


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "queries.npz"
    path.write_bytes(b"not an archive")
    with pytest.raises(WorkloadError, match=r"must be an \.npz file of plain arrays, but cannot be read"):
        open_arrays(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        DataMissingError, match=r"^`data_dir` must be the path of an \.npz file .* but got .*absent\.npz\.$"
    ):
        open_arrays(tmp_path / "absent.npz")
