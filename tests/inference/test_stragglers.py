from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from nercc_tune.inference import exactly


def _lost(arrived: Tensor, workers: int) -> list[set[int]]:
    return [set(range(workers)) - set(row.tolist()) for row in arrived]


@pytest.mark.parametrize("stragglers", [0, 1, 7, 11])
def test_exactly_so_many_straggle_and_the_rest_arrive_ascending(stragglers: int) -> None:
    arrived = exactly(stragglers, workers=12, masks=5, seed=0)
    assert arrived.shape == (5, 12 - stragglers)
    assert arrived.dtype == torch.int64
    assert bool((arrived.diff(dim=-1) > 0).all())
    assert int(arrived.min()) >= 0
    assert int(arrived.max()) < 12


def test_workers_straggle_equally_often() -> None:
    masks, workers, stragglers = 4000, 10, 3
    arrived = exactly(stragglers, workers=workers, masks=masks, seed=0)
    lost = masks - arrived.flatten().bincount(minlength=workers)
    expected = masks * stragglers / workers
    # Sampling without replacement shrinks the statistic by (N − S) / (N − 1); 99.9 % of χ² with 9 degrees is 27.9.
    statistic = float(((lost - expected) ** 2 / expected).sum()) * (workers - 1) / (workers - stragglers)
    assert statistic < 27.9


def test_pairs_of_workers_straggle_together_equally_often() -> None:
    masks, workers = 4500, 10
    pairs = [frozenset(lost) for lost in _lost(exactly(2, workers=workers, masks=masks, seed=1), workers)]
    counts = torch.tensor([pairs.count(frozenset((a, b))) for a in range(workers) for b in range(a)])
    # 99.9 % of χ² with 44 degrees of freedom.
    assert float(((counts - 100) ** 2 / 100).sum()) < 78.7


def test_masks_are_nested_in_the_number_of_stragglers() -> None:
    lost = [_lost(exactly(count, workers=9, masks=6, seed=4), 9) for count in range(9)]
    for fewer, more in pairwise(lost):
        assert all(inner < outer for inner, outer in zip(fewer, more, strict=True))


def test_a_mask_loses_the_first_workers_of_its_own_order() -> None:
    rng = np.random.default_rng(7)
    orders = [rng.permutation(9).tolist() for _ in range(3)]
    assert _lost(exactly(4, workers=9, masks=3, seed=7), 9) == [set(order[:4]) for order in orders]


def test_masks_are_those_of_the_seed() -> None:
    first, same, other = (exactly(3, workers=12, masks=5, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert torch.equal(exactly(3, workers=12, masks=2, seed=0), first[:2])
    assert len({tuple(row.tolist()) for row in first}) == 5


@pytest.mark.parametrize(("stragglers", "workers"), [(-1, 3), (3, 3), (4, 3), (0, 0)])
def test_counts_that_leave_nobody_are_refused(stragglers: int, workers: int) -> None:
    with pytest.raises(ValueError, match=f"`0 <= stragglers < workers` must hold, but got {stragglers} of {workers}"):
        exactly(stragglers, workers=workers, masks=2, seed=0)
