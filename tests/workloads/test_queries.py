from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from PIL import Image

from nercc_tune.errors import WorkloadError
from nercc_tune.workloads.image_set import ImageSet
from nercc_tune.workloads.preprocessing import PlainPixels
from nercc_tune.workloads.queries import ArrayQueries, ImageQueries


def _images(sizes: list[int], *, shade: int = 51, name: str = "shades", split: str = "test") -> ImageQueries:
    images = ImageSet(
        name=name,
        split=split,
        labels=torch.arange(len(sizes)),
        open=lambda index: Image.new("L", (sizes[index], sizes[index]), shade),
    )
    return ImageQueries(images=images, preprocessing=PlainPixels())


def _arrays(first: float = 0.0) -> ArrayQueries:
    return ArrayQueries(name="npz", queries=torch.tensor([[first], [1.0], [2.0]]), labels=torch.tensor([2, 1, 0]))


def test_images_are_stacked_in_the_order_of_the_indices() -> None:
    queries, labels = _images([4, 4, 4]).load([2, 0])
    assert torch.allclose(queries, torch.full((2, 1, 4, 4), 0.2))
    assert labels.tolist() == [2, 0]


def test_arrays_are_taken_in_the_order_of_the_indices() -> None:
    queries, labels = _arrays().load([2, 0])
    assert queries.tolist() == [[2.0], [0.0]]
    assert labels.tolist() == [0, 2]


@pytest.mark.parametrize(("indices", "got"), [([0, 3], "3"), ([-1], "-1"), ([], "none")])
def test_indices_outside_are_refused(indices: list[int], got: str) -> None:
    for source in (_arrays(), _images([4, 4, 4])):
        with pytest.raises(ValueError, match=rf"^`indices` must be .* numbers of queries, 0 to 2, but got {got}\.$"):
            source.load(indices)


def test_images_of_several_sizes_are_refused_without_a_preprocessing() -> None:
    with pytest.raises(
        WorkloadError, match=r"^the images of `shades` must have one size, .* \(1, 4, 4\) and \(1, 5, 5\); res"
    ):
        _images([4, 5]).load([0, 1])


def test_the_identity_tells_data_apart() -> None:
    same = _images([4, 4]).identity
    assert _images([4, 4]).identity == same
    others = [_images([4, 4, 4]), _images([4, 4], shade=52), _images([4, 4], name="x"), _images([4, 4], split="train")]
    assert same not in {other.identity for other in others}
    assert _arrays().identity == _arrays().identity
    relabelled = replace(_arrays(), labels=torch.tensor([2, 1, 1]))
    assert _arrays().identity != relabelled.identity
    assert _arrays().identity != _arrays(first=0.5).identity
