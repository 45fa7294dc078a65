"""The sources of queries: images that go through a preprocessing, and arrays that are served as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from nercc_tune.errors import WorkloadError
from nercc_tune.text.one_line import one_line
from nercc_tune.workloads.digest import digest_parts, tensor_bytes
from nercc_tune.workloads.image_set import ImageSet, sample_indices
from nercc_tune.workloads.in_threads import in_threads, one_torch_thread
from nercc_tune.workloads.pixels import Depth, hint_at_white
from nercc_tune.workloads.preprocessing import FixedSize, Preprocessing

__all__ = ["ArrayQueries", "ImageQueries"]

_MOST_NAMED = 3
_MOST_KEPT = 2**31  # bytes of prepared queries; a study that is judged holds all of them at a time anyway

Shape = tuple[int, ...]


def _check_indices(indices: Sequence[int], count: int) -> None:
    wrong = [index for index in indices if not 0 <= index < count]
    if wrong or not len(indices):
        got = wrong[0] if wrong else "none"
        raise ValueError(f"`indices` must be one or more numbers of queries, 0 to {count - 1}, but got {got}.")


@dataclass(frozen=True, kw_only=True)
class _Looked:
    """What was seen of one image."""

    index: int
    depth: Depth | None = None
    shape: Shape | None = None
    error: WorkloadError | None = None


def _identify(name: str, split: str, labels: Tensor, contents: Iterable[bytes]) -> str:
    return digest_parts([name.encode(), split.encode(), str(len(labels)).encode(), tensor_bytes(labels), *contents])


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageQueries:
    """Images that are decoded and prepared when they are asked for.

    Those of files are decoded once: what a check has decoded is kept, as far as it fits into memory, until it is
    loaded.
    """

    images: ImageSet
    preprocessing: Preprocessing
    _kept: dict[int, Tensor] = field(default_factory=dict, init=False, repr=False)

    @property
    def name(self) -> str:
        """The name of the data set."""
        return self.images.name

    @property
    def labels(self) -> Tensor:
        """The labels of all queries, int64 [n]."""
        return self.images.labels

    @cached_property
    def identity(self) -> str:
        """A digest of what the queries are, wherever they lie."""
        opened = (self.images.open(index) for index in sample_indices(len(self)))
        contents = (f"{image.mode}{image.size}".encode() + image.tobytes() for image in opened)
        return _identify(self.name, self.images.split, self.labels, contents)

    def __len__(self) -> int:
        return len(self.images)

    def check(self, indices: Sequence[int]) -> tuple[str, ...]:
        """Decode each of some images once, without preparing those in memory where the shape of a query is certain."""
        _check_indices(indices, len(self))
        first = self._look(indices[0], is_kept=True)
        size = self._kept[indices[0]].nbytes if indices[0] in self._kept else 0
        most = _MOST_KEPT // max(size, 1)
        looked = [first, *in_threads(lambda at: self._look(indices[at], is_kept=at < most), range(1, len(indices)))]
        wrong = [each for each in looked if each.error is not None]
        if wrong:
            others = ", ".join(f"`{one_line(self.images.tell(each.index))}`" for each in wrong[1:][:_MOST_NAMED])
            more = f" (so are {len(wrong) - 1} more: {others}{' …' * (len(wrong) - 1 > _MOST_NAMED)})"
            raise WorkloadError(f"{wrong[0].error}{more * (len(wrong) > 1)}") from wrong[0].error
        self._check_shapes(looked)
        return *self.images.notes, *_tell_depths(looked)

    def _look(self, index: int, *, is_kept: bool) -> _Looked:
        is_certain = self.preprocessing.is_sized
        try:
            if self.images.look is not None and is_kept:
                image, depth = self.images.look(index)
                query = self._kept[index] = self.preprocessing(image)
                return _Looked(index=index, depth=depth, shape=None if is_certain else tuple(query.shape))
            depth = self.images.check(index)
            shape = None if is_certain else tuple(self.preprocessing(self.images.open(index)).shape)
        except WorkloadError as error:
            return _Looked(index=index, error=error)
        return _Looked(index=index, depth=depth, shape=shape)

    def _take(self, index: int) -> Tensor:
        """Return a prepared query, which is not kept any longer."""
        query = self._kept.pop(index, None)
        return self.preprocessing(self.images.open(index)) if query is None else query

    def _check_shapes(self, looked: Sequence[_Looked]) -> None:
        first = looked[0]
        for other in looked:
            if other.shape != first.shape:
                names = [f"{each.shape} of `{one_line(self.images.tell(each.index))}`" for each in (first, other)]
                raise WorkloadError(
                    f"the images of `{self.name}` must have one size, for this model states no preprocessing, "
                    f"but got {names[0]} and {names[1]}; resize them first."
                )

    def load(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Prepare some queries, float32 [n, *query_shape], with their labels, int64 [n]."""
        _check_indices(indices, len(self))
        labels = self.labels[torch.tensor(indices)]
        if self.images.look is None and isinstance(self.preprocessing, FixedSize):
            pixels = [self.preprocessing.resize(self.images.open(index)) for index in indices]
            return self.preprocessing.normalise(torch.stack(pixels)), labels
        is_decoding = self.images.look is not None
        queries = in_threads(self._take, indices) if is_decoding else [self._take(index) for index in indices]
        shapes = sorted({tuple(query.shape) for query in queries})
        if len(shapes) > 1:
            raise WorkloadError(
                f"the images of `{self.name}` must have one size, for this model states no preprocessing, "
                f"but got {shapes[0]} and {shapes[1]}; resize them first."
            )
        with one_torch_thread():
            return torch.stack(queries), labels


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrayQueries:
    """Queries that are in memory as the model expects them, float32 [n, *query_shape].

    `notes` say what a reader should know of them.
    """

    name: str
    queries: Tensor
    labels: Tensor
    notes: tuple[str, ...] = ()

    @cached_property
    def identity(self) -> str:
        """A digest of what the queries are, wherever they lie."""
        contents = (tensor_bytes(self.queries[index]) for index in sample_indices(len(self)))
        return _identify(self.name, "all", self.labels, contents)

    def __len__(self) -> int:
        return len(self.labels)

    def check(self, indices: Sequence[int]) -> tuple[str, ...]:
        """Find nothing new: the queries are in memory."""
        _check_indices(indices, len(self))
        return self.notes

    def load(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Prepare some queries, float32 [n, *query_shape], with their labels, int64 [n]."""
        _check_indices(indices, len(self))
        chosen = torch.tensor(indices)
        return self.queries[chosen], self.labels[chosen]


def _tell_depths(looked: Sequence[_Looked]) -> Iterable[str]:
    """Say once for each kind of deep images what is done with them."""
    kinds: dict[str, list[Depth]] = {}
    for each in looked:
        if each.depth is not None:
            kinds.setdefault(each.depth.kind, []).append(each.depth)
    for kind, depths in kinds.items():
        largest = max(depth.largest for depth in depths)
        yield (
            f"{len(depths)} of {len(looked)} images have {kind} a pixel and are scaled to 8, {depths[0].white} being "
            f"white; their largest value is {largest}{hint_at_white(largest, depths[0].white)}"
        )
