from __future__ import annotations

import pytest
import torch

from nercc_tune.coding import ASSIGNMENTS, worker_positions


@pytest.mark.parametrize("kind", ASSIGNMENTS)
@pytest.mark.parametrize(("workers", "rack"), [(2, 2), (6, 3), (7, 3), (200, 8), (201, 20), (5, 4)])
def test_positions_are_a_permutation(kind: str, workers: int, rack: int) -> None:
    position = worker_positions(kind, workers=workers, rack=rack)
    assert position.dtype == torch.int64
    assert position.sort().values.tolist() == list(range(workers))


def test_identity_needs_no_rack() -> None:
    assert worker_positions("identity", workers=4).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(("workers", "rack"), [(4, 2), (6, 3), (7, 3), (41, 20), (200, 8), (203, 8)])
def test_a_lost_rack_never_removes_two_neighbours(workers: int, rack: int) -> None:
    position = worker_positions("interleaved", workers=workers, rack=rack)
    for first in range(0, workers, rack):
        apart = position[first : first + rack].sort().values.diff()
        assert len(apart) == 0 or int(apart.min()) >= workers // rack >= 2


def test_workers_come_by_their_place_in_the_rack() -> None:
    assert worker_positions("interleaved", workers=7, rack=3).tolist() == [0, 3, 5, 1, 4, 6, 2]
    assert worker_positions("interleaved", workers=3, rack=3).tolist() == [0, 1, 2]


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="`assignment` must be one of identity, interleaved, but got 'shuffled'"):
        worker_positions("shuffled", workers=3)


@pytest.mark.parametrize("rack", [None, 1, 0, -2, 7])
def test_racks_that_there_cannot_be_are_refused(rack: int | None) -> None:
    with pytest.raises(ValueError, match=f"`rack` must be from 2 to 6 for .*'interleaved', but got {rack}"):
        worker_positions("interleaved", workers=6, rack=rack)


@pytest.mark.parametrize("kind", ASSIGNMENTS)
def test_no_workers_are_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="`workers` must be at least 1, but got 0"):
        worker_positions(kind, workers=0, rack=2)
