"""The sources of queries: images that go through a preprocessing, and arrays that are served as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from nercc_tune.errors import WorkloadError
from nercc_tune.workloads.digest import digest_parts, tensor_bytes
from nercc_tune.workloads.image_set import ImageSet
from nercc_tune.workloads.preprocessing import Preprocessing

__all__ = ["ArrayQueries", "ImageQueries"]

_SAMPLE = 16


def _check_indices(indices: Sequence[int], count: int) -> None:
    wrong = [index for index in indices if not 0 <= index < count]
    if wrong or not len(indices):
        got = wrong[0] if wrong else "none"
        raise ValueError(f"`indices` must be one or more numbers of queries, 0 to {count - 1}, but got {got}.")


def _sample(count: int) -> list[int]:
    return sorted({i * (count - 1) // max(_SAMPLE - 1, 1) for i in range(_SAMPLE)})


def _identify(name: str, split: str, labels: Tensor, contents: Iterable[bytes]) -> str:
    return digest_parts([name.encode(), split.encode(), str(len(labels)).encode(), tensor_bytes(labels), *contents])


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageQueries:
    """Images that are decoded and prepared when they are asked for."""

    images: ImageSet
    preprocessing: Preprocessing

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
        opened = (self.images.open(index) for index in _sample(len(self)))
        contents = (f"{image.mode}{image.size}".encode() + image.tobytes() for image in opened)
        return _identify(self.name, self.images.split, self.labels, contents)

    def __len__(self) -> int:
        return len(self.images)

    def load(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Prepare some queries, float32 [n, *query_shape], with their labels, int64 [n]."""
        _check_indices(indices, len(self))
        queries = [self.preprocessing(self.images.open(index)) for index in indices]
        shapes = sorted({tuple(query.shape) for query in queries})
        if len(shapes) > 1:
            raise WorkloadError(
                f"the images of `{self.name}` must have one size, for this model states no preprocessing, "
                f"but got {shapes[0]} and {shapes[1]}; resize them first."
            )
        return torch.stack(queries), self.labels[torch.tensor(indices)]


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrayQueries:
    """Queries that are in memory as the model expects them, float32 [n, *query_shape]."""

    name: str
    queries: Tensor
    labels: Tensor

    @cached_property
    def identity(self) -> str:
        """A digest of what the queries are, wherever they lie."""
        contents = (tensor_bytes(self.queries[index]) for index in _sample(len(self)))
        return _identify(self.name, "all", self.labels, contents)

    def __len__(self) -> int:
        return len(self.labels)

    def load(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Prepare some queries, float32 [n, *query_shape], with their labels, int64 [n]."""
        _check_indices(indices, len(self))
        chosen = torch.tensor(indices)
        return self.queries[chosen], self.labels[chosen]
