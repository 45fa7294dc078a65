"""Queries that several studies take: decoded and prepared once, and kept in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from nercc_tune.workloads.workload import QuerySource, Workload

__all__ = ["KeptQueries", "keeping_queries"]


class KeptQueries:
    """A source that gives the same tensors again for the same indices; nobody may write into them.

    It holds what it was asked for: for several studies on the same groups that is what one of them holds at its end.

    Attributes:
        source: Where they come from.
    """

    def __init__(self, source: QuerySource) -> None:
        self.source = source
        self._loaded: dict[tuple[int, ...], tuple[Tensor, Tensor]] = {}

    @property
    def name(self) -> str:
        """The name of the data set."""
        return self.source.name

    @property
    def labels(self) -> Tensor:
        """The labels of all queries, int64 [n]."""
        return self.source.labels

    @property
    def identity(self) -> str:
        """A digest of what the queries are, wherever they lie."""
        return self.source.identity

    def __len__(self) -> int:
        return len(self.source)

    def check(self, indices: Sequence[int]) -> tuple[str, ...]:
        """Look once at some queries, and return what a reader should know of them."""
        return self.source.check(indices)

    def load(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Prepare some queries, float32 [n, *query_shape], with their labels, int64 [n]."""
        asked = tuple(indices)
        if asked not in self._loaded:
            self._loaded[asked] = self.source.load(asked)
        return self._loaded[asked]


def keeping_queries(workload: Workload) -> Workload:
    """Return a workload whose queries are decoded once, however often they are asked for."""
    return replace(workload, data=KeptQueries(workload.data))
