from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import pytest
import torch

from nercc_tune.coding import DOMAIN, node_set

SIZES = [(1, 1), (2, 2), (2, 3), (5, 9), (10, 13), (50, 200), (50, 201)]


@pytest.mark.parametrize(("queries", "workers"), SIZES[1:])
def test_chebyshev_points_are_the_papers_from_left_to_right(queries: int, workers: int) -> None:
    nodes = node_set("chebyshev", queries=queries, workers=workers)
    alpha = [math.cos((2 * k - 1) * math.pi / (2 * queries)) for k in range(queries, 0, -1)]
    beta = [math.cos((n - 1) * math.pi / (workers - 1)) for n in range(workers, 0, -1)]
    # Half a unit in the last place of π times the number of points, and as much for the cosine near its root.
    assert nodes.alpha.tolist() == pytest.approx(alpha, abs=1e-15)
    assert nodes.beta.tolist() == pytest.approx(beta, abs=1e-15)
    assert (float(nodes.beta[0]), float(nodes.beta[-1])) == DOMAIN


@pytest.mark.parametrize(("queries", "workers"), SIZES)
def test_points_of_the_first_kind_are_the_published_ones_from_left_to_right(queries: int, workers: int) -> None:
    nodes = node_set("first-kind", queries=queries, workers=workers)
    for points in (nodes.alpha, nodes.beta):
        count = len(points)
        published = [math.cos((2 * n + 1) * math.pi / (2 * count)) for n in range(count)]
        assert points.tolist() == pytest.approx(published[::-1], abs=1e-15)


@pytest.mark.parametrize(("queries", "workers"), [*SIZES, (10, 11), (12, 29)])
def test_approxifer_workers_are_the_scripts_from_left_to_right(queries: int, workers: int) -> None:
    nodes = node_set("approxifer", queries=queries, workers=workers)
    script = [math.cos(i * math.pi / workers) for i in range(workers)]
    assert nodes.beta.tolist() == pytest.approx(script[::-1], abs=1e-15)
    assert float(nodes.beta[-1]) == 1.0
    assert torch.equal(nodes.alpha, node_set("chebyshev", queries=queries, workers=workers).alpha)


# Angles in shares of π: nodes are equal where these are, and then both are the sine of the same quotient.
ANGLES: dict[str, Callable[[int], list[Fraction]]] = {
    "chebyshev": lambda workers: [Fraction(n, workers - 1) for n in range(workers)],
    "first-kind": lambda workers: [Fraction(2 * n + 1, 2 * workers) for n in range(workers)],
    "approxifer": lambda workers: [Fraction(n + 1, workers) for n in range(workers)],
}


@pytest.mark.parametrize(
    ("kind", "queries", "workers", "collisions"),
    [
        ("chebyshev", 5, 9, 1),
        ("chebyshev", 10, 13, 2),
        ("chebyshev", 50, 201, 50),
        ("chebyshev", 50, 200, 0),
        ("first-kind", 10, 30, 10),
        ("first-kind", 12, 20, 4),
        ("first-kind", 50, 150, 50),
        ("first-kind", 50, 200, 0),
        ("approxifer", 10, 12, 2),
        ("approxifer", 10, 16, 2),
        ("approxifer", 10, 15, 0),
    ],
)
def test_colliding_nodes_are_equal_to_the_last_bit(kind: str, queries: int, workers: int, collisions: int) -> None:
    nodes = node_set(kind, queries=queries, workers=workers)
    assert int((nodes.alpha[:, None] == nodes.beta).sum()) == collisions
    gaps = (nodes.alpha[:, None] - nodes.beta).abs()
    assert float(gaps[gaps > 0].min()) > 1e-6


@pytest.mark.parametrize("kind", ANGLES)
def test_nodes_are_equal_exactly_where_their_angles_are(kind: str) -> None:
    for queries in (1, 2, 3, 8, 10, 12, 50, 96):
        alpha = [Fraction(2 * k + 1, 2 * queries) for k in range(queries)]
        for workers in (2, 3, 4, 9, 20, 24, 97, 150, 224):
            nodes = node_set(kind, queries=queries, workers=workers)
            places = {angle: worker for worker, angle in enumerate(ANGLES[kind](workers))}
            expected = [[query, places[angle]] for query, angle in enumerate(alpha) if angle in places]
            assert (nodes.alpha[:, None] == nodes.beta).nonzero().tolist() == expected


def test_points_of_the_first_kind_collide_where_2_divides_both_counts_equally_often() -> None:
    for queries in range(1, 33):
        for workers in range(1, 65):
            nodes = node_set("first-kind", queries=queries, workers=workers)
            is_equally_often = (queries & -queries) == (workers & -workers)
            assert bool((nodes.alpha[:, None] == nodes.beta).any()) == is_equally_often
