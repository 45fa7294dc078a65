from __future__ import annotations

import pytest
import torch

from nercc_tune.coding import ASSIGNMENTS, node_set, worker_positions


@pytest.mark.parametrize("kind", ASSIGNMENTS)
@pytest.mark.parametrize(("workers", "rack"), [(2, 2), (6, 3), (7, 3), (200, 8), (201, 20), (5, 4)])
def test_positions_are_a_permutation(kind: str, workers: int, rack: int) -> None:
    position = worker_positions(kind, torch.linspace(-1, 1, workers), rack=rack)
    assert position.dtype == torch.int64
    assert position.sort().values.tolist() == list(range(workers))


def test_identity_needs_no_rack() -> None:
    assert worker_positions("identity", torch.linspace(-1, 1, 4)).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(("workers", "rack"), [(4, 2), (6, 3), (7, 3), (41, 20), (200, 8), (203, 8)])
def test_a_lost_rack_never_removes_two_neighbours(workers: int, rack: int) -> None:
    position = worker_positions("interleaved", torch.linspace(-1, 1, workers), rack=rack)
    for first in range(0, workers, rack):
        apart = position[first : first + rack].sort().values.diff()
        assert len(apart) == 0 or int(apart.min()) >= workers // rack >= 2


def test_workers_come_by_their_place_in_the_rack() -> None:
    assert worker_positions("interleaved", torch.linspace(-1, 1, 7), rack=3).tolist() == [0, 3, 5, 1, 4, 6, 2]
    assert worker_positions("interleaved", torch.linspace(-1, 1, 3), rack=3).tolist() == [0, 1, 2]


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="`assignment` must be one of identity, interleaved, but got 'shuffled'"):
        worker_positions("shuffled", torch.linspace(-1, 1, 3))


@pytest.mark.parametrize("rack", [None, 1, 0, -2, 7])
def test_racks_that_there_cannot_be_are_refused(rack: int | None) -> None:
    with pytest.raises(ValueError, match=f"`rack` must be from 2 to 6 for .*'interleaved', but got {rack}"):
        worker_positions("interleaved", torch.linspace(-1, 1, 6), rack=rack)


@pytest.mark.parametrize("kind", ASSIGNMENTS)
def test_no_workers_are_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="`beta` must hold at least one worker"):
        worker_positions(kind, torch.linspace(-1, 1, 0), rack=2)


@pytest.mark.parametrize(
    ("kind", "rack", "copies"),
    [("identity", 50, 4), ("identity", 20, 4), *(("interleaved", rack, c) for rack in (20, 40) for c in (2, 3, 4))],
)
def test_copies_of_a_query_never_share_a_rack(kind: str, rack: int, copies: int) -> None:
    nodes = node_set(f"copies-{copies}", queries=50, workers=200)
    rack_at = torch.empty(200, dtype=torch.int64)
    rack_at[worker_positions(kind, nodes.beta, rack=rack)] = torch.arange(200) // rack
    for alpha in nodes.alpha:
        racks = rack_at[nodes.beta == alpha].tolist()
        assert len(racks) >= copies
        assert len(set(racks)) == len(racks)
