from __future__ import annotations

import math

import pytest
import torch

from nercc_tune.coding import DOMAIN, NODES, NodeSet, node_set

SIZES = [(1, 1), (2, 2), (2, 3), (5, 9), (10, 13), (50, 200), (50, 201)]


@pytest.mark.parametrize("kind", NODES)
@pytest.mark.parametrize(("queries", "workers"), SIZES)
def test_nodes_ascend_within_the_domain_and_are_exactly_antisymmetric(kind: str, queries: int, workers: int) -> None:
    nodes = node_set(kind, queries=queries, workers=workers)
    assert (len(nodes.alpha), len(nodes.beta)) == (queries, workers)
    for points in (nodes.alpha, nodes.beta):
        assert points.dtype == torch.float64
        assert bool((points.diff() > 0).all())
        assert torch.equal(points, -points.flip(0))
        assert DOMAIN[0] <= float(points[0])
        assert float(points[-1]) <= DOMAIN[1]


@pytest.mark.parametrize(("queries", "workers"), SIZES[1:])
def test_chebyshev_points_are_the_papers_from_left_to_right(queries: int, workers: int) -> None:
    nodes = node_set("chebyshev", queries=queries, workers=workers)
    alpha = [math.cos((2 * k - 1) * math.pi / (2 * queries)) for k in range(queries, 0, -1)]
    beta = [math.cos((n - 1) * math.pi / (workers - 1)) for n in range(workers, 0, -1)]
    # Half a unit in the last place of π times the number of points, and as much for the cosine near its root.
    assert nodes.alpha.tolist() == pytest.approx(alpha, abs=1e-15)
    assert nodes.beta.tolist() == pytest.approx(beta, abs=1e-15)
    assert (float(nodes.beta[0]), float(nodes.beta[-1])) == DOMAIN


def test_uniform_workers_go_from_end_to_end_and_queries_sit_at_the_centres() -> None:
    nodes = node_set("uniform", queries=4, workers=5)
    assert nodes.alpha.tolist() == [-0.75, -0.25, 0.25, 0.75]
    assert nodes.beta.tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0]


@pytest.mark.parametrize("kind", NODES)
def test_two_queries(kind: str) -> None:
    at = {"chebyshev": math.sqrt(0.5), "uniform": 0.5}[kind]
    assert node_set(kind, queries=2, workers=2).alpha.tolist() == pytest.approx([-at, at], abs=2e-16)


@pytest.mark.parametrize("kind", NODES)
def test_a_lone_worker_sits_in_the_middle(kind: str) -> None:
    assert node_set(kind, queries=1, workers=1).beta.tolist() == [0.0]


# α_k = β_n where (2k − 1) (N − 1) = 2K (n − 1) has whole solutions: then both are the sine of the same quotient.
@pytest.mark.parametrize(("queries", "workers", "collisions"), [(5, 9, 1), (10, 13, 2), (50, 201, 50), (50, 200, 0)])
def test_colliding_nodes_are_equal_to_the_last_bit(queries: int, workers: int, collisions: int) -> None:
    nodes = node_set("chebyshev", queries=queries, workers=workers)
    assert int((nodes.alpha[:, None] == nodes.beta).sum()) == collisions
    gaps = (nodes.alpha[:, None] - nodes.beta).abs()
    assert float(gaps[gaps > 0].min()) > 1e-6


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="`nodes` must be one of chebyshev, uniform, but got 'leja'"):
        node_set("leja", queries=2, workers=3)


@pytest.mark.parametrize(("queries", "workers"), [(0, 3), (3, 0), (-1, 3)])
def test_empty_node_sets_are_refused(queries: int, workers: int) -> None:
    with pytest.raises(ValueError, match=f"must be at least 1, but got {queries} and {workers}"):
        node_set("uniform", queries=queries, workers=workers)


@pytest.mark.parametrize("points", [[0.0, 0.0], [0.5, -0.5], [-1.5, 0.0], [0.0, 1.5], [0.0, math.nan]])
def test_node_sets_that_do_not_ascend_within_the_domain_are_refused(points: list[float]) -> None:
    good, bad = torch.tensor([-1.0, 1.0]), torch.tensor(points)
    with pytest.raises(ValueError, match=r"`alpha` must ascend strictly within \[-1, 1\]"):
        NodeSet(alpha=bad, beta=good)
    with pytest.raises(ValueError, match=r"`beta` must ascend strictly within \[-1, 1\]"):
        NodeSet(alpha=good, beta=bad)
