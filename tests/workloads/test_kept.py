from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from nercc_tune.workloads import QuerySource, keeping_queries
from nercc_tune.workloads.kept import KeptQueries
from tests.fakes import tiny_workload


class _Counting(KeptQueries):
    """Counts how often it is asked, and keeps nothing."""

    def __init__(self, source: QuerySource) -> None:
        super().__init__(source)
        self.asked: list[tuple[int, ...]] = []

    def load(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        self.asked.append(tuple(indices))
        return self.source.load(indices)


def test_kept_queries_are_those_of_the_source_and_asked_for_once() -> None:
    counting = _Counting(tiny_workload().data)
    kept = KeptQueries(counting)
    for indices in ([3, 1, 4], [1, 5], [3, 1, 4]):
        for mine, its in zip(kept.load(indices), counting.source.load(indices), strict=True):
            assert torch.equal(mine, its)
    assert counting.asked == [(3, 1, 4), (1, 5)]


def test_the_rest_is_the_source() -> None:
    workload = tiny_workload()
    kept = keeping_queries(workload)
    assert (kept.fingerprint, kept.model) == (workload.fingerprint, workload.model)
    assert (kept.data.name, len(kept.data), kept.data.identity) == (
        "vectors",
        len(workload.data),
        workload.data.identity,
    )
    assert torch.equal(kept.data.labels, workload.data.labels)
    assert kept.data.check([0, 1]) == ()
    with pytest.raises(ValueError, match="`indices` must be one or more numbers of queries"):
        kept.data.load([len(workload.data)])
