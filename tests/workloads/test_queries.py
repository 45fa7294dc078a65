from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from PIL import Image
from torch import Tensor

from nercc_tune.errors import WorkloadError
from nercc_tune.workloads.image_set import ImageSet
from nercc_tune.workloads.pixels import Depth
from nercc_tune.workloads.preprocessing import FixedSize, PlainPixels
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


def _opens(depths: dict[int, Depth], broken: set[int], sizes: dict[int, int] | None = None) -> ImageSet:
    """Return 8 images, some of them deep, broken or of another width."""

    def check(index: int) -> Depth | None:
        if index in broken:
            raise WorkloadError(f"`{index}.png` must be an image.")
        return depths.get(index)

    return ImageSet(
        name="shades",
        split="all",
        labels=torch.zeros(8, dtype=torch.int64),
        open=lambda index: Image.new("L", ((sizes or {}).get(index, 4), 4)),
        check=check,
        tell=lambda index: f"{index}.png",
        notes=("a note",),
    )


_SIZED = FixedSize(channels=1, size=4, mean=(0.5,), std=(0.5,))


@pytest.mark.parametrize("preprocessing", [_SIZED, PlainPixels()])
def test_images_are_checked_and_their_depths_said_once(preprocessing: FixedSize | PlainPixels) -> None:
    depths = {1: Depth(kind="16 bits", white=65535, largest=7), 2: Depth(kind="16 bits", white=65535, largest=9)}
    queries = ImageQueries(images=_opens(depths, {5}), preprocessing=preprocessing)
    assert queries.check([0, 3]) == ("a note",)
    assert queries.check([0, 1, 2]) == (
        "a note",
        (
            "2 of 3 images have 16 bits a pixel and are scaled to 8, 65535 being white; their largest value is 9; "
            "where white is less than that, as 4095 of 12 bits, scale them before"
        ),
    )


@pytest.mark.parametrize("preprocessing", [_SIZED, PlainPixels()])
def test_all_broken_images_are_named_at_once(preprocessing: FixedSize | PlainPixels) -> None:
    queries = ImageQueries(images=_opens({}, {1, 2, 3, 4, 6}), preprocessing=preprocessing)
    with pytest.raises(WorkloadError, match=r"^`2\.png` must be an image\.$"):
        queries.check([0, 2])
    with pytest.raises(
        WorkloadError, match=r"^`1\.png` must be an image\. \(so are 4 more: `2\.png`, `3\.png`, `4\.png` …\)$"
    ):
        queries.check(range(8))


def test_images_of_several_sizes_are_found_by_the_check_where_sizes_matter() -> None:
    images = _opens({}, set(), {6: 5})
    assert ImageQueries(images=images, preprocessing=_SIZED).check(range(8)) == ("a note",)
    plain = ImageQueries(images=images, preprocessing=PlainPixels())
    assert plain.check(range(6)) == ("a note",)
    with pytest.raises(
        WorkloadError, match=r"one size, .* got \(1, 4, 4\) of `0\.png` and \(1, 4, 5\) of `6\.png`; res"
    ):
        plain.check(range(8))


@pytest.mark.parametrize("indices", [[0, 8], [-1], []])
def test_indices_outside_are_refused_by_the_check_too(indices: list[int]) -> None:
    for source in (_arrays(), ImageQueries(images=_opens({}, set()), preprocessing=_SIZED)):
        with pytest.raises(ValueError, match=r"^`indices` must be one or more numbers of queries"):
            source.check(indices)


def test_arrays_have_their_notes_alone() -> None:
    assert replace(_arrays(), notes=("a note",)).check([0]) == ("a note",)


class _Files:
    """Images of 4 by 4 pixels that count how often each was decoded, of which one may be broken."""

    def __init__(self, *, broken: int | None = None) -> None:
        self.decoded: list[int] = []
        self.checked: list[int] = []
        self._broken = broken

    def images(self) -> ImageSet:
        return ImageSet(
            name="files",
            split="all",
            labels=torch.arange(6),
            open=lambda index: self._decode(index)[0],
            check=self._check,
            look=self._decode,
            tell=lambda index: f"{index}.jpg",
        )

    def _decode(self, index: int) -> tuple[Image.Image, Depth | None]:
        self.decoded.append(index)
        self._refuse(index)
        return Image.new("L", (4, 4), 40 * index), Depth(kind="16 bits", white=65535, largest=60000 + index)

    def _check(self, index: int) -> Depth | None:
        self.checked.append(index)
        self._refuse(index)
        return Depth(kind="16 bits", white=65535, largest=60000 + index)

    def _refuse(self, index: int) -> None:
        if index == self._broken:
            raise WorkloadError(f"`{index}.jpg` must be an image.")


@pytest.mark.parametrize("preprocessing", [_SIZED, PlainPixels()])
def test_images_of_files_are_decoded_once_for_the_check_and_the_loading(
    preprocessing: FixedSize | PlainPixels,
) -> None:
    files = _Files()
    queries = ImageQueries(images=files.images(), preprocessing=preprocessing)
    (note,) = queries.check([1, 3, 5])
    assert "largest value is 60005" in note
    loaded, labels = queries.load([5, 1])
    assert (sorted(files.decoded), files.checked) == ([1, 3, 5], [])
    assert torch.equal(loaded, ImageQueries(images=_Files().images(), preprocessing=preprocessing).load([5, 1])[0])
    assert labels.tolist() == [5, 1]
    assert torch.equal(queries.load([1])[0], loaded[1:])  # it is not kept any longer
    assert sorted(files.decoded) == [1, 1, 3, 5]


@pytest.mark.parametrize(("room", "kept"), [(0, 1), (63, 1), (64, 1), (128, 2), (255, 3)])  # the first tells the size
def test_what_does_not_fit_is_checked_at_least_cost(room: int, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nercc_tune.workloads.queries._MOST_KEPT", room)
    files = _Files()
    queries = ImageQueries(images=files.images(), preprocessing=_SIZED)
    queries.check(range(6))
    assert (sorted(files.decoded), sorted(files.checked)) == ([*range(kept)], [*range(kept, 6)])
    expected = ImageQueries(images=_Files().images(), preprocessing=_SIZED).load(range(6))[0]
    assert torch.equal(queries.load(range(6))[0], expected)


@pytest.mark.parametrize("broken", [0, 4])
def test_a_broken_file_is_named_wherever_it_is(broken: int) -> None:
    queries = ImageQueries(images=_Files(broken=broken).images(), preprocessing=_SIZED)
    with pytest.raises(WorkloadError, match=rf"^`{broken}\.jpg` must be an image\.$"):
        queries.check(range(6))


@pytest.mark.parametrize("count", [2, 5])
def test_queries_do_not_depend_on_the_number_of_threads(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded(threads: int) -> Tensor:
        monkeypatch.setattr("nercc_tune.workloads.in_threads.count_threads", lambda: threads)
        queries = ImageQueries(images=_Files().images(), preprocessing=_SIZED)
        queries.check([4, 2])
        return queries.load([3, 4, 0, 2, 1, 5])[0]

    assert torch.equal(loaded(count), loaded(1))


def test_images_in_memory_are_normalised_together_like_each_alone() -> None:
    sized = FixedSize(channels=1, size=6, mean=(0.3081,), std=(0.1307,), padding=1)
    images = _images([4, 4, 5], shade=77).images
    together, _ = ImageQueries(images=images, preprocessing=sized).load([2, 0, 1])
    assert torch.equal(together, torch.stack([sized(images.open(index)) for index in (2, 0, 1)]))
